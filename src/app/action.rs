//! The program as a GitHub action: from event and inputs to an image, and from there as every other deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::access::{connect, credential, key};
use super::deploy::{PLANS, telling};
use super::image::{self, Found, Source};
use super::place::Connected;
use super::settings::Settings;
use super::state;
use super::task::{Ready, Task, client, prepare, run_of};
use super::telling::{Telling, hidden, secrets};
use super::{SHOWN, earlier, early};
use crate::agent_api::{Blocker, Wanted};
use crate::clients::github::GitHub;
use crate::domain::{Reason, one_line};
use crate::env::Env;
use crate::event::{DeployEvent, Stamped};
use crate::execute::{self, Cancel, Context};
use crate::failure::{Failure, Kind};
use crate::plan::preview::{Origin, Preview, Running};
use crate::plan::{Place, render};
use crate::report::{Ended, Ending, Groups, Out, Publisher, Story, Unreported};
use crate::trigger::{Verb, masks, value_masks};

/// Longest wait for GitHub after the deployment ended: with all around it, a run takes at most 30 s longer.
const REPORTING: Duration = Duration::from_secs(28);
/// When the work ends at the latest after the first signal, whatever hangs.
const WORKING_CANCELLED: Duration = Duration::from_secs(5);
/// When the report ends after the first signal: a runner kills the step 7.5 s after it, and on a busy host a container takes
/// its time to end.
pub(super) const REPORTING_CANCELLED: Duration = Duration::from_secs(6);
/// Why the plan of a fork's pull request says nothing of what runs.
const NO_KEY: &str = "the run of a fork has no secrets";

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
    let github = client(&task);
    let publisher = Publisher::begin(github.clone(), run_of(&task), early::files(vars), task.story());
    let mut telling = Telling { publisher, groups: Groups::default(), nothing_to_do: false };
    let result = tokio::select! {
        biased;
        result = work(&task, env, &cancel, &mut telling, github) => result,
        () = cancel.first_and(WORKING_CANCELLED) => Err(left()),
    };
    let Telling { publisher, mut groups, nothing_to_do } = telling;
    Out.text(&groups.close());
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

/// What the run is for; beside it, what the runs before left open at GitHub.
async fn work(
    task: &Task,
    env: &Env,
    cancel: &Cancel,
    told: &mut Telling,
    github: Option<GitHub>,
) -> Result<(), Failure> {
    if task.commit.from_fork {
        preview(task, told, image::origin(task, env).await?, Running::NotAsked(NO_KEY), Vec::new());
        return Ok(());
    }
    let connected = connect(task, env).await?;
    if task.holds_scaling() {
        state::keep_hold(env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose()));
    }
    if task.only_looks() {
        return deploy(task, env, cancel, told, &connected).await;
    }
    let redact = secrets(env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose()), env);
    let earlier = earlier::close(task, &connected, github, &redact);
    let (result, notes) = earlier::beside(deploy(task, env, cancel, told, &connected), earlier, cancel).await;
    for note in notes {
        told.text(&format!("note: {}\n", one_line(&note, SHOWN)));
    }
    result
}

/// Image, plan, deployment: each told as it happens.
async fn deploy(
    task: &Task,
    env: &Env,
    cancel: &Cancel,
    told: &mut Telling,
    connected: &Connected,
) -> Result<(), Failure> {
    let Task { context, inputs, commit, settings, .. } = task;
    let deadline = Instant::now() + inputs.timeout;
    let (mut events, mut reader) = execute::event_channel();
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    // An agent that does not answer is known before minutes go into a build.
    let mut redact = secrets(vars, env);
    let asked = connected.asked();
    let looked = bounded(connected.look(), &asked, deadline, cancel).await?;
    let found = match task.verb {
        Verb::Rollback => None,
        _ => {
            let finding = image::find(task, env, connected, &mut redact);
            Some(bounded(finding, &image::registry(settings), deadline, cancel).await?)
        }
    };
    if let Some(url) = looked.address {
        told.publisher.address(url);
    }
    let (source, login) = found.map_or((None, None), |Found { source, login }| (Some(source), login));
    let (want, mut seen) = match source {
        None => (Wanted::Rollback, Some(looked.observed)),
        Some(Source::Known(image)) => (Wanted::Image(image), Some(looked.observed)),
        Some(Source::Wanted(wanted)) => {
            // Minutes go into it: what is in the way of any image is told before.
            let asking = async { Ok(connected.obstacles(wanted.repository(), looked.observed).await) };
            let (blockers, failure) = bounded(asking, &asked, deadline, cancel).await?.unzip();
            if task.only_looks() || failure.is_some() {
                let running = Running::Known(looked.running);
                preview(task, told, wanted.origin(commit), running, blockers.unwrap_or_default());
                return failure.map_or(Ok(()), Err);
            }
            let making = wanted.make(task, env, connected, deadline, &mut events, cancel);
            (Wanted::Image(telling(making, &mut reader, |event| told.event(event)).await?), None)
        }
    };
    let mut plans = 0;
    loop {
        let planned = bounded(connected.plan(&want, seen.take()), &asked, deadline, cancel).await?;
        told.text(&render::text(&planned.report));
        told.publisher.plan(&planned.report);
        state::keep_plan(vars, &planned.report);
        let plan = planned.executable()?;
        told.nothing_to_do = !planned.report.changed;
        if plan.steps.is_empty() || task.only_looks() {
            if !task.only_looks() {
                let setting_back = connected.set_back(plan, &mut events);
                telling(setting_back, &mut reader, |event| told.event(event)).await?;
            }
            return Ok(());
        }
        let mut cx = Context {
            remote: connected.remote(),
            events,
            cancel: cancel.clone(),
            deadline,
            timeout: inputs.timeout,
            idempotency_key: key(task, plan, &want)?,
            requested_by: format!("{} by run {} of {}", context.actor, context.run_id, context.repository),
            credential: credential(inputs, env, &want, login.as_ref())?,
        };
        let tell = |stamped: &Stamped| {
            if let DeployEvent::Accepted { deployment, .. } = &stamped.event {
                state::keep_deployment(vars, deployment);
            }
            told.event(&hidden(stamped, &redact));
        };
        let ended = telling(execute::run(plan, &mut cx), &mut reader, tell).await;
        events = cx.events;
        plans += 1;
        match ended {
            Err(failure) if failure.asks_for_a_new_plan() && plans < PLANS => {
                told.text(&format!("note: {}; planning again\n", one_line(&failure.message, SHOWN)));
            }
            ended => return ended?.and_then(|finish| finish.to_failure()).map_or(Ok(()), Err),
        }
    }
}

/// Reads end at a signal and at the deadline.
async fn bounded<T>(
    reading: impl Future<Output = Result<T, Failure>>,
    asked: &str,
    deadline: Instant,
    cancel: &Cancel,
) -> Result<T, Failure> {
    tokio::select! {
        read = reading => read,
        () = cancel.first() => Err(Failure::new(Reason::Cancelled, "cancelled; nothing was changed")),
        () = tokio::time::sleep_until(deadline) => {
            Err(Failure::new(Reason::TimedOut, format!("the time was over while {asked} was asked; nothing was changed"))
                .hint("see why it is slow, or raise `timeout`"))
        }
    }
}

/// Tells what is known where there can be no plan.
fn preview(task: &Task, told: &mut Telling, image: Origin, running: Running, blockers: Vec<Blocker>) {
    let Settings { app, environment, target, .. } = &task.settings;
    let preview = Preview {
        app: app.clone(),
        environment: environment.clone(),
        service: task.settings.service(),
        place: Place::of(target),
        image,
        running,
        blockers,
    };
    told.text(&render::preview_text(&preview));
    told.publisher.preview(preview);
}
