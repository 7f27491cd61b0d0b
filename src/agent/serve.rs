//! `agent serve`: reads `agent.yml`, opens everything, resumes what was interrupted, opens the door.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use super::app::{App, OpenError, refusal};
use super::compose::{Compose, ComposeEnv};
use super::config::{self, AgentConfig};
use super::http::{Authenticator, Door, Nonces, Routes, serve as serve_http};
use super::metrics::{Metrics, PhaseTimes, serve as serve_metrics};
use super::proxy::traefik::api::Api;
use super::proxy::traefik::http::local_client;
use super::proxy::traefik::stand_in::StandIns;
use super::site::{Site, Traefik};
use super::store::Lock;
use crate::agent_api::ApiError;
use crate::clients::bounded;
use crate::clients::docker::{DEFAULT_HOST, Engine};
use crate::domain::{AppName, Reason};
use crate::env::Env;
use crate::failure::{Failure, with_causes};
use crate::signing::weak_key;

/// How long a compose call of an agent that died may hold its application's lock.
const LOCK: Duration = Duration::from_secs(60);

/// Reads and checks an `agent.yml`.
///
/// # Errors
/// Every problem of the file, at its line.
pub fn load(path: &Path) -> Result<AgentConfig, Failure> {
    let shown = path.display().to_string();
    let text = bounded::read(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => {
            Failure::new(Reason::ConfigInvalid, format!("{shown} is not UTF-8 text")).hint("save it as UTF-8")
        }
        _ => Failure::new(Reason::ConfigInvalid, format!("{shown} cannot be read"))
            .because(error)
            .hint("give the file with `--config`; the README shows one"),
    })?;
    config::parse(&shown, &text, weak_key).map_err(|problems| {
        let all = problems.to_string();
        Failure::new(Reason::ConfigInvalid, format!("{}\n{}", problems.summary(), all.trim_end()))
    })
}

/// Serves until the future is dropped.
///
/// # Errors
/// Whatever keeps the agent from starting, before anything was changed.
pub async fn serve(path: &Path, env: &Env) -> Result<(), Failure> {
    let config = load(path)?;
    let host = env.docker_host.as_deref().unwrap_or(DEFAULT_HOST);
    let engine = open_engine(host).await?;
    let compose_env = ComposeEnv(env.for_compose.clone());
    Compose::version(&compose_env).await.map_err(|error| {
        Failure::new(Reason::ComposeFailed, "`docker compose` does not run")
            .kind(crate::failure::Kind::Preflight)
            .because(error)
            .hint("install the `docker` command with its compose plugin, version 2.20 or newer: https://docs.docker.com/compose/install/linux/")
    })?;
    let state = |what: &str, error: std::io::Error| {
        Failure::new(Reason::StateUnusable, format!("the state folder {} cannot be {what}", config.state_dir.display()))
            .because(error)
            .hint("make `state_dir` of agent.yml a folder that the agent may write to")
    };
    make_folder(&config.state_dir).map_err(|error| state("made", error))?;
    let agent_lock = Lock::try_take(&config.state_dir.join("agent.lock")).map_err(|error| state("locked", error))?;
    let _agent_lock = agent_lock.ok_or_else(|| {
        Failure::new(Reason::StateUnusable, format!("another agent runs on {}", config.state_dir.display()))
            .hint("stop it, or give this one a `state_dir` of its own")
    })?;
    let nonces = Nonces::open(&config.state_dir, Timestamp::now().as_second()).map_err(|error| state("read", error))?;
    let (tasks, phases) = (TaskTracker::new(), PhaseTimes::default());
    let mut routes = Routes { apps: Vec::new(), closed: BTreeMap::new() };
    for site in sites(&config, &engine, &compose_env).await? {
        let name = site.app.clone();
        match App::open(site, tasks.clone(), phases.clone()) {
            Ok((app, job)) => {
                app.resume(job).await;
                tasks.spawn(super::watch::watch(app.clone()));
                tasks.spawn(super::away::bridge(app.clone()));
                routes.apps.push(app);
            }
            // The others have nothing to do with it. Trouble that may pass ends the agent, which is started again.
            Err(error) if error.stays() && config.apps.len() > 1 => {
                let why = closed(&name, error);
                tracing::error!(app = %name, why = why.message, hint = why.hint, "the application is not served");
                routes.closed.insert(name, why);
            }
            Err(error) => return Err(unusable(&name, error)),
        }
    }
    if routes.apps.is_empty()
        && let Some((name, why)) = routes.closed.pop_first()
    {
        let hint = why.hint.unwrap_or_default();
        return Err(Failure::new(why.code, format!("no application can be served; {name}: {}", why.message)).hint(hint));
    }
    let metrics =
        Arc::new(Metrics::new(&config.agent_id, phases, routes.apps.clone(), routes.closed.keys().cloned().collect()));
    let authenticator = Authenticator::new(&config.agent_id, &config.keys, nonces);
    let door = Arc::new(Door::new(authenticator, routes, &config.base_path));
    let agent_id = config.agent_id.clone();
    let taken = |key: &str, address: SocketAddr, error: std::io::Error| {
        Failure::new(Reason::ConfigInvalid, format!("{address} cannot be listened on"))
            .because(error)
            .hint(format!("free the port, or set another `{key}` in agent.yml"))
    };
    let measured = async {
        match config.metrics_listen {
            Some(address) => serve_metrics(address, metrics).await.map_err(|e| taken("metrics_listen", address, e)),
            None => std::future::pending().await,
        }
    };
    let served = serve_http(config.listen, door, |address| tracing::info!(%address, agent = %agent_id, "listening"));
    tokio::select! {
        served = served => served.map_err(|error| taken("listen", config.listen, error)),
        measured = measured => measured,
    }
}

async fn open_engine(host: &str) -> Result<Engine, Failure> {
    let unavailable = |error: crate::clients::docker::DockerError| {
        Failure::new(Reason::DockerUnavailable, format!("there is no Docker Engine at {host}"))
            .because(error)
            .hint("start it (`systemctl start docker`), or set DOCKER_HOST to where it listens")
    };
    let engine = Engine::new(host).map_err(unavailable)?;
    let version = engine.version().await.map_err(unavailable)?;
    tracing::info!(engine = version.engine, api = version.api, "connected to the Docker Engine");
    Ok(engine)
}

fn unusable(app: &AppName, error: OpenError) -> Failure {
    let hint = error.hint();
    Failure::new(Reason::StateUnusable, format!("the state of application `{app}` cannot be used"))
        .because(error)
        .hint(hint)
}

/// The answer to whoever asks for an application that is not served.
fn closed(app: &AppName, error: OpenError) -> ApiError {
    let (why, hint) = (with_causes(&error), error.hint());
    refusal(
        Reason::StateUnusable,
        format!("the state of application `{app}` cannot be used: {why}"),
        format!("on the host, {hint}; then restart the agent"),
    )
}

async fn sites(config: &AgentConfig, engine: &Engine, env: &ComposeEnv) -> Result<Vec<Site>, Failure> {
    let http =
        local_client().map_err(|error| Failure::new(Reason::Bug, "the HTTP client cannot be made").because(error))?;
    let (mut sites, images, addresses) = (Vec::new(), Arc::default(), Arc::default());
    for (app, app_config) in &config.apps {
        let folder = config.state_dir.join(app.as_str());
        let state = |error: std::io::Error| {
            Failure::new(Reason::StateUnusable, format!("{} cannot be used", folder.display()))
                .because(error)
                .hint("make it a folder that the agent may write to")
        };
        make_folder(&folder).map_err(state)?;
        let lock = wait_for_lock(&folder.join("lock")).await.map_err(state)?;
        let lock = lock.ok_or_else(|| {
            Failure::new(
                Reason::StateUnusable,
                format!("a `docker compose` of an earlier agent still holds {}", folder.display()),
            )
            .hint("wait for it or end it, then start the agent again")
        })?;
        let traefik = config.traefik.as_ref();
        sites.push(Site {
            agent_id: config.agent_id.clone(),
            app: app.clone(),
            compose: Compose::new(&app_config.project, &app_config.dir, &app_config.files, env.clone()),
            config: app_config.clone(),
            engine: engine.clone(),
            traefik: traefik
                .map(|traefik| Traefik { api: Api::new(&traefik.api, http.clone()), config: traefik.clone() }),
            http: http.clone(),
            folder,
            images: Arc::clone(&images),
            addresses: Arc::clone(&addresses),
            stand_ins: StandIns::default(),
            lock,
        });
    }
    Ok(sites)
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

async fn wait_for_lock(path: &Path) -> std::io::Result<Option<Lock>> {
    let until = tokio::time::Instant::now() + LOCK;
    loop {
        if let Some(lock) = Lock::try_take(path)? {
            return Ok(Some(lock));
        }
        if tokio::time::Instant::now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
