//! The step "a revision is registered". Each call makes one more, so after a lost answer the newest is looked at first.

use tokio::time::Instant;

use super::keys::asked;
use crate::aws_api::ecs::TaskDefinition;
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{Reason, TaskDefinitionArn};
use crate::event::{DeployEvent, Phase};
use crate::execute::Context;
use crate::failure::Failure;
use crate::plan::ecs::{Register, same};

pub(in crate::execute) async fn run(
    step: &Register,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<TaskDefinitionArn, Failure> {
    let began = Instant::now();
    cx.events.tell(DeployEvent::PhaseStarted { phase: Phase::Register });
    let registering = async {
        match asked(aws, &mut cx.events, async || aws.register(&step.document).await).await {
            // A service that fails may have done what it was asked for.
            Err(lost) if matches!(lost.trouble, Trouble::Lost | Trouble::Failing) => match ours(step, aws).await {
                Some(found) => Ok(found),
                None => aws.register(&step.document).await,
            },
            answer => answer,
        }
    };
    let registered = tokio::select! {
        registered = registering => registered.map_err(|error| refused(step, &error))?,
        () = cx.cancel.first() => return Err(cancelled()),
        () = tokio::time::sleep_until(cx.deadline) => {
            return Err(Failure::new(Reason::TimedOut, "the time was over while the task definition was registered; nothing was shifted"));
        }
    };
    cx.events.note(format!("registered revision `{}`", registered.arn.short()));
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    cx.events.tell(DeployEvent::PhaseFinished { phase: Phase::Register, took_ms });
    Ok(registered.arn)
}

/// The family's newest revision, where it is what was to be registered.
async fn ours(step: &Register, aws: &Aws) -> Option<TaskDefinition> {
    let newest = aws.task_definition(&step.family).await.ok()?;
    same(&newest.definition, &step.document).then_some(newest)
}

fn cancelled() -> Failure {
    Failure::new(
        Reason::Cancelled,
        "cancelled before anything was deployed; at most a revision was registered, which nothing uses",
    )
}

fn refused(step: &Register, error: &AwsError) -> Failure {
    let mut failure = error.to_failure();
    if error.trouble == Trouble::Refused {
        failure.message = format!("ECS did not take the task definition `{}`: {}", step.family, error.message);
        failure = failure.hint("mend what it names in the task definition; nothing was shifted");
    }
    failure
}
