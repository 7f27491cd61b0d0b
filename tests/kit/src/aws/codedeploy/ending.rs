//! The ends of a deployment: success, failure, a stop.

use super::deployment::Phase;
use super::{target_view, traffic};
use crate::aws::ecs::fleet;
use crate::aws::fault::Fault;
use crate::aws::world::World;

/// How long the old tasks take to go, in seconds.
const DRAIN: u64 = 10;

/// A bad end.
pub(super) struct Ending {
    /// `Failed` or `Stopped`.
    status: &'static str,
    /// The error's code.
    code: &'static str,
    message: String,
    /// The code of the event that was under way.
    event_code: &'static str,
    /// The kind of end, as a rollback configuration names it.
    kind: &'static str,
    /// What somebody said about a rollback, over what is configured.
    rollback: Option<bool>,
}

impl Ending {
    /// The same end with another code for the event.
    pub(super) fn with_code(self, event_code: &'static str) -> Self {
        Self { event_code, ..self }
    }
}

/// A failure.
pub(super) fn failed(code: &'static str, message: &str) -> Ending {
    let message = message.to_owned();
    let (event_code, kind) = ("UnknownError", "DEPLOYMENT_FAILURE");
    Ending { status: "Failed", code, message, event_code, kind, rollback: None }
}

/// A stop, with what was said about a rollback.
pub(super) fn stopped(code: &'static str, message: &str, rollback: Option<bool>) -> Ending {
    Ending { status: "Stopped", kind: "DEPLOYMENT_STOP_ON_REQUEST", rollback, ..failed(code, message) }
}

/// Ends a deployment badly, and says when its rollback comes where there is one.
pub(super) fn fail(world: &mut World, at: usize, ending: &Ending) {
    let now = world.now;
    let late = world.faults.iter().find_map(|fault| match fault {
        Fault::RollbackLate(seconds) => Some(*seconds),
        _ => None,
    });
    let snapshot = target_view::task_sets(world, at);
    let one = &mut world.codedeploy.deployments[at];
    for event in &mut one.events {
        match event.status {
            "InProgress" => {
                event.end(now, "Failed");
                event.trouble = Some((ending.event_code, ending.message.clone()));
            }
            "Pending" => event.status = "Skipped",
            _ => {}
        }
    }
    one.status = ending.status;
    one.phase = Phase::Over;
    one.error = Some((ending.code, ending.message.clone()));
    one.completed = Some(now);
    // A target whose traffic has moved has done its part, whatever comes after.
    if one.target_status != "Succeeded" {
        one.target_status = "Failed";
        one.target_updated = now;
    }
    one.snapshot = Some(snapshot);
    let configured = one.auto_rollback.iter().any(|kind| kind == ending.kind);
    // Before there is a new task set, and after a rollback, there is nothing to undo.
    if one.green.is_some() && one.undoes.is_none() && ending.rollback.unwrap_or(configured) {
        one.rollback_at = Some(now + late.unwrap_or(0));
    }
}

/// Stops a deployment whose alarm fires; whether one does.
pub(super) fn alarm_fires(world: &mut World, at: usize) -> bool {
    let (_, green) = traffic::sets(world, at);
    let weight = green.map_or(0, |set| set.weight);
    let reached = |fault: &Fault| matches!(fault, Fault::AlarmAt(share) if weight >= *share);
    let alarms = &world.codedeploy.deployments[at].alarms;
    let Some(alarm) = alarms.first().filter(|_| world.faults.iter().any(reached)) else { return false };
    let message = format!("One or more alarms have been activated according to the Amazon CloudWatch metrics: {alarm}");
    let ending = Ending { kind: "DEPLOYMENT_STOP_ON_ALARM", ..stopped("ALARM_ACTIVE", &message, None) };
    fail(world, at, &ending);
    true
}

/// Lets the old tasks go.
pub(super) fn drain(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    one.phase = Phase::Draining;
    one.until = now + DRAIN;
    let blue = one.blue.clone();
    set_draining(world, at, &blue);
    true
}

/// Ends a deployment well.
pub(super) fn succeed(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let blue = world.codedeploy.deployments[at].blue.clone();
    remove_set(world, at, &blue);
    let snapshot = target_view::task_sets(world, at);
    let one = &mut world.codedeploy.deployments[at];
    one.status = "Succeeded";
    one.phase = Phase::Over;
    one.completed = Some(now);
    one.snapshot = Some(snapshot);
    true
}

/// Stops a task set's tasks.
pub(super) fn set_draining(world: &mut World, at: usize, id: &str) {
    let now = world.now;
    let one = &world.codedeploy.deployments[at];
    let Some(service) = world.ecs.service_mut(&one.cluster.clone(), &one.service.clone()) else { return };
    for set in service.task_sets.iter_mut().filter(|set| set.id == id) {
        set.status = "DRAINING";
        set.updated = now;
    }
    fleet::resize(world, id, 0);
}

/// Takes a task set away.
pub(super) fn remove_set(world: &mut World, at: usize, id: &str) {
    let one = &world.codedeploy.deployments[at];
    if let Some(service) = world.ecs.service_mut(&one.cluster.clone(), &one.service.clone()) {
        service.task_sets.retain(|set| set.id != id);
    }
}
