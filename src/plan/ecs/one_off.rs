//! A command that runs as a task of its own before the deployment.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Poll;
use crate::aws_api::ecs::Service;
use crate::config::{BeforeDeploy, EcsTarget};
use crate::domain::{EcsName, TaskDefinitionArn};
use crate::plan::Later;

/// A task that is started once, waited for, and must end with 0.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOff {
    /// The cluster.
    pub cluster: EcsName,
    /// The service that it comes before.
    pub service: EcsName,
    /// The revision it is made from.
    pub task_definition: Later<TaskDefinitionArn>,
    /// The container whose command is another one.
    pub container: String,
    /// The command.
    pub command: Vec<String>,
    /// Members of `RunTask` that say where it runs: as the service's own tasks do.
    pub place: Map<String, Value>,
    /// Longest time until its end.
    pub timeout: Duration,
    /// The pauses between looks.
    pub poll: Poll,
}

impl OneOff {
    /// Beside a service's tasks.
    pub(super) fn of(before: &BeforeDeploy, target: &EcsTarget, service: &Service, container: String) -> Self {
        Self {
            cluster: target.cluster.clone(),
            service: target.service.clone(),
            task_definition: Later::Registered,
            container,
            command: before.command.clone(),
            place: place(service),
            timeout: before.timeout,
            poll: target.poll,
        }
    }

    /// What ECS is asked. The same token twice is one task.
    #[must_use]
    pub fn document(&self, revision: &TaskDefinitionArn, token: &str, by: &str) -> Value {
        let mut document = self.place.clone();
        let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
        put("cluster", self.cluster.as_str().into());
        put("taskDefinition", revision.as_str().into());
        put("count", 1.into());
        put("clientToken", token.into());
        put("startedBy", by.into());
        put("overrides", json!({"containerOverrides": [{"name": self.container, "command": self.command}]}));
        Value::Object(document)
    }
}

fn place(service: &Service) -> Map<String, Value> {
    // CodeDeploy keeps some of it with the side that serves.
    let set = service.task_sets.iter().find(|set| set.status == "PRIMARY");
    let network = service.network_configuration.as_ref().or(set.and_then(|set| set.network_configuration.as_ref()));
    let providers = match (service.capacity_provider_strategy.as_slice(), set) {
        ([], Some(set)) => set.capacity_provider_strategy.as_slice(),
        (own, _) => own,
    };
    let launch_type = service.launch_type.as_ref().or(set.and_then(|set| set.launch_type.as_ref()));
    let version = service.platform_version.as_ref().or(set.and_then(|set| set.platform_version.as_ref()));
    let mut place = Map::new();
    let mut put = |name: &str, value: Option<Value>| value.map(|value| place.insert(name.to_owned(), value));
    put("networkConfiguration", network.cloned());
    if providers.is_empty() {
        put("launchType", launch_type.map(|text| text.as_str().into()));
    } else {
        // ECS refuses both together.
        put("capacityProviderStrategy", Some(providers.to_vec().into()));
    }
    put("platformVersion", version.map(|text| text.as_str().into()));
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a one-off of this service runs.
    fn placed(service: Value) -> Value {
        place(&serde_json::from_value(service).unwrap()).into()
    }

    #[test]
    fn it_runs_where_the_services_own_tasks_run() {
        let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-1"]}});
        let fargate = json!({"networkConfiguration": network, "launchType": "FARGATE", "platformVersion": "1.4.0"});
        assert_eq!(placed(fargate.clone()), fargate);
        assert_eq!(placed(json!({"launchType": "EC2"})), json!({"launchType": "EC2"}));
        let provider = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
        let with_provider = json!({"networkConfiguration": network, "capacityProviderStrategy": provider});
        assert_eq!(placed(with_provider.clone()), with_provider, "ECS refuses a launch type beside it");
        let mut both = with_provider.clone();
        both["launchType"] = "FARGATE".into();
        assert_eq!(placed(both), with_provider);
    }

    #[test]
    fn what_code_deploy_keeps_with_the_side_that_serves_counts_too() {
        let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-1"]}});
        let set = |status: &str, launch: &str| json!({"status": status, "launchType": launch, "platformVersion": "1.4.0", "networkConfiguration": network});
        let service = json!({"taskSets": [set("ACTIVE", "EC2"), set("PRIMARY", "FARGATE")]});
        let expected = json!({"launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": network});
        assert_eq!(placed(service), expected);
    }
}
