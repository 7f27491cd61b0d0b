//! `CreateDeployment` and all that it refuses.

use serde_json::{Value, json};

use super::appspec::{self, AppSpec};
use super::config::{self, Shift};
use super::deployment::{self, Deployment, Phase};
use super::group::{self, Group};
use crate::aws::ecs::Controller;
use crate::aws::fault::Fault;
use crate::aws::input::{flag, list, text, texts};
use crate::aws::request::AwsFault;
use crate::aws::sha256;
use crate::aws::world::World;

/// How long a deployment stays created, in seconds.
pub(super) const CREATED: u64 = 10;

const ROLLBACK_EVENTS: [&str; 3] = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];

pub(crate) fn create(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let group = group::find(world, input)?.clone();
    if group.platform != "ECS" {
        let message = "The deployment group's compute platform does not fit an AppSpec of ECS.";
        return Err(AwsFault::new("InvalidComputePlatformException", message));
    }
    let spec = revision(world, &input["revision"])?;
    let config_name = text(input, "deploymentConfigName").unwrap_or(&group.config).to_owned();
    let Some(shift) = config::find(world, &config_name)?.shift else {
        let message = "The deployment configuration is not for the compute platform ECS.";
        return Err(AwsFault::new("InvalidComputePlatformException", message));
    };
    let description = text(input, "description").map(ToOwned::to_owned);
    if description.as_ref().is_some_and(|text| text.chars().count() > 256) {
        return Err(AwsFault::new("DescriptionTooLongException", "The description is longer than 256 characters."));
    }
    check_service(world, &group)?;
    let (auto_rollback, asked_rollback) = auto_rollback(&group, input)?;
    let (alarms, asked_alarms) = alarms(&group, input)?;
    check_alone(world, &group)?;
    let asked = New { spec, revision: input["revision"].clone(), config: config_name, shift, description };
    let mut deployment = assemble(world, &group, asked);
    (deployment.auto_rollback, deployment.asked_rollback) = (auto_rollback, asked_rollback);
    (deployment.alarms, deployment.asked_alarms) = (alarms, asked_alarms);
    let id = deployment.id.clone();
    world.codedeploy.deployments.push(deployment);
    Ok(json!({"deploymentId": id}))
}

/// What a new deployment is to do.
pub(super) struct New {
    pub(super) spec: AppSpec,
    pub(super) revision: Value,
    pub(super) config: String,
    pub(super) shift: Shift,
    pub(super) description: Option<String>,
}

/// Puts a deployment together as it is right after its creation.
pub(super) fn assemble(world: &mut World, group: &Group, new: New) -> Deployment {
    let now = world.now;
    let blue = world.ecs.service(&group.cluster, &group.service).and_then(|service| service.primary());
    let blue = blue.map(|set| set.id.clone()).unwrap_or_default();
    let before = world.codedeploy.deployments.iter().rev().find(|one| one.is_of(group) && one.status == "Succeeded");
    let previous = before.map_or_else(|| group.revision.clone(), |one| one.revision.clone());
    Deployment {
        id: format!("d-{}", world.ids.upper(9)),
        application: group.application.clone(),
        group: group.name.clone(),
        cluster: group.cluster.clone(),
        service: group.service.clone(),
        config: new.config,
        shift: new.shift,
        creator: "user",
        description: new.description,
        revision: new.revision,
        previous,
        spec: new.spec,
        status: "Created",
        phase: Phase::Created,
        until: now + CREATED,
        trouble: None,
        created: now,
        started: None,
        completed: None,
        events: deployment::events(world.balancer.has_test()),
        shifts: Vec::new(),
        blue,
        green: None,
        error: None,
        auto_rollback: Vec::new(),
        asked_rollback: None,
        alarms: Vec::new(),
        asked_alarms: None,
        stop_with_rollback: None,
        rollback_at: None,
        rollback: None,
        undoes: None,
        termination_wait_started: false,
        ready_wait_over: false,
        target_status: "Pending",
        target_updated: now,
        snapshot: None,
    }
}

fn revision(world: &World, revision: &Value) -> Result<AppSpec, AwsFault> {
    let content = match text(revision, "revisionType") {
        Some("AppSpecContent") => &revision["appSpecContent"],
        Some("String") => &revision["string"],
        Some("S3" | "GitHub") => {
            return Err(AwsFault::new("RevisionDoesNotExistException", "The specified revision does not exist."));
        }
        _ => return Err(AwsFault::new("RevisionRequiredException", "Revision is missing")),
    };
    let appspec = text(content, "content");
    let appspec = appspec.ok_or_else(|| AwsFault::new("RevisionRequiredException", "The revision has no content"))?;
    if text(content, "sha256").is_some_and(|sum| sum != sha256::hex(appspec.as_bytes())) {
        let message = "The SHA-256 of the AppSpec file does not match its content.";
        return Err(AwsFault::new("InvalidRevisionException", message));
    }
    let spec = appspec::read(appspec)?;
    let known = world.ecs.definitions.iter().find(|known| known.arn() == spec.definition);
    if !known.is_some_and(|known| known.active) {
        let message = format!("The AppSpec file names a task definition that is not active: {}.", spec.definition);
        return Err(AwsFault::new("InvalidRevisionException", message));
    }
    Ok(spec)
}

fn check_service(world: &World, group: &Group) -> Result<(), AwsFault> {
    let service = world.ecs.service(&group.cluster, &group.service).filter(|service| service.active);
    let refusal = |message: &str| Err(AwsFault::new("InvalidECSServiceException", message));
    match service {
        None => refusal("The ECS service of the deployment group does not exist or is not active."),
        Some(service) if service.controller != Controller::CodeDeploy => {
            refusal("Deployment controller type of the ECS service is not CODE_DEPLOY.")
        }
        Some(_) => Ok(()),
    }
}

type Asked = (Vec<String>, Option<Value>);

fn auto_rollback(group: &Group, input: &Value) -> Result<Asked, AwsFault> {
    let asked = &input["autoRollbackConfiguration"];
    if asked.is_null() {
        return Ok((group.auto_rollback.clone(), None));
    }
    let events = texts(asked, "events");
    let enabled = flag(asked, "enabled") == Some(true);
    if enabled && events.is_empty() || events.iter().any(|event| !ROLLBACK_EVENTS.contains(event)) {
        let message = "Auto rollback that is enabled must name at least one known event.";
        return Err(AwsFault::new("InvalidAutoRollbackConfigException", message));
    }
    let events = events.into_iter().filter(|_| enabled).map(ToOwned::to_owned).collect();
    Ok((events, Some(asked.clone())))
}

fn alarms(group: &Group, input: &Value) -> Result<Asked, AwsFault> {
    let asked = &input["overrideAlarmConfiguration"];
    if asked.is_null() {
        return Ok((group.alarms.clone(), None));
    }
    let names: Vec<&str> = list(asked, "alarms").iter().filter_map(|alarm| text(alarm, "name")).collect();
    let enabled = flag(asked, "enabled") == Some(true);
    if names.len() > 10 {
        return Err(AwsFault::new("AlarmsLimitExceededException", "There may be at most 10 alarms."));
    }
    if enabled && names.is_empty() {
        let message = "Alarms that are enabled must name at least one alarm.";
        return Err(AwsFault::new("InvalidAlarmConfigException", message));
    }
    let names = names.into_iter().filter(|_| enabled).map(ToOwned::to_owned).collect();
    Ok((names, Some(asked.clone())))
}

fn check_alone(world: &mut World, group: &Group) -> Result<(), AwsFault> {
    if let Some(at) = world.faults.iter().position(|fault| *fault == Fault::LimitOnce) {
        world.faults.remove(at);
        let message = format!("The Deployment Group '{}' already has an active Deployment 'd-SOMEBODYS'", group.name);
        return Err(AwsFault::new("DeploymentLimitExceededException", message));
    }
    let active = world.codedeploy.deployments.iter().find(|one| one.is_of(group) && one.is_active());
    match active {
        None => Ok(()),
        Some(active) => {
            let message =
                format!("The Deployment Group '{}' already has an active Deployment '{}'", group.name, active.id);
            Err(AwsFault::new("DeploymentLimitExceededException", message))
        }
    }
}
