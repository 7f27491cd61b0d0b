//! From labels to a route of ours: takes Traefik's resolved answer for a service and makes the same route for the file
//! provider, or says why that cannot be done. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::api::{View, text, texts};
use super::rule::Rule;
use crate::agent::store::{CompiledRoute, RouteService};
use crate::agent_api::Blocker;

/// What a service looks like from the engine.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Addresses of its running containers.
    pub addresses: BTreeSet<IpAddr>,
    /// Its containers' `traefik.*` labels.
    pub labels: BTreeMap<String, String>,
}

fn blocker(code: &str, message: String, hint: String) -> Blocker {
    Blocker { code: code.to_owned(), message, hint }
}

/// Compiles the route; `Ok(None)` where the service has no HTTP route.
///
/// # Errors
/// Every reason why the route cannot be taken over as it is.
pub fn compile(view: &View, subject: &Subject) -> Result<Option<CompiledRoute>, Vec<Blocker>> {
    let mut blockers = Vec::new();
    let services = own_services(view, subject, &mut blockers);
    let mut route = CompiledRoute {
        routers: BTreeMap::new(),
        services: BTreeMap::new(),
        middlewares: BTreeMap::new(),
        labels: subject.labels.clone(),
    };
    for router in &view.routers {
        let name = text(router, "name");
        let (base, provider) = name.rsplit_once('@').unwrap_or((name, ""));
        let target = qualified(text(router, "service"), provider);
        let Some(service) = services.get(&target) else { continue };
        if provider != "docker" {
            // Our own router of the same base name is the adopted one.
            if provider != "file" || !services.contains_key(&format!("{base}@docker")) {
                blockers.push(foreign(name, &target));
            }
            continue;
        }
        if !owns(subject, "routers", base) && !services.contains_key(name) {
            blockers.push(foreign(name, &target));
            continue;
        }
        if text(router, "status") != "enabled" {
            let why = texts(router, "error").join("; ");
            blockers.push(blocker(
                "route_broken",
                format!(
                    "Traefik has disabled router `{name}`: {}",
                    if why.is_empty() { "no reason given" } else { &why }
                ),
                format!("mend the labels `traefik.http.routers.{base}.*` and run `docker compose up -d`"),
            ));
            continue;
        }
        let service_base = target.rsplit_once('@').map_or(target.as_str(), |(base, _)| base);
        route.services.insert(service_base.to_owned(), service.clone());
        let compiled = compile_router(view, subject, router, service_base, &mut route.middlewares, &mut blockers);
        route.routers.insert(base.to_owned(), compiled);
    }
    if !blockers.is_empty() {
        return Err(blockers);
    }
    Ok((!route.routers.is_empty()).then_some(route))
}

fn foreign(router: &str, service: &str) -> Blocker {
    blocker(
        "route_foreign",
        format!(
            "router `{router}` uses service `{service}` but is not defined by the service's own labels; it would keep the old containers"
        ),
        format!("define `{router}` by labels of this service, or let it use a service of its own"),
    )
}

/// True where the service's own labels define the item.
fn owns(subject: &Subject, kind: &str, name: &str) -> bool {
    let prefix = format!("traefik.http.{kind}.{name}.").to_ascii_lowercase();
    subject.labels.keys().any(|label| label.to_ascii_lowercase().starts_with(&prefix))
}

fn qualified(name: &str, provider: &str) -> String {
    if name.contains('@') { name.to_owned() } else { format!("{name}@{provider}") }
}

/// The Docker provider's services that send to the subject's containers.
fn own_services(view: &View, subject: &Subject, blockers: &mut Vec<Blocker>) -> BTreeMap<String, RouteService> {
    let mut found = BTreeMap::new();
    for service in &view.services {
        let name = text(service, "name");
        if !name.ends_with("@docker") {
            continue;
        }
        let urls = service.pointer("/loadBalancer/servers").and_then(Value::as_array).cloned().unwrap_or_default();
        let servers: Vec<(String, IpAddr, u16)> =
            urls.iter().filter_map(|server| split_url(text(server, "url"))).collect();
        let ours = servers.iter().filter(|(_, address, _)| subject.addresses.contains(address)).count();
        if ours == 0 {
            continue;
        }
        if ours != servers.len() {
            blockers.push(blocker(
                "route_shared",
                format!("Traefik service `{name}` also sends to containers of another compose service"),
                format!(
                    "give the other containers another `traefik.http.services.<name>` label than `{}`",
                    name.trim_end_matches("@docker")
                ),
            ));
            continue;
        }
        let (scheme, port) = (servers[0].0.clone(), servers[0].2);
        let mut load_balancer = service.get("loadBalancer").cloned().unwrap_or_default();
        if let Some(members) = load_balancer.as_object_mut() {
            members.remove("servers");
        }
        found.insert(name.to_owned(), RouteService { load_balancer, scheme, port });
    }
    found
}

/// `http://10.0.0.2:8080` in parts.
fn split_url(url: &str) -> Option<(String, IpAddr, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    Some((scheme.to_owned(), host.trim_matches(['[', ']']).parse().ok()?, port.parse().ok()?))
}

fn compile_router(
    view: &View,
    subject: &Subject,
    router: &Value,
    service: &str,
    own: &mut BTreeMap<String, Value>,
    blockers: &mut Vec<Blocker>,
) -> Value {
    let mut compiled = router.clone();
    let inherited = entry_point_middlewares(view, &texts(router, "entryPoints"));
    let listed = texts(router, "middlewares");
    // Traefik puts an entry point's middlewares before the router's and would do so again.
    let listed = listed.strip_prefix(inherited.as_slice()).unwrap_or(&listed);
    let names: Vec<String> = listed.iter().map(|name| take_middleware(view, subject, name, own, blockers)).collect();
    if let Some(members) = compiled.as_object_mut() {
        for derived in ["name", "provider", "status", "using", "priorityStr", "error", "middlewares"] {
            members.remove(derived);
        }
        members.insert("service".to_owned(), json!(service));
        if !names.is_empty() {
            members.insert("middlewares".to_owned(), json!(names));
        }
    }
    compiled
}

fn entry_point_middlewares(view: &View, names: &[String]) -> Vec<String> {
    let point = view.entry_points.iter().find(|point| names.first().is_some_and(|name| text(point, "name") == name));
    point.and_then(|point| point.get("http")).map(|http| texts(http, "middlewares")).unwrap_or_default()
}

/// Takes a middleware into the file where the service's labels define it, with those it refers to; gives the name to use.
fn take_middleware(
    view: &View,
    subject: &Subject,
    name: &str,
    own: &mut BTreeMap<String, Value>,
    blockers: &mut Vec<Blocker>,
) -> String {
    let name = qualified(name, "docker");
    let base = name.strip_suffix("@docker");
    let Some(base) = base.filter(|base| owns(subject, "middlewares", base)) else { return name };
    if own.contains_key(base) {
        return base.to_owned();
    }
    let Some(found) = view.middlewares.iter().find(|item| text(item, "name") == name) else {
        blockers.push(blocker(
            "route_broken",
            format!("Traefik does not know middleware `{name}`"),
            format!("mend the labels `traefik.http.middlewares.{base}.*` and run `docker compose up -d`"),
        ));
        return name;
    };
    let mut compiled = found.clone();
    if let Some(members) = compiled.as_object_mut() {
        for derived in ["name", "provider", "status", "usedBy", "type", "error"] {
            members.remove(derived);
        }
    }
    own.insert(base.to_owned(), Value::Null);
    if let Some(chained) = compiled.pointer("/chain").map(|chain| texts(chain, "middlewares")) {
        let names: Vec<String> =
            chained.iter().map(|inner| take_middleware(view, subject, inner, own, blockers)).collect();
        compiled["chain"]["middlewares"] = json!(names);
    }
    if let Some(service) = compiled.pointer("/errors/service").and_then(Value::as_str) {
        compiled["errors"]["service"] = json!(qualified(service, "docker"));
    }
    own.insert(base.to_owned(), compiled);
    base.to_owned()
}

/// Routers of others that would take requests from the route once it stands at priority + 1, or from its proof at + 2.
/// Those of `before`, which it replaces, are ours as well.
#[must_use]
pub fn collisions(view: &View, route: &CompiledRoute, before: Option<&CompiledRoute>) -> Vec<Blocker> {
    let mut found = Vec::new();
    let ours_too = |base: &str| before.is_some_and(|before| before.routers.contains_key(base));
    for (name, ours) in &route.routers {
        let (priority, rule, points) = (priority(ours), text(ours, "rule"), texts(ours, "entryPoints"));
        for other in &view.routers {
            let their_name = text(other, "name");
            let base = their_name.rsplit_once('@').map_or(their_name, |(base, _)| base);
            let same_door = texts(other, "entryPoints").iter().any(|point| points.contains(point));
            let above = self::priority(other) > priority && self::priority(other) <= priority + 2;
            // Ours are the adopted ones and what they were adopted from.
            if route.routers.contains_key(base)
                || ours_too(base)
                || base.starts_with(super::file::PROOF_PREFIX)
                || !same_door
                || !above
            {
                continue;
            }
            if text(other, "status") != "enabled" || Rule::read(rule).disjoint(&Rule::read(text(other, "rule"))) {
                continue;
            }
            found.push(blocker(
                "route_collision",
                format!(
                    "router `{their_name}` has priority {}, within reach of router `{name}` (priority {priority}, {} once taken over, {} for its proof)",
                    self::priority(other), priority + 1, priority + 2
                ),
                format!(
                    "set the label `traefik.http.routers.{base}.priority` to {} or more, or below {priority} (where `{their_name}` is defined)",
                    priority + 3
                ),
            ));
        }
    }
    found
}

/// A router's priority as Traefik resolved it.
#[must_use]
pub fn priority(router: &Value) -> u64 {
    router.get("priority").and_then(Value::as_u64).unwrap_or_default()
}

/// How the adopted route differs from what it was adopted from; empty when it does not. Name, provider, priority and
/// servers differ by design.
#[must_use]
pub fn differences(view: &View, route: &CompiledRoute) -> Vec<String> {
    let mut found = Vec::new();
    for name in route.routers.keys() {
        let get =
            |provider: &str| view.routers.iter().find(|router| text(router, "name") == format!("{name}@{provider}"));
        let (Some(theirs), Some(ours)) = (get("docker"), get("file")) else {
            // Labels may have gone with their container; then there is nothing to compare with.
            continue;
        };
        if comparable(theirs, route) != comparable(ours, route) {
            found.push(format!("router `{name}@file` differs from `{name}@docker`"));
        }
    }
    found
}

fn comparable(router: &Value, route: &CompiledRoute) -> Value {
    let mut router = router.clone();
    let names: Vec<String> = texts(&router, "middlewares")
        .into_iter()
        .map(|name| {
            let base = name.rsplit_once('@').map(|(base, _)| base.to_owned());
            base.filter(|base| route.middlewares.contains_key(base)).unwrap_or(name)
        })
        .collect();
    if let Some(members) = router.as_object_mut() {
        for by_design in ["name", "provider", "priority", "priorityStr", "using", "middlewares"] {
            members.remove(by_design);
        }
        let service = members.get("service").and_then(Value::as_str).unwrap_or_default();
        let service = service.rsplit_once('@').map_or(service, |(base, _)| base).to_owned();
        members.insert("service".to_owned(), json!(service));
        members.insert("middlewares".to_owned(), json!(names));
    }
    router
}
