//! Service deployments and revisions as the API shows them.

use serde_json::{Value, json};

use super::{Deployment, HookRun, Revision, revision};
use crate::aws::ecs::service::Service;
use crate::aws::ecs::{definition, fleet, service_view};
use crate::aws::input::{put, text};
use crate::aws::names;
use crate::aws::world::World;

/// A deployment's entry in a list.
pub(crate) fn brief(one: &Deployment) -> Value {
    let mut shown = json!({
        "serviceDeploymentArn": one.arn,
        "serviceArn": names::service(&one.cluster, &one.service),
        "clusterArn": names::cluster(&one.cluster),
        "createdAt": one.created,
        "targetServiceRevisionArn": one.target,
        "status": one.status,
    });
    put(&mut shown, "startedAt", one.started.map(Value::from));
    put(&mut shown, "finishedAt", one.finished.map(Value::from));
    put(&mut shown, "statusReason", one.reason.clone().map(Value::from));
    shown
}

/// A deployment's JSON.
pub(crate) fn show(world: &World, one: &Deployment) -> Value {
    let (back, test_back) = (100 - one.weight, 100 - one.test_weight);
    let watch = |enabled: bool, triggered: bool| match (enabled, triggered) {
        (false, _) => "DISABLED",
        (true, true) => "TRIGGERED",
        (true, false) if one.is_over() => "MONITORING_COMPLETE",
        (true, false) => "MONITORING",
    };
    let failed = revision(world, &one.target).and_then(|known| fleet::get(world, &known.fleet));
    let mut shown = brief(one);
    if let Some(members) = shown.as_object_mut() {
        members.remove("targetServiceRevisionArn");
    }
    shown["updatedAt"] = json!(one.updated);
    shown["sourceServiceRevisions"] = json!([share(world, &one.source, back, test_back)]);
    shown["targetServiceRevision"] = share(world, &one.target, one.weight, one.test_weight);
    shown["deploymentConfiguration"] = one.configuration.clone();
    shown["deploymentCircuitBreaker"] = json!({
        "status": watch(one.breaker.enabled, one.breaker_tripped),
        "failureCount": failed.map_or(0, |fleet| fleet.failed),
        "threshold": one.breaker.threshold,
    });
    let fired = if one.alarm_fired { one.alarms.names.as_slice() } else { &[] };
    shown["alarms"] = json!({
        "status": watch(one.alarms.enabled, one.alarm_fired),
        "alarmNames": one.alarms.names,
        "triggeredAlarmNames": fired,
    });
    if one.status != "PENDING" {
        shown["lifecycleStage"] = json!(one.stage());
    }
    if !one.hooks.is_empty() {
        shown["lifecycleHookDetails"] = one.hooks.iter().map(hook).collect();
    }
    if let Some((reason, started)) = &one.rollback {
        shown["rollback"] = json!({"reason": reason, "startedAt": started, "serviceRevisionArn": one.source});
    }
    put(&mut shown, "stoppedAt", one.stopped.map(Value::from));
    shown
}

fn share(world: &World, arn: &str, weight: u32, test: u32) -> Value {
    let mut shown = counts(world, arn);
    shown["requestedProductionTrafficWeight"] = json!(f64::from(weight));
    shown["requestedTestTrafficWeight"] = json!(f64::from(test));
    shown
}

fn counts(world: &World, arn: &str) -> Value {
    let id = revision(world, arn).map(|known| known.fleet.clone()).unwrap_or_default();
    let counts = fleet::counts(world, &id);
    json!({
        "arn": arn,
        "requestedTaskCount": fleet::get(world, &id).map_or(0, |fleet| fleet.desired),
        "runningTaskCount": counts.running,
        "pendingTaskCount": counts.pending,
    })
}

fn hook(hook: &HookRun) -> Value {
    let mut shown = json!({"hookId": hook.id, "targetType": hook.target_type, "status": hook.status});
    put(&mut shown, "targetArn", hook.target.clone().map(Value::from));
    put(&mut shown, "expiresAt", hook.until.map(Value::from));
    shown["timeoutAction"] = json!(hook.on_timeout);
    shown
}

/// A revision's JSON.
pub(crate) fn show_revision(world: &World, found: &Revision) -> Value {
    let definition = definition::find(world, &found.definition);
    let containers = definition.map(|known| known.containers().to_vec()).unwrap_or_default();
    let images = containers.iter().map(|container| {
        let image = text(container, "image").unwrap_or_default();
        let mut shown = json!({"containerName": container["name"], "image": image});
        put(&mut shown, "imageDigest", image.split_once('@').map(|(_, digest)| json!(digest)));
        shown
    });
    let mut shown = json!({
        "serviceRevisionArn": found.arn,
        "serviceArn": names::service(&found.cluster, &found.service),
        "clusterArn": names::cluster(&found.cluster),
        "taskDefinition": found.definition,
        "containerImages": images.collect::<Vec<_>>(),
        "guardDutyEnabled": false,
        "createdAt": found.created,
    });
    if let Some(service) = world.ecs.service(&found.cluster, &found.service) {
        shown["launchType"] = json!(service.launch.name());
        shown["loadBalancers"] = service_view::load_balancers(service, found.target_group.as_deref());
        for name in ["networkConfiguration", "platformVersion", "platformFamily"] {
            put(&mut shown, name, service.members.get(name).cloned());
        }
    }
    shown
}

/// Adds the revisions that a service has tasks of.
pub(crate) fn add_revisions(world: &World, service: &Service, shown: &mut Value) {
    let of_service = world.ecs.revisions.iter().filter(|known| {
        known.cluster == service.cluster
            && known.service == service.name
            && service.rollouts.iter().any(|one| one.id == known.fleet)
    });
    let counted: Vec<Value> = of_service.map(|known| counts(world, &known.arn)).collect();
    if !counted.is_empty() {
        shown["currentServiceRevisions"] = counted.into();
    }
}
