//! From tree to [`AgentConfig`].

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{AgentConfig, DEFAULT_LISTEN, DEFAULT_STATE_DIR, TraefikConfig, apps, keys, value};
use crate::domain::{is_private_address, parse_base_path};
use crate::yaml::{self, Cursor, Problems, Report};

/// Reads an `agent.yml`. `file_name` is only shown. `weak` says why a public key must not be trusted, if it must not.
///
/// # Errors
/// Every problem of the file, in the order of lines.
pub fn parse(
    file_name: &str,
    text: &str,
    weak: impl Fn(&[u8; 32]) -> Option<&'static str>,
) -> Result<AgentConfig, Problems> {
    yaml::read(file_name, text, |top, report| config(top, &weak, report))
}

fn config(
    top: &Cursor<'_>,
    weak: &dyn Fn(&[u8; 32]) -> Option<&'static str>,
    report: &mut Report,
) -> Option<AgentConfig> {
    const KEYS: &[&str] =
        &["agent_id", "listen", "metrics_listen", "base_path", "state_dir", "keys", "traefik", "apps"];
    let fields = top.fields(KEYS, &[], report)?;
    let agent_id = fields.required("agent_id", report).and_then(|id| id.parse_with(report, value::id));
    let listen = match fields.optional("listen") {
        Some(listen) => listen.parse_with(report, self::listen),
        None => DEFAULT_LISTEN.parse().ok(),
    };
    let metrics_listen = fields.optional("metrics_listen").and_then(|entry| {
        let address = entry.parse_with(report, self::listen)?;
        if Some(address) == listen {
            let hint = Some("give it a port of its own");
            entry.problem(report, "`listen` has this address already", hint);
        }
        Some(address)
    });
    let base_path = match fields.optional("base_path") {
        Some(path) => path.parse_with(report, parse_base_path),
        None => Some(String::new()),
    };
    let state_dir = match fields.optional("state_dir") {
        Some(dir) => dir.parse_with(report, value::absolute),
        None => Some(DEFAULT_STATE_DIR.into()),
    };
    let traefik = fields.optional("traefik").map(|traefik| self::traefik(traefik, report));
    let apps = fields.required("apps", report).map(|all| apps::apps(all, traefik.is_some(), report));
    let keys = fields.required("keys", report).map(|list| keys::keys(list, apps.as_ref(), weak, report));
    Some(AgentConfig {
        agent_id: agent_id?,
        listen: listen?,
        metrics_listen,
        base_path: base_path?,
        state_dir: state_dir?,
        keys: keys?,
        traefik: traefik.flatten(),
        apps: apps?.into_iter().filter_map(|(name, app)| Some((name, app?))).collect(),
    })
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let shown: String = text.chars().take(80).collect();
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("`{shown}` is not an IP address and a port: write for example `{DEFAULT_LISTEN}`"))?;
    if is_private_address(address.ip()) {
        return Ok(address);
    }
    let why =
        if address.ip().is_unspecified() { "means every network interface" } else { "can be reached from outside" };
    Err(format!(
        "`{}` {why}: listen on a loopback or private address and let Traefik carry requests to it, with TLS",
        address.ip()
    ))
}

fn traefik(entry: &Cursor<'_>, report: &mut Report) -> Option<TraefikConfig> {
    let fields = entry.fields(&["dir", "api", "metrics", "entrypoints"], &[], report)?;
    let dir = fields.required("dir", report).and_then(|dir| dir.parse_with(report, value::absolute));
    let api = fields.required("api", report).and_then(|api| api.parse_with(report, value::base_url));
    let beside = api.as_ref().map(|api| format!("{api}/metrics"));
    let metrics = fields.optional("metrics").map_or(beside, |metrics| metrics.parse_with(report, value::url));
    let entrypoints = fields.required("entrypoints", report).map(|all| {
        let mut entrypoints = BTreeMap::new();
        for (name, url) in all.entries("entry point", report) {
            let name = value::entrypoint(name).map_err(|error| url.key_problem(report, error, None)).ok();
            let url = url.parse_with(report, value::origin);
            entrypoints.extend(name.zip(url));
        }
        entrypoints
    });
    Some(TraefikConfig { dir: dir?, api: api?, metrics: metrics?, entrypoints: entrypoints? })
}
