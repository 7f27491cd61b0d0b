//! Finding deployments and their targets and looking at them.

use serde_json::{Value, json};

use super::deployment::Deployment;
use super::{group, target_view, view};
use crate::aws::input::{text, texts};
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// All the statuses there are.
const STATUSES: [&str; 8] = ["Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready"];

/// The deployment that an input names: where it stands among all.
pub(super) fn find(world: &World, input: &Value) -> Result<usize, AwsFault> {
    let id = text(input, "deploymentId")
        .ok_or_else(|| AwsFault::new("DeploymentIdRequiredException", "Deployment ID is missing"))?;
    check_id(id)?;
    let found = world.codedeploy.deployments.iter().position(|one| one.id == id);
    found.ok_or_else(|| {
        let message = format!("The deployment {id} could not be found");
        AwsFault::new("DeploymentDoesNotExistException", message)
    })
}

fn check_id(id: &str) -> Result<(), AwsFault> {
    let is_upper = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit();
    match id.strip_prefix("d-") {
        Some(rest) if rest.len() == 9 && rest.chars().all(is_upper) => Ok(()),
        _ => {
            let message = format!("The specified Deployment ID {id} is not valid");
            Err(AwsFault::new("InvalidDeploymentIdException", message))
        }
    }
}

pub(crate) fn deployment(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let at = find(world, input)?;
    Ok(json!({"deploymentInfo": view::show(world, at)}))
}

/// An AppSpec that was deployed, by its sum.
pub(crate) fn revision(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let application = &group::find_application(world, input)?.name;
    let asked = text(&input["revision"]["appSpecContent"], "sha256")
        .ok_or_else(|| AwsFault::new("RevisionRequiredException", "Revision is missing"))?;
    let has =
        |one: &&Deployment| one.application == *application && view::sum(&one.revision).is_some_and(|sum| sum == asked);
    let used: Vec<&Deployment> = world.codedeploy.deployments.iter().filter(has).collect();
    let (Some(first), Some(last)) = (used.first(), used.last()) else {
        return Err(AwsFault::new("RevisionDoesNotExistException", "The specified revision does not exist."));
    };
    let content = &first.revision["appSpecContent"]["content"];
    Ok(json!({
        "applicationName": application,
        "revision": {"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": asked}},
        "revisionInfo": {
            "deploymentGroups": [first.group],
            "firstUsedTime": first.created,
            "lastUsedTime": last.created,
            "registerTime": first.created,
        },
    }))
}

pub(crate) fn deployments(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let ids = texts(input, "deploymentIds");
    if ids.is_empty() {
        return Err(AwsFault::new("DeploymentIdRequiredException", "Deployment ID is missing"));
    }
    if ids.len() > 25 {
        return Err(AwsFault::new("BatchLimitExceededException", "Too many ids in one call"));
    }
    let mut shown = Vec::new();
    for id in ids {
        check_id(id)?;
        let found = world.codedeploy.deployments.iter().position(|one| one.id == id);
        shown.extend(found.map(|at| view::show(world, at)));
    }
    Ok(json!({"deploymentsInfo": shown}))
}

/// Newest first.
pub(crate) fn list(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let names = (text(input, "applicationName"), text(input, "deploymentGroupName"));
    match names {
        (Some(_), Some(_)) => _ = group::find(world, input)?,
        (Some(_), None) => {
            let message = "Deployment Group name is missing";
            return Err(AwsFault::new("DeploymentGroupNameRequiredException", message));
        }
        (None, Some(_)) => {
            return Err(AwsFault::new("ApplicationNameRequiredException", "Application name is missing"));
        }
        (None, None) => {}
    }
    let wanted = texts(input, "includeOnlyStatuses");
    if wanted.iter().any(|status| !STATUSES.contains(status)) {
        return Err(AwsFault::new("InvalidDeploymentStatusException", "The specified deployment status is not known"));
    }
    let fits = |one: &&Deployment| {
        names.0.is_none_or(|name| one.application == name)
            && names.1.is_none_or(|name| one.group == name)
            && (wanted.is_empty() || wanted.contains(&one.status))
    };
    let found = world.codedeploy.deployments.iter().rev().filter(fits);
    Ok(json!({"deployments": found.map(|one| &one.id).collect::<Vec<_>>()}))
}

/// A deployment whose target is known: one that has begun.
fn begun(world: &World, input: &Value) -> Result<usize, AwsFault> {
    let at = find(world, input)?;
    match world.codedeploy.deployments[at].started {
        Some(_) => Ok(at),
        None => {
            let id = &world.codedeploy.deployments[at].id;
            let message = format!("The deployment {id} has not started yet");
            Err(AwsFault::new("DeploymentNotStartedException", message))
        }
    }
}

pub(crate) fn target(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let at = begun(world, input)?;
    let id = text(input, "targetId")
        .ok_or_else(|| AwsFault::new("DeploymentTargetIdRequiredException", "A target ID is required"))?;
    check_target(world, at, id)?;
    Ok(json!({"deploymentTarget": target_view::show(world, at)}))
}

pub(crate) fn list_targets(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let at = begun(world, input)?;
    Ok(json!({"targetIds": [world.codedeploy.deployments[at].target_id()]}))
}

pub(crate) fn targets(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let at = begun(world, input)?;
    let ids = texts(input, "targetIds");
    if ids.is_empty() {
        return Err(AwsFault::new("DeploymentTargetIdRequiredException", "A target ID is required"));
    }
    if ids.len() > 25 {
        return Err(AwsFault::new("DeploymentTargetListSizeExceededException", "Too many target IDs in one call"));
    }
    for id in &ids {
        check_target(world, at, id)?;
    }
    Ok(json!({"deploymentTargets": ids.iter().map(|_| target_view::show(world, at)).collect::<Vec<_>>()}))
}

fn check_target(world: &World, at: usize, id: &str) -> Result<(), AwsFault> {
    match world.codedeploy.deployments[at].target_id() == id {
        true => Ok(()),
        false => {
            let message = format!("The deployment target {id} does not exist");
            Err(AwsFault::new("DeploymentTargetDoesNotExistException", message))
        }
    }
}
