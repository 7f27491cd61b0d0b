//! A service and what is said about it.

use serde_json::Value;

use super::rolling::Rollout;
use crate::aws::world::World;

/// Who deploys it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Ecs,
    CodeDeploy,
}

impl Controller {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::CodeDeploy => "CODE_DEPLOY",
        }
    }
}

/// What its tasks run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launch {
    Fargate,
    Ec2,
}

impl Launch {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fargate => "FARGATE",
            Self::Ec2 => "EC2",
        }
    }
}

/// A service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) controller: Controller,
    pub(crate) launch: Launch,
    pub(crate) active: bool,
    pub(crate) created: u64,
    pub(crate) desired: u64,
    /// The one of the PRIMARY deployment, task set or revision.
    pub(crate) definition: String,
    /// The short name of the target group that serves; none without a load balancer.
    pub(crate) target_group: Option<String>,
    /// The members that an update may replace and that nothing here reads, e.g. `networkConfiguration`.
    pub(crate) members: Value,
    /// `deploymentConfiguration`.
    pub(crate) configuration: Value,
    pub(crate) tags: Value,
    /// Newest first.
    pub(crate) events: Vec<Event>,
    /// The deployments of the controller ECS, newest first.
    pub(crate) rollouts: Vec<Rollout>,
    /// The task sets of the controller CODE_DEPLOY.
    pub(crate) task_sets: Vec<TaskSet>,
    /// The service deployment that `currentServiceDeployment` names.
    pub(crate) current_deployment: Option<String>,
}

/// What happened, in words.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) at: u64,
    pub(crate) message: String,
}

/// A task set of CodeDeploy.
#[derive(Debug, Clone)]
pub(crate) struct TaskSet {
    /// `ecs-svc/` and digits; its fleet has the same id.
    pub(crate) id: String,
    /// The deployment that made it.
    pub(crate) deployment: String,
    pub(crate) status: &'static str,
    pub(crate) definition: String,
    pub(crate) target_group: String,
    /// Its share of the traffic, in per cent.
    pub(crate) weight: u32,
    pub(crate) created: u64,
    pub(crate) updated: u64,
}

impl Service {
    /// `strategy` of its deployment configuration.
    pub(crate) fn strategy(&self) -> &str {
        crate::aws::input::text(&self.configuration, "strategy").unwrap_or("ROLLING")
    }

    /// A task set by its id.
    pub(crate) fn task_set(&self, id: &str) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.id == id)
    }

    /// The task set that serves.
    pub(crate) fn primary(&self) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.status == "PRIMARY")
    }
}

/// Adds an event.
pub(crate) fn tell(world: &mut World, cluster: &str, name: &str, message: String) {
    let event = Event { id: world.ids.uuid(), at: world.now, message };
    if let Some(service) = world.ecs.service_mut(cluster, name) {
        service.events.insert(0, event);
        service.events.truncate(100);
    }
}
