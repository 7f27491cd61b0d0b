//! The file that Traefik reads for one service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::api::{text, texts};
use super::compile::priority;
use super::stand_in::StandIns;
use crate::agent::store::{CompiledRoute, RouteService, remove_file, write_atomic};
use crate::domain::{AppName, ServiceName};

/// What the names of our proof routers begin with.
pub const PROOF_PREFIX: &str = "deploy-agent-proof-";
/// The request header that selects a proof router.
pub const PROOF_HEADER: &str = "X-Deploy-Proof";
/// The response header by which a proof router names the release.
pub const RELEASE_HEADER: &str = "X-Deploy-Release";

/// The routers that answer only to whoever knows the nonces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Selects the router with all middlewares.
    pub chain: String,
    /// Selects the router without them.
    pub direct: String,
    /// What the response header must say.
    pub release: String,
    /// Containers that only these routers send to, before the route itself does; empty: where the route sends.
    pub next: Vec<String>,
    /// The route that they rehearse, where it is not the one of the file.
    pub route: Option<Box<CompiledRoute>>,
}

impl Proof {
    /// The service that the proof routers use in place of `service`.
    #[must_use]
    pub fn service(&self, service: &str) -> String {
        if self.next.is_empty() { service.to_owned() } else { self.own(service) }
    }

    /// The route that the proof routers stand for, in a file with `route`.
    #[must_use]
    pub fn rehearsed<'a>(&'a self, route: &'a CompiledRoute) -> &'a CompiledRoute {
        self.route.as_deref().unwrap_or(route)
    }

    /// The middleware that the proof routers use in place of `name`: another route's may have the name of one in the file.
    fn middleware(&self, name: &str) -> String {
        let renamed = self.route.as_deref().is_some_and(|route| route.middlewares.contains_key(name));
        if renamed { self.own(name) } else { name.to_owned() }
    }

    /// A middleware of the rehearsed route, with the names that it refers to.
    fn renamed(&self, middleware: &Value) -> Value {
        let mut middleware = middleware.clone();
        if let Some(chained) = middleware.pointer("/chain").map(|chain| texts(chain, "middlewares")) {
            let names: Vec<String> = chained.iter().map(|name| self.middleware(name)).collect();
            middleware["chain"]["middlewares"] = json!(names);
        }
        let service = middleware.pointer("/errors/service").and_then(Value::as_str);
        if let Some(service) = service.filter(|service| !service.contains('@')).map(|service| self.service(service)) {
            middleware["errors"]["service"] = json!(service);
        }
        middleware
    }

    fn own(&self, name: &str) -> String {
        format!("{PROOF_PREFIX}{}-{name}", self.chain)
    }
}

/// Names of the proof routers of the `index`-th router: with all middlewares, and without.
#[must_use]
pub fn proof_names(proof: &Proof, index: usize) -> (String, String) {
    (format!("{PROOF_PREFIX}{}-{index}", proof.chain), format!("{PROOF_PREFIX}{}-{index}", proof.direct))
}

/// The dynamic configuration: the route at priority + 1 to the containers, and the proof routers one higher.
/// `servers` are names, or addresses that stay their containers' own: any other goes stale at the next restart, while
/// Docker's resolver knows a name or fails fast.
/// `transport` names the file's own transport: idle connections end after 1 s, which makes "no connection left"
/// measurable, and a dead server fails within 3 s instead of hanging for 30 s. No sooner: dialling begins with asking
/// Docker's resolver, which takes its time on a busy host, and a lost SYN is sent again after 1 s (RFC 6298, section 2.1).
#[must_use]
pub fn render(transport: &str, route: &CompiledRoute, servers: &[String], proof: Option<&Proof>) -> Value {
    let mut routers = Map::new();
    let mut middlewares: Map<String, Value> = route.middlewares.clone().into_iter().collect();
    for (name, router) in &route.routers {
        routers.insert(name.clone(), raised(router));
    }
    let mut services = Map::new();
    for (name, service) in &route.services {
        services.insert(name.clone(), service_to(transport, service, servers));
    }
    if let Some(proof) = proof {
        for (index, router) in proof.rehearsed(route).routers.values().enumerate() {
            let router = raised(router);
            let (chain, direct) = proof_names(proof, index);
            let service = proof.service(text(&router, "service"));
            let mark = format!("{PROOF_PREFIX}{}", proof.chain);
            let mut listed = vec![json!(mark)];
            routers.insert(direct, proof_router(&router, &proof.direct, service.clone(), listed.clone()));
            listed.extend(texts(&router, "middlewares").iter().map(|name| json!(proof.middleware(name))));
            routers.insert(chain, proof_router(&router, &proof.chain, service, listed));
            let named = json!({ "headers": { "customResponseHeaders": { RELEASE_HEADER: proof.release } } });
            middlewares.insert(mark, named);
        }
        for (name, middleware) in proof.route.iter().flat_map(|route| &route.middlewares) {
            middlewares.insert(proof.own(name), proof.renamed(middleware));
        }
        for (name, service) in proof.rehearsed(route).services.iter().filter(|_| !proof.next.is_empty()) {
            services.insert(proof.service(name), service_to(transport, service, &proof.next));
        }
    }
    let mut http = Map::new();
    http.insert("routers".to_owned(), routers.into());
    http.insert("services".to_owned(), services.into());
    http.insert(
        "serversTransports".to_owned(),
        json!({ transport: { "forwardingTimeouts": { "dialTimeout": "3s", "idleConnTimeout": "1s" } } }),
    );
    // Traefik refuses an empty map.
    if !middlewares.is_empty() {
        http.insert("middlewares".to_owned(), middlewares.into());
    }
    json!({ "http": http })
}

/// A router one above what the labels gave it.
fn raised(router: &Value) -> Value {
    let mut ours = router.clone();
    ours["priority"] = json!(priority(router) + 1);
    ours
}

fn service_to(transport: &str, service: &RouteService, servers: &[String]) -> Value {
    let mut load_balancer = service.load_balancer.clone();
    let url = |server: &String| json!({ "url": format!("{}://{server}:{}", service.scheme, service.port) });
    load_balancer["servers"] = servers.iter().map(url).collect();
    if load_balancer.get("serversTransport").is_none() {
        load_balancer["serversTransport"] = json!(transport);
    }
    json!({ "loadBalancer": load_balancer })
}

fn proof_router(router: &Value, nonce: &str, service: String, middlewares: Vec<Value>) -> Value {
    let mut proof = router.clone();
    proof["service"] = json!(service);
    proof["rule"] = json!(format!("({}) && Header(`{PROOF_HEADER}`, `{nonce}`)", text(router, "rule")));
    proof["priority"] = json!(priority(router) + 1);
    proof["middlewares"] = middlewares.into();
    // The same options, or Traefik falls back to the default ones for the whole host; no certificate of its own.
    if let Some(tls) = proof.get_mut("tls").and_then(Value::as_object_mut) {
        tls.remove("certResolver");
        tls.remove("domains");
    }
    proof
}

/// The file of one service in Traefik's folder.
#[derive(Debug, Clone)]
pub struct RouteFile {
    path: PathBuf,
    staging: PathBuf,
    transport: String,
    stand_ins: StandIns,
}

impl RouteFile {
    /// Where the file of `service` is, and what stands in for names there.
    #[must_use]
    pub fn new(dir: &Path, app: &AppName, service: &ServiceName, stand_ins: &StandIns) -> Self {
        let transport = format!("deploy-agent-{app}-{service}");
        let name = format!("{transport}.yml");
        // Sub-folders are not watched and `.tmp` is not loaded: one event per change, at the rename.
        let staging = dir.join(".deploy-agent").join(format!("{name}.tmp"));
        Self { path: dir.join(name), staging, transport, stand_ins: stand_ins.clone() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the transport that the file defines: unique, because Traefik merges all files of the folder.
    #[must_use]
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// What it says now, by names; `None` where it is absent.
    ///
    /// # Errors
    /// What reading says.
    pub fn read(&self) -> io::Result<Option<String>> {
        let standing = self.stand_ins.hold();
        Ok(self.on_disk()?.map(|text| standing.with_names(&text)))
    }

    /// What the file calls `server` now.
    #[must_use]
    pub fn calls(&self, server: &str) -> String {
        self.stand_ins.of(server)
    }

    /// As Traefik reads it.
    pub(super) fn on_disk(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what an agent that died while it wrote left of the next one.
    ///
    /// # Errors
    /// What removing says.
    pub fn forget_half(&self) -> io::Result<()> {
        remove_file(&self.staging)
    }

    /// Replaces it by rename, or removes it. `text` speaks of names.
    ///
    /// # Errors
    /// What writing says; the file is then as before.
    pub fn write(&self, text: Option<&str>) -> io::Result<()> {
        let standing = self.stand_ins.hold();
        self.put(text.map(|text| standing.with_addresses(text)).as_deref())
    }

    /// Puts this text there as it is.
    pub(super) fn put(&self, text: Option<&str>) -> io::Result<()> {
        let Some(text) = text else { return remove_file(&self.path) };
        if let Some(folder) = self.staging.parent() {
            fs::create_dir_all(folder)?;
        }
        // Traefik may run as another user in its container; the folder's own mode guards the content.
        write_atomic(&self.path, &self.staging, text.as_bytes(), 0o644)
    }
}

/// A file of ours as it is, but for its servers, which become these, and without proofs: for whoever has lost the route
/// that it was made from. `None` where it is not as we write it.
#[must_use]
pub fn led_to(text: &str, servers: &[String]) -> Option<String> {
    let mut config = config_of(text)?;
    let http = config.get_mut("http")?.as_object_mut()?;
    for part in http.values_mut().filter_map(Value::as_object_mut) {
        part.retain(|name, _| !name.starts_with(PROOF_PREFIX));
    }
    // Traefik rejects a file with an empty element.
    http.retain(|_, part| part.as_object().is_none_or(|part| !part.is_empty()));
    for service in http.get_mut("services")?.as_object_mut()?.values_mut() {
        let known = service.pointer_mut("/loadBalancer/servers")?;
        let url = known.pointer("/0/url")?.as_str()?;
        let (scheme, port) = (url.split_once("://")?.0, url.rsplit_once(':')?.1);
        *known = servers.iter().map(|server| json!({"url": format!("{scheme}://{server}:{port}")})).collect();
    }
    Some(text_of(&config))
}

/// What a file of ours says; `None` where it is not as we write it.
#[must_use]
pub fn config_of(text: &str) -> Option<Value> {
    serde_json::from_str(text.split_once('\n')?.1).ok()
}

/// The file's text. JSON is YAML; `{{` would begin a template of Traefik's.
#[must_use]
pub fn text_of(config: &Value) -> String {
    let body = serde_json::to_string_pretty(config).unwrap_or_default().replace("{{", "{\\u007b");
    format!("# Written by the deploy agent. Do not edit: it is replaced by the next deployment.\n{body}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(servers: &[&str], proof: bool) -> Value {
        let servers: Vec<Value> =
            servers.iter().map(|server| json!({"url": format!("http://{server}:8080")})).collect();
        let mut config = json!({"http": {
            "routers": {"web": {"rule": "Host(`a.test`)", "service": "web"}},
            "services": {"web": {"loadBalancer": {"servers": servers, "serversTransport": "t"}}},
        }});
        if proof {
            let name = format!("{PROOF_PREFIX}1");
            for part in ["routers", "middlewares", "services"] {
                config["http"][part][&name] = json!({"x": "{{y"});
            }
        }
        config
    }

    #[test]
    fn a_route_is_led_elsewhere_by_its_file_alone() {
        let led = led_to(&text_of(&config(&["new"], true)), &["old-1".to_owned(), "old-2".to_owned()]);
        assert_eq!(led, Some(text_of(&config(&["old-1", "old-2"], false))));
        for damaged in ["", "# ours", "# ours\n{}", "# ours\n{\"http\": {\"services\": {\"web\": {}}}}"] {
            assert_eq!(led_to(damaged, &["old".to_owned()]), None, "{damaged}");
        }
    }

    #[test]
    fn what_a_crash_left_of_a_file_goes_and_the_file_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = RouteFile::new(
            folder.path(),
            &"shop".parse().expect("a name"),
            &"web".parse().expect("a name"),
            &StandIns::default(),
        );
        file.write(Some("x")).expect("writes");
        fs::write(&file.staging, "half").expect("writes");
        file.forget_half().expect("removes");
        assert!(file.path().exists() && !file.staging.exists());
    }
}
