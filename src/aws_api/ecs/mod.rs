//! Amazon ECS.

mod service_deployment;
mod task;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::service_deployment::{Alarms, BreakerState, Hook, Revision, Rollback, ServiceDeployment};
pub use self::task::{Container, Task};
use crate::domain::TaskDefinitionArn;

/// A service, as `DescribeServices` gives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Its whole name.
    pub service_arn: String,
    /// Its name.
    pub service_name: String,
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: String,
    /// Tasks that there shall be.
    pub desired_count: u64,
    /// Tasks that run.
    pub running_count: u64,
    /// Tasks that start.
    pub pending_count: u64,
    /// `FARGATE`, `EC2` or `EXTERNAL`; absent with a capacity provider strategy.
    pub launch_type: Option<String>,
    /// What tasks run on instead of a launch type.
    pub capacity_provider_strategy: Vec<Value>,
    /// The version of Fargate.
    pub platform_version: Option<String>,
    /// Where the tasks' network interfaces are.
    pub network_configuration: Option<Value>,
    /// The revision that new tasks are made from.
    pub task_definition: String,
    /// Who replaces tasks; ECS itself where it is absent.
    pub deployment_controller: Option<DeploymentController>,
    /// How ECS replaces them.
    pub deployment_configuration: DeploymentConfiguration,
    /// Deployments of ECS, the newest first; empty where CodeDeploy is the controller.
    pub deployments: Vec<Deployment>,
    /// The two sides of a deployment by CodeDeploy.
    pub task_sets: Vec<TaskSet>,
    /// Where its tasks are registered.
    pub load_balancers: Vec<LoadBalancer>,
    /// The deployment that ECS is at, where its strategy is not `ROLLING`.
    pub current_service_deployment: Option<String>,
    /// What happened, the newest first.
    pub events: Vec<ServiceEvent>,
}

/// Who replaces a service's tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeploymentController {
    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// How ECS replaces a service's tasks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentConfiguration {
    /// `ROLLING`, `BLUE_GREEN`, `LINEAR` or `CANARY`; `ROLLING` where it is absent.
    pub strategy: Option<String>,
    /// Ends a deployment whose tasks keep failing.
    pub deployment_circuit_breaker: Option<CircuitBreaker>,
    /// Ends a deployment once one of them fires.
    pub alarms: Option<DeploymentAlarms>,
    /// Both versions run for so long after the shift.
    pub bake_time_in_minutes: Option<u64>,
    /// For `CANARY`.
    pub canary_configuration: Option<Canary>,
    /// For `LINEAR`.
    pub linear_configuration: Option<Linear>,
}

/// Ends a deployment whose tasks keep failing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CircuitBreaker {
    /// Whether there is one.
    pub enable: bool,
    /// Whether it goes back to the version from before.
    pub rollback: bool,
}

/// Ends a deployment once one of its alarms fires.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeploymentAlarms {
    /// Whether they are watched.
    pub enable: bool,
    /// Whether ECS goes back to the version from before then.
    pub rollback: bool,
}

/// The first step of a shift, and how long it is watched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Canary {
    /// Its share of the traffic in percent.
    pub canary_percent: f64,
    /// How long it is watched, in minutes.
    pub canary_bake_time_in_minutes: u64,
}

/// Equal steps of a shift.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linear {
    /// Share of the traffic that each step moves, in percent.
    pub step_percent: f64,
    /// Minutes between two steps.
    pub step_bake_time_in_minutes: u64,
}

/// One deployment of ECS's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// Its name: `ecs-svc/` and a number.
    pub id: String,
    /// `PRIMARY` the newest, `ACTIVE` an older one that still has tasks, `INACTIVE` one without.
    pub status: String,
    /// The revision it makes tasks from.
    pub task_definition: String,
    /// Tasks that there shall be.
    pub desired_count: u64,
    /// Tasks that start.
    pub pending_count: u64,
    /// Tasks that run.
    pub running_count: u64,
    /// Tasks that ended before they were healthy, one after the other.
    pub failed_tasks: u64,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; absent for some services.
    pub rollout_state: Option<String>,
    /// Why it is in that state.
    pub rollout_state_reason: Option<String>,
}

/// One side of a deployment by CodeDeploy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskSet {
    /// Its name: `ecs-svc/` and a number.
    pub id: String,
    /// `PRIMARY` has the traffic, `ACTIVE` is beside it, `DRAINING` goes.
    pub status: String,
    /// The revision it makes tasks from.
    pub task_definition: String,
    /// Who made it: for CodeDeploy, the deployment's id.
    pub started_by: Option<String>,
    /// The deployment that made it.
    pub external_id: Option<String>,
    /// Tasks that there shall be, worked out from the service's number.
    pub computed_desired_count: u64,
    /// Tasks that run.
    pub running_count: u64,
    /// `FARGATE`, `EC2` or `EXTERNAL`; absent with a capacity provider strategy.
    pub launch_type: Option<String>,
    /// What tasks run on instead of a launch type.
    pub capacity_provider_strategy: Vec<Value>,
    /// The version of Fargate.
    pub platform_version: Option<String>,
    /// Where the tasks' network interfaces are.
    pub network_configuration: Option<Value>,
    /// Where its tasks are registered.
    pub load_balancers: Vec<LoadBalancer>,
}

/// Where tasks are registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// The target group.
    pub target_group_arn: Option<String>,
    /// The container that is registered.
    pub container_name: Option<String>,
    /// Its port.
    pub container_port: Option<u64>,
    /// The other side of a deployment of ECS's own that shifts traffic.
    pub advanced_configuration: Option<OtherSide>,
}

/// Where the new tasks are registered beside the old ones, in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtherSide {
    /// The other target group.
    pub alternate_target_group_arn: Option<String>,
}

/// Something that happened to a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceEvent {
    /// Its name, for telling two apart.
    pub id: String,
    /// When, in seconds since 1970.
    pub created_at: f64,
    /// ECS's words.
    pub message: String,
}

/// A revision of a task definition, whole: members that this version does not know are in it too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// The revision.
    pub arn: TaskDefinitionArn,
    /// What `DescribeTaskDefinition` gives under `taskDefinition`.
    pub definition: Value,
    /// Its tags, as `DescribeTaskDefinition` gives them beside it.
    #[serde(default)]
    pub tags: Vec<Value>,
}

impl Service {
    /// Who replaces its tasks.
    #[must_use]
    pub fn controller(&self) -> &str {
        self.deployment_controller.as_ref().map_or("ECS", |controller| controller.kind.as_str())
    }

    /// How ECS replaces them.
    #[must_use]
    pub fn strategy(&self) -> &str {
        self.deployment_configuration.strategy.as_deref().unwrap_or("ROLLING")
    }

    /// The id of ECS's own deployment that is under way.
    #[must_use]
    pub fn under_way(&self) -> Option<&str> {
        let moves = self.deployments.iter().find(|it| it.rollout_state.as_deref() == Some("IN_PROGRESS"))?;
        Some(&moves.id)
    }

    /// The deployment that shifts traffic and may be going back: the service shows the same once it has.
    #[must_use]
    pub fn may_go_back(&self) -> Option<&str> {
        let two = self.strategy() != "ROLLING" && self.deployments.len() > 1 && self.under_way().is_none();
        self.current_service_deployment.as_deref().filter(|_| two)
    }

    /// The revision that has the traffic: that of the primary task set or deployment, else what new tasks are made from.
    #[must_use]
    pub fn serving(&self) -> Option<TaskDefinitionArn> {
        let set = self.primary().map(|set| set.task_definition.as_str());
        set.unwrap_or(&self.task_definition).parse().ok()
    }

    /// The task set that has the traffic, where there are any.
    #[must_use]
    pub fn primary(&self) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.status == "PRIMARY")
    }

    /// Whether ECS's newest deployment came to a good end.
    #[must_use]
    pub fn settled(&self) -> bool {
        let primary = self.deployments.iter().find(|listed| listed.status == "PRIMARY");
        primary.is_some_and(|listed| listed.rollout_state.as_deref() == Some("COMPLETED"))
    }

    /// False once it was deleted: `DRAINING` while its tasks end, `INACTIVE` for a while after that.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }

    /// ECS's newest deployment, where it has not come to a good end.
    #[must_use]
    pub fn unsettled(&self) -> Option<&Deployment> {
        let open = |listed: &&Deployment| matches!(listed.rollout_state.as_deref(), Some("IN_PROGRESS" | "FAILED"));
        self.deployments.iter().find(|listed| listed.status == "PRIMARY").filter(open)
    }

    /// The revision to go back to: the one that serves, unless ECS is only trying it.
    #[must_use]
    pub fn proven(&self) -> Option<TaskDefinitionArn> {
        let completed = |listed: &&Deployment| listed.rollout_state.as_deref() == Some("COMPLETED");
        let proven = self.unsettled().and_then(|_| self.deployments.iter().find(completed));
        proven.map_or_else(|| self.serving(), |listed| listed.task_definition.parse().ok())
    }
}
