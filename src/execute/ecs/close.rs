//! The end of a deployment at AWS whose run is gone: given up where no traffic shifted yet, else followed to its end.

use super::code_deploy::{Watched, end as end_of_code_deploy};
use super::diagnose;
use super::queue::marker;
use super::rolling::Rolling;
use super::service::end as end_of_service;
use super::staged::{Staged, deployed_by};
use super::watch::{Deployment, Fault, Followed, Next, follow, stops};
use crate::aws_api::ecs::Service;
use crate::clients::aws::{Aws, AwsError};
use crate::domain::{DeploymentId, Reason, TaskDefinitionArn};
use crate::execute::{Context, Finish};
use crate::failure::{Failure, Kind};
use crate::plan::Later;
use crate::plan::ecs::{Closing, EcsRollout, Rollout, WaitUntil, was_asked_by};

/// The deployment whose key begins like this: of CodeDeploy one that is under way, of ECS itself also one that is over.
///
/// # Errors
/// AWS does not tell.
pub async fn began_at_aws(closing: &Closing, key_begins: &str, aws: &Aws) -> Result<Option<DeploymentId>, Failure> {
    let service = aws.service(&closing.cluster, &closing.service).await.map_err(|error| error.to_failure())?;
    let Some(service) = service else { return Ok(None) };
    if service.controller() != "CODE_DEPLOY" {
        return began_at_ecs(&service, key_begins, aws).await.map_err(|error| error.to_failure());
    }
    let begins = marker(key_begins);
    let names = &closing.names;
    let active = aws.active_deployments(&names.application, &names.group).await;
    for id in active.map_err(|error| error.to_failure())? {
        let deployment = aws.deployment(&id).await.map_err(|error| error.to_failure())?;
        if deployment.description.is_some_and(|text| text.starts_with(begins.trim_end())) {
            return Ok(id.parse().ok());
        }
    }
    Ok(None)
}

/// The same of a service whose tasks ECS itself replaces: its revision names the run.
async fn began_at_ecs(service: &Service, key_begins: &str, aws: &Aws) -> Result<Option<DeploymentId>, AwsError> {
    let staged = match &service.current_service_deployment {
        Some(arn) => deployed_by(aws, arn).await?.map(|revision| (arn.clone(), revision)),
        None => None,
    };
    let rolling = service.deployments.iter().filter(|_| service.strategy() == "ROLLING");
    let rolling = rolling.filter_map(|listed| Some((listed.id.clone(), listed.task_definition.parse().ok()?)));
    for (name, revision) in staged.into_iter().chain(rolling) {
        if was_asked_by(&aws.task_definition(revision.as_str()).await?, key_begins) {
            return Ok(name.rsplit('/').next().and_then(|id| id.parse().ok()));
        }
    }
    Ok(None)
}

/// Closes one deployment and tells how it ended; with `may_stop` one that shifted no traffic yet is given up.
///
/// # Errors
/// AWS does not know it, is not reached, or it goes on when the time is over.
pub async fn close_at_aws(
    closing: &Closing,
    id: &DeploymentId,
    may_stop: bool,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Finish, Failure> {
    let found = aws.service(&closing.cluster, &closing.service).await.map_err(|error| error.to_failure())?;
    let service = found.ok_or_else(|| unknown(&format!("the service `{}` is gone", closing.service)))?;
    let known = diagnose::Known::of(&service);
    if service.controller() == "CODE_DEPLOY" {
        let deployment = aws.deployment(id.as_str()).await.map_err(|error| error.to_failure())?;
        let arn = aws.deployed_revision(&deployment).await.map_err(|error| error.to_failure())?;
        let arn = arn.ok_or_else(|| unknown("its AppSpec names no revision"))?;
        let rollout = rollout(closing, &service, &arn);
        let mut watched = Watched::of(aws, &rollout, id.as_str());
        let followed = give_up(&mut watched, &rollout, may_stop, aws, cx).await?;
        return end_of_code_deploy(&watched, &arn, cx, followed, &known).await;
    }
    let staged = service.strategy() != "ROLLING";
    let arn = match staged {
        true => deployed_by(aws, &deployment_arn(&service, id)).await.map_err(|error| error.to_failure())?,
        false => listed(&service, id),
    };
    let arn = arn.ok_or_else(|| unknown("ECS does not list it any more"))?;
    let step = EcsRollout { rollout: rollout(closing, &service, &arn), staged, wait_until: WaitUntil::Finished };
    let followed = if staged {
        let mut staged = Staged::of(aws, &step, deployment_arn(&service, id));
        give_up(&mut staged, &step.rollout, may_stop, aws, cx).await?
    } else {
        let mut rolling = Rolling::of(aws, &step, format!("ecs-svc/{id}"));
        give_up(&mut rolling, &step.rollout, may_stop, aws, cx).await?
    };
    end_of_service(&step.rollout, &arn, aws, cx, followed, &known).await
}

/// `arn:…:service/cluster/service` as the name of a deployment of it.
fn deployment_arn(service: &Service, id: &DeploymentId) -> String {
    format!("{}/{id}", service.service_arn.replacen(":service/", ":service-deployment/", 1))
}

/// The revision of a rolling deployment.
fn listed(service: &Service, id: &DeploymentId) -> Option<TaskDefinitionArn> {
    let name = format!("ecs-svc/{id}");
    let listed = service.deployments.iter().find(|listed| listed.id == name)?;
    listed.task_definition.parse().ok()
}

/// The revision from before is the other one that the service shows.
fn rollout(closing: &Closing, service: &Service, arn: &TaskDefinitionArn) -> Rollout {
    let sets = service.task_sets.iter().map(|set| set.task_definition.as_str());
    let listed = service.deployments.iter().map(|listed| listed.task_definition.as_str());
    let shown = sets.chain(listed).chain([service.task_definition.as_str()]);
    Rollout {
        cluster: closing.cluster.clone(),
        service: closing.service.clone(),
        task_definition: Later::Known(arn.clone()),
        image: None,
        before: shown.filter_map(|name| name.parse().ok()).find(|other| other != arn),
        expected: None,
        image_before: None,
        mark: closing.mark.clone(),
        vouch: false,
        hold_scaling: false,
        on_cancel: closing.on_cancel,
        poll: closing.poll,
    }
}

/// Stops what shifted no traffic yet, or as it is configured, and follows it.
async fn give_up<D: Deployment>(
    deployment: &mut D,
    rollout: &Rollout,
    may_stop: bool,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Followed, Failure> {
    let next = deployment.look(&mut cx.events).await.map_err(|error| error.to_failure())?;
    if next != Next::Goes {
        // The run that is gone may have asked for it.
        let stopped = matches!(&next, Next::Failed(Fault { reason: Reason::StoppedByHand, .. }));
        return Ok(Followed { next, stopped, shifted: deployment.shifting() });
    }
    let shifting = deployment.shifting();
    let going_back = deployment.is_going_back();
    let stopping = may_stop && !going_back && stops(rollout.on_cancel, shifting);
    let stopping = stopping && deployment.stop().await.map_err(|error| error.to_failure())?;
    if stopping {
        let why = if shifting { "`on_cancel` is `roll-back`" } else { "no traffic had shifted yet" };
        cx.events.note(format!("{why}: {} stops the deployment", D::WHO));
    } else if going_back {
        cx.events.note(format!("{} goes back", D::WHO));
    } else {
        cx.events.note(format!("{} finishes the deployment", D::WHO));
    }
    let followed = follow(deployment, rollout, aws, cx).await?;
    let shifted = if stopping { shifting } else { followed.shifted };
    Ok(Followed { stopped: stopping || followed.stopped, shifted, ..followed })
}

fn unknown(why: &str) -> Failure {
    Failure::new(Reason::Unknown, format!("how the deployment ended is not known: {why}"))
        .kind(Kind::Stranded)
        .hint("`deploy-action status <environment>` shows what serves")
}
