//! Elastic Container Service: task definitions, services, their tasks, and the two ways in which it deploys by itself.

mod check;
mod definition;
mod definition_defaults;
pub(crate) mod fate;
pub(crate) mod fleet;
pub(crate) mod native;
pub(crate) mod register;
pub(crate) mod rolling;
pub(crate) mod run_task;
pub(crate) mod service;
mod service_view;
mod tags;
pub(crate) mod task;
mod task_queries;
pub(crate) mod task_view;
mod update;

use serde_json::Value;

use super::names;
use super::request::AwsFault;
use super::world::World;

pub(crate) use definition::Definition;
pub(crate) use fleet::Fleet;
pub(crate) use service::{Controller, Launch, Service, TaskSet};
pub(crate) use task::Task;

/// What ECS remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ecs {
    pub(crate) definitions: Vec<Definition>,
    pub(crate) services: Vec<Service>,
    pub(crate) fleets: Vec<Fleet>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) deployments: Vec<native::Deployment>,
    pub(crate) revisions: Vec<native::Revision>,
}

impl Ecs {
    /// A service by its cluster and its name, each short or in full.
    pub(crate) fn service(&self, cluster: &str, name: &str) -> Option<&Service> {
        let (cluster, name) = (names::short(cluster), names::short(name));
        self.services.iter().find(|service| service.cluster == cluster && service.name == name)
    }

    /// The same, to change it.
    pub(crate) fn service_mut(&mut self, cluster: &str, name: &str) -> Option<&mut Service> {
        let (cluster, name) = (names::short(cluster), names::short(name));
        self.services.iter_mut().find(|service| service.cluster == cluster && service.name == name)
    }
}

/// Answers a call.
pub(crate) fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    match operation {
        "DescribeServices" => service_view::describe(world, input),
        "UpdateService" => update::update(world, input),
        "RegisterTaskDefinition" => register::register(world, input),
        "DescribeTaskDefinition" => definition::describe(world, input),
        "DeregisterTaskDefinition" => definition::deregister(world, input),
        "ListTaskDefinitions" => definition::list_all(world, input),
        "ListTasks" => task_queries::list_tasks(world, input),
        "DescribeTasks" => task_queries::describe(world, input),
        "RunTask" => run_task::run(world, input),
        "StopTask" => run_task::stop(world, input),
        "TagResource" => tags::tag(world, input),
        "ListTagsForResource" => tags::list_tags(world, input),
        other => native::call(world, other, input),
    }
}

/// The cluster that an input names, if there is such a cluster.
pub(crate) fn cluster(world: &World, input: &Value) -> Result<String, AwsFault> {
    let asked = names::short(super::input::text(input, "cluster").unwrap_or("default"));
    if asked == world.cluster {
        return Ok(asked.to_owned());
    }
    Err(AwsFault::new("ClusterNotFoundException", "Cluster not found."))
}
