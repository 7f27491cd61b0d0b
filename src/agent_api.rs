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

mod history;
mod status;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{
    AppName, DeploymentId, IdempotencyKey, ImageRef, Reason, Secret, ServiceName, one_line, show_time,
};
use crate::event::{Outcome, Phase, Stamped};

pub use history::{History, HistoryEntry};
pub use status::{Blocker, Drift, Gate, Release, Replica, Route, Routing, ServiceStatus};

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

/// A command that runs in a container of the new image before the new version starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeDeploy {
    /// Its words, which no shell reads; how many is said by [`crate::domain::is_command`].
    pub command: Vec<String>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
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
    /// A command that has to end with 0 before the new version starts; see [`ServiceStatus::runs_before_deploy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_deploy: Option<BeforeDeploy>,
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
