//! Who is reached by an address that stays, and who by a name.

use super::Findings;
use crate::agent::config::AgentConfig;
use crate::agent::facts::shared_networks;
use crate::agent::swap::sets_aside;
use crate::clients::docker::{Container, Engine};

/// Where containers outlive the engine, the way to them should, too.
pub(super) async fn look(found: &mut Findings, engine: &Engine, traefik: &Container, config: &AgentConfig) {
    let what = "addresses that stay";
    let mut spare = Vec::new();
    for name in traefik.networks.keys() {
        let Ok(network) = engine.network(name).await else { continue };
        if sets_aside(&network) {
            spare.push(name);
        } else if network.left_to_us {
            found.without(
                what,
                format!("network `{name}` is labelled for them, and its `--subnet` and `--ip-range` leave none: the README, below \"Traefik\", makes one that does"),
            );
        }
    }
    if !engine.live_restore().await.unwrap_or_default() {
        return;
    }
    if spare.is_empty() {
        found.without(
            what,
            "containers outlive the engine here (live-restore), but Docker resolves no names while it is away: new connections fail until the agent has led the routes to addresses. The README, below \"Traefik\", makes a network in which new versions get an address that stays theirs",
        );
        return;
    }
    let mut named = Vec::new();
    for app in config.apps.values() {
        for service in app.services.keys() {
            let containers = match engine.service_containers(&app.project, service.as_str()).await {
                Ok(containers) => containers,
                Err(error) => {
                    found.without(what, format!("the containers of {service} cannot be looked at: {error}"));
                    return;
                }
            };
            let reached = containers.into_iter().filter(|it| it.running() && !shared_networks(it, traefik).is_empty());
            named.extend(reached.filter(|it| it.kept.is_none()).map(|it| it.name));
        }
    }
    if named.is_empty() {
        found.good(what, "every container has one; users are served while the engine is away");
    } else {
        let names = named.join(", ");
        found.without(what, format!("{names}: reached by name. When the engine goes away, new connections to them fail until the agent has led the route to their addresses. A deployment of a service with a route gives its containers one, in a network that sets some aside, unless the compose file asks for another"));
    }
}
