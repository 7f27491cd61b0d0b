//! Everything that does not change about one application while the agent runs.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, RwLock};

use super::compose::Compose;
use super::config::{AppConfig, ServiceConfig, TraefikConfig};
use super::proxy::traefik::api::Api;
use super::proxy::traefik::file::RouteFile;
use super::proxy::traefik::stand_in::StandIns;
use super::store::Lock;
use crate::clients::docker::Engine;
use crate::domain::{AppName, ServiceName};

/// Traefik as this agent reaches it.
#[derive(Debug, Clone)]
pub struct Traefik {
    /// Its API.
    pub api: Api,
    /// Its part of `agent.yml`.
    pub config: TraefikConfig,
}

/// One application on this host.
#[derive(Debug)]
pub struct Site {
    /// The agent's id.
    pub agent_id: String,
    /// The application.
    pub app: AppName,
    /// Its part of `agent.yml`.
    pub config: AppConfig,
    /// Its compose project.
    pub compose: Compose,
    /// The engine.
    pub engine: Engine,
    /// Traefik, where one is configured.
    pub traefik: Option<Traefik>,
    /// For probes and other calls on this host.
    pub http: reqwest::Client,
    /// Its folder under `state_dir`.
    pub folder: PathBuf,
    /// Of all applications on this host: a swap reads it while an image may be on the host for it alone, whoever removes
    /// images writes it.
    pub images: Arc<RwLock<()>>,
    /// Of all applications on this host: held by who chooses an address.
    pub addresses: Arc<Mutex<()>>,
    /// What stands in for names in its route files.
    pub stand_ins: StandIns,
    /// Held while this agent runs; compose children hold copies.
    pub lock: Lock,
}

impl Site {
    /// A service's part of `agent.yml`.
    #[must_use]
    pub fn service(&self, service: &ServiceName) -> Option<&ServiceConfig> {
        self.config.services.get(service)
    }

    /// The service's file in Traefik's folder.
    #[must_use]
    pub fn route_file(&self, service: &ServiceName) -> Option<RouteFile> {
        self.traefik.as_ref().map(|traefik| RouteFile::new(&traefik.config.dir, &self.app, service, &self.stand_ins))
    }

    /// The files of all its services.
    #[must_use]
    pub fn route_files(&self) -> Vec<RouteFile> {
        self.config.services.keys().filter_map(|service| self.route_file(service)).collect()
    }

    /// The local name that keeps a release's image on the host.
    #[must_use]
    pub fn retained(&self, service: &ServiceName, release: u64) -> (String, String) {
        (format!("deploy-agent/{}-{}", self.app, service.as_str().to_ascii_lowercase()), release.to_string())
    }
}
