//! A deployment as `GetDeployment` shows it.

use serde_json::{Value, json};

use crate::aws::input::{put, text};
use crate::aws::sha256;
use crate::aws::world::World;

/// A revision as deployments show it: of an AppSpec its sum only (API reference, `GetDeployment`).
pub(super) fn revision(whole: &Value) -> Value {
    match sum(whole) {
        Some(sum) => json!({"revisionType": whole["revisionType"], "appSpecContent": {"sha256": sum}}),
        None => whole.clone(),
    }
}

/// The sum of a revision's AppSpec.
pub(super) fn sum(revision: &Value) -> Option<String> {
    text(&revision["appSpecContent"], "content").map(|content| sha256::hex(content.as_bytes()))
}

/// The deployment's JSON.
pub(super) fn show(world: &World, at: usize) -> Value {
    let one = &world.codedeploy.deployments[at];
    let group = world.codedeploy.groups.iter().find(|group| one.is_of(group));
    let rollback = one.asked_rollback.clone();
    let mut shown = json!({
        "applicationName": one.application,
        "deploymentGroupName": one.group,
        "deploymentConfigName": one.config,
        "deploymentId": one.id,
        "previousRevision": revision(&one.previous),
        "revision": revision(&one.revision),
        "status": one.status,
        "createTime": one.created,
        "creator": one.creator,
        "ignoreApplicationStopFailures": false,
        "updateOutdatedInstancesOnly": false,
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "instanceTerminationWaitTimeStarted": one.termination_wait_started,
        "fileExistsBehavior": "DISALLOW",
        "deploymentStatusMessages": [],
        "computePlatform": "ECS",
    });
    put(&mut shown, "autoRollbackConfiguration", rollback.or(group.map(|group| group.auto_rollback_json())));
    put(&mut shown, "blueGreenDeploymentConfiguration", group.map(|group| group.blue_green_json()));
    put(&mut shown, "loadBalancerInfo", group.map(|group| group.load_balancer_json(world)));
    put(&mut shown, "overrideAlarmConfiguration", one.asked_alarms.clone());
    put(&mut shown, "description", one.description.clone().map(Value::from));
    put(&mut shown, "startTime", one.started.map(Value::from));
    put(&mut shown, "completeTime", one.completed.map(Value::from));
    let error = one.error.as_ref().map(|(code, message)| json!({"code": code, "message": message}));
    put(&mut shown, "errorInformation", error);
    if let Some(id) = &one.rollback {
        let message = format!("Deployment {} is rolled back by deployment {id}.", one.id);
        shown["rollbackInfo"] = json!({"rollbackDeploymentId": id, "rollbackMessage": message});
    }
    if let Some(id) = &one.undoes {
        let message = format!("Deployment {} rolls deployment {id} back.", one.id);
        shown["rollbackInfo"] = json!({"rollbackTriggeringDeploymentId": id, "rollbackMessage": message});
    }
    if one.started.is_some() {
        let mut overview =
            json!({"Pending": 0, "InProgress": 0, "Succeeded": 0, "Failed": 0, "Skipped": 0, "Ready": 0});
        overview[one.target_status] = json!(1);
        shown["deploymentOverview"] = overview;
    }
    shown
}
