//! The program as a GitHub action: from event and inputs to an image, and from there as every other deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::deploy::telling;
use super::early;
use super::image::{self, Source};
use super::load::Connected;
use super::settings::Settings;
use super::state;
use super::task::{Ready, Task, client, prepare, run_of};
use crate::agent_api::{PullCredential, Wanted};
use crate::clients::agent::AgentClient;
use crate::domain::{IdempotencyKey, Reason, one_line};
use crate::env::Env;
use crate::event::{DeployEvent, Stamped};
use crate::execute::{self, Cancel, Context};
use crate::failure::{Failure, Kind};
use crate::plan::preview::{Origin, Preview, Running, address, running};
use crate::plan::{Plan, Step, render};
use crate::report::{self, Annotation, Ended, Ending, Files, Out, Publisher, Story, Unreported, annotation};
use crate::signing::AgentKey;
use crate::trigger::{Inputs, Verb, masks, value_masks};

/// Longest wait for GitHub after the deployment ended: with all around it, a run takes at most 30 s longer.
const REPORTING: Duration = Duration::from_secs(28);
/// When the work ends at the latest after the first signal, whatever hangs.
const WORKING_CANCELLED: Duration = Duration::from_secs(5);
/// When the report ends after the first signal: a runner kills the step 7.5 s after it.
pub(super) const REPORTING_CANCELLED: Duration = Duration::from_millis(6_500);
/// Longest sentence that is printed of an override or an unreported thing, in characters.
const SHOWN: usize = 500;
/// Why the plan of a fork's pull request says nothing of what runs.
const NO_KEY: &str = "the run of a fork has no key for the agent";

pub(super) async fn run(env: &Env, cancel: Cancel) -> Result<(), Failure> {
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    // Before anything else can print a secret.
    Out.text(&masks(vars));
    Out.text(&value_masks(env.secrets()));
    let task = match prepare(vars) {
        Ok(Ready::Task(task)) => *task,
        Ok(Ready::Nothing(why)) => {
            early::end(vars, Ok(why));
            return Ok(());
        }
        Err(failure) => {
            early::end(vars, Err(&failure));
            return Err(failure);
        }
    };
    let mut publisher = begin(&task);
    let mut nothing_to_do = false;
    let result = tokio::select! {
        biased;
        result = work(&task, env, &cancel, &mut publisher, &mut nothing_to_do) => result,
        () = cancel.first_and(WORKING_CANCELLED) => Err(left()),
    };
    let ending = Ending { changed: publisher.story().model.changed(), nothing_to_do, failure: result.as_ref().err() };
    let last = Story { ended: Some(Ended::of(&ending)), ..publisher.story().clone() };
    let unreported = tokio::select! {
        biased;
        unreported = publisher.finish(&ending, REPORTING) => unreported,
        () = cancel.first_and(REPORTING_CANCELLED) => {
            vec![Unreported::passing("GitHub did not take the whole report in the time that a runner gives")]
        }
    };
    if last.is_settled() {
        state::keep_settled(vars, &unreported);
    }
    for Unreported { sentence, .. } in unreported {
        Out.text(&format!("not reported: {}\n", one_line(&sentence, SHOWN)));
    }
    early::last_words(&last.conclusion(), Some(&task.settings.environment), ending.failure);
    result
}

/// Work that does not heed the signal is dropped.
fn left() -> Failure {
    Failure::new(Reason::Unknown, "cancelled while something did not answer; what the agent took on it ends by itself")
        .kind(Kind::Cancelled)
        .hint("`deploy-action status <environment>` shows what serves")
}

pub(super) static NO_VARS: BTreeMap<String, String> = BTreeMap::new();

fn begin(task: &Task) -> Publisher {
    let files = Files { output: task.context.output.clone(), summary: task.context.summary.clone() };
    Publisher::begin(client(task), run_of(task), files, task.story())
}

/// Image, plan, deployment: each told as it happens.
async fn work(
    task: &Task,
    env: &Env,
    cancel: &Cancel,
    publisher: &mut Publisher,
    nothing_to_do: &mut bool,
) -> Result<(), Failure> {
    let Task { context, inputs, commit, settings, .. } = task;
    if commit.from_fork {
        preview(
            task,
            publisher,
            image::origin(settings, inputs, commit, context, env).await?,
            Running::NotAsked(NO_KEY),
        );
        return Ok(());
    }
    let deadline = Instant::now() + inputs.timeout;
    let connected = connect(task, env)?;
    let (mut events, mut reader) = execute::event_channel();
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    // An agent that does not answer is known before minutes go into a build.
    let looking = async {
        let status = connected.observe(None).await?;
        let source = match task.verb {
            Verb::Rollback => None,
            _ => Some(image::find(settings, inputs, commit, context, env).await?),
        };
        Ok((status, source))
    };
    let (status, source) = bounded(looking, deadline, cancel).await?;
    if let Some(url) = address(&status) {
        publisher.address(url);
    }
    let want = match source {
        None => Wanted::Rollback,
        Some(Source::Known(image)) => Wanted::Image(image),
        Some(Source::Wanted(wanted)) if task.only_looks() => {
            preview(task, publisher, wanted.origin(commit), Running::Known(running(&status)));
            return Ok(());
        }
        Some(Source::Wanted(wanted)) => {
            let making = wanted.make(commit, context, env, deadline, &mut events, cancel);
            Wanted::Image(telling(making, &mut reader, |event| tell(publisher, event)).await?)
        }
    };
    let planned = bounded(connected.plan(&want), deadline, cancel).await?;
    Out.text(&render::text(&planned.report));
    publisher.plan(&planned.report);
    state::keep_plan(vars, &planned.report);
    let plan = planned.executable()?;
    *nothing_to_do = !planned.report.changed;
    if plan.steps.is_empty() || task.only_looks() {
        return Ok(());
    }
    let mut cx = Context {
        agent: &connected.client,
        events,
        cancel: cancel.clone(),
        deadline,
        timeout: inputs.timeout,
        idempotency_key: key(task, plan, &want)?,
        requested_by: format!("{} by run {} of {}", context.actor, context.run_id, context.repository),
        credential: credential(inputs, env)?,
    };
    let told = |stamped: &Stamped| {
        if let DeployEvent::Accepted { deployment, .. } = &stamped.event {
            state::keep_deployment(vars, deployment);
        }
        tell(publisher, stamped);
    };
    let finish = telling(execute::run(plan, &mut cx), &mut reader, told).await?;
    finish.and_then(|finish| finish.to_failure()).map_or(Ok(()), Err)
}

fn tell(publisher: &mut Publisher, stamped: &Stamped) {
    Out.text(&report::lines(stamped));
    if let DeployEvent::Problem { file, line, message } = &stamped.event {
        Out.text(&annotation(&Annotation { file: Some(file), line: *line, title: "build", message }));
    }
    publisher.event(stamped);
}

/// Reads end at a signal and at the deadline.
async fn bounded<T>(
    reading: impl Future<Output = Result<T, Failure>>,
    deadline: Instant,
    cancel: &Cancel,
) -> Result<T, Failure> {
    tokio::select! {
        read = reading => read,
        () = cancel.first() => Err(Failure::new(Reason::Cancelled, "cancelled; nothing was changed")),
        () = tokio::time::sleep_until(deadline) => {
            Err(Failure::new(Reason::TimedOut, "the time was over before the deployment began; nothing was changed")
                .hint("raise `timeout`, or see why the registry or the agent is slow"))
        }
    }
}

/// Tells what is known where there can be no plan.
fn preview(task: &Task, publisher: &mut Publisher, image: Origin, running: Running) {
    let Settings { app, environment, target, .. } = &task.settings;
    let preview = Preview {
        app: app.clone(),
        environment: environment.clone(),
        service: target.service.clone(),
        agent: target.agent.clone(),
        image,
        running,
    };
    Out.text(&render::preview_text(&preview));
    publisher.preview(preview);
}

pub(super) fn connect(task: &Task, env: &Env) -> Result<Connected, Failure> {
    let missing = || {
        Failure::new(Reason::KeyInvalid, "there is no agent key: the input `agent-key` is not set")
            .hint("keep the key as a secret and give it as `agent-key: ${{ secrets.DEPLOY_AGENT_KEY }}`")
    };
    let text = task.inputs.agent_key.as_ref().or(env.agent_key.as_ref()).ok_or_else(missing)?;
    let key = AgentKey::parse(text.expose()).map_err(|error| {
        Failure::new(Reason::KeyInvalid, "the input `agent-key` holds no agent key")
            .because(error)
            .hint("make one on the host with `deploy-action agent keygen`")
    })?;
    let Settings { app, environment, target, .. } = &task.settings;
    let client = AgentClient::new(target.agent.clone(), key)?;
    Ok(Connected { app: app.clone(), name: environment.clone(), target: target.clone(), client })
}

/// With which the agent pulls: what was given for this run, not what a docker config holds of others.
fn credential(inputs: &Inputs, env: &Env) -> Result<Option<PullCredential>, Failure> {
    match inputs.registry_username.clone().zip(inputs.registry_password.clone()) {
        Some((username, password)) => Ok(Some(PullCredential { username, password })),
        None => env.pull_credential(),
    }
}

/// The same for a job that runs twice by mistake; another for a repeated run, for another image, and for another state
/// that was planned for.
fn key(task: &Task, plan: &Plan, want: &Wanted) -> Result<IdempotencyKey, Failure> {
    let what = match want {
        Wanted::Image(image) => image.digest().short(),
        Wanted::Rollback => "rollback",
    };
    let seen =
        plan.steps.iter().map(|Step::AgentSwap(swap)| swap.expected_revision.as_str()).next().unwrap_or_default();
    let key = format!("{}{what}:{seen}:{}", task.key_begins(), task.settings.target.service);
    key.parse().map_err(|error| Failure::new(Reason::Bug, "no idempotency key can be made").because(error))
}
