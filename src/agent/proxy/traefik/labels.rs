//! From the labels of a compose file to a route, before a container with them exists. Traefik's own answer tells only what
//! labels of *running* containers mean, and a new version whose routing labels differ must be routed before its labels
//! count. Pure.
//!
//! What is not understood is refused with the label's name. Values stay texts and lists stay comma lists: Traefik's file
//! provider reads them as its label parser does (seen on 3.7), and what it refuses after all shows when the file is read
//! back, before anybody is routed by it.

mod tree;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api::{View, text, texts};
use super::rule::Rule;
use crate::agent::store::{CompiledRoute, RouteService};
use crate::agent_api::Blocker;
use tree::{entry, named, tree};

/// What a router may hold (traefik.io, "Routers" of the Docker provider).
const ROUTER: [&str; 8] =
    ["rule", "ruleSyntax", "entryPoints", "middlewares", "service", "priority", "tls", "observability"];
/// What a load balancer may hold, its servers aside.
const BALANCER: [&str; 8] = [
    "server",
    "serversTransport",
    "passHostHeader",
    "sticky",
    "healthCheck",
    "passiveHealthCheck",
    "responseForwarding",
    "strategy",
];

/// What is known beside the labels.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Traefik as it is now.
    pub view: &'a View,
    /// The route of the running version, where it has one.
    pub today: Option<&'a CompiledRoute>,
}

fn refused(message: String, hint: String) -> Blocker {
    Blocker { code: "labels_changed".to_owned(), message, hint }
}

/// True where labels ask Traefik to route to their container.
#[must_use]
pub fn enabled(labels: &BTreeMap<String, String>) -> bool {
    labels.iter().any(|(name, value)| name.eq_ignore_ascii_case("traefik.enable") && value.eq_ignore_ascii_case("true"))
}

/// The route that the labels ask for; `Ok(None)` where they ask for none.
///
/// # Errors
/// Every label that is not understood, and what to do.
pub fn route(labels: &BTreeMap<String, String>, around: Around<'_>) -> Result<Option<CompiledRoute>, Vec<Blocker>> {
    if !enabled(labels) {
        return Ok(None);
    }
    let mut reader = Reader { around, blockers: Vec::new() };
    let http = tree(labels, "traefik.http.").unwrap_or_else(|label| {
        reader.blockers.push(refused(
            format!("the label `{label}` contradicts another routing label, or names nothing"),
            "mend it in the compose file".to_owned(),
        ));
        Value::Null
    });
    for (group, _) in named(&http).filter(|(group, _)| {
        !["routers", "services", "middlewares"].iter().any(|known| group.eq_ignore_ascii_case(known))
    }) {
        let label = format!("traefik.http.{group}");
        reader.blockers.push(unknown(&label));
    }
    let middlewares: BTreeMap<String, Value> = named(entry(&http, "middlewares"))
        .map(|(name, middleware)| (name.to_owned(), reader.middleware(name, middleware, &http)))
        .collect();
    let services: BTreeMap<String, RouteService> = reader.services(labels, &http);
    let routers: BTreeMap<String, Value> = named(entry(&http, "routers"))
        .map(|(name, router)| (name.to_owned(), reader.router(name, router, &services, &http)))
        .collect();
    if routers.is_empty() && reader.blockers.is_empty() {
        reader.blockers.push(refused(
            "the labels enable Traefik but define no router, so Traefik would make up a rule".to_owned(),
            "write the rule down: `traefik.http.routers.<name>.rule`".to_owned(),
        ));
    }
    if !reader.blockers.is_empty() {
        return Err(reader.blockers);
    }
    Ok(Some(CompiledRoute { routers, services, middlewares, labels: labels.clone() }))
}

fn unknown(label: &str) -> Blocker {
    refused(
        format!("the agent does not understand the label `{label}`, so it cannot change this route by itself"),
        "apply the labels with `docker compose up -d` (a short gap), then deploy".to_owned(),
    )
}

struct Reader<'a> {
    around: Around<'a>,
    blockers: Vec<Blocker>,
}

impl Reader<'_> {
    fn router(&mut self, name: &str, router: &Value, services: &BTreeMap<String, RouteService>, http: &Value) -> Value {
        let label = format!("traefik.http.routers.{name}");
        let mut made = self.canonical(&label, router, &ROUTER);
        let rule = made.get("rule").and_then(Value::as_str).unwrap_or_default().to_owned();
        if rule.is_empty() {
            self.blockers.push(refused(
                format!("router `{name}` has no rule, so Traefik would make one up"),
                format!("write it down: `{label}.rule`"),
            ));
        }
        let listed = |key: &str| made.get(key).and_then(Value::as_str).map(comma_list).unwrap_or_default();
        let mut points = listed("entryPoints");
        if points.is_empty() {
            points = default_entry_points(self.around.view);
        }
        let middlewares: Vec<String> =
            listed("middlewares").iter().map(|middleware| middleware_name(middleware, http)).collect();
        let priority = match made.get("priority").and_then(Value::as_str).unwrap_or("0").trim().parse::<u64>() {
            // Traefik's own default is the length of the rule in bytes.
            Ok(0) => rule.len() as u64,
            Ok(priority) => priority,
            Err(_) => {
                self.blockers.push(refused(
                    format!("`{label}.priority` is not a positive number"),
                    "mend it in the compose file".to_owned(),
                ));
                0
            }
        };
        let service = made.get("service").and_then(Value::as_str).map(|name| name.trim_end_matches("@docker"));
        let service = service.map(str::to_owned).or_else(|| one(services.keys()).cloned());
        match service.filter(|service| services.contains_key(service)) {
            Some(service) => drop(made.insert("service".to_owned(), json!(service))),
            None => self.blockers.push(refused(
                format!("router `{name}` does not use a service that the same labels define"),
                format!("write `{label}.service` with the name of one of them"),
            )),
        }
        match made.get("tls").and_then(Value::as_str).map(|tls| tls.eq_ignore_ascii_case("true")) {
            Some(true) => drop(made.insert("tls".to_owned(), json!({}))),
            Some(false) => drop(made.remove("tls")),
            None => {}
        }
        made.insert("entryPoints".to_owned(), json!(points));
        made.insert("priority".to_owned(), json!(priority));
        made.remove("middlewares");
        if !middlewares.is_empty() {
            made.insert("middlewares".to_owned(), json!(middlewares));
        }
        Value::Object(made)
    }

    fn services(&mut self, labels: &BTreeMap<String, String>, http: &Value) -> BTreeMap<String, RouteService> {
        let mut made = BTreeMap::new();
        for (name, service) in named(entry(http, "services")) {
            let label = format!("traefik.http.services.{name}");
            let kinds: Vec<&str> = named(service).map(|(kind, _)| kind).collect();
            if let Some(kind) = kinds.iter().find(|kind| !kind.eq_ignore_ascii_case("loadBalancer")) {
                self.blockers.push(unknown(&format!("{label}.{kind}")));
                continue;
            }
            let mut balancer = self.canonical(&label, entry(service, "loadBalancer"), &BALANCER);
            let server = balancer.remove("server").unwrap_or_default();
            let members: Vec<String> = named(&server).map(|(member, _)| member.to_ascii_lowercase()).collect();
            if let Some(other) = members.iter().find(|member| !["port", "scheme"].contains(&member.as_str())) {
                self.blockers.push(unknown(&format!("{label}.loadbalancer.server.{other}")));
            }
            let scheme = entry(&server, "scheme").as_str().unwrap_or("http").to_owned();
            let port = entry(&server, "port").as_str().and_then(|port| port.trim().parse().ok());
            let Some(port) = port.or_else(|| self.port_of_today()) else {
                self.blockers.push(no_port(&label));
                continue;
            };
            made.insert(name.to_owned(), RouteService { load_balancer: Value::Object(balancer), scheme, port });
        }
        // Without a label Traefik names the service itself; the agent keeps the name that it adopted.
        if made.is_empty() && !labels.is_empty() && self.blockers.is_empty() {
            let today = self.around.today.and_then(|today| one(today.services.keys())).zip(self.port_of_today());
            match today {
                Some((name, port)) => {
                    drop(made.insert(
                        name.clone(),
                        RouteService { load_balancer: json!({}), scheme: "http".to_owned(), port },
                    ))
                }
                None => self.blockers.push(no_port("traefik.http.services.<name>")),
            }
        }
        made
    }

    /// Traefik takes an exposed port where no label names one; the running version shows which.
    fn port_of_today(&self) -> Option<u16> {
        let today = self.around.today?;
        let labelled =
            today.labels.keys().any(|label| label.to_ascii_lowercase().ends_with(".loadbalancer.server.port"));
        one(today.services.values()).map(|service| service.port).filter(|_| !labelled)
    }

    fn middleware(&mut self, name: &str, middleware: &Value, http: &Value) -> Value {
        let label = format!("traefik.http.middlewares.{name}");
        let Some((kind, config)) = one(named(middleware)) else {
            self.blockers.push(refused(
                format!("middleware `{name}` is not exactly one kind of middleware"),
                format!("define one kind under `{label}.`, and another middleware for each other kind"),
            ));
            return Value::Null;
        };
        if kind.eq_ignore_ascii_case("plugin") {
            self.blockers.push(unknown(&format!("{label}.plugin")));
        }
        if kind.eq_ignore_ascii_case("chain") {
            let listed = entry(config, "middlewares").as_str().map(comma_list).unwrap_or_default();
            let names: Vec<String> = listed.iter().map(|inner| middleware_name(inner, http)).collect();
            return json!({ "chain": { "middlewares": names } });
        }
        if kind.eq_ignore_ascii_case("errors") {
            let mut errors = config.as_object().cloned().unwrap_or_default();
            if let Some(service) =
                errors.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case("service")).map(|(_, v)| v)
                && let Some(name) = service.as_str().filter(|name| !name.contains('@')).map(str::to_owned)
            {
                let own = named(entry(http, "services")).any(|(known, _)| known == name);
                *service = json!(if own { name } else { format!("{name}@docker") });
            }
            return json!({ "errors": errors });
        }
        json!({ kind: config })
    }

    /// Members under the names that the rest of the agent looks for; Traefik's own are without case.
    fn canonical(&mut self, label: &str, value: &Value, known: &[&str]) -> Map<String, Value> {
        let mut made = Map::new();
        for (key, value) in named(value) {
            match known.iter().find(|name| name.eq_ignore_ascii_case(key)) {
                Some(name) => drop(made.insert((*name).to_owned(), value.clone())),
                None => self.blockers.push(unknown(&format!("{label}.{key}"))),
            }
        }
        made
    }
}

fn no_port(label: &str) -> Blocker {
    refused(
        "the labels do not say which port of the container Traefik sends to".to_owned(),
        format!("write it down: `{label}.loadbalancer.server.port`"),
    )
}

/// The only one of several, if there is only one.
fn one<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn comma_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The name under which the file refers to a middleware: its own, or somebody else's at its provider.
fn middleware_name(name: &str, http: &Value) -> String {
    let base = name.strip_suffix("@docker").unwrap_or(name);
    let own = named(entry(http, "middlewares")).any(|(known, _)| known == base);
    match (own, name.contains('@')) {
        (true, _) => base.to_owned(),
        (false, true) => name.to_owned(),
        (false, false) => format!("{name}@docker"),
    }
}

/// The entry points of a router that names none: those marked as default, else all but Traefik's own.
fn default_entry_points(view: &View) -> Vec<String> {
    let names = |chosen: &dyn Fn(&&Value) -> bool| -> Vec<String> {
        view.entry_points.iter().filter(chosen).map(|point| text(point, "name").to_owned()).collect()
    };
    let marked = names(&|point| point.get("asDefault").and_then(Value::as_bool).unwrap_or_default());
    if marked.is_empty() { names(&|point| text(point, "name") != "traefik") } else { marked }
}

/// Why the way from one route to the next cannot be safe: for the length of a swap Traefik also sees both versions' labels.
#[must_use]
pub fn transition(today: &CompiledRoute, next: &CompiledRoute) -> Vec<Blocker> {
    let mut found = Vec::new();
    for (name, new) in &next.routers {
        for (old_name, old) in &today.routers {
            let same_door = texts(old, "entryPoints").iter().any(|point| texts(new, "entryPoints").contains(point));
            if !same_door || Rule::read(text(new, "rule")).disjoint(&Rule::read(text(old, "rule"))) {
                continue;
            }
            let (before, after) = (super::compile::priority(old), super::compile::priority(new));
            if after < before {
                found.push(refused(
                    format!("router `{name}` would have priority {after}, but the running version's labels hold the same requests at {before} until it is gone"),
                    format!("set the label `traefik.http.routers.{name}.priority` to {before} or more"),
                ));
            } else if name != old_name && after > before + 1 {
                found.push(refused(
                    format!("router `{name}` is new and would take requests of `{old_name}` from its labels before the new version is proven"),
                    format!("keep the name `{old_name}`, or set `traefik.http.routers.{name}.priority` to {before}"),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
