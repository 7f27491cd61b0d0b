//! `UpdateService`: what each controller lets pass, and the deployment that it starts.

use serde_json::{Value, json};

use super::definition;
use super::service::Controller;
use super::{fleet, native, rolling, service_view};
use crate::aws::input::{flag, number, text};
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// What an update of a service that CodeDeploy deploys may hold.
const CODE_DEPLOY_MAY: [&str; 9] = [
    "cluster",
    "service",
    "desiredCount",
    "deploymentConfiguration",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "propagateTags",
];

/// Members of a service that start a deployment when they change.
const DEPLOYED: [&str; 8] = [
    "networkConfiguration",
    "platformVersion",
    "capacityProviderStrategy",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// Members of a service that are only kept.
const KEPT: [&str; 7] = [
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "availabilityZoneRebalancing",
];

pub(crate) fn update(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = super::cluster(world, input)?;
    let name = crate::aws::names::short(text(input, "service").unwrap_or_default()).to_owned();
    let at = world.ecs.services.iter().position(|known| known.cluster == cluster && known.name == name);
    let at = at.ok_or_else(|| AwsFault::new("ServiceNotFoundException", "Service not found."))?;
    if !world.ecs.services[at].active {
        return Err(AwsFault::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    if world.ecs.services[at].controller == Controller::CodeDeploy {
        check_for_code_deploy(input)?;
    }
    let definition = match text(input, "taskDefinition") {
        Some(asked) => Some(definition::find_active(world, asked)?.arn()),
        None => None,
    };
    let deploys = keep(world, at, input);
    scale(world, at, input);
    let current = world.ecs.services[at].definition.clone();
    let changed = definition.as_ref().is_some_and(|asked| *asked != current);
    if changed || deploys || flag(input, "forceNewDeployment") == Some(true) {
        let definition = definition.unwrap_or(current);
        match world.ecs.services[at].strategy() {
            "ROLLING" => _ = rolling::start(world, at, &definition),
            _ => native::start(world, at, &definition),
        }
    }
    crate::aws::clock::settle(world);
    Ok(json!({"service": service_view::show(world, &world.ecs.services[at], true)}))
}

/// Takes over what an update says; whether that alone asks for a deployment.
fn keep(world: &mut World, at: usize, input: &Value) -> bool {
    let service = &mut world.ecs.services[at];
    let mut deploys = false;
    for name in DEPLOYED {
        if let Some(member) = input.get(name).filter(|member| !member.is_null()) {
            deploys |= service.members.get(name) != Some(member);
            service.members[name] = member.clone();
        }
    }
    for name in KEPT {
        if let Some(member) = input.get(name).filter(|member| !member.is_null()) {
            service.members[name] = member.clone();
        }
    }
    for (name, member) in input["deploymentConfiguration"].as_object().into_iter().flatten() {
        service.configuration[name] = member.clone();
    }
    deploys
}

/// Changes the number of tasks of what serves.
fn scale(world: &mut World, at: usize, input: &Value) {
    let Some(desired) = number(input, "desiredCount") else { return };
    let service = &mut world.ecs.services[at];
    service.desired = desired;
    let primary = match service.controller {
        Controller::CodeDeploy => service.primary().map(|set| set.id.clone()),
        Controller::Ecs => service.rollouts.iter().find(|one| one.status == "PRIMARY").map(|one| one.id.clone()),
    };
    if let Some(id) = primary {
        fleet::resize(world, &id, desired);
    }
}

fn check_for_code_deploy(input: &Value) -> Result<(), AwsFault> {
    let members = input.as_object().into_iter().flatten().filter(|(_, member)| !member.is_null());
    let forbidden = members.map(|(name, _)| name.as_str()).find(|name| !CODE_DEPLOY_MAY.contains(name));
    let what = match forbidden {
        None => return Ok(()),
        Some("taskDefinition") => "task definition",
        Some("networkConfiguration") => "network configuration",
        Some("platformVersion") => "platform version",
        Some("loadBalancers") => "load balancers",
        Some("forceNewDeployment") => {
            let message = "Cannot force a new deployment on services with a CODE_DEPLOY deployment controller. \
                           Use AWS CodeDeploy to trigger a new deployment.";
            return Err(AwsFault::new("InvalidParameterException", message));
        }
        Some(other) => other,
    };
    let message = format!(
        "Unable to update {what} on services with a CODE_DEPLOY deployment controller. \
         Use AWS CodeDeploy to trigger a new deployment."
    );
    Err(AwsFault::new("InvalidParameterException", message))
}
