//! The wire between the command and the agent, version 1: JSON over HTTP, signed requests.
//!
//! Readers ignore members they do not know and refuse a higher `api`. Neither side's inner types appear here.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/apps/{app}/services/{service}` with `image=repository@digest` or `rollback=1` as optional query | [`ServiceStatus`] |
//! | `GET /v1/apps/{app}/services/{service}/history` | [`History`] |
//! | `POST /v1/apps/{app}/services/{service}/deployments` with [`DeployRequest`] | 202 [`Deployment`]; 200 where the key is known |
//! | `GET /v1/deployments/{id}` | [`Deployment`] |
//! | `GET /v1/deployments/{id}/events?after=seq&wait=25` | [`Events`] |
//! | `POST /v1/deployments/{id}/cancel` | 202 [`Deployment`]; 409 once the switch began |
//!
//! Every failure is an [`ApiError`].

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{
    AppName, DeploymentId, IdempotencyKey, ImageRef, Reason, Secret, ServiceName, one_line, show_time,
};
use crate::event::{Outcome, Phase, Stamped};

/// The version of this API.
pub const API: u32 = 1;
/// Largest request body in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest a reader may ask an events request to wait, in seconds.
pub const MAX_WAIT: u64 = 25;
/// Greatest difference between the two clocks, in seconds.
pub const MAX_SKEW: i64 = 300;
/// The scheme word of the `Authorization` header.
pub const SCHEME: &str = "Deploy-Agent-V1";

/// The bytes that a request's signature covers. `path` is path and query exactly as sent.
#[must_use]
pub fn signed_bytes(
    agent_id: &str,
    method: &str,
    path: &str,
    unix: i64,
    nonce: &str,
    body_sha256_hex: &str,
) -> Vec<u8> {
    format!("deploy-agent-v1\n{agent_id}\n{method}\n{path}\n{unix}\n{nonce}\n{body_sha256_hex}").into_bytes()
}

/// A failure, with the HTTP status that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The cause.
    pub code: Reason,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Who is in the way, where the code is `busy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Box<Holder>>,
}

/// The deployment that holds an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its id.
    pub deployment: DeploymentId,
    /// The service it changes.
    pub service: ServiceName,
    /// Who asked for it, as they called themselves.
    pub requested_by: String,
    /// Since when.
    pub since: Timestamp,
    /// The caller's key; absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Counts up with every deployment of the application: a greater one is a later one. Absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// When it has ended at the latest, by the limits of the phases that are still before it. Absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Holder {
    /// Who holds it, since when and until when: a sentence for people, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let by = if self.requested_by.is_empty() { "an unnamed caller" } else { &self.requested_by };
        let until = self.until.map(|until| format!(", until {} at the latest", show_time(until)));
        format!(
            "deployment `{}` of `{}` by {} has been running since {}{}",
            self.deployment,
            self.service,
            one_line(by, 100),
            show_time(self.since),
            until.unwrap_or_default()
        )
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// This image.
    Image(ImageRef),
    /// The newest proven release that differs from the running one.
    Rollback,
}

/// A registry credential for one pull. Kept in memory only.
#[derive(Debug, Clone, Deserialize)]
pub struct PullCredential {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: Secret<String>,
}

impl Serialize for PullCredential {
    /// The one place where the password leaves the process: the body of a signed request.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("PullCredential", 2)?;
        fields.serialize_field("username", &self.username)?;
        fields.serialize_field("password", self.password.expose())?;
        fields.end()
    }
}

/// Asks for a deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The API version the caller speaks.
    pub api: u32,
    /// The caller's own version; absent from an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Same key = same deployment.
    pub idempotency_key: IdempotencyKey,
    /// What is asked for.
    pub want: Wanted,
    /// The [`ServiceStatus::revision`] that the plan saw; another one is refused as `changed_underneath`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<String>,
    /// Who asks, for the holder of a lock and for history. Shown escaped.
    #[serde(default)]
    pub requested_by: String,
    /// For a private registry.
    #[serde(default, deserialize_with = "credential", skip_serializing_if = "Option::is_none")]
    pub credential: Option<PullCredential>,
}

/// Reads a credential; an error repeats nothing of it.
fn credential<'de, D: Deserializer<'de>>(input: D) -> Result<Option<PullCredential>, D::Error> {
    Option::<PullCredential>::deserialize(input)
        .map_err(|_| D::Error::custom("`credential` is not an object with the texts `username` and `password`"))
}

/// A deployment as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// The API version of the answer.
    pub api: u32,
    /// Its id.
    pub id: DeploymentId,
    /// Its application.
    pub app: AppName,
    /// Its service.
    pub service: ServiceName,
    /// What it deploys: by digest, or the engine's image id for one that exists on the host only.
    pub image: String,
    /// True for a rollback.
    #[serde(default)]
    pub rollback: bool,
    /// The phase it is in, or was in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// How it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// True where this answer repeats an earlier one for the same idempotency key.
    #[serde(default)]
    pub replay: bool,
    /// As in [`Holder::fence`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// The agent's version; absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
}

/// A page of a deployment's events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The API version of the answer.
    pub api: u32,
    /// Events after the asked-for sequence number, in order.
    pub events: Vec<Stamped>,
    /// True once the deployment ended and this page holds its last event.
    pub done: bool,
    /// The agent's version; absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
}

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
    /// Changes whenever containers, release or compose configuration change or a deployment ended; see [`DeployRequest::expected_revision`].
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
    /// The deployment that holds the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// One line of the service's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The deployment.
    pub deployment: DeploymentId,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it deployed.
    pub image: String,
    /// True for a rollback.
    #[serde(default)]
    pub rollback: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The release it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Who asked for it.
    #[serde(default)]
    pub requested_by: String,
    /// The caller's key; absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// As in [`Holder::fence`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

/// A service's deployments, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The API version of the answer.
    pub api: u32,
    /// The deployments.
    pub entries: Vec<HistoryEntry>,
    /// Proven releases, newest first.
    pub releases: Vec<Release>,
    /// The agent's version; absent from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
}
