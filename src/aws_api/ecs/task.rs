//! Tasks and their containers.

use serde::{Deserialize, Serialize};

/// A task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// Its whole name; the last part is its id.
    pub task_arn: String,
    /// The revision it was made from.
    pub task_definition_arn: String,
    /// `RUNNING`, `STOPPED` and what lies between.
    pub last_status: String,
    /// The deployment, task set or caller that started it.
    pub started_by: Option<String>,
    /// The kind of its end.
    pub stop_code: Option<String>,
    /// Why it was stopped.
    pub stopped_reason: Option<String>,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// A container of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name in the task definition.
    pub name: String,
    /// `RUNNING`, `STOPPED` and what lies between.
    pub last_status: String,
    /// How its process ended; absent where it never started.
    pub exit_code: Option<i64>,
    /// Why it ended.
    pub reason: Option<String>,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health_status: Option<String>,
}

impl Task {
    /// The last part of its name.
    #[must_use]
    pub fn id(&self) -> &str {
        self.task_arn.rsplit('/').next().unwrap_or_default()
    }
}
