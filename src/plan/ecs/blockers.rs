//! What makes a deployment impossible or unsafe, told before anything is written.

use std::path::Path;

use serde_json::Value;

use super::{AppSpec, EcsObserved};
use crate::agent_api::Blocker;
use crate::aws_api::codedeploy::{Configuration, Group};
use crate::aws_api::ecs::Service;
use crate::config::{EcsTarget, OnActive, WaitUntil};

fn blocker(code: &str, message: String, hint: impl Into<String>) -> Blocker {
    Blocker { code: code.to_owned(), message, hint: hint.into() }
}

/// Of the service and of whoever replaces its tasks.
/// `document` is what becomes, or already is, its revision.
pub(super) fn all(
    target: &EcsTarget,
    observed: &EcsObserved,
    service: &Service,
    document: Option<&Value>,
) -> Vec<Blocker> {
    let mut found = self::service(target, observed.service.as_ref());
    if found.is_empty() {
        found.extend(controller(target, observed, service, document));
    }
    found
}

/// The service has to be there, and alive.
pub(super) fn service(target: &EcsTarget, service: Option<&Service>) -> Vec<Blocker> {
    let (cluster, name) = (&target.cluster, &target.service);
    match service {
        None => vec![blocker(
            "service_missing",
            format!("the cluster `{cluster}` in {} has no service `{name}`", target.region),
            "check region, cluster and service in deploy.yml; the service itself is made once, by your infrastructure's code or in the console",
        )],
        Some(service) if !service.is_active() => vec![inactive(target, service)],
        Some(service) if service.desired_count == 0 => vec![blocker(
            "no_replicas",
            format!("the service `{name}` shall have 0 tasks, so there is nothing to prove"),
            format!("`aws ecs update-service --cluster {cluster} --service {name} --desired-count 1`"),
        )],
        Some(_) => Vec::new(),
    }
}

/// What is wanted runs: then the service has to be there still.
pub(super) fn alive(target: &EcsTarget, service: &Service) -> Option<Blocker> {
    (!service.is_active()).then(|| inactive(target, service))
}

fn inactive(target: &EcsTarget, service: &Service) -> Blocker {
    blocker(
        "service_inactive",
        format!("the service `{}` is {}", target.service, service.status),
        "it was deleted: once AWS shows it as INACTIVE or not at all, make it anew, or name another one in deploy.yml",
    )
}

/// What is wanted was asked for already, and whether it stays is not settled: that is no success.
pub(super) fn unsettled(service: &Service, observed: &EcsObserved) -> Option<Blocker> {
    const GOES_ON: &str = "it is still under way";
    const FAILED: &str = "it failed";
    let own = service.unsettled().map(|listed| {
        let state = listed.rollout_state.as_deref().unwrap_or_default();
        (listed.id.as_str(), if state == "FAILED" { FAILED } else { GOES_ON })
    });
    let back = || observed.goes_back.as_deref().map(|id| (id, GOES_ON));
    let active = || observed.code_deploy.active.first().map(|id| (id.as_str(), GOES_ON));
    let failed = || observed.code_deploy.failed.as_ref().map(|id| (id.as_str(), FAILED));
    let (id, state) = own.or_else(back).or_else(active).or_else(failed)?;
    Some(blocker(
        "deployment_unsettled",
        format!(
            "what is wanted is what the service has, but the deployment `{id}` decides whether that stays: {state}"
        ),
        "wait for its end and run this again; where it failed, deploy another image, or go back to an older one",
    ))
}

/// What is wanted was deployed, and nothing of it runs: nobody is served.
pub(super) fn asleep(service: &Service) -> Option<Blocker> {
    (service.desired_count > 0 && service.running_count == 0).then(|| {
        blocker(
            "no_task_runs",
            format!("what is wanted is what the service has, but of its {} tasks none runs", service.desired_count),
            "look at the service's events and stopped tasks, mend what they name, and run this again; or deploy another image",
        )
    })
}

fn controller(target: &EcsTarget, observed: &EcsObserved, service: &Service, document: Option<&Value>) -> Vec<Blocker> {
    match service.controller() {
        "CODE_DEPLOY" => code_deploy(target, observed, service, document),
        "ECS" if !["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"].contains(&service.strategy()) => vec![blocker(
            "strategy_unknown",
            format!("the service's deployment strategy `{}` is not known to this version", service.strategy()),
            "update deploy-action",
        )],
        "ECS" => own(target, observed, service),
        other => vec![blocker(
            "controller_unsupported",
            format!(
                "the tasks of `{}` are replaced by the controller `{other}`, which is not ECS and not CodeDeploy",
                target.service
            ),
            "use a service with the controller ECS or CODE_DEPLOY",
        )],
    }
}

/// ECS replaces the tasks: a new deployment takes the place of one that is under way, and some options say nothing to it.
fn own(target: &EcsTarget, observed: &EcsObserved, service: &Service) -> Vec<Blocker> {
    let rolling = service.strategy() == "ROLLING";
    let ignored = |key: &'static str| match key {
        "code_deploy" => Some("CodeDeploy has no part in it"),
        "active_timeout" => Some("another deployment is not waited for"),
        "on_active" if target.on_active == OnActive::Wait => {
            Some("ECS lets a new deployment take the place of one that is under way")
        }
        "wait_until" if rolling && target.wait_until == WaitUntil::TrafficShifted => {
            Some("a rolling deployment shifts no traffic: it ends with its last task")
        }
        _ => None,
    };
    let mut found: Vec<Blocker> = Vec::new();
    for key in &target.set {
        found.extend(ignored(key).map(|why| {
            blocker(
                "option_ignored",
                format!("ECS itself replaces the tasks of `{}`, so `{key}` would do nothing: {why}", target.service),
                match *key {
                    "on_active" => "set `on_active: supersede` or `on_active: fail`, or remove it".to_owned(),
                    _ => format!("remove `{key}` from the target in deploy.yml"),
                },
            )
        }));
    }
    if let (Some(active), OnActive::Fail) = (observed.under_way(), target.on_active) {
        found.push(active_deployment(active, &format!("the service `{}`", target.service)));
    }
    found
}

fn active_deployment(id: &str, place: &str) -> Blocker {
    blocker(
        "deployment_active",
        format!("the deployment `{id}` is under way in {place}"),
        "wait for its end, stop it, or set `on_active` in deploy.yml to something else than `fail`",
    )
}

pub(super) fn no_load_balancer(target: &EcsTarget) -> Blocker {
    blocker(
        "no_load_balancer",
        format!(
            "the service `{}` has no load balancer with a container and a port: CodeDeploy has no traffic to shift",
            target.service
        ),
        "give the service a target group",
    )
}

fn code_deploy(
    target: &EcsTarget,
    observed: &EcsObserved,
    service: &Service,
    document: Option<&Value>,
) -> Vec<Blocker> {
    let names = &target.code_deploy;
    let mut found = Vec::new();
    match &observed.code_deploy.group {
        None => found.push(blocker(
            "no_deployment_group",
            format!("CodeDeploy has no deployment group `{}` in an application `{}`", names.group, names.application),
            "name them under `code_deploy` in deploy.yml as `application` and `deployment_group`",
        )),
        Some(group) => {
            found.extend(wrong_group(target, group));
            found.extend(wrong_configuration(target, group, &observed.code_deploy.configuration));
        }
    }
    found.extend(AppSpec::chosen(target, observed, service, document).err().into_iter().flatten());
    if target.on_active == OnActive::Fail && target.set.contains(&"active_timeout") {
        found.push(blocker(
            "option_ignored",
            "with `on_active: fail` no other deployment is waited for, so `active_timeout` would do nothing".to_owned(),
            "remove `active_timeout` from the target in deploy.yml, or let `on_active` be `wait` or `supersede`",
        ));
    }
    if let ([active, ..], OnActive::Fail) = (observed.code_deploy.active.as_slice(), target.on_active) {
        found.push(active_deployment(active, &format!("`{}`", names.group)));
    }
    found
}

fn wrong_group(target: &EcsTarget, group: &Group) -> Option<Blocker> {
    let names = &target.code_deploy;
    if group.compute_platform != "ECS" {
        return Some(blocker(
            "wrong_deployment_group",
            format!(
                "the deployment group `{}` is for the platform {}, not for ECS",
                names.group, group.compute_platform
            ),
            "name another one under `code_deploy` in deploy.yml",
        ));
    }
    let (cluster, service) = (target.cluster.as_str(), target.service.as_str());
    let ours = group.ecs_services.iter().any(|pair| (pair.0.as_str(), pair.1.as_str()) == (cluster, service));
    (!ours).then(|| {
        let known: Vec<String> =
            group.ecs_services.iter().map(|(cluster, service)| format!("`{cluster}/{service}`")).collect();
        blocker(
            "wrong_deployment_group",
            format!(
                "the deployment group `{}` deploys to {}, not to `{cluster}/{service}`",
                names.group,
                known.join(", ")
            ),
            "name another one under `code_deploy` in deploy.yml",
        )
    })
}

/// CodeDeploy would refuse the deployment, and say so only after its revision is registered.
fn wrong_configuration(target: &EcsTarget, group: &Group, configuration: &Configuration) -> Option<Blocker> {
    let own = target.code_deploy.config.as_ref();
    let name = own.unwrap_or(&group.deployment_config_name);
    let message = match configuration {
        Configuration::Unknown | Configuration::Shift(_) => return None,
        Configuration::Missing => {
            format!("CodeDeploy has no deployment configuration `{name}` in {}", target.region)
        }
        Configuration::Foreign(platform) => {
            format!("the deployment configuration `{name}` is for the platform {platform}, not for ECS")
        }
    };
    let hint = match own {
        Some(_) => format!(
            "`aws deploy list-deployment-configs --region {}` lists them: name one for ECS as `deployment_config` under `code_deploy` in deploy.yml, or remove it to use the group's",
            target.region
        ),
        None => format!(
            "give the deployment group `{}` one for ECS, or name one as `deployment_config` under `code_deploy` in deploy.yml",
            target.code_deploy.group
        ),
    };
    Some(blocker("wrong_deployment_config", message, hint))
}

pub(super) fn no_earlier(target: &EcsTarget) -> Blocker {
    blocker(
        "no_earlier_release",
        format!(
            "none of the newest revisions of `{}` was proven by this program and makes other tasks than the one that runs",
            target.service
        ),
        "deploy an older image by its digest instead: `deploy-action deploy <environment> --image <repository>@<digest>`",
    )
}

pub(super) fn unreadable(path: &Path, error: &serde_json::Error) -> Blocker {
    blocker(
        "task_definition_invalid",
        format!("`{}` is not JSON: {error}", path.display()),
        "mend it at that place; `aws ecs describe-task-definition` prints what a task definition looks like",
    )
}

/// The file that `key` names is not there.
pub(super) fn missing_file(code: &str, key: &str, path: &str, why: &str) -> Blocker {
    blocker(
        code,
        format!("`{path}` cannot be read: {why}"),
        format!("check the repository out before this step; `{key}` is relative to the deploy.yml that names it"),
    )
}

pub(super) fn no_task_definition(target: &EcsTarget) -> Blocker {
    blocker(
        "no_task_definition",
        format!("the service `{}` runs no revision that could be taken as a base", target.service),
        "name a file with `task_definition` in deploy.yml",
    )
}
