//! What a test may want to know about a world without asking its API.

use std::collections::BTreeSet;

use serde_json::Value;

use super::codedeploy::Deployment;
use super::ecs::{Definition, Task, rolling};
use super::names;
use super::world::World;

impl World {
    /// The service's task definition, in full: that of its PRIMARY deployment or task set.
    #[must_use]
    pub fn deployed(&self) -> String {
        let service = self.ecs.service(&self.cluster, &self.service);
        service.map(|service| service.definition.clone()).unwrap_or_default()
    }

    /// All the task definitions' names, oldest first.
    #[must_use]
    pub fn definitions(&self) -> Vec<String> {
        self.ecs.definitions.iter().map(Definition::arn).collect()
    }

    /// A task definition as it is described, by its full name.
    #[must_use]
    pub fn definition(&self, arn: &str) -> Option<Value> {
        self.ecs.definitions.iter().find(|known| known.arn() == arn).map(Definition::json)
    }

    /// The short names of the target groups that production traffic goes to, each with its share in per cent.
    #[must_use]
    pub fn traffic(&self) -> Vec<(String, u32)> {
        self.balancer.production().to_vec()
    }

    /// How many running tasks there are of a task definition.
    #[must_use]
    pub fn running(&self, arn: &str) -> usize {
        self.ecs.tasks.iter().filter(|task| task.definition == arn && task.is_running(self.now)).count()
    }

    /// The task definitions of the service's running tasks that production traffic goes to: not what it asks for, but what
    /// answers.
    #[must_use]
    pub fn serving(&self) -> BTreeSet<String> {
        let group = format!("service:{}", self.service);
        let traffic: Vec<&str> =
            self.balancer.production().iter().filter(|(_, share)| *share > 0).map(|(name, _)| name.as_str()).collect();
        let gets = |task: &&Task| {
            let behind = task.target_group.as_ref();
            behind
                .is_none_or(|behind| traffic.iter().any(|name| behind == name || *behind == names::target_group(name)))
        };
        let tasks = self.ecs.tasks.iter().filter(|task| task.group == group && task.is_running(self.now)).filter(gets);
        tasks.map(|task| task.definition.clone()).collect()
    }

    /// The service's desired count.
    #[must_use]
    pub fn desired_count(&self) -> u64 {
        self.ecs.service(&self.cluster, &self.service).map_or(0, |service| service.desired)
    }

    /// CodeDeploy's deployments, oldest first: id and status.
    #[must_use]
    pub fn deployments(&self) -> Vec<(String, String)> {
        let all = self.codedeploy.deployments.iter();
        all.map(|one| (one.id.clone(), one.status.to_owned())).collect()
    }

    /// What is under way: the id of CodeDeploy's deployment, the name of a service deployment, or that of the service
    /// whose tasks are being started one after the other.
    #[must_use]
    pub fn active(&self) -> Option<String> {
        let of_code_deploy = self.codedeploy.deployments.iter().find(|one| one.is_active());
        let own = self.ecs.deployments.iter().find(|one| !one.is_over());
        let rolling = self.ecs.service(&self.cluster, &self.service).filter(|service| rolling::is_starting(service));
        of_code_deploy
            .map(|one: &Deployment| one.id.clone())
            .or_else(|| own.map(|one| one.arn.clone()))
            .or_else(|| rolling.map(|service| service.name.clone()))
    }

    /// The service deployments, oldest first: name and status.
    #[must_use]
    pub fn service_deployments(&self) -> Vec<(String, String)> {
        self.ecs.deployments.iter().map(|one| (one.arn.clone(), one.status.to_owned())).collect()
    }

    /// The id with which the function of an event that is under way answers.
    #[must_use]
    pub fn hook_execution(&self, deployment: &str, event: &str) -> Option<String> {
        let one = self.codedeploy.deployments.iter().find(|one| one.id == deployment)?;
        one.events.iter().find(|known| known.name == event)?.hook.clone()
    }

    /// What of the service's scaling is suspended, as the API shows it; none where it is not scaled.
    #[must_use]
    pub fn suspended(&self) -> Option<Value> {
        self.scaling.suspended(&self.cluster, &self.service).cloned()
    }

    /// The name of the service's scalable target; empty where it is not scaled.
    #[must_use]
    pub fn scaling_target(&self) -> String {
        self.scaling.arn(&self.cluster, &self.service).unwrap_or_default().to_owned()
    }

    /// How many tags the service's scalable target has.
    #[must_use]
    pub fn scaling_tags(&self) -> usize {
        self.scaling.tags(&self.cluster, &self.service).len()
    }
}
