//! A service as `DescribeServices` and `UpdateService` show it.

use serde_json::{Value, json};

use super::fleet::{self, Counts};
use super::service::{Controller, Service, TaskSet};
use super::{native, rolling};
use crate::aws::input::{put, texts};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) fn describe(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = super::cluster(world, input)?;
    let asked = texts(input, "services");
    if asked.is_empty() {
        return Err(AwsFault::new("InvalidParameterException", "Services cannot be empty."));
    }
    let with_tags = texts(input, "include").contains(&"TAGS");
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for name in asked {
        match world.ecs.service(&cluster, name) {
            Some(service) => services.push(show(world, service, with_tags)),
            None => {
                let arn = names::service(&cluster, names::short(name));
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
    }
    Ok(json!({"services": services, "failures": failures}))
}

/// The service's JSON.
pub(crate) fn show(world: &World, service: &Service, with_tags: bool) -> Value {
    let counts = totals(world, service);
    let mut shown = json!({
        "serviceArn": names::service(&service.cluster, &service.name),
        "serviceName": service.name,
        "clusterArn": names::cluster(&service.cluster),
        "status": if service.active { "ACTIVE" } else { "INACTIVE" },
        "desiredCount": service.desired,
        "runningCount": counts.running,
        "pendingCount": counts.pending,
        "launchType": service.launch.name(),
        "taskDefinition": service.definition,
        "deploymentConfiguration": service.configuration,
        "deploymentController": {"type": service.controller.name()},
        "loadBalancers": load_balancers(service, service.target_group.as_deref()),
        "serviceRegistries": [],
        "events": service.events.iter().map(|event| {
            json!({"id": event.id, "createdAt": event.at, "message": event.message})
        }).collect::<Vec<_>>(),
        "deployments": service.rollouts.iter().map(|one| rolling::show(world, service, one)).collect::<Vec<_>>(),
        "createdAt": service.created,
        "createdBy": names::CALLER,
        "schedulingStrategy": "REPLICA",
        "placementConstraints": [],
        "placementStrategy": [],
    });
    // Its load balancers among them are shown above, with the group that serves.
    for (name, member) in service.members.as_object().into_iter().flatten().filter(|(name, _)| *name != "loadBalancers")
    {
        shown[name] = member.clone();
    }
    if service.controller == Controller::CodeDeploy {
        shown["taskSets"] = service.task_sets.iter().map(|set| task_set(world, service, set)).collect();
    }
    put(&mut shown, "currentServiceDeployment", service.current_deployment.clone().map(Value::from));
    if with_tags {
        shown["tags"] = service.tags.clone();
    }
    native::add_revisions(world, service, &mut shown);
    shown
}

/// The service's load balancers with this target group as the one that serves.
pub(crate) fn load_balancers(service: &Service, target_group: Option<&str>) -> Value {
    let mut shown = service.members.get("loadBalancers").cloned().unwrap_or_else(|| json!([]));
    if let (Some(first), Some(name)) = (shown.get_mut(0), target_group) {
        first["targetGroupArn"] = json!(names::target_group(name));
    }
    shown
}

fn totals(world: &World, service: &Service) -> Counts {
    let mut total = Counts { running: 0, pending: 0 };
    let of_service = |one: &&fleet::Fleet| one.cluster == service.cluster && one.service == service.name;
    for one in world.ecs.fleets.iter().filter(of_service) {
        let counts = fleet::counts(world, &one.id);
        total.running += counts.running;
        total.pending += counts.pending;
    }
    total
}

fn task_set(world: &World, service: &Service, set: &TaskSet) -> Value {
    let counts = fleet::counts(world, &set.id);
    let desired = fleet::get(world, &set.id).map_or(0, |fleet| fleet.desired);
    let steady = fleet::is_steady(world, &set.id);
    let cluster = &service.cluster;
    let mut shown = json!({
        "id": set.id,
        "taskSetArn": names::ecs(&format!("task-set/{cluster}/{}/{}", service.name, set.id)),
        "serviceArn": names::service(cluster, &service.name),
        "clusterArn": names::cluster(cluster),
        "startedBy": "CODE_DEPLOY",
        "externalId": set.deployment,
        "status": set.status,
        "taskDefinition": set.definition,
        "computedDesiredCount": desired,
        "pendingCount": counts.pending,
        "runningCount": counts.running,
        "createdAt": set.created,
        "updatedAt": set.updated,
        "launchType": service.launch.name(),
        "loadBalancers": load_balancers(service, Some(&set.target_group)),
        "serviceRegistries": [],
        "scale": {"value": if set.status == "DRAINING" { 0.0 } else { 100.0 }, "unit": "PERCENT"},
        "stabilityStatus": if steady { "STEADY_STATE" } else { "STABILIZING" },
        "stabilityStatusAt": set.updated,
        "tags": [],
    });
    for name in ["networkConfiguration", "platformVersion", "platformFamily"] {
        put(&mut shown, name, service.members.get(name).cloned());
    }
    shown
}
