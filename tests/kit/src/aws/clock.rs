//! The virtual clock: which call moves it, and what happens while it moves.

use super::codedeploy::{self, machine};
use super::ecs::{fleet, native, rolling, run_task, task};
use super::input::{text, texts};
use super::request::Request;
use super::world::World;

/// Whether a call is a look at something that is under way, and so lets time pass. A watcher that asks several
/// operations in one round moves the clock once.
pub(crate) fn is_poll(world: &World, request: &Request) -> bool {
    match request.action().as_str() {
        "codedeploy:GetDeployment" | "ecs:DescribeServiceDeployments" => true,
        "ecs:DescribeServices" => {
            let cluster = text(&request.input, "cluster").unwrap_or("default");
            let asked = texts(&request.input, "services");
            let services = asked.iter().filter_map(|name| world.ecs.service(cluster, name));
            services.into_iter().any(|service| {
                !codedeploy::is_active_on(world, &service.cluster, &service.name) && rolling::is_moving(service)
            })
        }
        "ecs:DescribeTasks" => {
            let asked = texts(&request.input, "tasks");
            asked.iter().any(|name| run_task::is_under_way(world, name))
        }
        _ => false,
    }
}

/// Moves the clock from one moment at which something happens to the next.
pub(crate) fn advance(world: &mut World, until: u64) {
    while let Some(next) = next_moment(world).filter(|next| *next <= until) {
        world.now = next;
        settle(world);
    }
    world.now = until;
}

/// Lets everything happen whose time has come.
pub(crate) fn settle(world: &mut World) {
    fleet::run(world);
    machine::run(world);
    rolling::run(world);
    native::run(world);
    // The machines may have asked for tasks, or for fewer.
    fleet::run(world);
}

/// The next moment after now at which anything may change.
fn next_moment(world: &World) -> Option<u64> {
    let tasks = task::moments(world);
    let machines = fleet::moments(world).chain(machine::moments(world));
    let machines = machines.chain(rolling::moments(world)).chain(native::moments(world));
    tasks.chain(machines).filter(|moment| *moment > world.now).min()
}
