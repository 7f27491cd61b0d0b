//! How a rolling deployment goes on.

use super::{Alarms, Breaker, Rollout};
use crate::aws::ecs::fleet::{self, NewFleet};
use crate::aws::ecs::service;
use crate::aws::fault::Fault;
use crate::aws::world::World;

/// Between one old task's going and the next one's, in seconds.
const DRAIN: u64 = 15;
/// How long a failed deployment stays listed after the rollback is complete, in seconds.
const LISTED: u64 = 60;
/// How long a rollback that fails takes to fail, in seconds.
const ROLLBACK_FAILS: u64 = 60;

/// Starts a deployment of a definition as the service's PRIMARY, and returns its id.
pub(crate) fn start(world: &mut World, at: usize, definition: &str) -> String {
    let id = format!("ecs-svc/{}", world.ids.digits());
    let now = world.now;
    let service = &mut world.ecs.services[at];
    for older in service.rollouts.iter_mut().filter(|one| one.status == "PRIMARY") {
        older.status = "ACTIVE";
        older.updated = now;
    }
    service.rollouts.insert(0, Rollout::new(id.clone(), definition, now));
    definition.clone_into(&mut service.definition);
    let (cluster, name, desired) = (service.cluster.clone(), service.name.clone(), service.desired);
    let target_group = service.target_group.clone();
    let target_group = target_group.as_deref();
    fleet::create(world, NewFleet { id: &id, cluster: &cluster, service: &name, definition, target_group, desired });
    id
}

/// Lets every rolling deployment do whatever its time has come for.
pub(crate) fn run(world: &mut World) {
    for at in 0..world.ecs.services.len() {
        let now = world.now;
        let primary = world.ecs.services[at].rollouts.iter().find(|one| one.status == "PRIMARY");
        let Some(primary) = primary.filter(|one| !one.native && world.ecs.services[at].active).cloned() else {
            continue;
        };
        if primary.state == "IN_PROGRESS" {
            go_on(world, at, &primary);
        }
        if primary.undo_at.is_some_and(|undo| undo <= now) {
            undo(world, at, &primary);
        }
        world.ecs.services[at].rollouts.retain(|one| one.gone_at.is_none_or(|gone| gone > now));
    }
}

/// Seconds after which the service of a deployment is deleted, where it is.
pub(crate) fn deleted_after(world: &World) -> Option<u64> {
    world.faults.iter().find_map(|fault| match fault {
        Fault::ServiceDeleted(after) => Some(*after),
        _ => None,
    })
}

/// Deletes a service: it stays known as INACTIVE.
pub(crate) fn delete_service(world: &mut World, at: usize) {
    let service = &mut world.ecs.services[at];
    service.active = false;
    service.desired = 0;
    service.rollouts.clear();
    service.task_sets.clear();
    let (cluster, name) = (service.cluster.clone(), service.name.clone());
    let of_service = |fleet: &&mut fleet::Fleet| fleet.cluster == cluster && fleet.service == name;
    for fleet in world.ecs.fleets.iter_mut().filter(of_service) {
        fleet.desired = 0;
    }
}

fn go_on(world: &mut World, at: usize, primary: &Rollout) {
    let now = world.now;
    if deleted_after(world).is_some_and(|after| now >= primary.created + after) {
        return delete_service(world, at);
    }
    if primary.rollback && world.has(&Fault::RollbackFails) {
        if now >= primary.created + ROLLBACK_FAILS {
            set(world, at, &primary.id, "FAILED", "ECS deployment circuit breaker: tasks failed to start.");
        }
        return;
    }
    let configuration = &world.ecs.services[at].configuration;
    let breaker = Breaker::of(configuration, world.ecs.services[at].desired);
    let alarms = Alarms::of(configuration);
    let failed = fleet::get(world, &primary.id).map_or(0, |fleet| fleet.failed);
    let running = fleet::counts(world, &primary.id).running;
    if breaker.enabled && !primary.rollback && failed >= breaker.threshold {
        trip(world, at, primary, "ECS deployment circuit breaker: tasks failed to start.", breaker.rollback);
    } else if !primary.rollback && running > 0 && alarms.fire(world, 100) {
        trip(world, at, primary, "ECS deployment alarms: alarm detected.", alarms.rollback);
    } else if fleet::is_steady(world, &primary.id) {
        drain(world, at, primary);
    }
}

/// Takes one old task away, or completes the deployment where none is left.
fn drain(world: &mut World, at: usize, primary: &Rollout) {
    let now = world.now;
    let others: Vec<Rollout> =
        world.ecs.services[at].rollouts.iter().filter(|one| one.id != primary.id).cloned().collect();
    let left = others.iter().find(|one| fleet::get(world, &one.id).is_some_and(|fleet| fleet.desired > 0));
    if let Some(left) = left {
        if left.drain_at <= now {
            let desired = fleet::get(world, &left.id).map_or(0, |fleet| fleet.desired);
            fleet::resize(world, &left.id, desired - 1);
            postpone(world, at, &left.id, now + DRAIN);
            postpone(world, at, &primary.id, now + DRAIN);
        }
        return;
    }
    if now < primary.drain_at {
        return;
    }
    let reason = match primary.rollback {
        true => primary.reason.clone(),
        false => format!("ECS deployment {} completed.", primary.id),
    };
    set(world, at, &primary.id, "COMPLETED", &reason);
    let service = &mut world.ecs.services[at];
    service.rollouts.retain(|one| one.id == primary.id || one.state == "FAILED");
    for failed in service.rollouts.iter_mut().filter(|one| one.state == "FAILED") {
        failed.gone_at = Some(now + LISTED);
    }
    tell(world, at, &format!("(deployment {}) deployment completed.", primary.id));
    tell(world, at, "has reached a steady state.");
}

/// Ends a deployment that fails, and undoes it where that is asked for.
fn trip(world: &mut World, at: usize, primary: &Rollout, reason: &str, rollback: bool) {
    set(world, at, &primary.id, "FAILED", reason);
    fleet::resize(world, &primary.id, 0);
    let cause = reason.split_once(": ").map_or(reason, |(_, cause)| cause);
    tell(world, at, &format!("(deployment {}) deployment failed: {cause}", primary.id));
    let late = world.faults.iter().find_map(|fault| match fault {
        Fault::RollbackLate(seconds) => Some(*seconds),
        _ => None,
    });
    let now = world.now;
    let failed = world.ecs.services[at].rollouts.iter_mut().find(|one| one.id == primary.id).filter(|_| rollback);
    let Some(failed) = failed else { return };
    failed.undo_at = Some(now + late.unwrap_or(0));
    if late.is_none() {
        let failed = failed.clone();
        undo(world, at, &failed);
    }
}

/// Makes the deployment that undoes one that failed.
fn undo(world: &mut World, at: usize, failed: &Rollout) {
    let rollouts = &mut world.ecs.services[at].rollouts;
    rollouts.iter_mut().filter(|one| one.id == failed.id).for_each(|one| one.undo_at = None);
    let Some(good) = rollouts.iter().find(|one| one.state == "COMPLETED").cloned() else { return };
    let who = failed.reason.split_once(": ").map_or(failed.reason.as_str(), |(who, _)| who);
    tell(world, at, &format!("rolling back to deployment {}.", good.id));
    let id = start(world, at, &good.definition);
    let service = &mut world.ecs.services[at];
    if let Some(undoing) = service.rollouts.iter_mut().find(|one| one.id == id) {
        undoing.rollback = true;
        undoing.reason = format!("{who}: rolling back to deploymentId {}.", good.id);
    }
}

fn set(world: &mut World, at: usize, id: &str, state: &'static str, reason: &str) {
    let now = world.now;
    if let Some(one) = world.ecs.services[at].rollouts.iter_mut().find(|one| one.id == id) {
        one.state = state;
        one.updated = now;
        reason.clone_into(&mut one.reason);
    }
}

fn postpone(world: &mut World, at: usize, id: &str, until: u64) {
    if let Some(one) = world.ecs.services[at].rollouts.iter_mut().find(|one| one.id == id) {
        one.drain_at = until;
    }
}

fn tell(world: &mut World, at: usize, text: &str) {
    let service = &world.ecs.services[at];
    let (cluster, name) = (service.cluster.clone(), service.name.clone());
    let message = format!("(service {name}) {text}");
    service::tell(world, &cluster, &name, message);
}
