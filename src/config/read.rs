//! From tree to [`Config`].

use std::collections::BTreeMap;

use super::{Config, Environment, Target, VpsTarget, before_deploy, ecs, image};
use crate::domain::{EnvName, MAX_COMMAND_BYTES, MAX_COMMAND_TIME, MAX_COMMAND_WORDS, is_command};
use crate::yaml::{self, Cursor, Problems, Report};

/// Reads a `deploy.yml`. `file_name` is only shown.
///
/// # Errors
/// Every problem of the file, in the order of lines.
pub fn parse(file_name: &str, text: &str) -> Result<Config, Problems> {
    yaml::read(file_name, text, config)
}

fn config(top: &Cursor<'_>, report: &mut Report) -> Option<Config> {
    let fields = top.fields(&["app", "image", "environments"], &[], report)?;
    let app = fields.required("app", report).and_then(|app| app.parse(report));
    let image = fields.optional("image").and_then(|it| image::read(it, report));
    let environments = fields.required("environments", report).map(|all| environments(all, report));
    Some(Config { app: app?, image, environments: environments? })
}

fn environments(all: &Cursor<'_>, report: &mut Report) -> BTreeMap<EnvName, Environment> {
    let mut environments = BTreeMap::new();
    for (name, entry) in all.entries("environment", report) {
        let name = name.parse().map_err(|error| entry.key_problem(report, error, None)).ok();
        let environment = environment(&entry, report);
        environments.extend(name.zip(environment));
    }
    environments
}

fn environment(entry: &Cursor<'_>, report: &mut Report) -> Option<Environment> {
    const LATER: &[&str] = &["plan_on", "deploy_on", "protected", "allow", "requires", "budget", "url"];
    let fields = entry.fields(&["target", "before_deploy"], LATER, report)?;
    let before = fields.optional("before_deploy");
    let mut target = target(fields.required("target", report)?, report);
    match (&mut target, before) {
        (Some(Target::Ecs(target)), Some(entry)) => target.before_deploy = before_deploy::read(entry, report),
        (Some(Target::Vps(target)), Some(entry)) => {
            target.before_deploy = before_deploy::read(entry, report);
            if target.before_deploy.as_ref().is_some_and(|before| !is_command(&before.command, before.timeout)) {
                let most = format!(
                    "a host takes a command of at most {MAX_COMMAND_WORDS} words and {} KiB, for at most {} hours",
                    MAX_COMMAND_BYTES / 1024,
                    MAX_COMMAND_TIME.as_secs() / 3600
                );
                entry.key_problem(report, most, Some("put it into a script of the image, or split it"));
            }
        }
        _ => {}
    }
    Some(Environment { target: target? })
}

fn target(entry: &Cursor<'_>, report: &mut Report) -> Option<Target> {
    let fields = entry.fields(&["vps", "ecs"], &["ec2"], report)?;
    match (fields.optional("vps"), fields.optional("ecs")) {
        (Some(entry), None) => vps(entry, report).map(Target::Vps),
        (None, Some(entry)) => ecs::read(entry, report).map(|target| Target::Ecs(Box::new(target))),
        (Some(_), Some(second)) => {
            second.key_problem(report, "`vps` and `ecs`: an environment has one target", Some("keep one of them"));
            None
        }
        // A refusal says all: a missing target on top of it would only repeat it.
        (None, None) if fields.refused() => None,
        (None, None) => {
            entry.key_problem(report, "the target is neither `vps` nor `ecs`", None);
            None
        }
    }
}

fn vps(entry: &Cursor<'_>, report: &mut Report) -> Option<VpsTarget> {
    let fields = entry.fields(&["agent", "service"], &["monthly_price"], report)?;
    let agent = fields.required("agent", report).and_then(|agent| agent.parse(report));
    let service = fields.required("service", report).and_then(|service| service.parse(report));
    Some(VpsTarget { agent: agent?, service: service?, before_deploy: None })
}
