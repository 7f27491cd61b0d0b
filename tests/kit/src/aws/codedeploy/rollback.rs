//! The rollback of a deployment: a deployment of its own, which moves the traffic back to the old task set.

use super::create::{self, New};
use super::deployment::Phase;
use super::{appspec, ending, target_view, traffic};
use crate::aws::fault::Fault;
use crate::aws::input::text;
use crate::aws::world::World;

/// How long it takes, in seconds.
const UNDO: u64 = 20;

/// Makes the rollback of a deployment that is over, once its time has come; whether it did.
pub(super) fn create_when_due(world: &mut World, at: usize) -> bool {
    let one = world.codedeploy.deployments[at].clone();
    if one.rollback_at.is_none_or(|moment| world.now < moment) {
        return false;
    }
    world.codedeploy.deployments[at].rollback_at = None;
    let Some(group) = world.codedeploy.groups.iter().find(|group| one.is_of(group)).cloned() else { return false };
    let content = text(&one.previous["appSpecContent"], "content").unwrap_or_default();
    let new = New {
        spec: appspec::read(content).unwrap_or_default(),
        revision: one.previous.clone(),
        config: one.config.clone(),
        shift: one.shift,
        description: Some(format!("Rollback of deployment {}", one.id)),
    };
    let mut undoing = create::assemble(world, &group, new);
    undoing.creator = "codeDeployRollback";
    undoing.undoes = Some(one.id);
    (undoing.blue, undoing.green) = (one.blue, one.green);
    world.codedeploy.deployments[at].rollback = Some(undoing.id.clone());
    world.codedeploy.deployments.push(undoing);
    true
}

/// Begins to undo: the traffic goes back at once, no function is called.
pub(super) fn begin(world: &mut World, at: usize) {
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    one.phase = Phase::Undoing;
    one.until = now + UNDO;
    for event in &mut one.events {
        match event.name {
            "Install" => {
                event.begin(now);
                event.end(now, "Succeeded");
            }
            "AllowTraffic" => event.begin(now),
            _ => event.status = "Skipped",
        }
    }
    let (blue, green) = (one.blue.clone(), one.green.clone().unwrap_or_default());
    if world.has(&Fault::RollbackFails) {
        return;
    }
    let (old, new) = traffic::sets(world, at);
    let groups = old.zip(new).map(|(old, new)| (old.target_group.clone(), new.target_group.clone()));
    traffic::promote(world, at, &blue);
    traffic::set_share(world, at, 0);
    if let Some((old, new)) = groups {
        world.balancer.share_test(&old, &new, 0);
    }
    ending::set_draining(world, at, &green);
}

/// Ends it: well, or badly where the fault says so.
pub(super) fn finish(world: &mut World, at: usize) -> bool {
    let now = world.now;
    if world.has(&Fault::RollbackFails) {
        let message = "The ECS service cannot be updated due to an unexpected error: the load balancer could not be \
                       changed. (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException)";
        ending::fail(world, at, &ending::failed("ECS_UPDATE_ERROR", message));
        return true;
    }
    let green = world.codedeploy.deployments[at].green.clone().unwrap_or_default();
    ending::remove_set(world, at, &green);
    let snapshot = target_view::task_sets(world, at);
    let one = &mut world.codedeploy.deployments[at];
    for event in one.events.iter_mut().filter(|event| event.status == "InProgress") {
        event.end(now, "Succeeded");
    }
    one.status = "Succeeded";
    one.target_status = "Succeeded";
    one.target_updated = now;
    one.completed = Some(now);
    one.phase = Phase::Over;
    one.snapshot = Some(snapshot);
    true
}
