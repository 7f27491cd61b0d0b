//! A task as `DescribeTasks` shows it.

use serde_json::{Value, json};

use super::definition;
use super::task::{Stop, Task};
use crate::aws::input::{put, text};
use crate::aws::names;
use crate::aws::world::World;

/// The task's JSON.
pub(crate) fn show(world: &World, task: &Task, with_tags: bool) -> Value {
    let now = world.now;
    let stop = task.stopped(now);
    let started = task.started(now);
    let found = definition::find(world, &task.definition);
    let containers = found.map(|found| found.containers().to_vec()).unwrap_or_default();
    let status = task.status(now);
    let mut shown = json!({
        "taskArn": names::task(&task.cluster, &task.id),
        "clusterArn": names::cluster(&task.cluster),
        "taskDefinitionArn": task.definition,
        "group": task.group,
        "lastStatus": status,
        "desiredStatus": if stop.is_some() { "STOPPED" } else { "RUNNING" },
        "healthStatus": "UNKNOWN",
        "launchType": task.launch,
        "createdAt": task.created,
        "containers": containers.iter().map(|one| container(task, one, status, stop.as_ref())).collect::<Vec<_>>(),
        "overrides": task.overrides,
        "attachments": [{
            "id": format!("eni-{}", &task.id[..8]),
            "type": "ElasticNetworkInterface",
            "status": if stop.is_some() { "DELETED" } else { "ATTACHED" },
            "details": [{"name": "privateIPv4Address", "value": address(task)}],
        }],
        "version": 1,
    });
    for name in ["cpu", "memory"] {
        put(&mut shown, name, found.and_then(|found| found.body.get(name)).cloned());
    }
    put(&mut shown, "startedBy", task.started_by.clone().map(Value::from));
    put(&mut shown, "startedAt", started.map(Value::from));
    if task.launch == "FARGATE" {
        shown["platformVersion"] = json!("1.4.0");
        shown["platformFamily"] = json!("Linux");
    }
    if let Some(stop) = stop {
        shown["stopCode"] = json!(stop.code);
        shown["stoppedReason"] = json!(stop.reason);
        shown["stoppingAt"] = json!(stop.at);
        shown["stoppedAt"] = json!(stop.at);
        put(&mut shown, "executionStoppedAt", started.map(|_| json!(stop.at)));
    }
    if with_tags {
        shown["tags"] = task.tags.clone();
    }
    shown
}

/// The task's private address.
pub(crate) fn address(task: &Task) -> String {
    format!("10.0.{}.{}", 1 + task.number / 250 % 250, 1 + task.number % 250)
}

fn container(task: &Task, definition: &Value, status: &str, stop: Option<&Stop>) -> Value {
    let name = text(definition, "name").unwrap_or_default();
    let image = text(definition, "image").unwrap_or_default();
    let mut shown = json!({
        "containerArn": names::ecs(&format!("container/{}/{}/{name}", task.cluster, task.id)),
        "taskArn": names::task(&task.cluster, &task.id),
        "name": name,
        "image": image,
        "lastStatus": if status == "PROVISIONING" { "PENDING" } else { status },
        "healthStatus": "UNKNOWN",
        "networkInterfaces": [{"attachmentId": format!("eni-{}", &task.id[..8]), "privateIpv4Address": address(task)}],
        "cpu": "0",
    });
    if let Some((_, digest)) = image.split_once('@') {
        shown["imageDigest"] = json!(digest);
    }
    if status == "RUNNING" || stop.is_some_and(|stop| stop.exit.is_some()) {
        shown["runtimeId"] = json!(format!("{}-{}", task.id, 1_000_000 + task.number));
    }
    if let Some(stop) = stop {
        put(&mut shown, "exitCode", stop.exit.map(Value::from));
        put(&mut shown, "reason", stop.container_reason.clone().map(Value::from));
    }
    shown
}
