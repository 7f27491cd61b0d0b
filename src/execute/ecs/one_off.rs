//! The step "a command runs before the deployment": a task of the new revision that must end with 0. Until it has, the old
//! version has all the traffic.

use tokio::time::Instant;

use super::keys::{Hope, Keys, asked};
use super::pace::{Pace, rest};
use super::{diagnose, known};
use crate::aws_api::ecs::{Container, Task};
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{EcsName, Reason, TaskDefinitionArn, exit_meaning, one_line, show_span};
use crate::event::{DeployEvent, Phase};
use crate::execute::Context;
use crate::failure::{Failure, Kind};
use crate::plan::ecs::OneOff;
use crate::signing::body_hash;

/// Looks that may find nothing of a task that was started a moment ago.
const YOUNG: u32 = 10;
/// Longest text of AWS's that is repeated, in characters.
const LONGEST: usize = 500;

pub(in crate::execute) async fn run(
    step: &OneOff,
    registered: Option<&TaskDefinitionArn>,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let arn = known(&step.task_definition, registered)?;
    cx.events.tell(DeployEvent::PhaseStarted { phase: Phase::BeforeDeploy });
    let started = start(step, &arn, aws, cx).await?;
    let mut watch = Watch { step, aws, arn: started.task_arn.clone(), missing: 0, keys: Keys::default() };
    cx.events.note(format!("task `{}` runs `{}`", started.id(), one_line(&step.command.join(" "), LONGEST)));
    let ended = watch.ended(began + step.timeout, cx).await?;
    diagnose::tell_one_off(&ended, &step.container, &arn, aws, &mut cx.events).await;
    judge(step, &ended)?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    cx.events.tell(DeployEvent::PhaseFinished { phase: Phase::BeforeDeploy, took_ms });
    Ok(())
}

async fn start(step: &OneOff, arn: &TaskDefinitionArn, aws: &Aws, cx: &mut Context<'_>) -> Result<Task, Failure> {
    // The same run's second try is the same task; another revision is another one.
    let token = &body_hash(format!("{} {}", cx.idempotency_key, arn.as_str()).as_bytes())[..32];
    let document = step.document(arn, token, &started_by(&step.service, cx.idempotency_key.of_run()));
    let answer =
        asked(aws, &mut cx.events, async || aws.run_task(&document).await).await.map_err(|error| refused(&error))?;
    answer.map_err(|why| failed(format!("ECS has no place for the task that runs before the deployment: {why}")))
}

/// Who started it, as ECS shows it and finds it by: a hash, since a key may be longer than ECS takes. Jobs of one run may
/// deploy several services.
fn started_by(service: &EcsName, run: &str) -> String {
    format!("deploy-action-{}", &body_hash(format!("{run}\n{service}").as_bytes())[..16])
}

/// Stops what still runs of the command before a deployment to a service: the run with this part of a key is gone. Gives
/// the ids of the tasks.
///
/// # Errors
/// AWS does not tell, or does not stop one.
pub async fn stop_one_off(
    cluster: &EcsName,
    service: &EcsName,
    of_run: &str,
    aws: &Aws,
) -> Result<Vec<String>, Failure> {
    let left = aws.tasks_started_by(cluster, &started_by(service, of_run)).await;
    let left = left.map_err(|error| error.to_failure())?;
    for arn in &left {
        let stopped = aws.stop_task(cluster, arn, "the run that started it is gone").await;
        stopped.map_err(|error| error.to_failure())?;
    }
    Ok(left.iter().map(|arn| id_of(arn).to_owned()).collect())
}

fn refused(error: &AwsError) -> Failure {
    let mut failure = error.to_failure();
    if error.trouble == Trouble::Refused {
        failure.message = format!("ECS did not start the task that runs before the deployment: {}", error.message);
        failure = failure.hint("mend what it names; nothing was shifted");
    }
    failure
}

fn failed(message: String) -> Failure {
    Failure::new(Reason::BeforeDeployFailed, format!("{message}; nothing was shifted"))
        .hint("mend the command or what it found; what it had changed by then stays changed")
}

/// The one container decides, whatever became of others.
fn judge(step: &OneOff, task: &Task) -> Result<(), Failure> {
    let ours = task.containers.iter().find(|container| container.name == step.container);
    match ours {
        Some(Container { exit_code: Some(0), .. }) => Ok(()),
        Some(Container { exit_code: Some(code), .. }) => {
            let meaning = exit_meaning(*code);
            Err(failed(format!("the command before the deployment ended with exit code {code} ({meaning})")))
        }
        _ => {
            let own = ours.and_then(|container| container.reason.as_deref());
            let why = own.or(task.stopped_reason.as_deref()).unwrap_or("ECS gives no reason");
            Err(failed(format!("the command before the deployment did not run: {}", one_line(why, LONGEST))))
        }
    }
}

struct Watch<'a> {
    step: &'a OneOff,
    aws: &'a Aws,
    arn: String,
    /// Looks that found no such task.
    missing: u32,
    keys: Keys,
}

impl Watch<'_> {
    /// The task at its end. One that takes too long, or is not wanted any more, is stopped.
    async fn ended(&mut self, limit: Instant, cx: &mut Context<'_>) -> Result<Task, Failure> {
        let mut pace = Pace::new(self.step.poll);
        let until = limit.min(cx.deadline);
        loop {
            if cx.cancel.is_asked() {
                let how = self.stop("the run was cancelled").await;
                let message =
                    format!("cancelled while the command before the deployment ran: {how}; nothing was shifted");
                return Err(Failure::new(Reason::Cancelled, message));
            }
            if let Some(task) = self.look().await? {
                return Ok(task);
            }
            if Instant::now() >= until {
                let how = self.stop("it took too long").await;
                let span = show_span(if limit <= cx.deadline { self.step.timeout } else { cx.timeout });
                let message = format!("the command before the deployment did not end within {span}: {how}");
                return Err(match limit <= cx.deadline {
                    true => failed(message),
                    false => Failure::new(Reason::TimedOut, format!("{message}; nothing was shifted"))
                        .hint("raise the timeout if it only needs longer"),
                });
            }
            rest(pace.pause(), until, &cx.cancel, false).await;
        }
    }

    /// The task, once it is at its end. Trouble that passes is no answer.
    async fn look(&mut self) -> Result<Option<Task>, Failure> {
        let found = match self.aws.tasks(&self.step.cluster, vec![self.arn.clone()]).await {
            Ok(tasks) => tasks.into_iter().next(),
            Err(error) => {
                let hope = self.keys.trouble(&error, self.aws).await?;
                return if hope == Hope::Nothing && !error.passes() { Err(self.lost(&error)) } else { Ok(None) };
            }
        };
        self.keys.work();
        match found {
            Some(task) => {
                self.missing = 0;
                Ok((task.last_status == "STOPPED").then_some(task))
            }
            None if self.missing < YOUNG => {
                self.missing += 1;
                Ok(None)
            }
            None => Err(failed("ECS does not know the task that runs before the deployment any more".to_owned())),
        }
    }

    fn lost(&self, error: &AwsError) -> Failure {
        let failure = error.to_failure();
        Failure::new(
            failure.reason,
            format!("{}; the task `{}` was left running, and nothing was shifted", failure.message, self.id()),
        )
        .kind(Kind::TimedOut)
        .hint(failure.hint.unwrap_or_default())
    }

    fn id(&self) -> &str {
        id_of(&self.arn)
    }

    /// Says what came of it.
    async fn stop(&self, why: &str) -> String {
        match self.aws.stop_task(&self.step.cluster, &self.arn, why).await {
            Ok(()) => format!("task `{}` was stopped", self.id()),
            Err(error) => format!("task `{}` could not be stopped ({error})", self.id()),
        }
    }
}

/// A task's id: the end of its ARN.
fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS takes 128 characters there, and took 36 for years.
    #[test]
    fn who_started_it_tells_services_and_runs_apart_and_is_short() {
        let by = |service: &str, run: &str| started_by(&service.parse().unwrap(), run);
        let usual = by("web", "run:1:1:ec26c3e:0a1b2c3d:");
        for other in [by("worker", "run:1:1:ec26c3e:0a1b2c3d:"), by("web", "run:1:2:ec26c3e:0a1b2c3d:")] {
            assert_ne!(usual, other);
        }
        assert!(usual.len() <= 36 && usual.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'), "{usual}");
    }
}
