//! The deployments of a service that ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Release;
use crate::domain::{DeploymentId, IdempotencyKey, Reason};
use crate::event::Outcome;

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
    /// As in [`Holder::fence`](super::Holder::fence).
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
