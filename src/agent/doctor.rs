//! `agent doctor`: looks at everything the agent needs on this host; says what is wrong and the command that mends it.
//! Changes nothing.

mod addresses;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::app::OpenError;
use super::compose::{Compose, ComposeEnv, With};
use super::config::{AgentConfig, TraefikConfig};
use super::proxy::traefik::api::{Api, text};
use super::proxy::traefik::http::local_client;
use super::proxy::traefik::metrics;
use super::proxy::traefik::prove::{baseline, request_through};
use super::store::{AppState, Journal, JournalError, StateError};
use crate::clients::docker::{Container, DEFAULT_HOST, Engine};
use crate::env::Env;
use crate::failure::Failure;

/// Free space below which a deployment is likely to fail, in bytes: an image and its unpacking.
const SPACE: u64 = 1024 * 1024 * 1024;
/// Oldest compose that is known to work.
const COMPOSE: (u64, u64) = (2, 20);

/// Where it comes from: Docker's own packages, Ubuntu's, or a file.
const COMPOSE_PACKAGE: &str = "apt-get install docker-compose-plugin (of Docker's repository; Ubuntu's own is docker-compose-v2), or put the plugin into /usr/local/lib/docker/cli-plugins";

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is right: what it is.
    Good(String),
    /// The agent works without it: what it then does not do, and how it would.
    Without(String),
    /// What is wrong with it, and the command that mends it.
    Bad(String, String),
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: &str, text: impl Into<String>) {
        self.0.push(Finding { what: what.to_owned(), seen: Seen::Good(text.into()) });
    }

    fn bad(&mut self, what: &str, text: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { what: what.to_owned(), seen: Seen::Bad(text.into(), mend.into()) });
    }

    fn without(&mut self, what: &str, text: impl Into<String>) {
        self.0.push(Finding { what: what.to_owned(), seen: Seen::Without(text.into()) });
    }
}

/// Looks at everything.
///
/// # Errors
/// Only where `agent.yml` itself cannot be used: there is nothing to look at then.
pub async fn doctor(path: &Path, env: &Env) -> Result<Vec<Finding>, Failure> {
    let config = super::serve::load(path)?;
    let mut found = Findings::default();
    found.good(
        "agent.yml",
        format!("agent `{}`, {} key(s), {} application(s)", config.agent_id, config.keys.len(), config.apps.len()),
    );
    clock(&mut found);
    space(&mut found, "state folder", &config.state_dir);
    let engine = engine(&mut found, env.docker_host.as_deref().unwrap_or(DEFAULT_HOST)).await;
    if let Some(Ok(root)) = match &engine {
        Some(engine) => Some(engine.data_root().await),
        None => None,
    } {
        // An engine of another machine keeps its images there.
        if Path::new(&root).exists() {
            space(&mut found, "Docker's folder", Path::new(&root));
        }
    }
    let compose_env = ComposeEnv(env.for_compose.clone());
    compose(&mut found, &compose_env).await;
    for (app, app_config) in &config.apps {
        let folder = config.state_dir.join(app.as_str());
        state(&mut found, &format!("state of {app}"), &folder);
        let compose = Compose::new(&app_config.project, &app_config.dir, &app_config.files, compose_env.clone());
        project(
            &mut found,
            &format!("application {app}"),
            &compose,
            app_config.services.keys().map(ToString::to_string),
        )
        .await;
    }
    if let Some(traefik_config) = &config.traefik {
        let container = match &engine {
            Some(engine) => {
                let running = engine.running_containers().await.unwrap_or_default();
                engine.with_mount(&traefik_config.dir, &running).await.unwrap_or_default()
            }
            None => None,
        };
        if let (Some(engine), Some(container)) = (&engine, &container) {
            addresses::look(&mut found, engine, container, &config).await;
        }
        let answers_there = traefik(&mut found, traefik_config, container.as_ref()).await;
        let mut services = config.apps.values().flat_map(|app| app.services.values());
        if answers_there && services.any(|service| service.max_5xx < 100) {
            answers(&mut found, &traefik_config.metrics).await;
        }
    }
    door(&mut found, &config).await;
    if let Some(traefik) = &config.traefik {
        through_traefik(&mut found, &config, traefik).await;
    }
    Ok(found.0)
}

/// 2024-01-01: a clock before this was never set, and every signature would be refused.
const EPOCH: i64 = 1_704_067_200;

fn clock(found: &mut Findings) {
    let now = Timestamp::now();
    if now.as_second() < EPOCH {
        found.bad("clock", format!("it says {now}"), "timedatectl set-ntp true");
    } else {
        found.good("clock", format!("{now}; callers may differ by 300 s"));
    }
}

fn space(found: &mut Findings, what: &str, path: &Path) {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(existing) {
        Ok(stat) if stat.f_bavail * stat.f_frsize < SPACE => {
            let free = stat.f_bavail * stat.f_frsize / (1024 * 1024);
            found.bad(what, format!("{} has {free} MiB free", existing.display()), "docker image prune");
        }
        Ok(stat) => {
            found.good(what, format!("{}, {} MiB free", path.display(), stat.f_bavail * stat.f_frsize / (1024 * 1024)))
        }
        Err(error) => found.bad(what, format!("{}: {error}", path.display()), format!("mkdir -p {}", path.display())),
    }
}

/// What the agent would not start with.
fn state(found: &mut Findings, what: &str, folder: &Path) {
    let looked = AppState::load(folder).map_err(OpenError::from).map(drop);
    let Err(error) = looked.and_then(|()| Journal::check(folder).map_err(OpenError::from)) else { return };
    let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    let aside =
        |file: &str| format!("mv {0}/{file} {0}/{file}.aside && systemctl restart deploy-agent", folder.display());
    let mend = match &error {
        OpenError::State(StateError::Format { .. }) => aside("state.json"),
        OpenError::Journal(JournalError::Headless { .. }) => aside("journal"),
        _ => error.hint().to_owned(),
    };
    found.bad(what, format!("{error}{why}"), mend);
}

async fn engine(found: &mut Findings, host: &str) -> Option<Engine> {
    let engine = match Engine::new(host) {
        Ok(engine) => engine,
        Err(error) => {
            found.bad("Docker Engine", error.to_string(), "systemctl start docker");
            return None;
        }
    };
    match engine.version().await {
        Ok(version) => {
            found.good("Docker Engine", format!("{} (API {}) at {host}", version.engine, version.api));
            Some(engine)
        }
        Err(error) => {
            found.bad("Docker Engine", error.to_string(), "systemctl start docker");
            None
        }
    }
}

async fn compose(found: &mut Findings, env: &ComposeEnv) {
    match Compose::version(env).await {
        Ok(version) => {
            let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u64>().unwrap_or_default());
            let short = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if short >= COMPOSE {
                found.good("docker compose", version);
            } else {
                found.bad(
                    "docker compose",
                    format!("version {version} is older than {}.{}", COMPOSE.0, COMPOSE.1),
                    COMPOSE_PACKAGE,
                );
            }
        }
        Err(error) => found.bad("docker compose", error.to_string(), COMPOSE_PACKAGE),
    }
}

async fn project(found: &mut Findings, what: &str, compose: &Compose, services: impl Iterator<Item = String>) {
    for file in compose.files() {
        if !file.is_file() {
            found.bad(
                what,
                format!("{} does not exist", file.display()),
                "set `dir` and `files` of the application in agent.yml",
            );
            return;
        }
    }
    match compose.resolve(With::Live).await {
        Ok(resolved) => {
            let known = resolved.services;
            let missing: Vec<String> = services.filter(|service| !known.contains_key(service)).collect();
            if missing.is_empty() {
                found.good(what, format!("project `{}` in {}", compose.project(), compose.dir().display()));
            } else {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                found.bad(
                    what,
                    format!("the compose files define no {}", missing.join(", ")),
                    format!("use one of {} in agent.yml", names.join(", ")),
                );
            }
        }
        Err(error) => found.bad(
            what,
            error.to_string(),
            format!("docker compose --project-directory {} config", compose.dir().display()),
        ),
    }
    if let Some((problem, mend)) = super::facts::override_unlisted(compose) {
        found.bad(what, problem, mend);
    }
}

/// Whether its API answers.
async fn traefik(found: &mut Findings, config: &TraefikConfig, container: Option<&Container>) -> bool {
    let version = match local_client() {
        Ok(client) => Api::new(&config.api, client).version().await.map_err(|error| {
            found.bad(
                "Traefik's API",
                error.to_string(),
                "set `api: { insecure: true }` in Traefik's static configuration and publish its port on 127.0.0.1 only",
            );
        }),
        Err(error) => {
            found.bad("Traefik's API", error.to_string(), "look at the system's CA certificates");
            Err(())
        }
    };
    if let Ok(version) = &version {
        found.good("Traefik's API", format!("{version} at {}", config.api));
    }
    let dir = &config.dir;
    if !dir.is_dir() {
        found.bad(
            "Traefik's folder",
            format!("{} does not exist", dir.display()),
            format!("mkdir -p {}", dir.display()),
        );
    }
    match container {
        Some(container) if container.network_mode == "host" => found.bad(
            "Traefik's folder",
            format!("{} uses the host's network and cannot resolve container names", container.name),
            "attach Traefik to the application's network instead, and publish its ports",
        ),
        Some(container) => found.good("Traefik's folder", format!("{} is mounted into {}", dir.display(), container.name)),
        None => found.bad(
            "Traefik's folder",
            format!("no running container mounts {}", dir.display()),
            format!("add the volume `{}:/etc/traefik/dynamic:ro` to Traefik and set `providers.file.directory: /etc/traefik/dynamic`", dir.display()),
        ),
    }
    version.is_ok()
}

/// Without them a version that fails everybody but its probe is not found out.
async fn answers(found: &mut Findings, url: &str) {
    let what = "Traefik's metrics";
    let Ok(client) = local_client() else { return };
    match metrics::read(&client, url, &[]).await {
        Ok(_) => found.good(what, format!("{url}; the verify window also watches what users get")),
        Err(error) => found.without(
            what,
            format!(
                "{error}; what users get in the verify window is not watched: set `metrics: {{ prometheus: {{}} }}` in Traefik's static configuration, and `traefik.metrics` in agent.yml where it answers elsewhere; or `max_5xx: 100%` where nobody needs it"
            ),
        ),
    }
}

/// A running agent answers anything unsigned with 401: that is enough to know that it is reached.
async fn door(found: &mut Findings, config: &AgentConfig) {
    let url = format!("http://{}{}/v1/", config.listen, config.base_path);
    let Ok(client) = local_client() else { return };
    match client.get(&url).timeout(Duration::from_secs(3)).send().await {
        Ok(answer) if answer.status() == reqwest::StatusCode::UNAUTHORIZED => {
            found.good("agent", format!("answers at {}", config.listen))
        }
        Ok(answer) => found.bad(
            "agent",
            format!("something else answers at {} (status {})", config.listen, answer.status()),
            "set another `listen` in agent.yml",
        ),
        Err(_) => found.bad("agent", format!("does not answer at {}", config.listen), "systemctl start deploy-agent"),
    }
}

/// Where a router of Traefik leads to the agent, a request through it must arrive: host firewalls like to drop what
/// containers send to the host.
async fn through_traefik(found: &mut Findings, config: &AgentConfig, traefik: &TraefikConfig) {
    let Ok(client) = local_client() else { return };
    let Ok(view) = Api::new(&traefik.api, client).view().await else { return };
    let url = format!("http://{}", config.listen);
    let ours = |service: &&Value| {
        let servers = service.pointer("/loadBalancer/servers").and_then(Value::as_array);
        servers.is_some_and(|servers| servers.iter().any(|server| text(server, "url").trim_end_matches('/') == url))
    };
    let services: Vec<&str> = view.services.iter().filter(ours).map(|service| text(service, "name")).collect();
    let leads_here = |router: &&Value| {
        let provider = text(router, "name").rsplit_once('@').map_or("", |(_, provider)| provider);
        let service = text(router, "service");
        services.iter().any(|known| *known == service || *known == format!("{service}@{provider}"))
    };
    for router in view.routers.iter().filter(leads_here) {
        let name = text(router, "name");
        let path = format!("{}/v1/", config.base_path);
        let Some(request) = request_through(router, &path, &traefik.entrypoints) else { continue };
        match baseline(&request).await {
            Some(401) => found.good("agent through Traefik", format!("answers through router `{name}`")),
            // Traefik itself says so where it does not get through.
            Some(status) if !matches!(status, 502 | 504) => found.bad(
                "agent through Traefik",
                format!("router `{name}` answers with status {status} instead of leading to the agent"),
                format!("look at its rule and middlewares; the agent expects paths below {}/", config.base_path),
            ),
            _ => found.bad(
                "agent through Traefik",
                format!("router `{name}` leads to {url}, and nothing answers through it"),
                format!(
                    "ufw allow in from 172.16.0.0/12 to any port {} proto tcp (or the like in the host's firewall)",
                    config.listen.port()
                ),
            ),
        }
    }
}
