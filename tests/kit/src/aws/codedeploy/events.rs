//! The lifecycle events of a deployment, one after another.

use super::deployment::Phase;
use super::machine::is_stopped_at;
use super::{control, ending, hooks, traffic};
use crate::aws::ecs::fleet::{self, NewFleet};
use crate::aws::ecs::{TaskSet, service};
use crate::aws::fault::Fault;
use crate::aws::input::{list, number, text};
use crate::aws::world::World;

/// How long the move of the test traffic takes, in seconds.
const TEST_TRAFFIC: u64 = 5;

/// Begins the event with this number, or what comes when there is none left.
pub(super) fn begin(world: &mut World, at: usize, number: usize) {
    let now = world.now;
    let one = &world.codedeploy.deployments[at];
    let Some(name) = one.events.get(number).map(|event| event.name) else {
        return traffic::swap(world, at);
    };
    if name == "BeforeAllowTraffic" && !one.ready_wait_over && wait_for_ready(world, at) {
        return;
    }
    let one = &mut world.codedeploy.deployments[at];
    one.phase = Phase::Event(number);
    one.until = now;
    one.target_updated = now;
    one.events[number].begin(now);
    if is_stopped_at(world, name) {
        return control::ask(world, at, None);
    }
    match name {
        "Install" => install(world, at),
        "AllowTestTraffic" => {
            traffic::share_test(world, at);
            world.codedeploy.deployments[at].until = now + TEST_TRAFFIC;
        }
        "AllowTraffic" => traffic::begin(world, at),
        _ => hooks::begin(world, at, number),
    }
}

/// Looks after the event that is under way; whether anything happened.
pub(super) fn step(world: &mut World, at: usize, number: usize) -> bool {
    if ending::alarm_fires(world, at) {
        return true;
    }
    let is_due = world.now >= world.codedeploy.deployments[at].until;
    match world.codedeploy.deployments[at].events[number].name {
        "Install" => watch_install(world, at, number),
        "AllowTestTraffic" => is_due && end(world, at, number),
        "AllowTraffic" => traffic::go_on(world, at) || is_due && traffic::is_over(world, at) && end(world, at, number),
        _ => hooks::go_on(world, at, number),
    }
}

/// Ends an event well and begins the next one.
pub(super) fn end(world: &mut World, at: usize, number: usize) -> bool {
    let now = world.now;
    world.codedeploy.deployments[at].events[number].end(now, "Succeeded");
    begin(world, at, number + 1);
    true
}

/// Lets a deployment wait for somebody who lets the traffic move, where its group says so.
fn wait_for_ready(world: &mut World, at: usize) -> bool {
    let one = &world.codedeploy.deployments[at];
    let group = world.codedeploy.groups.iter().find(|group| one.is_of(group));
    let Some(minutes) = group.and_then(|group| group.ready_wait) else { return false };
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    one.phase = Phase::Ready;
    one.status = "Ready";
    one.target_status = "Ready";
    one.target_updated = now;
    one.until = now + minutes * 60;
    true
}

/// Makes the new task set.
fn install(world: &mut World, at: usize) {
    let now = world.now;
    let one = world.codedeploy.deployments[at].clone();
    world.codedeploy.deployments[at].until = now + world.install_limit;
    if world.has(&Fault::ServiceRoleDenied) {
        let message = "The ECS service cannot be updated because the service role of the deployment group has no \
                       permission to perform: ecs:CreateTaskSet.";
        return ending::fail(world, at, &ending::failed("IAM_ROLE_PERMISSIONS", message));
    }
    if let Some(why) = misfit(world, at) {
        let message = format!(
            "The ECS service cannot be updated due to an unexpected error: {why} \
             (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException)"
        );
        return ending::fail(world, at, &ending::failed("ECS_UPDATE_ERROR", &message));
    }
    remove_leftovers(world, &one.cluster, &one.service);
    let Some(service) = world.ecs.service(&one.cluster, &one.service) else { return };
    let (desired, serving) = (service.desired, service.target_group.clone().unwrap_or_default());
    let target_group = world.balancer.other(&serving);
    let id = format!("ecs-svc/{}", world.ids.digits());
    let definition = one.spec.definition.as_str();
    let set = TaskSet {
        id: id.clone(),
        deployment: one.id.clone(),
        status: "ACTIVE",
        definition: definition.to_owned(),
        target_group: target_group.clone(),
        weight: 0,
        created: now,
        updated: now,
    };
    if let Some(service) = world.ecs.service_mut(&one.cluster, &one.service) {
        service.task_sets.push(set);
    }
    world.codedeploy.deployments[at].green = Some(id.clone());
    let (cluster, service, target_group) = (&one.cluster, &one.service, Some(target_group.as_str()));
    fleet::create(world, NewFleet { id: &id, cluster, service, definition, target_group, desired });
    fleet::run(world);
}

fn watch_install(world: &mut World, at: usize, number: usize) -> bool {
    let one = &world.codedeploy.deployments[at];
    let (until, service) = (one.until, one.service.clone());
    let green = one.green.clone().unwrap_or_default();
    if fleet::is_steady(world, &green) {
        let cluster = one.cluster.clone();
        let message = format!("(service {service}, taskSet {green}) has reached a steady state.");
        service::tell(world, &cluster, &service, message);
        return end(world, at, number);
    }
    if world.now < until {
        return false;
    }
    let minutes = world.install_limit / 60;
    let message = format!(
        "The deployment timed out while waiting for the replacement task set to become healthy. \
         This time out period is {minutes} minutes."
    );
    ending::fail(world, at, &ending::failed("TIMEOUT", &message));
    true
}

/// Why a definition does not fit the AppSpec.
fn misfit(world: &World, at: usize) -> Option<String> {
    let spec = &world.codedeploy.deployments[at].spec;
    let definition = world.ecs.definitions.iter().find(|known| known.arn() == spec.definition)?;
    let container = definition.containers().iter().find(|one| text(one, "name") == Some(&spec.container));
    let Some(container) = container else {
        return Some(format!("The container {} does not exist in the task definition.", spec.container));
    };
    let has_port = list(container, "portMappings").iter().any(|port| number(port, "containerPort") == Some(spec.port));
    (!has_port)
        .then(|| format!("The container {} did not have a container port {} defined.", spec.container, spec.port))
}

/// Removes what a deployment that failed without a rollback has left.
fn remove_leftovers(world: &mut World, cluster: &str, name: &str) {
    let Some(service) = world.ecs.service_mut(cluster, name) else { return };
    let left: Vec<TaskSet> = service.task_sets.iter().filter(|set| set.status != "PRIMARY").cloned().collect();
    service.task_sets.retain(|set| set.status == "PRIMARY");
    let Some(primary) = service.task_sets.first_mut() else { return };
    primary.weight = 100;
    let serving = primary.target_group.clone();
    for set in left {
        fleet::resize(world, &set.id, 0);
        world.balancer.share(&set.target_group, &serving, 100);
    }
}
