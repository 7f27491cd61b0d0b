//! The facts as the wire tells them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::blockers::gate;
use super::{Facts, blockers, may_route};
use crate::agent::compose::{Compose, OVERRIDE};
use crate::agent::proxy::traefik::api::{text, texts};
use crate::agent::proxy::traefik::apply::servers_in;
use crate::agent::proxy::traefik::compile::priority;
use crate::agent::proxy::traefik::prove::targets;
use crate::agent::site::Site;
use crate::agent::store::{CompiledRoute, ServiceState};
use crate::agent_api::{API, Drift, Replica, Route, Routing, ServiceStatus};
use crate::clients::docker::{Container, DockerError, Image};
use crate::domain::{DeploymentId, ImageRef, ServiceName};
use crate::signing::body_hash;

/// The words of all differences between what was deployed and what runs, as [`Drift::code`] has them.
pub const DRIFT: [&str; 6] =
    ["not_running", "containers_replaced", "image_differs", "config_changed", "unrouted", "override_unlisted"];

/// A text that changes whenever containers, release or compose configuration change, and whenever a deployment ended. One
/// that failed leaves everything as it was: without it a later plan would look like the one that failed.
#[must_use]
pub fn revision(facts: &Facts, state: &ServiceState, last: Option<&DeploymentId>) -> String {
    let containers: Vec<&str> = facts.running().map(|container| container.id.as_str()).collect();
    let release = state.current().map_or(0, |release| release.number);
    let last = last.map_or("", DeploymentId::as_str);
    body_hash(format!("{release}\n{last}\n{}\n{}", facts.hash, containers.join("\n")).as_bytes())[..16].to_owned()
}

/// The status of a service, `last` being its newest deployment that ended; `holder` and the asked-for image are the caller's to add.
///
/// # Errors
/// [`DockerError`] where an image cannot be looked at.
pub async fn status(
    site: &Site,
    service: &ServiceName,
    state: &ServiceState,
    last: Option<&DeploymentId>,
    facts: &Facts,
) -> Result<ServiceStatus, DockerError> {
    let mut replicas = Vec::new();
    for container in facts.containers.iter() {
        replicas.push(replica(site, container).await?);
    }
    let config = site.service(service);
    let millis = |span: Option<Duration>| span.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let route = facts.route.as_ref().ok().and_then(Option::as_ref);
    let next = facts.next_route();
    let proof = next.or(route).zip(site.traefik.as_ref()).and_then(|(route, traefik)| {
        let probe = config.and_then(|config| config.probe.as_ref()).map_or("/", |probe| probe.path.as_str());
        let found =
            targets(route, config.and_then(|config| config.proof.as_deref()), probe, &traefik.config.entrypoints)
                .ok()?;
        found.first().map(|target| format!("{}://{}{}", target.entry.scheme(), target.host, target.path))
    });
    Ok(ServiceStatus {
        api: API,
        agent_id: site.agent_id.clone(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        app: site.app.clone(),
        service: service.clone(),
        revision: revision(facts, state, last),
        release: state.current().cloned(),
        previous: state.previous().cloned(),
        wanted_replicas: wanted_replicas(facts, state),
        gate: gate(site, service, facts),
        routing: match (&state.route, may_route(facts) || route.is_some()) {
            (Some(_), _) => Routing::Agent,
            (None, true) => Routing::Labels,
            (None, false) => Routing::None,
        },
        routes: routes(route),
        next_routes: routes(next),
        proof,
        images: site.config.images.iter().map(ToString::to_string).collect(),
        config_changed: config_changed(facts),
        dependents: facts.dependents.clone(),
        runs_before_deploy: config.is_some_and(|config| config.before_deploy),
        verify_for_ms: millis(config.map(|config| config.verify_for)),
        drain_timeout_ms: millis(config.map(|config| config.drain_timeout)),
        image_present: None,
        blockers: blockers(site, service, facts),
        drift: drift(site, service, state, facts, &replicas),
        retiring: state.retiring.iter().map(|member| member.name.clone()).collect(),
        holder: None,
        replicas,
    })
}

fn routes(route: Option<&CompiledRoute>) -> Vec<Route> {
    let routers = route.into_iter().flat_map(|route| &route.routers);
    let shown = |(name, router): (&String, &serde_json::Value)| Route {
        router: name.clone(),
        rule: text(router, "rule").to_owned(),
        entry_points: texts(router, "entryPoints"),
        priority: priority(router),
    };
    routers.map(shown).collect()
}

/// How many containers a deployment makes: what the compose file says, else as many as the release has now.
#[must_use]
pub fn wanted_replicas(facts: &Facts, state: &ServiceState) -> u64 {
    let current = state.current().map(|release| release.image_id.as_str());
    let of_release = facts.running().filter(|container| current == Some(container.image_id.as_str())).count() as u64;
    let running = if of_release > 0 { of_release } else { facts.running().count() as u64 };
    facts.compose.replicas.unwrap_or(running.max(1))
}

/// True where a running container was made from another configuration than today's.
fn config_changed(facts: &Facts) -> bool {
    let differs = |hash: &str| !hash.is_empty() && hash != facts.hash;
    facts.running().any(|container| differs(container.config_hash()))
}

async fn replica(site: &Site, container: &Container) -> Result<Replica, DockerError> {
    let image = site.engine.image(&container.image_id).await?;
    Ok(Replica {
        name: container.name.clone(),
        id: container.short_id().to_owned(),
        state: container.state.clone(),
        health: container.health.clone(),
        image: image.as_ref().and_then(|image| by_digest(site, image)),
        image_id: container.image_id.clone(),
        started_at: container.started_at.clone(),
    })
}

/// The image's name by digest, in a repository that may be deployed where there is one.
pub(in crate::agent) fn by_digest(site: &Site, image: &Image) -> Option<ImageRef> {
    let allowed = |name: &&ImageRef| site.config.images.iter().any(|known| known.same_as(name.repository()));
    image.repo_digests.iter().find(allowed).or_else(|| image.repo_digests.first()).cloned()
}

fn drift(site: &Site, service: &ServiceName, state: &ServiceState, facts: &Facts, replicas: &[Replica]) -> Vec<Drift> {
    let mut found = Vec::new();
    let mut add = |code: &str, message: String| found.push(Drift { code: code.to_owned(), message });
    let running: BTreeSet<&str> = facts.running().map(|container| container.id.as_str()).collect();
    let deployed: BTreeSet<&str> = state.members.iter().map(|member| member.id.as_str()).collect();
    if let Some(release) = state.current()
        && !deployed.is_empty()
    {
        if running.is_empty() {
            add("not_running", format!("release {} was deployed, but no container of it runs", release.number));
        } else if running != deployed {
            add(
                "containers_replaced",
                format!("the containers of release {} were replaced outside of a deployment", release.number),
            );
        }
        let other = replicas.iter().find(|replica| replica.state == "running" && replica.image_id != release.image_id);
        if let Some(replica) = other {
            add("image_differs", format!("{} runs another image than release {}", replica.name, release.number));
        }
        if config_changed(facts) {
            add(
                "config_changed",
                "the compose files ask for another configuration than the running containers have".to_owned(),
            );
        }
    }
    if let Some(message) = unrouted(site, service, state, facts) {
        add("unrouted", message);
    }
    if let Some((problem, mend)) = override_unlisted(&site.compose) {
        add("override_unlisted", format!("{problem}; on the host: {mend}"));
    }
    found
}

/// Why an adopted route does not lead to the service, where it does not: a service that runs behind a proxy that is not
/// there is not served.
fn unrouted(site: &Site, service: &ServiceName, state: &ServiceState, facts: &Facts) -> Option<String> {
    let route = state.route.as_ref()?;
    if let Some(why) = &facts.view_error {
        return Some(format!("Traefik's API does not answer: {why}"));
    }
    let file = site.route_file(service)?;
    let listed = servers_in(&file.read().ok().flatten().unwrap_or_default());
    if facts.running().next().is_some() && !facts.running().any(|container| listed.contains(&container.server())) {
        return Some(format!("{} names no running container", file.path().display()));
    }
    let out_of_reach = |container: &&Container| {
        let proxy = facts.proxy.as_ref();
        container.kept.as_ref().is_some_and(|it| proxy.is_some_and(|proxy| !proxy.networks.contains_key(&it.network)))
    };
    if let Some((container, kept)) = facts.running().find(out_of_reach).and_then(|it| Some((it, it.kept.as_ref()?))) {
        let (name, network) = (&container.name, &kept.network);
        return Some(format!(
            "{name} is reached by its address in network `{network}`, which Traefik is not in: attach it"
        ));
    }
    let view = facts.view.as_ref()?;
    let enabled = |name: &String| {
        view.routers
            .iter()
            .any(|router| text(router, "name") == format!("{name}@file") && text(router, "status") == "enabled")
    };
    let lost = route.routers.keys().find(|name| !enabled(name)).filter(|_| !listed.is_empty())?;
    Some(format!("Traefik does not have router `{lost}@file` enabled although {} defines it", file.path().display()))
}

/// A plain `docker compose up -d` must see our override, or it goes back to the image of the compose file: what is wrong,
/// and the line that mends it.
pub(in crate::agent) fn override_unlisted(compose: &Compose) -> Option<(String, String)> {
    let env = compose.dir().join(".env");
    let text = std::fs::read_to_string(&env).unwrap_or_default();
    let listed = text.lines().rev().find_map(|line| line.trim().strip_prefix("COMPOSE_FILE="));
    let last = listed.and_then(|files| files.trim_matches(['"', '\'']).rsplit(':').next());
    let seen = last.is_some_and(|file| std::path::Path::new(file).file_name().is_some_and(|name| name == OVERRIDE));
    let files: Vec<String> = compose.files().iter().map(|path| path.display().to_string()).collect();
    (!seen).then(|| {
        (
            format!(
                "{} does not end COMPOSE_FILE with {OVERRIDE}, so a plain `docker compose up -d` would go back to the image in the compose file",
                env.display()
            ),
            format!("printf '\\nCOMPOSE_FILE={}:{OVERRIDE}\\n' >> {}", files.join(":"), env.display()),
        )
    })
}
