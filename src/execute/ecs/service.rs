//! The step "ECS replaces the tasks": the service is told its revision, and followed to the end of that deployment.

use super::keys::asked;
use super::rolling::Rolling;
use super::staged::Staged;
use super::watch::{Deployment, Fault, Followed, Next, follow};
use super::{
    Ended, Scaling, Shown, as_planned, claim, deployed, diagnose, finish, known, serving, superseded, took_over,
    unseen, vouch,
};
use crate::aws_api::ecs::Service;
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{DeploymentId, Reason, TaskDefinitionArn};
use crate::event::{DeployEvent, Outcome};
use crate::execute::{Context, Finish};
use crate::failure::{Failure, Kind};
use crate::plan::ecs::{EcsRollout, Rollout};

/// What the service shows of a revision whose deployment did not end well: tasks of the one before may still run.
const ASKED_FOR: &str = "is what the service asks for, and which tasks run `status` shows";

pub(in crate::execute) async fn run(
    step: &EcsRollout,
    registered: Option<&TaskDefinitionArn>,
    scaling: &mut Scaling,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Finish, Failure> {
    let arn = known(&step.rollout.task_definition, registered)?;
    let before = as_planned(&step.rollout, aws, &mut cx.events).await?;
    if cx.cancel.is_asked() {
        return Err(Failure::new(Reason::Cancelled, "cancelled before a deployment was begun; nothing was changed"));
    }
    if step.rollout.vouch && before.settled() {
        vouch(&step.rollout, aws, cx).await;
    }
    if let Some(why) = claim(&step.rollout, &arn, aws, cx).await {
        cx.events.note(format!("if this run is killed, its post step does not find what it began: {why}"));
    }
    scaling.hold(aws, cx).await?;
    let after = update(step, &arn, aws, cx).await?;
    let known = diagnose::Known::of(&before);
    if step.staged {
        let mut staged = Staged::new(aws, step, before.current_service_deployment.clone());
        staged.find(&after, &arn, cx).await?;
        accept(staged.name(), step, &arn, cx)?;
        scaling.insist(aws, cx).await;
        let followed = follow(&mut staged, &step.rollout, aws, cx).await;
        let followed = diagnose::if_late(followed, (&step.rollout, &arn, &known), aws, cx).await?;
        return end(&step.rollout, &arn, aws, cx, followed, &known).await;
    }
    let mut rolling = Rolling::new(aws, step, &arn, &after)?;
    accept(rolling.name(), step, &arn, cx)?;
    scaling.insist(aws, cx).await;
    let followed = follow(&mut rolling, &step.rollout, aws, cx).await;
    let followed = diagnose::if_late(followed, (&step.rollout, &arn, &known), aws, cx).await?;
    end(&step.rollout, &arn, aws, cx, followed, &known).await
}

/// Tells ECS. After a lost answer the service shows whether it arrived.
async fn update(
    step: &EcsRollout,
    arn: &TaskDefinitionArn,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Service, Failure> {
    let rollout = &step.rollout;
    let call = async || aws.update_service(&rollout.cluster, &rollout.service, arn).await;
    let answer = match asked(aws, &mut cx.events, call).await {
        Err(error) if error.may_have_worked() => {
            cx.events.note(format!("{error}; looking whether ECS took it"));
            let look = async || aws.service(&rollout.cluster, &rollout.service).await;
            match asked(aws, &mut cx.events, look).await {
                Ok(Some(service)) if service.task_definition == arn.as_str() => Ok(service),
                Ok(_) => asked(aws, &mut cx.events, call).await,
                Err(error) => Err(error),
            }
            .map_err(|error| if error.trouble == Trouble::Refused { refused(&error) } else { unsure(&error) })?
        }
        answer => answer.map_err(|error| refused(&error))?,
    };
    Ok(answer)
}

/// ECS may have taken it, and nobody knows.
fn unsure(error: &AwsError) -> Failure {
    Failure::new(Reason::Unknown, "the change of the service was not answered, and whether ECS deploys is not known")
        .kind(Kind::TimedOut)
        .because(error.clone())
        .hint("`deploy-action status <environment>` shows whether it does; run it again after that")
}

fn refused(error: &AwsError) -> Failure {
    let mut failure = error.to_failure();
    if error.trouble == Trouble::Refused {
        let code = error.code.as_deref().unwrap_or("no code");
        failure.message = format!("ECS did not take the new revision for the service ({code}): {}", error.message);
        failure = failure.hint("nothing was changed; mend what it names in the service or the task definition");
    }
    failure
}

/// The name's last part is the id: the rest is cluster and service.
fn accept(name: &str, step: &EcsRollout, arn: &TaskDefinitionArn, cx: &mut Context<'_>) -> Result<(), Failure> {
    let id = name.rsplit('/').next().unwrap_or_default();
    let deployment: DeploymentId = id
        .parse()
        .map_err(|error| Failure::new(Reason::Bug, format!("ECS's id `{id}` is not taken")).because(error))?;
    let image = step.rollout.image.as_ref().map_or_else(|| arn.short().to_owned(), ToString::to_string);
    cx.events.tell(DeployEvent::Accepted { deployment, image, fence: None });
    Ok(())
}

/// Tells how a deployment that was followed ended.
pub(super) async fn end(
    rollout: &Rollout,
    arn: &TaskDefinitionArn,
    aws: &Aws,
    cx: &mut Context<'_>,
    followed: Followed,
    known: &diagnose::Known,
) -> Result<Finish, Failure> {
    let before = rollout.before.as_ref();
    let stopped_when = followed.stopped_when();
    let ended = match followed.next {
        Next::Done(rest) => match serving(rollout, aws, cx, |serving| serving == Some(arn)).await {
            Shown::Revision(serving) if serving != *arn => superseded(rollout, &serving),
            Shown::Revision(_) => deployed(rollout, arn, aws, cx, rest).await,
            Shown::Deleted => Ended::deleted(rollout, Reason::ChangedUnderneath, &took_over("ECS", arn)),
            Shown::Nothing => return Err(unseen(&took_over("ECS", arn))),
        },
        Next::Failed(Fault { reason: Reason::Superseded, why, .. }) => {
            const FOLLOWED: &str = "somebody else's deployment followed";
            // It had failed by itself before: that is what its author has to mend.
            if !why.is_empty() {
                cx.events.note(format!("before that this one failed: {}", why.trim_end_matches('.')));
                diagnose::tell(rollout, arn, aws, known, &mut cx.events).await;
            }
            match serving(rollout, aws, cx, |serving| serving.is_some()).await {
                Shown::Deleted => Ended::deleted(rollout, Reason::Superseded, FOLLOWED),
                Shown::Revision(serving) => superseded(rollout, &serving),
                Shown::Nothing => return Err(unseen(FOLLOWED)),
            }
        }
        Next::Failed(Fault { reason, why, rollback }) => {
            if !followed.stopped {
                diagnose::tell(rollout, arn, aws, known, &mut cx.events).await;
            }
            let serving = serving(rollout, aws, cx, |serving| serving == before).await;
            let shown = serving.revision();
            let back = shown.is_some() && shown == before && rollback.is_some();
            match &serving {
                Shown::Deleted => Ended::deleted(rollout, reason, &why),
                _ if back && followed.stopped => {
                    Ended::back(rollout, Outcome::Cancelled, Reason::Cancelled, stopped_when)
                }
                _ if back => {
                    Ended::back(rollout, Outcome::RolledBack, reason, &why).hint(diagnose::advice(reason, &why))
                }
                Shown::Revision(other) if Some(other) != before && other != arn => superseded(rollout, other),
                Shown::Nothing if followed.stopped => return Err(unseen(&why).kind(Kind::Cancelled)),
                Shown::Nothing => return Err(unseen(&why)),
                Shown::Revision(shown) => Ended::stranded(shown, ASKED_FOR, reason, &why).hint(format!(
                    "go back by hand: `aws ecs update-service --cluster {} --service {} --task-definition {}`; then deploy again",
                    rollout.cluster,
                    rollout.service,
                    before.map_or("<revision>", TaskDefinitionArn::short)
                )),
            }
        }
        Next::Goes => {
            return Err(Failure::new(Reason::Bug, "a deployment that goes on was taken for its end"));
        }
    };
    Ok(finish(&mut cx.events, ended))
}
