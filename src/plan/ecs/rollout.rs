//! What the steps of a deployment to ECS carry, and what closing one needs to know.

use std::time::Duration;

use serde_json::Value;

use super::{AppSpec, CodeDeploy, Mark, OnCancel, Poll, WaitUntil};
use crate::aws_api::codedeploy::Shift;
use crate::config::{EcsTarget, OnActive};
use crate::domain::{EcsName, ImageRef, TaskDefinitionArn};
use crate::plan::Later;

/// A revision to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// What its revisions are counted under.
    pub family: String,
    /// The whole document.
    pub document: Value,
}

/// A service whose automatic scaling stands still although no run needs that any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldScaling {
    /// The cluster.
    pub cluster: EcsName,
    /// The service.
    pub service: EcsName,
    /// The key of the run that held it.
    pub key: String,
}

/// What closing a deployment needs to know whose run is gone, and answering one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The cluster.
    pub cluster: EcsName,
    /// The service.
    pub service: EcsName,
    /// Where a deployment by CodeDeploy would be.
    pub names: CodeDeploy,
    /// What its revision becomes where it ends well.
    pub mark: Mark,
    /// What is done about a deployment that nobody watches any more.
    pub on_cancel: OnCancel,
    /// The pauses between looks.
    pub poll: Poll,
}

impl Closing {
    /// Of a target.
    #[must_use]
    pub fn of(target: &EcsTarget, mark: Mark) -> Self {
        Self {
            mark,
            cluster: target.cluster.clone(),
            service: target.service.clone(),
            names: target.code_deploy.clone(),
            on_cancel: target.on_cancel,
            poll: target.poll,
        }
    }
}

/// What every way of replacing tasks needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// The cluster.
    pub cluster: EcsName,
    /// The service.
    pub service: EcsName,
    /// What it shall run.
    pub task_definition: Later<TaskDefinitionArn>,
    /// The image in it.
    pub image: Option<ImageRef>,
    /// The revision that had the traffic when this was planned; absent where none had.
    pub expected: Option<TaskDefinitionArn>,
    /// The revision to go back to: that one, unless it is itself only being tried.
    pub before: Option<TaskDefinitionArn>,
    /// The image in the one that had the traffic.
    pub image_before: Option<String>,
    /// What the revision becomes where it ends well.
    pub mark: Mark,
    /// Whether the revision that had the traffic becomes that too, if it came to a good end: the run that began it saw none.
    pub vouch: bool,
    /// Whether automatic scaling stands still meanwhile.
    pub hold_scaling: bool,
    /// What is done about it when the run is cancelled.
    pub on_cancel: OnCancel,
    /// The pauses between looks.
    pub poll: Poll,
}

/// A deployment by CodeDeploy.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeDeployRollout {
    /// What is replaced by what.
    pub rollout: Rollout,
    /// Application, group and deployment configuration.
    pub names: CodeDeploy,
    /// What CodeDeploy is told.
    pub app_spec: AppSpec,
    /// When it counts as done.
    pub wait_until: WaitUntil,
    /// What to do about another one.
    pub on_active: OnActive,
    /// How long that is waited for.
    pub active_timeout: Duration,
    /// How long its parts take.
    pub pace: ShiftPace,
}

/// How long the parts of a deployment by CodeDeploy take by themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShiftPace {
    /// How traffic shifts, where it is known.
    pub shift: Option<Shift>,
    /// Minutes that somebody's word is waited for before the shift; 0 where nobody's is.
    pub ready_minutes: u64,
    /// Minutes that the old tasks are kept after it.
    pub termination_minutes: u64,
}

/// A deployment by ECS itself.
#[derive(Debug, Clone, PartialEq)]
pub struct EcsRollout {
    /// What is replaced by what.
    pub rollout: Rollout,
    /// Whether ECS tells traffic weights and stages: every strategy but `ROLLING`.
    pub staged: bool,
    /// When it counts as done.
    pub wait_until: WaitUntil,
}
