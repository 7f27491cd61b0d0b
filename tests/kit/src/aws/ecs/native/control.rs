//! Stopping a service deployment, and answering its pauses.

use serde_json::{Value, json};

use super::ending;
use crate::aws::input::text;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) fn stop(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let at = find(world, input)?;
    let one = &world.ecs.deployments[at];
    if !one.is_forward() {
        let message = format!("The service deployment in status {} cannot be stopped.", one.status);
        return Err(AwsFault::new("ConflictException", message));
    }
    let arn = one.arn.clone();
    match text(input, "stopType").unwrap_or("ROLLBACK") {
        "ROLLBACK" => ending::request_rollback(world, at, "Deployment stopped by a user, with a rollback."),
        "ABORT" => ending::request_stop(world, at, "Deployment stopped by a user."),
        _ => return Err(AwsFault::new("InvalidParameterException", "The stop type is not valid.")),
    }
    Ok(json!({"serviceDeploymentArn": arn}))
}

pub(crate) fn go_on(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let at = find(world, input)?;
    let one = &mut world.ecs.deployments[at];
    let arn = one.arn.clone();
    let asked = text(input, "hookId").unwrap_or_default();
    let hook = one.hooks.iter_mut().find(|hook| hook.id == asked && hook.status == "AWAITING_ACTION");
    let hook =
        hook.ok_or_else(|| AwsFault::new("InvalidParameterException", "No hook with this id is awaiting an action."))?;
    match text(input, "action").unwrap_or("CONTINUE") {
        "CONTINUE" => hook.status = "SUCCEEDED",
        "ROLLBACK" => {
            hook.status = "FAILED";
            ending::request_rollback(world, at, "A lifecycle hook was answered with ROLLBACK.");
        }
        _ => return Err(AwsFault::new("InvalidParameterException", "The action is not valid.")),
    }
    Ok(json!({"serviceDeploymentArn": arn}))
}

fn find(world: &World, input: &Value) -> Result<usize, AwsFault> {
    let arn = text(input, "serviceDeploymentArn").unwrap_or_default();
    let found = world.ecs.deployments.iter().position(|one| one.arn == arn);
    found.ok_or_else(|| AwsFault::new("ServiceDeploymentNotFoundException", "The service deployment is not found."))
}
