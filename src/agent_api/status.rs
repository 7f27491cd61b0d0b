//! What a service runs, and what a deployment would meet.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Holder;
use crate::domain::{AppName, DeploymentId, ImageRef, ServiceName};

/// One release: an image that was proven to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Counts up per service, from 1.
    pub number: u64,
    /// The image by digest; absent for one that exists on the host only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The engine's image id.
    pub image_id: String,
    /// Compose's hash of the service's configuration.
    pub config_hash: String,
    /// When it was proven.
    pub proven_at: Timestamp,
    /// The deployment that made it; absent for the version that was found running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// True where it came from a rollback.
    #[serde(default)]
    pub rollback: bool,
}

#[cfg(test)]
impl Release {
    /// One that a deployment of nobody made, for tests.
    pub(crate) fn sample(number: u64, image_id: &str) -> Self {
        Self {
            number,
            image: None,
            image_id: image_id.to_owned(),
            config_hash: String::new(),
            proven_at: Timestamp::UNIX_EPOCH,
            deployment: None,
            rollback: false,
        }
    }
}

/// A running container of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Container name.
    pub name: String,
    /// First 12 digits of its id.
    pub id: String,
    /// Docker's state word.
    pub state: String,
    /// Docker's health word, where the image has a health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The image by digest, where the engine knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The engine's image id.
    pub image_id: String,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
}

/// How the service decides that a new version may get traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The agent's own HTTP probe, `:port/path`.
    Probe(String),
    /// The image's or compose file's health check.
    DockerHealth,
    /// Nothing: a swap would be blind.
    None,
}

/// The service's route in Traefik.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Router name without provider.
    pub router: String,
    /// Its rule.
    pub rule: String,
    /// Entry points.
    pub entry_points: Vec<String>,
    /// Its priority as Traefik resolved it.
    pub priority: u64,
}

/// Who serves the routes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// No route: a worker.
    None,
    /// Labels, through Traefik's Docker provider; the first deployment adopts them.
    Labels,
    /// The agent's file.
    Agent,
}

/// Something that makes a safe swap impossible, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// A stable word, for example `no_gate`.
    pub code: String,
    /// What is in the way.
    pub message: String,
    /// The line or label to change.
    pub hint: String,
}

/// A difference between what was deployed and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// A stable word: `containers_replaced`, `image_differs`, `not_running`, `config_changed`, `unrouted`.
    pub code: String,
    /// What differs.
    pub message: String,
}

/// Everything a plan needs to know of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The API version of the answer.
    pub api: u32,
    /// The agent's id.
    pub agent_id: String,
    /// The agent's version.
    pub agent_version: String,
    /// The application.
    pub app: AppName,
    /// The service.
    pub service: ServiceName,
    /// Changes whenever containers, release or compose configuration change or a deployment ended; see [`expected_revision`](super::DeployRequest::expected_revision).
    pub revision: String,
    /// The release that serves, where the agent deployed or adopted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// What `rollback` would go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Release>,
    /// Its containers.
    pub replicas: Vec<Replica>,
    /// How many containers a deployment makes.
    pub wanted_replicas: u64,
    /// The gate.
    pub gate: Gate,
    /// Who serves the routes.
    pub routing: Routing,
    /// The routes.
    pub routes: Vec<Route>,
    /// The routes after a deployment, where the compose file's routing labels changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_routes: Vec<Route>,
    /// The URL that proves a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Repositories whose images may be deployed.
    pub images: Vec<String>,
    /// True where the compose file asks for something else than what runs, image aside.
    pub config_changed: bool,
    /// Compose services that list this one under `depends_on`.
    #[serde(default)]
    pub dependents: Vec<String>,
    /// Whether a deployment may name a command that runs before it. False from an older agent, which would not heed it.
    #[serde(default)]
    pub runs_before_deploy: bool,
    /// Verify window in milliseconds.
    pub verify_for_ms: u64,
    /// Longest wait for old connections in milliseconds.
    pub drain_timeout_ms: u64,
    /// Whether the asked-for image is on the host; absent where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_present: Option<bool>,
    /// What makes a swap impossible.
    pub blockers: Vec<Blocker>,
    /// What differs from what was deployed.
    pub drift: Vec<Drift>,
    /// Containers of an earlier version that are still there after their deployment's end, until they drained and stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<String>,
    /// The deployment that holds the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}
