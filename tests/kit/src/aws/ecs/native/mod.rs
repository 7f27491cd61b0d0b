//! Service deployments: the blue/green, linear and canary strategies that ECS runs by itself.

mod control;
mod ending;
mod hooks;
mod machine;
mod plan;
mod queries;
mod start;
mod view;

use serde_json::Value;

use super::rolling::{Alarms, Breaker};
use super::service::Service;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) use hooks::HookRun;
pub(crate) use machine::{moments, run};
pub(crate) use start::{first_revision, start};
pub(crate) use view::add_revisions;

/// A service as it was at one deployment.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    pub(crate) arn: String,
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) definition: String,
    pub(crate) target_group: Option<String>,
    /// The id of its fleet and of its entry in the service's `deployments`.
    pub(crate) fleet: String,
    pub(crate) created: u64,
}

/// A service deployment.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) arn: String,
    pub(crate) cluster: String,
    pub(crate) service: String,
    /// The revisions' names.
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) status: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) plan: Vec<plan::Step>,
    /// The step that is under way, and whether it has begun.
    pub(crate) at: usize,
    pub(crate) begun: bool,
    /// When the step or the ending is over.
    pub(crate) until: u64,
    pub(crate) created: u64,
    pub(crate) started: Option<u64>,
    pub(crate) finished: Option<u64>,
    pub(crate) stopped: Option<u64>,
    pub(crate) updated: u64,
    /// The target's share of the traffic, in per cent.
    pub(crate) test_weight: u32,
    pub(crate) weight: u32,
    pub(crate) hooks: Vec<HookRun>,
    /// Why and when the way back began.
    pub(crate) rollback: Option<(String, u64)>,
    pub(crate) breaker: Breaker,
    pub(crate) breaker_tripped: bool,
    pub(crate) alarms: Alarms,
    pub(crate) alarm_fired: bool,
    pub(crate) configuration: Value,
}

impl Deployment {
    /// The stage it shows.
    pub(crate) fn stage(&self) -> &'static str {
        self.plan.get(self.at).map_or("CLEAN_UP", |step| step.stage)
    }

    /// Whether it goes forward.
    pub(crate) fn is_forward(&self) -> bool {
        matches!(self.status, "PENDING" | "IN_PROGRESS")
    }

    /// Whether nothing will happen any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, "SUCCESSFUL" | "STOPPED" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED")
    }
}

/// Answers a call about service deployments.
pub(crate) fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    match operation {
        "ListServiceDeployments" => queries::list(world, input),
        "DescribeServiceDeployments" => queries::describe(world, input),
        "DescribeServiceRevisions" => queries::describe_revisions(world, input),
        "StopServiceDeployment" => control::stop(world, input),
        "ContinueServiceDeployment" => control::go_on(world, input),
        _ => Err(AwsFault::unknown_operation()),
    }
}

/// A revision by its name.
pub(crate) fn revision<'a>(world: &'a World, arn: &str) -> Option<&'a Revision> {
    world.ecs.revisions.iter().find(|known| known.arn == arn)
}

/// The service of a deployment: where it stands among the services.
pub(crate) fn service_of(world: &World, deployment: &Deployment) -> Option<usize> {
    let is_it = |known: &Service| known.cluster == deployment.cluster && known.name == deployment.service;
    world.ecs.services.iter().position(is_it)
}
