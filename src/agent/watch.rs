//! Between deployments: the route file stays true to the containers that exist, whoever changed them.
//!
//! A container is routed once it is healthy and until it is gone; one bad probe of a routed container changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::app::App;
use super::config::ServiceConfig;
use super::facts::{serving, traefik_labels};
use super::proxy::traefik::apply::{Wanted, apply, servers_in};
use super::proxy::traefik::file::RouteFile;
use super::store::{CompiledRoute, ServiceState};
use super::swap::{address, probe_once};
use crate::clients::docker::{Container, ContainerEvent, DockerError};
use crate::domain::ServiceName;

/// Time between two looks while a container is not healthy yet.
const SOON: Duration = Duration::from_millis(100);
/// Time between two looks although nothing happened: someone may have touched the route file itself.
const REST: Duration = Duration::from_secs(30);
/// Looks at a container that does not become healthy before they become rarer.
const EAGER: u32 = 600;
/// Time before trying again after something failed.
const AGAIN: Duration = Duration::from_secs(1);

/// What a look at an application left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// Wait for a change.
    Rest,
    /// Look again when a container may be healthy.
    Soon,
    /// Try again.
    Again,
}

/// Watches one application for as long as the agent runs.
pub async fn watch(app: Arc<App>) {
    let mut routed: BTreeMap<ServiceName, BTreeSet<String>> = BTreeMap::new();
    loop {
        // From before the look on, or a change in between would go unseen.
        let since = jiff::Timestamp::now().as_second();
        let mut events = std::pin::pin!(app.site.engine.events(since));
        let mut next = look(&app, &mut routed).await;
        let mut eager = 0;
        loop {
            eager = if next == Next::Soon { eager + 1 } else { 0 };
            let wait = match next {
                Next::Soon if eager > EAGER => AGAIN,
                Next::Rest => REST,
                Next::Soon => SOON,
                Next::Again => AGAIN,
            };
            let ours = |event: &ContainerEvent| {
                event.project.as_deref() == Some(app.site.compose.project())
                    || routed.values().any(|ids| ids.contains(&event.id))
            };
            let changed = async {
                loop {
                    match events.next().await {
                        Some(Ok(event)) if ours(&event) => return Ok(()),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(Some(error)),
                        None => return Err(None),
                    }
                }
            };
            tokio::select! {
                changed = changed => match changed {
                    Ok(()) => {}
                    Err(Some(error)) => {
                        tracing::warn!(app = %app.site.app, %error, "the engine's events ended; asking again");
                        break;
                    }
                    Err(None) => break,
                },
                () = app.ended.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            next = look(&app, &mut routed).await;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn look(app: &Arc<App>, routed: &mut BTreeMap<ServiceName, BTreeSet<String>>) -> Next {
    // A swap owns the routes; it rings when it is over.
    let Ok(_routes) = app.routes.try_lock() else { return Next::Rest };
    let mut next = Next::Rest;
    for (service, config) in &app.site.config.services {
        let state = app.service_state(service).await;
        let known = routed.entry(service.clone()).or_default();
        // What a deployment proved is routed, whatever one probe says.
        known.extend(state.members.iter().map(|member| member.id.clone()));
        let left = look_at(app, service, config, &state, known).await.unwrap_or_else(|why| {
            tracing::warn!(app = %app.site.app, %service, why, "the route is not checked");
            Next::Again
        });
        next = next.max(left);
    }
    next
}

/// Looks at one service; `routed` are the ids of the containers that the file sends to.
async fn look_at(
    app: &Arc<App>,
    service: &ServiceName,
    config: &ServiceConfig,
    state: &ServiceState,
    routed: &mut BTreeSet<String>,
) -> Result<Next, String> {
    let (Some(route), Some(file)) = (&state.route, app.site.route_file(service)) else { return Ok(Next::Rest) };
    let listed = file.read().map_err(|error| error.to_string())?.map(|text| servers_in(&text)).unwrap_or_default();
    let all = app.site.engine.service_containers(app.site.compose.project(), service.as_str()).await;
    let running = all
        .map_err(|error: DockerError| error.to_string())?
        .into_iter()
        .filter(|container| container.running() && !state.retiring.iter().any(|old| old.id == container.id));
    let running = serving(state, running);
    if running.iter().any(|container| traefik_labels(container) != route.labels) {
        tracing::warn!(app = %app.site.app, %service, "routing labels were changed outside of a deployment; the labels route again");
        put(app, &file, route, &BTreeSet::new()).await?;
        app.forget_route(service).await.map_err(|error| error.to_string())?;
        return Ok(Next::Rest);
    }
    let mut next = Next::Rest;
    let mut wanted = BTreeSet::new();
    routed.retain(|id| running.iter().any(|container| container.id == *id));
    for container in &running {
        // An agent of another version may have called it by its name, and one that died by the address that stood in for it.
        let named = listed.contains(&container.server())
            || listed.contains(&container.name)
            || container.addresses().iter().any(|address| listed.contains(&address.to_string()));
        let known = routed.contains(&container.id) && named;
        if known || healthy(app, config, route, container).await {
            wanted.insert(container.server());
            routed.insert(container.id.clone());
        } else {
            next = Next::Soon;
        }
    }
    if wanted != listed {
        tracing::warn!(app = %app.site.app, %service, ?listed, ?wanted, "containers changed outside of a deployment; the route follows");
        put(app, &file, route, &wanted).await?;
    }
    Ok(next)
}

async fn put(app: &App, file: &RouteFile, route: &CompiledRoute, servers: &BTreeSet<String>) -> Result<(), String> {
    let Some(traefik) = &app.site.traefik else { return Ok(()) };
    let servers: Vec<String> = servers.iter().cloned().collect();
    let wanted = (!servers.is_empty()).then_some(Wanted { route, servers: &servers, proof: None });
    apply(&traefik.api, file, wanted, route).await
}

async fn healthy(app: &App, config: &ServiceConfig, route: &CompiledRoute, container: &Container) -> bool {
    let Some(probe) = &config.probe else { return container.health.as_deref().is_none_or(|word| word == "healthy") };
    let port = probe.port.or_else(|| route.services.values().next().map(|service| service.port));
    let (Some(port), Some(address)) = (port, address(container, None)) else { return false };
    probe_once(&app.site.http, address, port, &probe.path).await.is_ok()
}
