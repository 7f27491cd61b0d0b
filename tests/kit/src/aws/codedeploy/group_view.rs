//! Applications and deployment groups as the API shows them.

use serde_json::{Value, json};

use super::deployment::Deployment;
use super::group::{self, Group};
use crate::aws::input::{put, texts};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) fn application(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let found = group::find_application(world, input)?;
    Ok(json!({"application": {
        "applicationId": found.id,
        "applicationName": found.name,
        "createTime": found.created,
        "linkedToGitHub": false,
        "computePlatform": found.platform,
    }}))
}

pub(crate) fn applications(world: &World) -> Value {
    json!({"applications": world.codedeploy.applications.iter().map(|known| &known.name).collect::<Vec<_>>()})
}

pub(crate) fn list(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let application = &group::find_application(world, input)?.name;
    let groups = world.codedeploy.groups.iter().filter(|known| known.application == *application);
    let names: Vec<&String> = groups.map(|known| &known.name).collect();
    Ok(json!({"applicationName": application, "deploymentGroups": names}))
}

pub(crate) fn group(world: &World, input: &Value) -> Result<Value, AwsFault> {
    Ok(json!({"deploymentGroupInfo": show(world, group::find(world, input)?)}))
}

pub(crate) fn groups(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let application = &group::find_application(world, input)?.name;
    let asked = texts(input, "deploymentGroupNames");
    if asked.len() > 100 {
        return Err(AwsFault::new("BatchLimitExceededException", "Too many names in one call"));
    }
    let of_application = world.codedeploy.groups.iter().filter(|known| known.application == *application);
    let found: Vec<&Group> = of_application.filter(|known| asked.contains(&known.name.as_str())).collect();
    let missing = asked.iter().find(|name| !found.iter().any(|known| known.name == **name));
    let mut answer =
        json!({"deploymentGroupsInfo": found.into_iter().map(|known| show(world, known)).collect::<Vec<_>>()});
    let message = missing.map(|name| json!(format!("No Deployment Group found for name: {name}")));
    put(&mut answer, "errorMessage", message);
    Ok(answer)
}

fn show(world: &World, group: &Group) -> Value {
    let mut shown = json!({
        "applicationName": group.application,
        "deploymentGroupId": group.id,
        "deploymentGroupName": group.name,
        "deploymentConfigName": group.config,
        "ec2TagFilters": [],
        "onPremisesInstanceTagFilters": [],
        "autoScalingGroups": [],
        "serviceRoleArn": names::role("ecsCodeDeployRole"),
        "triggerConfigurations": [],
        "alarmConfiguration": group.alarms_json(),
        "autoRollbackConfiguration": group.auto_rollback_json(),
        "outdatedInstancesStrategy": "UPDATE",
        "computePlatform": group.platform,
        "terminationHookEnabled": false,
    });
    if group.platform != "ECS" {
        shown["deploymentStyle"] = json!({"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"});
        return shown;
    }
    shown["deploymentStyle"] = json!({"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"});
    shown["blueGreenDeploymentConfiguration"] = group.blue_green_json();
    shown["loadBalancerInfo"] = group.load_balancer_json(world);
    shown["ecsServices"] = json!([{"serviceName": group.service, "clusterName": group.cluster}]);
    let of_group = || world.codedeploy.deployments.iter().rev().filter(|one| one.is_of(group));
    let last = of_group().find(|one| one.status == "Succeeded");
    shown["targetRevision"] = last.map_or_else(|| group.revision.clone(), |one| one.revision.clone());
    put(&mut shown, "lastSuccessfulDeployment", last.map(brief));
    put(&mut shown, "lastAttemptedDeployment", of_group().next().map(brief));
    shown
}

fn brief(one: &Deployment) -> Value {
    let mut shown = json!({"deploymentId": one.id, "status": one.status, "createTime": one.created});
    put(&mut shown, "endTime", one.completed.map(Value::from));
    shown
}
