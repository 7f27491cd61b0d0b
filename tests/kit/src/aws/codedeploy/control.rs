//! Stopping a deployment, and letting one go on.

use serde_json::{Value, json};

use super::deployment::Phase;
use super::{ending, events, queries};
use crate::aws::input::{flag, text};
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// How long a stop takes, in seconds.
const STOP: u64 = 10;

pub(crate) fn stop(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let at = queries::find(world, input)?;
    let one = &world.codedeploy.deployments[at];
    if !one.is_active() || one.phase == Phase::Draining {
        return Err(completed(&one.id));
    }
    if one.phase != Phase::Stopping {
        ask(world, at, flag(input, "autoRollbackEnabled"));
    }
    Ok(json!({"status": "Pending", "statusMessage": "The deployment is being stopped."}))
}

/// Asks for a stop, which happens a little later.
pub(super) fn ask(world: &mut World, at: usize, rollback: Option<bool>) {
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    one.phase = Phase::Stopping;
    one.stop_with_rollback = rollback;
    one.until = now + STOP;
    one.shifts.clear();
    one.trouble = None;
}

/// Stops a deployment that somebody asked to stop.
pub(super) fn end(world: &mut World, at: usize) -> bool {
    let rollback = world.codedeploy.deployments[at].stop_with_rollback;
    let message = "The deployment was stopped by a user.";
    ending::fail(world, at, &ending::stopped("MANUAL_STOP", message, rollback));
    true
}

pub(crate) fn go_on(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let at = queries::find(world, input)?;
    let now = world.now;
    let one = &mut world.codedeploy.deployments[at];
    if !one.is_active() {
        return Err(completed(&one.id));
    }
    match text(input, "deploymentWaitType").unwrap_or("READY_WAIT") {
        "READY_WAIT" if one.phase == Phase::Ready => {
            one.status = "InProgress";
            one.target_status = "InProgress";
            one.ready_wait_over = true;
            let next = one.events.iter().position(|event| event.status == "Pending").unwrap_or(one.events.len());
            events::begin(world, at, next);
        }
        "READY_WAIT" => {
            let message = format!("The deployment {} is not in a ready state", one.id);
            return Err(AwsFault::new("DeploymentIsNotInReadyStateException", message));
        }
        "TERMINATION_WAIT" if one.phase == Phase::TerminationWait => one.until = now,
        "TERMINATION_WAIT" => {
            let message = format!("The deployment {} is not waiting for the termination of the original tasks", one.id);
            return Err(AwsFault::new("InvalidDeploymentStatusException", message));
        }
        _ => return Err(AwsFault::new("InvalidDeploymentWaitTypeException", "The wait type is invalid.")),
    }
    Ok(json!({}))
}

fn completed(id: &str) -> AwsFault {
    AwsFault::new("DeploymentAlreadyCompletedException", format!("The deployment {id} has already completed"))
}
