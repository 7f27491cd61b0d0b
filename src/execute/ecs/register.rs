//! The step "a revision is registered". Each call makes one more, so after a lost answer the newest is looked at first.

use tokio::time::Instant;

use super::keys::asked;
use crate::aws_api::ecs::TaskDefinition;
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{Reason, TaskDefinitionArn};
use crate::event::{DeployEvent, Phase};
use crate::execute::{Context, Emitter};
use crate::failure::{Failure, Kind};
use crate::plan::ecs::{Register, same};

pub(in crate::execute) async fn run(
    step: &Register,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<TaskDefinitionArn, Failure> {
    let began = Instant::now();
    cx.events.tell(DeployEvent::PhaseStarted { phase: Phase::Register });
    let registering =
        async {
            match asked(aws, &mut cx.events, async || aws.register(&step.document).await).await {
                // A service that fails may have done what it was asked for.
                Err(lost) if lost.may_have_worked() => {
                    match ours(step, aws, &mut cx.events).await.map_err(|error| unsure(step, &error))? {
                        Some(found) => Ok(found),
                        None => asked(aws, &mut cx.events, async || aws.register(&step.document).await).await.map_err(
                            |error| if error.may_have_worked() { unsure(step, &error) } else { refused(step, &error) },
                        ),
                    }
                }
                answer => answer.map_err(|error| refused(step, &error)),
            }
        };
    let registered = tokio::select! {
        registered = registering => registered?,
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
async fn ours(step: &Register, aws: &Aws, events: &mut Emitter) -> Result<Option<TaskDefinition>, AwsError> {
    match asked(aws, events, async || aws.task_definition(&step.family).await).await {
        Ok(newest) => Ok(same(&newest.definition, &step.document).then_some(newest)),
        // A family without a revision.
        Err(error) if error.trouble == Trouble::Refused => Ok(None),
        Err(error) => Err(error),
    }
}

/// There may be a revision, and nobody knows: to send it again might make a second one.
fn unsure(step: &Register, error: &AwsError) -> Failure {
    let family = &step.family;
    let message = format!(
        "the registration of `{family}` was not answered, and whether there is a new revision is not known; nothing was shifted"
    );
    Failure::new(Reason::Unknown, message)
        .kind(Kind::TimedOut)
        .because(error.clone())
        .hint("run it again once AWS answers: a revision that says the same as what is wanted does no harm")
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
