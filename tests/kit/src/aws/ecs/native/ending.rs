//! The ends of a service deployment: success, and the ways back.

use super::{machine, revision, service_of};
use crate::aws::ecs::{fleet, service};
use crate::aws::fault::Fault;
use crate::aws::world::World;

/// How long a request to stop, and the way back, take, in seconds.
const REQUEST: u64 = 5;
const BACK: u64 = 30;

/// Ends a deployment that fails; whether it does.
pub(crate) fn gives_up(world: &mut World, at: usize) -> bool {
    let one = &world.ecs.deployments[at];
    let failed = revision(world, &one.target).and_then(|known| fleet::get(world, &known.fleet));
    let failed = failed.map_or(0, |fleet| fleet.failed);
    let started = one.started.is_some();
    let (breaker, alarms, weight) = (one.breaker, one.alarms.clone(), one.weight);
    let (reason, rollback) = if breaker.enabled && failed >= breaker.threshold {
        world.ecs.deployments[at].breaker_tripped = true;
        ("Service deployment circuit breaker threshold reached: tasks failed to start.", breaker.rollback)
    } else if started && alarms.fire(world, weight) {
        world.ecs.deployments[at].alarm_fired = true;
        ("A CloudWatch alarm of the service deployment is in the state ALARM.", alarms.rollback)
    } else {
        return false;
    };
    if rollback {
        roll_back(world, at, reason);
    } else {
        finish(world, at, "STOPPED", Some(reason));
    }
    true
}

/// Begins the way back at once.
pub(crate) fn roll_back(world: &mut World, at: usize, reason: &str) {
    let now = world.now;
    let one = &mut world.ecs.deployments[at];
    one.status = "ROLLBACK_IN_PROGRESS";
    one.reason = Some(reason.to_owned());
    one.rollback = Some((reason.to_owned(), now));
    one.updated = now;
    one.until = now + BACK;
    if !world.has(&Fault::RollbackFails) {
        restore(world, at);
    }
}

/// Asks for the way back.
pub(crate) fn request_rollback(world: &mut World, at: usize, reason: &str) {
    let now = world.now;
    let one = &mut world.ecs.deployments[at];
    one.status = "ROLLBACK_REQUESTED";
    one.reason = Some(reason.to_owned());
    one.until = now + REQUEST;
    one.updated = now;
}

/// Asks to stop and leave everything as it is.
pub(crate) fn request_stop(world: &mut World, at: usize, reason: &str) {
    request_rollback(world, at, reason);
    world.ecs.deployments[at].status = "STOP_REQUESTED";
}

/// Makes one transition of an ending; whether there was one to make.
pub(crate) fn step(world: &mut World, at: usize) -> bool {
    let one = &world.ecs.deployments[at];
    if world.now < one.until {
        return false;
    }
    let reason = one.reason.clone().unwrap_or_default();
    match one.status {
        "ROLLBACK_REQUESTED" => roll_back(world, at, &reason),
        "STOP_REQUESTED" => finish(world, at, "STOPPED", None),
        _ if world.has(&Fault::RollbackFails) => {
            finish(world, at, "ROLLBACK_FAILED", Some("The rollback of the service deployment failed."));
        }
        _ => {
            remove_target(world, at);
            finish(world, at, "ROLLBACK_SUCCESSFUL", None);
        }
    }
    true
}

/// Gives all traffic back to the source, which is the service's PRIMARY again.
pub(crate) fn restore(world: &mut World, at: usize) {
    let one = &mut world.ecs.deployments[at];
    (one.weight, one.test_weight) = (0, 0);
    let (source, target) = (one.source.clone(), one.target.clone());
    machine::share(world, at);
    let Some(service) = service_of(world, &world.ecs.deployments[at]) else { return };
    let source = revision(world, &source).cloned();
    let target = revision(world, &target).map(|known| known.fleet.clone()).unwrap_or_default();
    let service = &mut world.ecs.services[service];
    let Some(source) = source else { return };
    service.definition.clone_from(&source.definition);
    for rollout in &mut service.rollouts {
        if rollout.id == source.fleet {
            rollout.status = "PRIMARY";
        } else if rollout.id == target {
            rollout.status = "ACTIVE";
            rollout.state = "FAILED";
        }
    }
}

/// Takes the target's tasks and its entry away.
pub(crate) fn remove_target(world: &mut World, at: usize) {
    let target = world.ecs.deployments[at].target.clone();
    let target = revision(world, &target).map(|known| known.fleet.clone()).unwrap_or_default();
    fleet::resize(world, &target, 0);
    if let Some(service) = service_of(world, &world.ecs.deployments[at]) {
        world.ecs.services[service].rollouts.retain(|one| one.id != target);
    }
}

/// Ends a deployment well.
pub(crate) fn succeed(world: &mut World, at: usize) {
    let target = world.ecs.deployments[at].target.clone();
    let Some(target) = revision(world, &target).cloned() else { return };
    if let Some(service) = service_of(world, &world.ecs.deployments[at]) {
        let service = &mut world.ecs.services[service];
        service.rollouts.retain(|one| one.id == target.fleet);
        for one in &mut service.rollouts {
            one.state = "COMPLETED";
            one.reason = format!("ECS deployment {} completed.", one.id);
        }
        service.target_group.clone_from(&target.target_group);
        let (cluster, name) = (service.cluster.clone(), service.name.clone());
        service::tell(world, &cluster, &name, format!("(service {name}) has reached a steady state."));
    }
    finish(world, at, "SUCCESSFUL", None);
}

/// Ends a deployment in a state.
pub(crate) fn finish(world: &mut World, at: usize, status: &'static str, reason: Option<&str>) {
    let now = world.now;
    let one = &mut world.ecs.deployments[at];
    one.status = status;
    one.finished = Some(now);
    one.updated = now;
    if status == "STOPPED" {
        one.stopped = Some(now);
    }
    if let Some(reason) = reason {
        one.reason = Some(reason.to_owned());
    }
}
