//! How a service deployment goes on.

use super::plan::Action;
use super::{Deployment, ending, hooks, revision, service_of};
use crate::aws::ecs::{fleet, rolling};
use crate::aws::fault::Fault;
use crate::aws::world::World;

/// Lets every service deployment do whatever its time has come for.
pub(crate) fn run(world: &mut World) {
    for at in 0..world.ecs.deployments.len() {
        while step(world, at) {}
    }
}

/// The moments at which service deployments change by themselves.
pub(crate) fn moments(world: &World) -> impl Iterator<Item = u64> {
    let open = world.ecs.deployments.iter().filter(|one| !one.is_over());
    open.flat_map(|one| {
        let deleted = rolling::deleted_after(world).map(|after| one.created + after);
        let hooks = one.hooks.iter().filter_map(|hook| hook.until);
        [Some(one.until), deleted].into_iter().flatten().chain(hooks)
    })
}

/// Makes one transition; whether there was one to make.
fn step(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let one = &world.ecs.deployments[at];
    if one.is_over() {
        return false;
    }
    let created = one.created;
    if rolling::deleted_after(world).is_some_and(|after| now >= created + after) {
        if let Some(service) = service_of(world, &world.ecs.deployments[at]) {
            rolling::delete_service(world, service);
        }
        ending::finish(world, at, "STOPPED", Some("The service is deleted."));
        return true;
    }
    match world.ecs.deployments[at].status {
        "PENDING" | "IN_PROGRESS" => forward(world, at),
        _ => ending::step(world, at),
    }
}

fn forward(world: &mut World, at: usize) -> bool {
    if ending::gives_up(world, at) {
        return true;
    }
    let one = &world.ecs.deployments[at];
    let Some(step) = one.plan.get(one.at).copied() else {
        ending::succeed(world, at);
        return true;
    };
    if !one.begun {
        begin(world, at, step.action);
        return true;
    }
    let one = &world.ecs.deployments[at];
    let is_over = match step.action {
        Action::Wait(_) => world.now >= one.until,
        Action::Hooks(_) => return hooks::go_on(world, at),
        Action::ScaleUp => revision(world, &one.target).is_some_and(|known| fleet::is_steady(world, &known.fleet)),
        Action::Test | Action::Shift(_) | Action::CleanUp => true,
    };
    if is_over {
        next(world, at);
    }
    is_over
}

/// Goes to the next step.
pub(crate) fn next(world: &mut World, at: usize) {
    let now = world.now;
    let one = &mut world.ecs.deployments[at];
    let before = one.stage();
    one.at += 1;
    one.begun = false;
    one.updated = now;
    if one.status == "PENDING" {
        one.status = "IN_PROGRESS";
        one.started = Some(now);
    }
    let stage = one.stage();
    let stops = world.faults.iter().any(|fault| matches!(fault, Fault::ConsoleStop(wanted) if *wanted == stage));
    if stage != before && stops {
        ending::request_rollback(world, at, "Deployment stopped by a user from the console.");
    }
}

fn begin(world: &mut World, at: usize, action: Action) {
    let now = world.now;
    let one = &mut world.ecs.deployments[at];
    one.begun = true;
    let one = one.clone();
    let target = revision(world, &one.target).map(|known| known.fleet.clone()).unwrap_or_default();
    match action {
        Action::Wait(seconds) => world.ecs.deployments[at].until = now + seconds,
        Action::Hooks(stage) => hooks::begin(world, at, stage),
        Action::ScaleUp => {
            let desired = service_of(world, &one).map_or(0, |service| world.ecs.services[service].desired);
            fleet::resize(world, &target, desired);
            fleet::run(world);
        }
        Action::Test => {
            if world.balancer.has_test() {
                world.ecs.deployments[at].test_weight = 100;
            }
            share(world, at);
        }
        Action::Shift(weight) => {
            world.ecs.deployments[at].weight = weight;
            share(world, at);
        }
        Action::CleanUp => {
            let source = revision(world, &one.source).map(|known| known.fleet.clone()).unwrap_or_default();
            fleet::resize(world, &source, 0);
        }
    }
}

/// Puts the deployment's weights on the load balancer.
pub(crate) fn share(world: &mut World, at: usize) {
    let one: &Deployment = &world.ecs.deployments[at];
    let group = |arn: &str| revision(world, arn).and_then(|known| known.target_group.clone());
    if let (Some(source), Some(target)) = (group(&one.source), group(&one.target)) {
        let (weight, test) = (one.weight, one.test_weight);
        world.balancer.share(&source, &target, weight);
        world.balancer.share_test(&source, &target, test);
    }
}
