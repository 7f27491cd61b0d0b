//! A deployment's only target as `GetDeploymentTarget` shows it.

use serde_json::{Value, json};

use super::deployment::Event;
use crate::aws::ecs::fleet;
use crate::aws::input::put;
use crate::aws::names;
use crate::aws::world::World;

/// The target's JSON.
pub(super) fn show(world: &World, at: usize) -> Value {
    let one = &world.codedeploy.deployments[at];
    let events: Vec<Value> = one.events.iter().map(event).collect();
    let sets = one.snapshot.clone().unwrap_or_else(|| task_sets(world, at));
    json!({
        "deploymentTargetType": "ECSTarget",
        "ecsTarget": {
            "deploymentId": one.id,
            "targetId": one.target_id(),
            "targetArn": names::service(&one.cluster, &one.service),
            "lastUpdatedAt": one.target_updated,
            "lifecycleEvents": events,
            "status": one.target_status,
            "taskSetsInfo": sets,
        },
    })
}

fn event(event: &Event) -> Value {
    let mut shown = json!({"lifecycleEventName": event.name, "status": event.status});
    put(&mut shown, "startTime", event.start.map(Value::from));
    put(&mut shown, "endTime", event.end.map(Value::from));
    if let Some((code, message)) = &event.trouble {
        shown["diagnostics"] = json!({"errorCode": code, "scriptName": "", "message": message, "logTail": ""});
    }
    shown
}

/// The task sets of the deployment that there are now. The member `identifer` is misspelt on the wire.
pub(super) fn task_sets(world: &World, at: usize) -> Value {
    let one = &world.codedeploy.deployments[at];
    let service = world.ecs.service(&one.cluster, &one.service);
    let labelled = [(Some(&one.blue), "Blue"), (one.green.as_ref(), "Green")];
    let mut shown = Vec::new();
    for (id, label) in labelled {
        let set = id.and_then(|id| service.and_then(|service| service.task_set(id)));
        let Some(set) = set else { continue };
        let counts = fleet::counts(world, &set.id);
        shown.push(json!({
            "identifer": set.id,
            "desiredCount": fleet::get(world, &set.id).map_or(0, |fleet| fleet.desired),
            "pendingCount": counts.pending,
            "runningCount": counts.running,
            "status": set.status,
            "trafficWeight": f64::from(set.weight),
            "targetGroup": {"name": set.target_group},
            "taskSetLabel": label,
        }));
    }
    shown.into()
}
