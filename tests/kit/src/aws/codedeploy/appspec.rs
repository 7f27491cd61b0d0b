//! The AppSpec of a service of ECS, and what is wrong with one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::yaml;
use crate::aws::request::AwsFault;

/// The events that may have a function.
const HOOKS: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];

/// What an AppSpec asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct AppSpec {
    pub(crate) definition: String,
    pub(crate) container: String,
    pub(crate) port: u64,
    pub(crate) hooks: BTreeMap<String, String>,
}

/// Reads the text of an AppSpec, JSON or YAML.
pub(crate) fn read(text: &str) -> Result<AppSpec, AwsFault> {
    let value = serde_json::from_str(text).ok().or_else(|| yaml::read(text));
    let value = value.filter(Value::is_object);
    let value = value.ok_or_else(|| invalid("the file is neither valid JSON nor valid YAML"))?;
    let top = members(&value, &["version", "resources", "hooks"])?;
    let version = match top.get("version") {
        Value::String(version) => version.parse::<f64>().ok(),
        version => version.as_f64(),
    };
    if version != Some(0.0) {
        return Err(invalid("the version must be 0.0"));
    }
    let resources = top.get("resources").as_array().map(Vec::as_slice).unwrap_or_default();
    let [resource] = resources else {
        return Err(invalid("there must be exactly one resource"));
    };
    let named: Vec<&Value> = resource.as_object().into_iter().flat_map(Map::values).collect();
    let [resource] = named.as_slice() else {
        return Err(invalid("a resource must have exactly one name"));
    };
    let resource = members(resource, &["type", "properties"])?;
    if resource.get("type").as_str() != Some("AWS::ECS::Service") {
        return Err(invalid("the type of the resource must be AWS::ECS::Service"));
    }
    let mut spec = properties(resource.get("properties"))?;
    spec.hooks = hooks(top.get("hooks"))?;
    Ok(spec)
}

fn properties(value: &Value) -> Result<AppSpec, AwsFault> {
    let names =
        ["taskdefinition", "loadbalancerinfo", "platformversion", "networkconfiguration", "capacityproviderstrategy"];
    let properties = members(value, &names)?;
    let definition = properties.get("taskdefinition").as_str().unwrap_or_default();
    if !is_full(definition) {
        return Err(invalid("TaskDefinition must be the full ARN of a task definition with its revision"));
    }
    let balancer = members(properties.get("loadbalancerinfo"), &["containername", "containerport"])?;
    let container = balancer.get("containername").as_str();
    let port = balancer.get("containerport").as_u64();
    let (Some(container), Some(port)) = (container, port) else {
        return Err(invalid("LoadBalancerInfo must have a ContainerName and a ContainerPort that is a number"));
    };
    let network = properties.get("networkconfiguration");
    if !network.is_null() {
        check_network(network)?;
    }
    for strategy in properties.get("capacityproviderstrategy").as_array().into_iter().flatten() {
        members(strategy, &["base", "capacityprovider", "weight"])?;
    }
    let (definition, container) = (definition.to_owned(), container.to_owned());
    Ok(AppSpec { definition, container, port, hooks: BTreeMap::new() })
}

fn check_network(value: &Value) -> Result<(), AwsFault> {
    let network = members(value, &["awsvpcconfiguration"])?;
    let names = ["subnets", "securitygroups", "assignpublicip"];
    let vpc = members(network.get("awsvpcconfiguration"), &names)?;
    let filled = |name: &str| match vpc.get(name) {
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => false,
    };
    match names.iter().all(|name| filled(name)) {
        true => Ok(()),
        false => Err(invalid("AwsvpcConfiguration must have Subnets, SecurityGroups and AssignPublicIp")),
    }
}

fn hooks(value: &Value) -> Result<BTreeMap<String, String>, AwsFault> {
    let mut found = BTreeMap::new();
    for hook in value.as_array().into_iter().flatten() {
        for (name, function) in hook.as_object().into_iter().flatten() {
            let known = HOOKS.iter().any(|known| known == name);
            let function = function.as_str().filter(|function| known && !function.is_empty());
            let function = function.ok_or_else(|| invalid(&format!("{name} is not a hook with a function")))?;
            found.insert(name.clone(), function.to_owned());
        }
    }
    Ok(found)
}

/// The members of an object by their names in lower case.
struct Members<'a>(BTreeMap<String, &'a Value>);

impl<'a> Members<'a> {
    /// A member; null where there is none.
    fn get(&self, name: &str) -> &'a Value {
        self.0.get(name).copied().unwrap_or(&Value::Null)
    }
}

/// The members of an object. Names are matched in any case, but must be known.
fn members<'a>(value: &'a Value, known: &[&str]) -> Result<Members<'a>, AwsFault> {
    let mut found = BTreeMap::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        let lower = name.to_ascii_lowercase();
        if !known.contains(&lower.as_str()) {
            return Err(invalid(&format!("the key {name} is not known")));
        }
        found.insert(lower, member);
    }
    Ok(Members(found))
}

fn is_full(name: &str) -> bool {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", _, "ecs", region, account, resource] = parts.as_slice() else { return false };
    let revision = resource.strip_prefix("task-definition/").and_then(|rest| rest.rsplit_once(':'));
    let has_revision = revision.is_some_and(|(_, number)| number.parse::<u64>().is_ok());
    !region.is_empty() && !account.is_empty() && has_revision
}

fn invalid(why: &str) -> AwsFault {
    AwsFault::new("InvalidRevisionException", format!("The AppSpec file is not valid: {why}."))
}

/// The revision that asks for a definition, as a caller would have sent it.
pub(crate) fn revision(definition: &str, container: &str, port: u64) -> Value {
    let content = json!({
        "version": 0.0,
        "Resources": [{"TargetService": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "TaskDefinition": definition,
                "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": port},
            },
        }}],
    });
    let content = content.to_string();
    let sha256 = crate::aws::sha256::hex(content.as_bytes());
    json!({"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": sha256}})
}
