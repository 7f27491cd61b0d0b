//! How a deployment moves traffic, and what scaling does to it.

use super::deployment::Phase;
use super::ending;
use crate::aws::ecs::{TaskSet, fleet};
use crate::aws::fault::Fault;
use crate::aws::world::World;

/// How long the load balancer takes for a change, in seconds.
const CHANGE: u64 = 10;
/// How long a deployment that was scaled in the middle goes on, in seconds.
const SCALED: u64 = 300;

/// Begins to move the traffic.
pub(super) fn begin(world: &mut World, at: usize) {
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    one.shifts = one.shift.steps().into_iter().map(|(after, share)| (now + after, share)).collect();
    one.until = one.shifts.last().map_or(now, |(moment, _)| moment + CHANGE);
    let (cluster, service) = (one.cluster.clone(), one.service.clone());
    if world.has(&Fault::ScalingMidShift) && world.scaling.may_grow(&cluster, &service) {
        world.codedeploy.deployments[at].trouble = Some(now + SCALED);
        double(world, &cluster, &service);
    }
}

/// Makes the next step whose time has come, or lets the scaling event have its end; whether anything happened.
pub(super) fn go_on(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    if one.trouble.is_some_and(|moment| moment <= now) {
        let message = "The deployment failed because a scaling activity changed the desired count of the ECS service \
                       during the deployment.";
        ending::fail(world, at, &ending::failed("ECS_UPDATE_ERROR", message));
        return true;
    }
    match one.shifts.first().copied() {
        Some((moment, share)) if moment <= now => {
            one.shifts.remove(0);
            one.target_updated = now;
            set_share(world, at, share);
            true
        }
        _ => false,
    }
}

/// Whether all the traffic has moved.
pub(super) fn is_over(world: &World, at: usize) -> bool {
    let one = &world.codedeploy.deployments[at];
    one.shifts.is_empty() && one.trouble.is_none()
}

/// Gives the new task set this share, in per cent.
pub(super) fn set_share(world: &mut World, at: usize, share: u32) {
    let now = world.now;
    let one = &world.codedeploy.deployments[at];
    let (blue, green) = (one.blue.clone(), one.green.clone().unwrap_or_default());
    let Some(service) = world.ecs.service_mut(&one.cluster.clone(), &one.service.clone()) else { return };
    let mut groups = (String::new(), String::new());
    for set in &mut service.task_sets {
        if set.id == green {
            set.weight = share;
            groups.1.clone_from(&set.target_group);
        } else if set.id == blue {
            set.weight = 100 - share;
            groups.0.clone_from(&set.target_group);
        }
        set.updated = now;
    }
    world.balancer.share(&groups.0, &groups.1, share);
}

/// Gives the new task set all of the test traffic.
pub(super) fn share_test(world: &mut World, at: usize) {
    let (blue, green) = sets(world, at);
    let groups = blue.zip(green).map(|(blue, green)| (blue.target_group.clone(), green.target_group.clone()));
    if let Some((blue, green)) = groups {
        world.balancer.share_test(&blue, &green, 100);
    }
}

/// Makes the new task set the one that serves, after which the old one only waits for its end.
pub(super) fn swap(world: &mut World, at: usize) {
    let now = world.now;
    let one = &world.codedeploy.deployments[at];
    let group = world.codedeploy.groups.iter().find(|group| one.is_of(group));
    let wait = group.map_or(0, |group| group.termination_wait) * 60;
    let green = one.green.clone().unwrap_or_default();
    promote(world, at, &green);
    let one = &mut world.codedeploy.deployments[at];
    one.target_status = "Succeeded";
    one.target_updated = now;
    one.phase = Phase::TerminationWait;
    one.termination_wait_started = true;
    one.until = now + wait;
}

/// Makes a task set PRIMARY and the other one ACTIVE.
pub(super) fn promote(world: &mut World, at: usize, id: &str) {
    let one = &world.codedeploy.deployments[at];
    let Some(service) = world.ecs.service_mut(&one.cluster.clone(), &one.service.clone()) else { return };
    for set in &mut service.task_sets {
        set.status = if set.id == id { "PRIMARY" } else { "ACTIVE" };
    }
    if let Some(set) = service.task_sets.iter().find(|set| set.id == id).cloned() {
        service.definition = set.definition;
        service.target_group = Some(set.target_group);
    }
}

/// The old and the new task set of a deployment.
pub(super) fn sets(world: &World, at: usize) -> (Option<&TaskSet>, Option<&TaskSet>) {
    let one = &world.codedeploy.deployments[at];
    let service = world.ecs.service(&one.cluster, &one.service);
    let find = |id: &str| service.and_then(|service| service.task_set(id));
    (find(&one.blue), one.green.as_deref().and_then(find))
}

/// Lets scaling double the tasks of both sets.
fn double(world: &mut World, cluster: &str, name: &str) {
    let Some(service) = world.ecs.service_mut(cluster, name) else { return };
    service.desired *= 2;
    let desired = service.desired;
    let ids: Vec<String> = service.task_sets.iter().map(|set| set.id.clone()).collect();
    for id in ids {
        fleet::resize(world, &id, desired);
    }
}
