//! Deployments of ECS that shift traffic.

use serde::{Deserialize, Serialize};

use super::DeploymentConfiguration;

/// A deployment of ECS that shifts traffic, as `DescribeServiceDeployments` gives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceDeployment {
    /// Its whole name.
    pub service_deployment_arn: String,
    /// `PENDING`, `IN_PROGRESS`, `SUCCESSFUL`, `STOP_REQUESTED`, `STOPPED`, `ROLLBACK_REQUESTED`, `ROLLBACK_IN_PROGRESS`,
    /// `ROLLBACK_SUCCESSFUL` or `ROLLBACK_FAILED`.
    pub status: String,
    /// ECS's words for it.
    pub status_reason: Option<String>,
    /// `SCALE_UP`, `PRODUCTION_TRAFFIC_SHIFT`, `BAKE_TIME` and others.
    pub lifecycle_stage: Option<String>,
    /// The new side.
    pub target_service_revision: Option<Revision>,
    /// What is undone, and why.
    pub rollback: Option<Rollback>,
    /// The alarms that end it.
    pub alarms: Option<Alarms>,
    /// Tasks that failed.
    pub deployment_circuit_breaker: Option<BreakerState>,
    /// Hooks, for example ones that wait for somebody.
    pub lifecycle_hook_details: Vec<Hook>,
    /// How its traffic goes over.
    pub deployment_configuration: DeploymentConfiguration,
}

/// One side of such a deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Revision {
    /// Its whole name.
    pub arn: String,
    /// Tasks that there shall be.
    pub requested_task_count: u64,
    /// Tasks that run.
    pub running_task_count: u64,
    /// Tasks that start.
    pub pending_task_count: u64,
    /// Share of the traffic in percent.
    pub requested_production_traffic_weight: Option<f64>,
}

/// What is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollback {
    /// Why.
    pub reason: Option<String>,
}

/// Alarms that end a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Alarms {
    /// Those that fired.
    pub triggered_alarm_names: Vec<String>,
}

/// Tasks that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BreakerState {
    /// `TRIGGERED`, `MONITORING` and others.
    pub status: String,
    /// How many.
    pub failure_count: u64,
}

/// A hook of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    /// Its name, which an answer has to give.
    pub hook_id: String,
    /// `PAUSE` where somebody answers it, `AWS_LAMBDA` where a function does.
    pub target_type: String,
    /// `AWAITING_ACTION`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED` or `TIMED_OUT`.
    pub status: String,
    /// When it gives up, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// What it does then: `ROLLBACK` or `CONTINUE`.
    pub timeout_action: Option<String>,
}

impl Hook {
    /// Whether the deployment ends with it: one that nobody answered may let it go on.
    #[must_use]
    pub fn ends_it(&self) -> bool {
        let goes_on = self.timeout_action.as_deref() == Some("CONTINUE");
        self.status == "FAILED" || self.status == "TIMED_OUT" && !goes_on
    }
}

impl ServiceDeployment {
    /// Whether it is on its way back.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        matches!(self.status.as_str(), "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS")
    }
}
