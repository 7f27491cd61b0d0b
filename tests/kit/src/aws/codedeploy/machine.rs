//! How a deployment goes on, one transition at a time.

use super::deployment::Phase;
use super::{control, ending, events, rollback};
use crate::aws::ecs::rolling;
use crate::aws::fault::Fault;
use crate::aws::world::World;

/// How long a deployment stays queued, in seconds.
const QUEUED: u64 = 10;

/// Lets every deployment do whatever its time has come for.
pub(crate) fn run(world: &mut World) {
    let mut at = 0;
    while at < world.codedeploy.deployments.len() {
        while step(world, at) {}
        at += 1;
    }
}

/// The moments at which deployments change by themselves.
pub(crate) fn moments(world: &World) -> impl Iterator<Item = u64> {
    let deleted = rolling::deleted_after(world);
    world.codedeploy.deployments.iter().flat_map(move |one| {
        let shift = one.shifts.first().map(|(moment, _)| *moment);
        let deleted = deleted.map(|after| one.created + after);
        [Some(one.until), one.trouble, one.rollback_at, shift, deleted].into_iter().flatten()
    })
}

/// Makes one transition; whether there was one to make.
fn step(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let one = &world.codedeploy.deployments[at];
    let (phase, is_due) = (one.phase, now >= one.until);
    if phase == Phase::Over {
        return rollback::create_when_due(world, at);
    }
    if lose_service(world, at) {
        return true;
    }
    match phase {
        Phase::Event(number) => events::step(world, at, number),
        Phase::Undoing => is_due && rollback::finish(world, at),
        Phase::TerminationWait | Phase::Ready if ending::alarm_fires(world, at) => true,
        _ if !is_due => false,
        Phase::Created => {
            let one = &mut world.codedeploy.deployments[at];
            one.status = "Queued";
            one.phase = Phase::Queued;
            one.until = now + QUEUED;
            true
        }
        Phase::Queued => start(world, at),
        Phase::Ready => {
            let message = "The deployment was stopped because the wait for traffic rerouting was over.";
            ending::fail(world, at, &ending::stopped("TIMEOUT", message, None));
            true
        }
        Phase::TerminationWait => ending::drain(world, at),
        Phase::Draining => ending::succeed(world, at),
        Phase::Stopping => control::end(world, at),
        Phase::Over => false,
    }
}

fn start(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    one.status = "InProgress";
    one.target_status = "InProgress";
    one.target_updated = now;
    one.started = Some(now);
    if one.undoes.is_some() {
        rollback::begin(world, at);
    } else {
        events::begin(world, at, 0);
    }
    true
}

/// Fails a deployment whose service is gone; whether it is.
fn lose_service(world: &mut World, at: usize) -> bool {
    let one = &world.codedeploy.deployments[at];
    let is_over = rolling::deleted_after(world).is_some_and(|after| world.now >= one.created + after);
    if !is_over {
        return false;
    }
    let (cluster, name) = (one.cluster.clone(), one.service.clone());
    let service = world.ecs.services.iter().position(|known| known.cluster == cluster && known.name == name);
    if let Some(service) = service {
        rolling::delete_service(world, service);
    }
    let message = "The ECS service cannot be updated due to an unexpected error: Service was not ACTIVE. \
                   (Service: AmazonECS; Status Code: 400; Error Code: ServiceNotActiveException)";
    ending::fail(world, at, &ending::failed("INVALID_ECS_SERVICE", message));
    // There is nothing to roll back to.
    world.codedeploy.deployments[at].rollback_at = None;
    true
}

/// Whether somebody stops the deployment from the console as this event begins.
pub(super) fn is_stopped_at(world: &World, event: &str) -> bool {
    world.faults.iter().any(|fault| matches!(fault, Fault::ConsoleStop(wanted) if *wanted == event))
}
