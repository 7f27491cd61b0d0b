//! The action's post step: closes what the step before it left open, and never starts anything.
//!
//! It may run beside that step, whose container outlives the docker command: both ask the same agent, and this one speaks
//! last. It never fails a job: how the deployment ended is the other step's exit code.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::action::{NO_VARS, connect};
use super::deploy::telling;
use super::early;
use super::load::Connected;
use super::state;
use super::task::{Ready, Task, client, prepare, run_of};
use crate::agent_api::Holder;
use crate::domain::{DeploymentId, EnvName, IdempotencyKey, Reason, one_line};
use crate::env::Env;
use crate::execute::{self, Cancel, Finish};
use crate::failure::Failure;
use crate::report::{self, Ended, Ending, Files, Late, Open, Out, Story, warning};
use crate::trigger::{masks, value_masks};

/// Longest wait for the agent's end: a hosted runner gives a cancelled job five minutes.
const LONGEST: Duration = Duration::from_secs(4 * 60);
/// How long the step before may still speak: it ends within 7 s of the signal that this step follows.
const OTHER_STEP: Duration = Duration::from_millis(7_500);
/// Longest sentence that is printed, in characters.
const SHOWN: usize = 500;

pub(super) async fn run(env: &Env, cancel: &Cancel) {
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    Out.text(&masks(vars));
    Out.text(&value_masks(env.secrets()));
    if state::is_closed(vars) {
        return Out.text("nothing is open\n");
    }
    match prepare(vars) {
        // For a fork nothing was begun.
        Ok(Ready::Task(task)) if !task.commit.from_fork => close(&task, vars, env, cancel).await,
        Ok(_) => {}
        Err(failure) => warn(&format!("nothing was closed: {failure}")),
    }
}

fn warn(sentence: &str) {
    Out.text(&warning(&one_line(sentence, SHOWN)));
}

async fn close(task: &Task, vars: &BTreeMap<String, String>, env: &Env, cancel: &Cancel) {
    let begun = Instant::now();
    let mut story = Story { plan: state::plan(vars), ..task.story() };
    let files = Files { output: None, ..early::files(vars) };
    let mut late = Late::new(client(task), run_of(task));
    let agent = connect(task, env);
    let mut found = match state::deployment(vars) {
        Some(id) => Found::Deployment(id),
        None => find(task, &late.look(&story).await, agent.as_ref()).await,
    };
    if matches!(found, Found::Nothing) {
        // The step before may be about to hand it over.
        other_step(begun, cancel).await;
        found = find(task, &late.look(&story).await, agent.as_ref()).await;
    }
    if matches!(found, Found::Closed) {
        Out.text("nothing is open\n");
    } else if let Found::Blind(why) = &found {
        warn(&format!("whether something is open is not known: {why}"));
    } else {
        let failure = end(&found, agent, &mut story, task, cancel, begun + LONGEST).await;
        other_step(begun, cancel).await;
        let changed = story.model.changed();
        story.ended = Some(Ended::of(&Ending { changed, nothing_to_do: false, failure: failure.as_ref() }));
        if let Some(failure) = &failure {
            Out.text(&failure.render());
        }
        if !story.is_settled() {
            warn(&failure.map_or_else(String::new, |failure| failure.message));
        }
        let open = late.look(&story).await;
        late.close(&open, &story, &files).await;
    }
    for sentence in late.trouble() {
        warn(&sentence);
    }
}

/// Waits until the step before has spoken, or somebody is in a hurry.
async fn other_step(begun: Instant, cancel: &Cancel) {
    tokio::select! {
        () = sleep_until(begun + OTHER_STEP) => {}
        () = cancel.first() => {}
    }
}

/// What is known of the run before anything is closed.
enum Found {
    /// A deployment that the agent may still be at, or whose end GitHub does not show.
    Deployment(DeploymentId),
    /// The agent was never given one, and the comment says that the run goes on.
    Nothing,
    /// Whether the agent was given one is not known, and the comment says that the run goes on.
    Unknown(String),
    /// Nothing is open.
    Closed,
    /// Nothing is open at GitHub; the agent does not answer.
    Blind(String),
}

/// By the run's number and attempt, at GitHub and at the agent.
async fn find(task: &Task, open: &Open, agent: Result<&Connected, &Failure>) -> Found {
    for (_, id) in &open.deployments {
        // Another job of the run may deploy another service to this environment.
        let ours = match agent {
            Ok(agent) => is_of(agent, id).await,
            Err(_) => true,
        };
        if ours {
            return if open.is_nothing() { Found::Closed } else { Found::Deployment(id.clone()) };
        }
    }
    let kept = match agent {
        _ if task.only_looks() => Ok(None),
        Ok(agent) => by_key(agent, &task.key_begins()).await.map_err(|failure| failure.to_string()),
        Err(failure) => Err(failure.to_string()),
    };
    match kept {
        Ok(Some(Kept::Running(id))) => Found::Deployment(id),
        Ok(_) if open.is_nothing() => Found::Closed,
        Ok(Some(Kept::Ended(id))) => Found::Deployment(id),
        Ok(None) => Found::Nothing,
        Err(why) if open.is_nothing() => Found::Blind(why),
        Err(why) => Found::Unknown(why),
    }
}

/// Whether a deployment is one of this service; true where the agent does not say.
async fn is_of(agent: &Connected, id: &DeploymentId) -> bool {
    let deployment = agent.client.deployment(id).await;
    deployment.map_or(true, |known| (&known.app, &known.service) == (&agent.app, &agent.target.service))
}

/// A deployment that the agent keeps.
enum Kept {
    Running(DeploymentId),
    Ended(DeploymentId),
}

/// The deployment that was asked for with the run's key.
async fn by_key(agent: &Connected, begins: &str) -> Result<Option<Kept>, Failure> {
    let ours = |key: &Option<IdempotencyKey>| key.as_ref().is_some_and(|key| key.as_str().starts_with(begins));
    let holder = agent.observe(None).await?.holder;
    let here = |holder: &Holder| ours(&holder.idempotency_key) && holder.service == agent.target.service;
    if let Some(holder) = holder.filter(here) {
        return Ok(Some(Kept::Running(holder.deployment)));
    }
    let history = agent.client.history(&agent.app, &agent.target.service).await?;
    let past = history.entries.into_iter().find(|entry| ours(&entry.idempotency_key));
    Ok(past.map(|entry| Kept::Ended(entry.deployment)))
}

/// Closes at the agent what is open there. Gives the failure that the deployment ended with, if it is one.
async fn end(
    found: &Found,
    agent: Result<Connected, Failure>,
    story: &mut Story,
    task: &Task,
    cancel: &Cancel,
    until: Instant,
) -> Option<Failure> {
    let environment = &task.settings.environment;
    let id = match found {
        Found::Deployment(id) => id,
        Found::Nothing | Found::Closed => {
            return Some(Failure::new(Reason::Cancelled, "the run ended before anything was changed"));
        }
        Found::Unknown(why) | Found::Blind(why) => return Some(unknown(environment, why)),
    };
    story.model.deployment = Some(id.clone());
    let agent = match agent {
        Ok(agent) => agent,
        Err(failure) => return Some(unknown(environment, &failure.to_string())),
    };
    let (mut events, mut reader) = execute::event_channel();
    let closing = execute::close(&agent.client, id, &mut events, cancel, until);
    let closed = telling(closing, &mut reader, |stamped| {
        Out.text(&report::lines(stamped));
        story.apply(stamped);
    });
    match closed.await {
        Ok(Some(finish)) => Finish::to_failure(&finish),
        Ok(None) => {
            Some(look(environment, Failure::new(Reason::Cancelled, format!("the agent is still at deployment `{id}`"))))
        }
        Err(failure) => Some(unknown(environment, &failure.to_string())),
    }
}

fn unknown(environment: &EnvName, why: &str) -> Failure {
    let message = format!("how the deployment ended is not known: {}", one_line(why, SHOWN));
    look(environment, Failure::new(Reason::Unknown, message))
}

fn look(environment: &EnvName, failure: Failure) -> Failure {
    failure.hint(format!("`deploy-action status {environment}` shows what serves"))
}
