//! An AppSpec that people wrote, YAML or JSON. Everything in it is read and checked; only its revision is put in.

use serde_json::Value;

use super::{AppSpec, Capacity, Network};
use crate::agent_api::Blocker;
use crate::yaml::{self, Cursor, Problem, Report};

/// The events at which a function may decide, in the order in which they come.
const HOOKS: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];
/// What the reader of CodeDeploy wants to see as `version`.
const VERSION: f64 = 0.0;

/// Reads one for the revision that this document becomes. Each problem is a blocker of its own.
pub(super) fn read(path: &str, text: &str, document: Option<&Value>) -> Result<AppSpec, Vec<Blocker>> {
    yaml::read(path, text, |top, report| read_top(top, document, report)).map_err(|problems| {
        let one = |Problem { at, message, hint, .. }: &Problem| Blocker {
            code: "app_spec_invalid".to_owned(),
            message: format!("`{path}`, line {}, column {}: {message}", at.line, at.column),
            hint: hint.clone().unwrap_or_else(|| {
                "see the AppSpec for Amazon ECS in AWS's CodeDeploy user guide, or leave `app_spec` out: then it is made from the service".to_owned()
            }),
        };
        problems.list().iter().map(one).collect()
    })
}

fn read_top(top: &Cursor<'_>, document: Option<&Value>, report: &mut Report) -> Option<AppSpec> {
    let fields = top.fields_in_any_case(&["version", "Resources", "Hooks"], report)?;
    fields.required("version", report).and_then(|it| it.parse_with(report, version));
    let resources = fields.required("Resources", report).map(|it| (it, it.items("resource", report)));
    let hooks = fields.optional("Hooks").map(|it| hooks(it, report)).unwrap_or_default();
    let (list, resources) = resources?;
    let spec = match resources.as_slice() {
        [only] => resource(only, document, report),
        [] => None,
        _ => {
            list.problem(report, "it has more than one resource", Some("keep the one of this service"));
            None
        }
    };
    Some(AppSpec { hooks, ..spec? })
}

fn version(text: &str) -> Result<(), String> {
    match text.parse::<f64>() {
        Ok(number) if number == VERSION => Ok(()),
        _ => Err(format!("expected 0.0, found `{}`", text.chars().take(40).collect::<String>())),
    }
}

/// The one resource, whatever its name is.
fn resource(item: &Cursor<'_>, document: Option<&Value>, report: &mut Report) -> Option<AppSpec> {
    let named = item.entries("resource", report);
    let [(_, resource)] = named.as_slice() else {
        if !named.is_empty() {
            item.problem(report, "a resource has one name", Some("indent `Type` and `Properties` below the name"));
        }
        return None;
    };
    let fields = resource.fields_in_any_case(&["Type", "Properties"], report)?;
    fields.required("Type", report).and_then(|it| {
        it.parse_with(report, |text| match text {
            "AWS::ECS::Service" => Ok(()),
            _ => Err("expected `AWS::ECS::Service`"),
        })
    });
    properties(fields.required("Properties", report)?, document, report)
}

fn properties(entry: &Cursor<'_>, document: Option<&Value>, report: &mut Report) -> Option<AppSpec> {
    const KEYS: &[&str] =
        &["TaskDefinition", "LoadBalancerInfo", "PlatformVersion", "NetworkConfiguration", "CapacityProviderStrategy"];
    let fields = entry.fields_in_any_case(KEYS, report)?;
    // Whatever stands there is replaced; that it stands there shows which property is meant to be.
    fields.required("TaskDefinition", report).and_then(|it| it.text(report));
    let balancer = fields.required("LoadBalancerInfo", report).and_then(|it| balancer(it, document, report));
    let platform_version = fields.optional("PlatformVersion").and_then(|it| it.text(report)).map(str::to_owned);
    let network = fields.optional("NetworkConfiguration").and_then(|it| network(it, report));
    let capacity = fields.optional("CapacityProviderStrategy").map(|it| {
        let lines = it.items("capacity provider", report);
        lines.iter().filter_map(|line| capacity(line, report)).collect()
    });
    let (container, port) = balancer?;
    let capacity = capacity.unwrap_or_default();
    Some(AppSpec { container, port, platform_version, network, capacity, hooks: Vec::new() })
}

fn balancer(entry: &Cursor<'_>, document: Option<&Value>, report: &mut Report) -> Option<(String, u64)> {
    let fields = entry.fields_in_any_case(&["ContainerName", "ContainerPort"], report)?;
    let name = fields.required("ContainerName", report).and_then(|it| it.text(report).map(|text| (it, text)));
    let port = fields.required("ContainerPort", report).and_then(|it| number(it, report).map(|port| (it, port)));
    let ((name_at, name), (port_at, port)) = (name?, port?);
    if let Some(document) = document {
        let containers = document["containerDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
        match containers.iter().find(|container| container["name"] == name) {
            None => name_at.problem(report, format!("the task definition has no container `{name}`"), None),
            Some(container) => {
                let mut ports = container["portMappings"].as_array().into_iter().flatten();
                if !ports.any(|mapping| mapping["containerPort"].as_u64() == Some(port)) {
                    let message = format!("the container `{name}` of the task definition has no port mapping {port}");
                    port_at.problem(report, message, None);
                }
            }
        }
    }
    Some((name.to_owned(), port))
}

fn network(entry: &Cursor<'_>, report: &mut Report) -> Option<Network> {
    let fields = entry.fields_in_any_case(&["AwsvpcConfiguration"], report)?;
    let vpc = fields.required("AwsvpcConfiguration", report)?;
    // CodeDeploy takes all three or none.
    let fields = vpc.fields_in_any_case(&["Subnets", "SecurityGroups", "AssignPublicIp"], report)?;
    let subnets = fields.required("Subnets", report).map(|it| texts(it, "subnet", report));
    let groups = fields.required("SecurityGroups", report).map(|it| texts(it, "security group", report));
    let public = fields.required("AssignPublicIp", report).and_then(|it| {
        it.parse_with(report, |text| match text {
            "ENABLED" | "DISABLED" => Ok(text.to_owned()),
            _ => Err("expected `ENABLED` or `DISABLED`"),
        })
    });
    Some(Network { subnets: subnets?, security_groups: groups?, assign_public_ip: public? })
}

fn texts(entry: &Cursor<'_>, what: &str, report: &mut Report) -> Vec<String> {
    entry.items(what, report).iter().filter_map(|it| it.text(report).map(str::to_owned)).collect()
}

fn capacity(entry: &Cursor<'_>, report: &mut Report) -> Option<Capacity> {
    let fields = entry.fields_in_any_case(&["Base", "CapacityProvider", "Weight"], report)?;
    let provider = fields.required("CapacityProvider", report).and_then(|it| it.text(report));
    let base = fields.optional("Base").and_then(|it| number(it, report));
    let weight = fields.optional("Weight").and_then(|it| number(it, report));
    Some(Capacity { provider: provider?.to_owned(), base, weight })
}

/// Each item names one event and its function.
fn hooks(entry: &Cursor<'_>, report: &mut Report) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for item in entry.items("hook", report) {
        let Some(fields) = item.fields_in_any_case(&HOOKS, report) else { continue };
        for event in HOOKS {
            let Some(at) = fields.optional(event) else { continue };
            if found.iter().any(|(before, _)| *before == event) {
                at.key_problem(report, format!("`{event}` is given twice"), Some("keep one of the two"));
            }
            found.extend(at.text(report).map(|function| (event, function.to_owned())));
        }
    }
    found
}

fn number(entry: &Cursor<'_>, report: &mut Report) -> Option<u64> {
    entry.parse_with(report, |text| text.parse::<u64>().map_err(|_| "expected a number"))
}
