//! Applications and deployment groups.

use serde_json::{Value, json};

use crate::aws::input::text;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// An application.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) id: String,
    /// `ECS` or `Server`.
    pub(crate) platform: &'static str,
    pub(crate) created: u64,
}

/// A deployment group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) application: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) config: String,
    /// `ECS` or `Server`.
    pub(crate) platform: &'static str,
    pub(crate) cluster: String,
    pub(crate) service: String,
    /// How long the old tasks stay, in minutes.
    pub(crate) termination_wait: u64,
    /// How long it waits for somebody to let the traffic move, in minutes; none where it moves at once.
    pub(crate) ready_wait: Option<u64>,
    /// The events that are undone; none where nothing is.
    pub(crate) auto_rollback: Vec<String>,
    pub(crate) alarms: Vec<String>,
    /// What was deployed last before the world began.
    pub(crate) revision: Value,
}

impl Group {
    pub(crate) fn auto_rollback_json(&self) -> Value {
        json!({"enabled": !self.auto_rollback.is_empty(), "events": self.auto_rollback})
    }

    pub(crate) fn alarms_json(&self) -> Value {
        let alarms: Vec<Value> = self.alarms.iter().map(|name| json!({"name": name})).collect();
        json!({"enabled": !self.alarms.is_empty(), "ignorePollAlarmFailure": false, "alarms": alarms})
    }

    pub(crate) fn blue_green_json(&self) -> Value {
        let (action, wait) = match self.ready_wait {
            Some(minutes) => ("STOP_DEPLOYMENT", minutes),
            None => ("CONTINUE_DEPLOYMENT", 0),
        };
        json!({
            "terminateBlueInstancesOnDeploymentSuccess": {
                "action": "TERMINATE",
                "terminationWaitTimeInMinutes": self.termination_wait,
            },
            "deploymentReadyOption": {"actionOnTimeout": action, "waitTimeInMinutes": wait},
        })
    }

    pub(crate) fn load_balancer_json(&self, world: &World) -> Value {
        let balancer = &world.balancer;
        let groups: Vec<Value> = balancer.groups.iter().map(|name| json!({"name": name})).collect();
        let mut pair = json!({
            "targetGroups": groups,
            "prodTrafficRoute": {"listenerArns": [balancer.listener(80)]},
        });
        if balancer.has_test() {
            pair["testTrafficRoute"] = json!({"listenerArns": [balancer.listener(9001)]});
        }
        json!({"targetGroupPairInfoList": [pair]})
    }
}

/// The application that an input names.
pub(crate) fn find_application<'a>(world: &'a World, input: &Value) -> Result<&'a Application, AwsFault> {
    let name = text(input, "applicationName");
    let name = name.ok_or_else(|| AwsFault::new("ApplicationNameRequiredException", "Application name is missing"))?;
    if name.len() > 100 {
        return Err(AwsFault::new("InvalidApplicationNameException", "Application name is too long"));
    }
    world.codedeploy.applications.iter().find(|known| known.name == name).ok_or_else(|| {
        AwsFault::new("ApplicationDoesNotExistException", format!("No application found for name: {name}"))
    })
}

/// The group that an input names.
pub(crate) fn find<'a>(world: &'a World, input: &Value) -> Result<&'a Group, AwsFault> {
    let application = find_application(world, input)?;
    let name = text(input, "deploymentGroupName")
        .ok_or_else(|| AwsFault::new("DeploymentGroupNameRequiredException", "Deployment Group name is missing"))?;
    if name.len() > 100 {
        return Err(AwsFault::new("InvalidDeploymentGroupNameException", "Deployment Group name is too long"));
    }
    let known = world.codedeploy.groups.iter();
    known.filter(|known| known.application == application.name).find(|known| known.name == name).ok_or_else(|| {
        AwsFault::new("DeploymentGroupDoesNotExistException", format!("No Deployment Group found for name: {name}"))
    })
}
