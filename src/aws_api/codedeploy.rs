//! AWS CodeDeploy: the parts of its answers that something rests on.

use serde::{Deserialize, Serialize};

/// A deployment group, as `GetDeploymentGroup` gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Group {
    /// `ECS`, `Server` or `Lambda`.
    pub compute_platform: String,
    /// The services it deploys to, as cluster and service.
    pub ecs_services: Vec<(String, String)>,
    /// The deployment configuration that is used where none is named.
    pub deployment_config_name: String,
    /// `CONTINUE_DEPLOYMENT`, or `STOP_DEPLOYMENT` where somebody has to let the traffic shift.
    pub action_on_timeout: Option<String>,
    /// How long that is waited for, in minutes.
    pub ready_wait_minutes: u64,
    /// How long the old tasks are kept after the shift, in minutes.
    pub termination_wait_minutes: u64,
    /// What sets a rollback off; empty where nothing does.
    pub auto_rollback_events: Vec<String>,
    /// Names of the alarms that end a deployment.
    pub alarms: Vec<String>,
    /// Whether it has a listener for test traffic.
    pub test_listener: bool,
    /// Its newest deployment, as id and status.
    pub last_attempted: Option<(String, String)>,
    /// The id of the newest one that succeeded.
    pub last_successful: Option<String>,
}

/// Whether a deployment with this status ended, and not well.
#[must_use]
pub fn is_failure(status: &str) -> bool {
    matches!(status, "Failed" | "Stopped")
}

/// Whether a deployment with this status ended.
#[must_use]
pub fn is_over(status: &str) -> bool {
    status == "Succeeded" || is_failure(status)
}

/// How traffic shifts, as `GetDeploymentConfig` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// All of it at once.
    AllAtOnce,
    /// A first part, then the rest.
    Canary {
        /// The first part in percent.
        percent: u64,
        /// Minutes until the rest.
        minutes: u64,
    },
    /// Equal parts.
    Linear {
        /// Each part in percent.
        percent: u64,
        /// Minutes between two.
        minutes: u64,
    },
}

/// What is known of the deployment configuration that a deployment would follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Configuration {
    /// Nobody asked, or nobody may.
    #[default]
    Unknown,
    /// There is none of that name in the region.
    Missing,
    /// It is for another compute platform, such as `Server` or `Lambda`.
    Foreign(String),
    /// It shifts traffic like this.
    Shift(Shift),
}

impl Configuration {
    /// How traffic shifts, where it is known.
    #[must_use]
    pub fn shift(&self) -> Option<&Shift> {
        match self {
            Self::Shift(shift) => Some(shift),
            Self::Unknown | Self::Missing | Self::Foreign(_) => None,
        }
    }
}

impl Shift {
    /// How long it takes from the first part to the last, in minutes.
    #[must_use]
    pub fn minutes(&self) -> u64 {
        match *self {
            Self::AllAtOnce => 0,
            Self::Canary { minutes, .. } => minutes,
            Self::Linear { percent, minutes } => 100_u64.div_ceil(percent.max(1)).saturating_sub(1) * minutes,
        }
    }
}

/// A deployment, as `GetDeployment` gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// Its id: `d-` and nine letters or digits.
    pub deployment_id: String,
    /// `Created`, `Queued`, `InProgress`, `Baking`, `Succeeded`, `Failed`, `Stopped` or `Ready`.
    pub status: String,
    /// What whoever made it wrote.
    pub description: Option<String>,
    /// `user`, `codeDeployRollback` and others.
    pub creator: Option<String>,
    /// The kind of its failure, for example `HOOK_EXECUTION_FAILURE`.
    pub error_code: Option<String>,
    /// CodeDeploy's words for it.
    pub error_message: Option<String>,
    /// The deployment that undoes it.
    pub rollback_deployment: Option<String>,
    /// The deployment that it undoes.
    pub rolls_back: Option<String>,
    /// CodeDeploy's words about the rollback.
    pub rollback_message: Option<String>,
    /// Whether the old tasks are being waited out: the shift is over.
    pub terminating: bool,
    /// The application.
    pub application_name: String,
    /// The SHA-256 of the AppSpec that it was made from, where that was given as text. No deployment shows the text itself (API
    /// reference, `GetDeployment`).
    pub app_spec_sha256: Option<String>,
}

impl Deployment {
    /// Whether it goes on.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !is_over(&self.status)
    }
}

/// The service that a deployment changes, as `GetDeploymentTarget` gives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// `Pending`, `InProgress`, `Succeeded`, `Failed`, `Skipped`, `Unknown` or `Ready`.
    pub status: String,
    /// The lifecycle events, in their order.
    pub events: Vec<LifecycleEvent>,
    /// The two sides.
    pub sets: Vec<SetInfo>,
}

/// One lifecycle event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LifecycleEvent {
    /// `BeforeInstall`, `Install`, `AllowTraffic` and others.
    pub name: String,
    /// `Pending`, `InProgress`, `Succeeded`, `Failed`, `Skipped` or `Unknown`.
    pub status: String,
    /// The kind of its failure.
    pub error_code: Option<String>,
    /// The hook that failed.
    pub script: Option<String>,
    /// Words about the failure.
    pub message: Option<String>,
    /// The end of the hook's log.
    pub log_tail: Option<String>,
}

/// One side of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetInfo {
    /// The task set's name.
    pub identifier: String,
    /// `Blue` the one from before, `Green` the new one; absent in old answers.
    pub label: Option<String>,
    /// `PRIMARY`, `ACTIVE` or `DRAINING`: these swap at the end of the shift.
    pub status: String,
    /// Share of the traffic in percent.
    pub weight: f64,
    /// Tasks that there shall be.
    pub desired: u64,
    /// Tasks that start.
    pub pending: u64,
    /// Tasks that run.
    pub running: u64,
    /// The target group's name.
    pub target_group: Option<String>,
}

impl Target {
    /// The new version's side, by its label: status words swap at the shift. Without labels, the one that is not `blue`.
    #[must_use]
    pub fn green(&self, blue: Option<&str>) -> Option<&SetInfo> {
        let labelled = self.sets.iter().find(|set| set.label.as_deref() == Some("Green"));
        let unlabelled = || self.sets.iter().find(|set| set.label.is_none() && Some(set.identifier.as_str()) != blue);
        labelled.or_else(unlabelled)
    }

    /// The lifecycle event of that name.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&LifecycleEvent> {
        self.events.iter().find(|event| event.name == name)
    }
}
