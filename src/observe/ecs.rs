//! A service of Amazon ECS: itself, the revision that serves, and for a service of CodeDeploy its group.

use crate::agent_api::Blocker;
use crate::aws_api::codedeploy::{Configuration, Group, is_failure, is_over};
use crate::aws_api::ecs::{Service, ServiceDeployment, TaskDefinition};
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::config::EcsTarget;
use crate::failure::Failure;
use crate::plan::ecs::{CodeDeployObserved, EcsObserved, Files, Need, Needs};

/// Revisions that are looked at for what can be gone back to, each by a call: as many as one call lists (ECS API,
/// `ListTaskDefinitions`). Each deployment that fails leaves one, and an old one may be what was proven last.
const REVISIONS: i32 = 100;

/// Reads what decides a plan. `files` are those that the target names.
///
/// # Errors
/// A call did not succeed.
pub async fn observe(aws: &Aws, target: &EcsTarget, files: Files) -> Result<EcsObserved, Failure> {
    let failed = |error: AwsError| {
        if error.is("ClusterNotFoundException") {
            let mut failure = error.to_failure();
            failure.message = format!("there is no cluster `{}` in {}", target.cluster, target.region);
            return failure
                .hint("check `cluster` and `region` in deploy.yml, and which account the credentials are of");
        }
        error.to_failure()
    };
    let service = aws.service(&target.cluster, &target.service).await.map_err(failed)?;
    let running = match service.as_ref().and_then(Service::serving) {
        Some(arn) => Some(aws.task_definition(arn.as_str()).await.map_err(failed)?),
        None => None,
    };
    let code_deploy = match &service {
        Some(service) if service.controller() == "CODE_DEPLOY" => {
            code_deploy(aws, target, service).await.map_err(failed)?
        }
        _ => CodeDeployObserved::default(),
    };
    let goes_back = match service.as_ref().and_then(Service::may_go_back) {
        Some(arn) => going_back(aws, arn).await.map_err(failed)?,
        None => None,
    };
    Ok(EcsObserved { service, running, files, code_deploy, goes_back, ..EcsObserved::default() })
}

/// The last part of a deployment's name, where it goes back.
async fn going_back(aws: &Aws, arn: &str) -> Result<Option<String>, AwsError> {
    let seen = aws.service_deployment(arn).await?.filter(ServiceDeployment::goes_back);
    Ok(seen.and_then(|_| arn.rsplit('/').next().map(str::to_owned)))
}

/// What is not there of all that tasks take from AWS when they start, and a sentence for what could not be looked for.
///
/// # Errors
/// A call did not succeed, but for a want of permission, or of a way to IAM.
pub async fn missing(aws: &Aws, needs: &Needs) -> Result<(Vec<Blocker>, Vec<String>), Failure> {
    let (mut blockers, mut unseen) = (Vec::new(), Vec::new());
    let mut hear = |need: Need, name: &str, answer: Result<bool, AwsError>| match answer {
        Ok(true) => Ok(()),
        Ok(false) => {
            blockers.push(need.missing(name));
            Ok(())
        }
        // IAM is one host for a whole partition, which a private network may not reach: the others were.
        Err(error) if error.trouble == Trouble::Denied || (need == Need::Role && error.passes()) => {
            unseen.push(format!("`{name}` was not looked for: {error}"));
            Ok(())
        }
        Err(error) => Err(error.to_failure()),
    };
    for name in &needs.log_groups {
        hear(Need::LogGroup, name, aws.has_log_group(name).await)?;
    }
    for name in &needs.secrets {
        hear(Need::Secret, name, aws.has_secret(name).await)?;
    }
    for name in &needs.parameters {
        hear(Need::Parameter, name, aws.has_parameter(name).await)?;
    }
    for name in &needs.roles {
        hear(Need::Role, name, aws.has_role(name).await)?;
    }
    Ok((blockers, unseen))
}

/// The newest revisions of the family that serves, newest first: at most 100.
///
/// # Errors
/// A call did not succeed.
pub async fn revisions(aws: &Aws, observed: &EcsObserved) -> Result<Vec<TaskDefinition>, Failure> {
    let Some(running) = &observed.running else { return Ok(Vec::new()) };
    let newest = aws.revisions(running.arn.family(), REVISIONS).await.map_err(|error| error.to_failure())?;
    let mut found = Vec::new();
    for arn in newest {
        found.push(aws.task_definition(arn.as_str()).await.map_err(|error| error.to_failure())?);
    }
    Ok(found)
}

async fn code_deploy(aws: &Aws, target: &EcsTarget, service: &Service) -> Result<CodeDeployObserved, AwsError> {
    let names = &target.code_deploy;
    let missing = |error: &AwsError| {
        ["DeploymentGroupDoesNotExistException", "ApplicationDoesNotExistException"].iter().any(|code| error.is(code))
    };
    let group: Group = match aws.deployment_group(&names.application, &names.group).await {
        Err(error) if missing(&error) => return Ok(CodeDeployObserved::default()),
        answer => answer?,
    };
    // A group does one deployment at a time, with a second set of tasks from its begin on.
    let active = match service.task_sets.len() <= 1
        && group.last_attempted.as_ref().is_some_and(|(_, status)| is_over(status))
    {
        true => Vec::new(),
        false => aws.active_deployments(&names.application, &names.group).await?,
    };
    let failed = if active.is_empty() { failed(aws, service, &group).await? } else { None };
    Ok(CodeDeployObserved { group: Some(group), configuration: Configuration::Unknown, active, failed })
}

/// The deployment that made the tasks which have the traffic, where it failed and was not undone. Of a group whose newest
/// deployment succeeded nothing is asked.
async fn failed(aws: &Aws, service: &Service, group: &Group) -> Result<Option<String>, AwsError> {
    let made_by = service.primary().and_then(|set| set.external_id.clone());
    let Some(((last, status), made_by)) = group.last_attempted.as_ref().zip(made_by) else { return Ok(None) };
    if status == "Succeeded" || group.last_successful.as_ref() == Some(&made_by) {
        return Ok(None);
    }
    // The newest may be the one that was to undo it, or a later one that never had any traffic.
    let failed = (*last == made_by && is_failure(status))
        || match aws.deployment(&made_by).await {
            // Whoever made them, CodeDeploy knows nothing of it, or nothing any more.
            Err(error) if error.trouble == Trouble::Refused => false,
            answer => is_failure(&answer?.status),
        };
    Ok(failed.then_some(made_by))
}

/// How CodeDeploy will shift the traffic, where it replaces the tasks. Who may not ask is told less beforehand.
pub async fn configuration(aws: &Aws, target: &EcsTarget, observed: &EcsObserved) -> Configuration {
    let Some(group) = &observed.code_deploy.group else { return Configuration::Unknown };
    let name = target.code_deploy.config.as_deref().unwrap_or(&group.deployment_config_name);
    match name {
        "" => Configuration::Unknown,
        name => aws.deployment_config(name).await.unwrap_or_default(),
    }
}
