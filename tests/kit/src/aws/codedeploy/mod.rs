//! CodeDeploy for services of ECS: one deployment after another, each moving a service from one task set to the next.

mod appspec;
mod config;
mod control;
mod create;
mod deployment;
mod ending;
mod events;
mod group;
mod group_view;
mod hooks;
pub(crate) mod machine;
mod queries;
mod rollback;
mod target_view;
mod traffic;
mod view;
mod yaml;

use serde_json::Value;

use super::request::AwsFault;
use super::world::World;

pub(crate) use appspec::revision;
pub use config::Shift;
pub(crate) use config::{Config, defaults};
pub(crate) use deployment::{Deployment, Phase};
pub(crate) use group::{Application, Group};

/// What CodeDeploy remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct CodeDeploy {
    pub(crate) applications: Vec<Application>,
    pub(crate) groups: Vec<Group>,
    pub(crate) configs: Vec<Config>,
    /// Oldest first.
    pub(crate) deployments: Vec<Deployment>,
}

/// Answers a call.
pub(crate) fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    match operation {
        "GetApplication" => group_view::application(world, input),
        "ListApplications" => Ok(group_view::applications(world)),
        "GetDeploymentGroup" => group_view::group(world, input),
        "BatchGetDeploymentGroups" => group_view::groups(world, input),
        "ListDeploymentGroups" => group_view::list(world, input),
        "GetDeploymentConfig" => config::describe(world, input),
        "ListDeploymentConfigs" => Ok(config::list(world)),
        "GetApplicationRevision" => queries::revision(world, input),
        "CreateDeployment" => create::create(world, input),
        "GetDeployment" => queries::deployment(world, input),
        "BatchGetDeployments" => queries::deployments(world, input),
        "ListDeployments" => queries::list(world, input),
        "GetDeploymentTarget" => queries::target(world, input),
        "ListDeploymentTargets" => queries::list_targets(world, input),
        "BatchGetDeploymentTargets" => queries::targets(world, input),
        "StopDeployment" => control::stop(world, input),
        "ContinueDeployment" => control::go_on(world, input),
        "PutLifecycleEventHookExecutionStatus" => hooks::answer(world, input),
        _ => Err(AwsFault::unknown_operation()),
    }
}

/// Whether a deployment of this service is under way.
pub(crate) fn is_active_on(world: &World, cluster: &str, service: &str) -> bool {
    world.codedeploy.deployments.iter().any(|one| one.is_active() && one.cluster == cluster && one.service == service)
}
