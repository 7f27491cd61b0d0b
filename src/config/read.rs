//! From tree to [`Config`].

use std::collections::BTreeMap;

use super::{Config, Environment, Target, VpsTarget};
use crate::domain::{EnvName, Repository};
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
    let repository = fields.optional("image").and_then(|image| repository(image, report));
    let environments = fields.required("environments", report).map(|all| environments(all, report));
    Some(Config { app: app?, repository, environments: environments? })
}

fn repository(image: &Cursor<'_>, report: &mut Report) -> Option<Repository> {
    image.fields(&["repository"], &["build"], report)?.required("repository", report)?.parse(report)
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
    let fields = entry.fields(&["target"], LATER, report)?;
    let target = target(fields.required("target", report)?, report)?;
    Some(Environment { target })
}

fn target(entry: &Cursor<'_>, report: &mut Report) -> Option<Target> {
    let fields = entry.fields(&["vps"], &["ecs", "ec2"], report)?;
    if fields.refused() && fields.optional("vps").is_none() {
        // The refusal says all: a missing `vps` on top of it would only repeat it.
        return None;
    }
    let vps = fields.required("vps", report)?.fields(&["agent", "service"], &["monthly_price"], report)?;
    let agent = vps.required("agent", report).and_then(|agent| agent.parse(report));
    let service = vps.required("service", report).and_then(|service| service.parse(report));
    Some(Target::Vps(VpsTarget { agent: agent?, service: service? }))
}
