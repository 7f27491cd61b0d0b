//! Patience: a route that tries again for a while where it reaches nobody. What was sent is never sent twice: Traefik
//! repeats only a request of which no server has got anything.

use serde_json::json;

use super::api::texts;
use crate::agent::store::CompiledRoute;

/// What the names of our patient middlewares begin with.
pub const PATIENCE_PREFIX: &str = "deploy-agent-patience-";
/// Tries of a request. With [`BETWEEN`] about 3.5 s: Traefik's throttle of 2 s, which its next file may have to wait for, and
/// the time to write it.
const TRIES: u32 = 25;
/// First time between two tries; Traefik doubles it until the last.
const BETWEEN: &str = "100ms";

/// The route with patience; `transport` is that of its file.
#[must_use]
pub fn patient(transport: &str, route: &CompiledRoute) -> CompiledRoute {
    let (mut route, name) = (route.clone(), format!("{PATIENCE_PREFIX}{transport}"));
    for router in route.routers.values_mut() {
        let mut chain = texts(router, "middlewares");
        // The last one, next to the server: what the others did is not done again.
        chain.push(name.clone());
        router["middlewares"] = json!(chain);
    }
    let retry = json!({ "retry": { "attempts": TRIES, "initialInterval": BETWEEN } });
    route.middlewares.insert(name, retry);
    route
}

/// Whether a middleware is one of ours, by its name with or without the provider.
#[must_use]
pub fn is_patience(name: &str) -> bool {
    name.starts_with(PATIENCE_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_next_to_the_server() {
        let route: CompiledRoute = serde_json::from_value(json!({
            "routers": {"web": {"rule": "Host(`a.test`)", "service": "web", "middlewares": ["strip", "auth@docker"]}, "bare": {"service": "web"}},
            "middlewares": {"strip": {"stripPrefix": {"prefixes": ["/a"]}}},
            "services": {"web": {"scheme": "http", "port": 8080, "load_balancer": {}}},
            "labels": {},
        }))
        .expect("a route");
        let patient = patient("deploy-agent-shop-web", &route);
        let ours = "deploy-agent-patience-deploy-agent-shop-web";
        assert_eq!(patient.routers["web"]["middlewares"], json!(["strip", "auth@docker", ours]));
        assert_eq!(patient.routers["bare"]["middlewares"], json!([ours]));
        assert_eq!(patient.middlewares.len(), 2);
        assert!(patient.middlewares[ours]["retry"]["attempts"].is_u64());
        assert!(is_patience(&format!("{ours}@file")) && !is_patience("strip@file"));
        assert_eq!((patient.services, patient.labels), (route.services, route.labels));
    }
}
