//! `apps`: what the agent manages, and how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    AppConfig, DEFAULT_DRAIN_TIMEOUT, DEFAULT_FILE, DEFAULT_GATE_TIMEOUT, DEFAULT_KEEP_RELEASES, DEFAULT_MAX_5XX,
    DEFAULT_PULL_TIMEOUT, DEFAULT_VERIFY_FOR, ServiceConfig, value,
};
use crate::domain::{AppName, Repository, ServiceName, parse_span};
use crate::yaml::{Cursor, Fields, Report};

/// `None` in place of an application that has problems: its name is known all the same.
pub(super) fn apps(all: &Cursor<'_>, traefik: bool, report: &mut Report) -> BTreeMap<AppName, Option<AppConfig>> {
    let mut apps = BTreeMap::new();
    let mut projects: BTreeMap<String, String> = BTreeMap::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (name, entry) in all.entries("application", report) {
        let name: Option<AppName> = name.parse().map_err(|error| entry.key_problem(report, error, None)).ok();
        let app = app(name.as_ref(), &entry, traefik, report);
        let project = app.as_ref().map(|app| app.project.clone()).zip(name.as_ref().map(AppName::to_string));
        if let Some((project, name)) = project {
            match projects.get(&project) {
                // One lock per application: two applications with one project would change it at the same time.
                Some(other) => entry.key_problem(
                    report,
                    format!("`apps.{name}` has the compose project `{project}`, as `apps.{other}` has"),
                    Some("write the services of one project under one application"),
                ),
                None => drop(projects.insert(project, name)),
            }
        }
        // Files of routes and names of kept images are `<application>-<service>`.
        let services = app.iter().flat_map(|app: &AppConfig| app.services.keys());
        for full in services.filter_map(|service| Some(format!("{}-{service}", name.as_ref()?).to_ascii_lowercase())) {
            if let Some(other) = names.insert(full.clone(), entry_name(&name)) {
                let why =
                    format!("a service of `apps.{}` and one of `apps.{other}` are both `{full}`", entry_name(&name));
                entry.key_problem(report, why, Some("give one of the two applications another name"));
            }
        }
        apps.extend(name.map(|name| (name, app)));
    }
    apps
}

fn entry_name(name: &Option<AppName>) -> String {
    name.as_ref().map(AppName::to_string).unwrap_or_default()
}

fn app(name: Option<&AppName>, entry: &Cursor<'_>, traefik: bool, report: &mut Report) -> Option<AppConfig> {
    let fields = entry.fields(&["project", "dir", "files", "images", "services"], &[], report)?;
    let project = match fields.optional("project") {
        Some(project) => project.parse_with(report, value::project),
        None => name.map(AppName::to_string),
    };
    let dir = fields.required("dir", report).and_then(|dir| dir.parse_with(report, value::absolute));
    // Without a directory the files are still read, so that their problems show in the same run.
    let base = dir.clone().unwrap_or_else(|| PathBuf::from("/"));
    let files = match fields.optional("files") {
        Some(list) => files(&base, list, report),
        None => vec![base.join(DEFAULT_FILE)],
    };
    let images: Option<Vec<Repository>> = fields
        .required("images", report)
        .map(|list| list.items("repository", report).iter().filter_map(|item| item.parse(report)).collect());
    let services = fields.required("services", report).map(|all| services(all, traefik, report));
    Some(AppConfig { project: project?, dir: dir?, files, images: images?, services: services? })
}

fn files(base: &Path, list: &Cursor<'_>, report: &mut Report) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in list.items("compose file", report) {
        let Some(file) = item.parse_with(report, |text| value::joined(base, text)) else { continue };
        if files.contains(&file) {
            item.problem(report, "this file is named before", Some("remove one of the two"));
        } else {
            files.push(file);
        }
    }
    files
}

fn services(all: &Cursor<'_>, traefik: bool, report: &mut Report) -> BTreeMap<ServiceName, ServiceConfig> {
    let mut services = BTreeMap::new();
    for (name, entry) in all.entries("service", report) {
        let name = name.parse().map_err(|error| entry.key_problem(report, error, None)).ok();
        services.extend(name.zip(service(&entry, traefik, report)));
    }
    services
}

fn service(entry: &Cursor<'_>, traefik: bool, report: &mut Report) -> Option<ServiceConfig> {
    const KEYS: &[&str] = &[
        "probe",
        "proof",
        "verify_for",
        "drain_timeout",
        "gate_timeout",
        "max_5xx",
        "pull_timeout",
        "keep_releases",
        "before_deploy",
        "overlap",
    ];
    let fields = entry.fields_or_nothing(KEYS, &[], report)?;
    let probe = fields.optional("probe").and_then(|probe| probe.parse(report));
    let proof = fields.optional("proof").and_then(|proof| {
        if !traefik {
            proof.key_problem(
                report,
                "`proof` is requested through Traefik, and this file has no `traefik`",
                Some("remove `proof`, or add `traefik` with `dir`, `api` and `entrypoints`"),
            );
        }
        proof.parse_with(report, value::url)
    });
    let verify_for = span(&fields, "verify_for", DEFAULT_VERIFY_FOR, report);
    let drain_timeout = span(&fields, "drain_timeout", DEFAULT_DRAIN_TIMEOUT, report);
    let gate_timeout = span(&fields, "gate_timeout", DEFAULT_GATE_TIMEOUT, report);
    if let Some(entry) = fields.optional("gate_timeout").filter(|_| gate_timeout == Some(Duration::ZERO)) {
        entry.problem(report, "a new version needs time to become healthy", Some("write for example `60s`"));
    }
    let max_5xx =
        fields.optional("max_5xx").map_or(Some(DEFAULT_MAX_5XX), |share| share.parse_with(report, value::percent));
    let pull_timeout = span(&fields, "pull_timeout", DEFAULT_PULL_TIMEOUT, report);
    if let Some(entry) = fields.optional("pull_timeout").filter(|_| pull_timeout == Some(Duration::ZERO)) {
        entry.problem(report, "an image needs time to be fetched", Some("write for example `10m`"));
    }
    let keep_releases = match fields.optional("keep_releases") {
        Some(entry) => entry.parse_with(report, value::keep_releases),
        None => Some(DEFAULT_KEEP_RELEASES),
    };
    let before_deploy = allowed(&fields, "before_deploy", report);
    let overlap = allowed(&fields, "overlap", report);
    Some(ServiceConfig {
        probe,
        proof,
        verify_for: verify_for?,
        drain_timeout: drain_timeout?,
        gate_timeout: gate_timeout?,
        max_5xx: max_5xx?,
        pull_timeout: pull_timeout?,
        keep_releases: keep_releases?,
        before_deploy,
        overlap,
    })
}

/// Whether a key says `allowed`, which is all that it may say.
fn allowed(fields: &Fields<'_>, key: &str, report: &mut Report) -> bool {
    let allowed = |text: &str| match text {
        "allowed" => Ok(true),
        other => Err(format!(
            "`{}` means nothing here: write `allowed`, or remove the key",
            other.chars().take(40).collect::<String>()
        )),
    };
    fields.optional(key).is_some_and(|entry| entry.parse_with(report, allowed).unwrap_or(false))
}

fn span(fields: &Fields<'_>, key: &str, default: Duration, report: &mut Report) -> Option<Duration> {
    fields.optional(key).map_or(Some(default), |entry| entry.parse_with(report, parse_span))
}
