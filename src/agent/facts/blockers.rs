//! Reasons why a swap of a service cannot be safe, each with the line or label to change. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Facts, shared_networks};
use crate::agent::compose::{CANDIDATE, OVERRIDE};
use crate::agent::proxy::traefik::compile::collisions;
use crate::agent::proxy::traefik::labels::transition;
use crate::agent::proxy::traefik::prove::{entry_blockers, targets};
use crate::agent::site::Site;
use crate::agent::store::CompiledRoute;
use crate::agent_api::{Blocker, Gate};
use crate::clients::docker::Container;
use crate::domain::ServiceName;

fn blocker(code: &str, message: String, hint: String) -> Blocker {
    Blocker { code: code.to_owned(), message, hint }
}

/// True where labels ask Traefik to route to the service.
#[must_use]
pub fn may_route(facts: &Facts) -> bool {
    let asks = |labels: &std::collections::BTreeMap<String, String>| {
        labels
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("traefik.enable") && value.eq_ignore_ascii_case("true"))
    };
    asks(&facts.compose.labels) || facts.running().any(|container| asks(&container.labels))
}

/// Every blocker of the service as it stands.
#[must_use]
pub fn blockers(site: &Site, service: &ServiceName, facts: &Facts) -> Vec<Blocker> {
    let mut found = Vec::new();
    compose_blockers(site, service, facts, &mut found);
    for container in facts.running() {
        found.extend(identity(site, container));
    }
    if let Some(project) = facts.other_project.as_ref().filter(|_| facts.containers.is_empty()) {
        found.push(blocker(
            "compose_mismatch",
            format!(
                "`{service}` of this folder runs in compose project `{project}`, agent.yml names project `{}`",
                site.compose.project()
            ),
            format!("set `project: {project}` for the application in agent.yml and restart the agent"),
        ));
    }
    gate_blockers(site, service, facts, &mut found);
    label_blockers(site, service, facts, &mut found);
    route_blockers(site, service, facts, &mut found);
    found
}

fn compose_blockers(site: &Site, service: &ServiceName, facts: &Facts, found: &mut Vec<Blocker>) {
    let compose = &facts.compose;
    let file = site.compose.files().first().map(|path| path.display().to_string()).unwrap_or_default();
    if let Some(name) = &compose.container_name {
        found.push(blocker(
            "container_name",
            format!("`container_name: {name}` allows one container only, so old and new cannot run side by side"),
            format!(
                "remove `container_name` from service `{service}` in {file}; other services reach it as `{service}`"
            ),
        ));
    }
    for port in &compose.published {
        found.push(blocker(
            "published_port",
            format!("host port {port} is published by the service itself and can belong to one container only"),
            format!(
                "remove `ports` from service `{service}` in {file}; Traefik reaches the container over their network"
            ),
        ));
    }
    if let Some(mode) = &compose.network_mode {
        found.push(blocker(
            "network_mode",
            format!("`network_mode: {mode}` gives the containers no name and address of their own"),
            format!(
                "attach service `{service}` in {file} to the network that Traefik is in, and remove `network_mode`"
            ),
        ));
    }
    let overlap = site.service(service).is_some_and(|config| config.overlap);
    if compose.replicas.unwrap_or(1) <= 1 && !overlap {
        for volume in &compose.writable {
            found.push(blocker(
                "rw_volume",
                format!("`{}` is mounted for writing at {}: two versions would write to it at once", volume.source, volume.target),
                format!(
                    "mount it `:ro`, move the data into a service of its own, or, where the application allows it, set `overlap: allowed` for service `{service}` in agent.yml"
                ),
            ));
        }
    }
}

/// Changed routing labels are taken over by the deployment where that can be done without a gap.
fn label_blockers(site: &Site, service: &ServiceName, facts: &Facts, found: &mut Vec<Blocker>) {
    let today = facts.route.as_ref().ok().and_then(Option::as_ref);
    let both = match (today, &facts.next) {
        (_, None) | (None, Some(Ok(None))) => return,
        (_, Some(Err(blockers))) => return found.extend(blockers.iter().cloned()),
        (Some(today), Some(Ok(Some(next)))) => Some((today, next)),
        (Some(_), Some(Ok(None))) | (None, Some(Ok(Some(_)))) => None,
    };
    let Some((today, next)) = both else {
        let file = site.compose.files().first().map(|path| path.display().to_string()).unwrap_or_default();
        found.push(blocker(
            "labels_changed",
            format!(
                "the labels in {file} ask for a route where the running containers have none, or the other way round"
            ),
            format!(
                "apply them first with `docker compose up -d {service}` in {} (a short gap), then deploy",
                site.compose.dir().display()
            ),
        ));
        return;
    };
    found.extend(transition(today, next));
    if let (Some(traefik), Some(view)) = (&site.traefik, &facts.view) {
        found.extend(collisions(view, next, Some(today)));
        found.extend(entry_blockers(view, next));
        found.extend(unprovable(site, service, next, &traefik.config.entrypoints));
    }
}

/// Project and files must be those that made the running container; our override does not count.
fn identity(site: &Site, container: &Container) -> Option<Blocker> {
    let label = |name: &str| container.label(&format!("com.docker.compose.project.{name}")).unwrap_or_default();
    let ours = |path: &&str| Path::new(path).file_name().is_some_and(|name| name == OVERRIDE || name == CANDIDATE);
    let files: Vec<&str> = label("config_files").split(',').filter(|path| !path.is_empty() && !ours(path)).collect();
    let configured: Vec<String> = site.compose.files().iter().map(|path| path.display().to_string()).collect();
    if files != configured {
        return Some(blocker(
            "compose_mismatch",
            format!("container {} was made from {}, agent.yml names {}", container.name, files.join(", "), configured.join(", ")),
            "set `files` of the application in agent.yml to the files that `docker compose` uses on this host, in their order".to_owned(),
        ));
    }
    let dir = label("working_dir");
    (Path::new(dir) != site.compose.dir()).then(|| {
        blocker(
            "compose_mismatch",
            format!("container {} was made in {dir}, agent.yml names {}", container.name, site.compose.dir().display()),
            "set `dir` of the application in agent.yml to the folder that `docker compose` is used in".to_owned(),
        )
    })
}

fn gate_blockers(site: &Site, service: &ServiceName, facts: &Facts, found: &mut Vec<Blocker>) {
    match gate(site, service, facts) {
        Gate::None => found.push(blocker(
            "no_gate",
            "nothing says when a new version is ready: no probe in agent.yml, no health check in the compose file or the image".to_owned(),
            format!("set `probe: /healthz` for service `{service}` in agent.yml, or `healthcheck` in the compose file"),
        )),
        Gate::Probe(text) if text.starts_with(":?") => found.push(blocker(
            "no_gate",
            "the probe names no port, and the service has no route that tells one".to_owned(),
            format!("write the port into the probe of service `{service}` in agent.yml, for example `probe: \":8080/healthz\"`"),
        )),
        Gate::Probe(_) | Gate::DockerHealth => {}
    }
}

/// What decides that a new container may get traffic.
pub(in crate::agent) fn gate(site: &Site, service: &ServiceName, facts: &Facts) -> Gate {
    if let Some(probe) = site.service(service).and_then(|config| config.probe.as_ref()) {
        let route = || facts.next_route().or_else(|| facts.route.as_ref().ok()?.as_ref());
        let routed = || route()?.services.values().next().map(|service| service.port);
        let labelled = || {
            let mut ports = facts
                .compose
                .labels
                .iter()
                .filter(|(name, _)| name.to_ascii_lowercase().ends_with(".loadbalancer.server.port"));
            ports.next().and_then(|(_, port)| port.parse().ok())
        };
        let port = probe.port.or_else(routed).or_else(labelled).map_or_else(|| "?".to_owned(), |port| port.to_string());
        return Gate::Probe(format!(":{port}{}", probe.path));
    }
    match facts.compose.healthcheck {
        Some(true) => Gate::DockerHealth,
        Some(false) => Gate::None,
        None if facts.image_healthcheck || facts.containers.iter().any(|container| container.has_healthcheck) => {
            Gate::DockerHealth
        }
        // Whether a new image brings a health check is known once it is here; the gate phase checks again.
        None if facts.containers.is_empty() => Gate::DockerHealth,
        None => Gate::None,
    }
}

fn route_blockers(site: &Site, service: &ServiceName, facts: &Facts, found: &mut Vec<Blocker>) {
    let labels: Vec<&String> = facts
        .compose
        .labels
        .keys()
        .filter(|label| label.starts_with("traefik.tcp.") || label.starts_with("traefik.udp."))
        .collect();
    if let Some(label) = labels.first() {
        found.push(blocker(
            "route_uncompilable",
            format!("label `{label}` asks for a route that is not HTTP; those cannot be proven or drained"),
            format!(
                "move the TCP or UDP route of `{service}` to a service of its own that is not deployed by the agent"
            ),
        ));
    }
    if let Some(why) = &facts.view_error
        && (may_route(facts) || matches!(facts.route, Ok(Some(_))))
    {
        found.push(blocker(
            "traefik_unreachable",
            format!("Traefik's API does not answer: {why}"),
            "start Traefik; `deploy-action agent doctor` on the host checks it".to_owned(),
        ));
        return;
    }
    let route = match &facts.route {
        Ok(route) => route.as_ref(),
        Err(blockers) => {
            found.extend(blockers.iter().cloned());
            return;
        }
    };
    if !may_route(facts) && route.is_none() {
        return;
    }
    let (Some(traefik), Some(view)) = (&site.traefik, &facts.view) else {
        found.push(blocker(
            "traefik_unconfigured",
            "the service has `traefik.enable=true`, but agent.yml does not say where Traefik is".to_owned(),
            "add `traefik: { dir, api, entrypoints }` to agent.yml".to_owned(),
        ));
        return;
    };
    match &facts.proxy {
        None => found.push(blocker(
            "traefik_not_found",
            format!("no running container mounts {}, the folder that Traefik's file provider should read", traefik.config.dir.display()),
            "mount that folder into Traefik's container and set `providers.file.directory` to its path there; `agent doctor` shows both".to_owned(),
        )),
        Some(proxy) => network_blockers(service, facts, proxy, found),
    }
    let Some(route) = route else {
        if facts.running().next().is_some() {
            found.push(blocker(
                "route_missing",
                format!("Traefik does not route to `{service}` although its labels ask for it: the container may be unhealthy, or Traefik's `constraints` or `network` exclude it"),
                format!("see {}/dashboard/ or Traefik's log, and mend it before the first deployment", traefik.config.api),
            ));
        }
        return;
    };
    found.extend(collisions(view, route, None));
    found.extend(entry_blockers(view, route));
    found.extend(unprovable(site, service, route, &traefik.config.entrypoints));
}

/// Why no request can prove the route.
fn unprovable(
    site: &Site,
    service: &ServiceName,
    route: &CompiledRoute,
    entry_points: &BTreeMap<String, String>,
) -> Option<Blocker> {
    let config = site.service(service);
    let proof = config.and_then(|config| config.proof.as_deref());
    let probe = config.and_then(|config| config.probe.as_ref()).map_or("/", |probe| probe.path.as_str());
    targets(route, proof, probe, entry_points).err()
}

fn network_blockers(service: &ServiceName, facts: &Facts, proxy: &Container, found: &mut Vec<Blocker>) {
    if proxy.network_mode == "host" {
        found.push(blocker(
            "network_mode",
            format!("Traefik's container {} uses the host's network and cannot resolve container names", proxy.name),
            format!(
                "let {} and `{service}` share a user-defined network, and publish Traefik's ports instead",
                proxy.name
            ),
        ));
        return;
    }
    for container in facts.running() {
        if shared_networks(container, proxy).is_empty() {
            found.push(blocker(
                "no_shared_network",
                format!("{} and Traefik's container {} share no user-defined network", container.name, proxy.name),
                format!("add the network of {} to service `{service}` in its compose file", proxy.name),
            ));
        }
    }
}
