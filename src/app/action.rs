//! The program as a GitHub action: from event and inputs to an image, and from there as every other deployment.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use super::deploy::telling;
use super::image::{self, Source};
use super::load::Connected;
use super::payload;
use super::settings::{self, Settings};
use super::state;
use super::task::{client, run_of};
use crate::agent_api::{PullCredential, Wanted};
use crate::clients::agent::AgentClient;
use crate::config::{self, Config};
use crate::domain::{IdempotencyKey, Reason, one_line};
use crate::env::Env;
use crate::event::{DeployEvent, Stamped};
use crate::execute::{self, Cancel, Context};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Step, render};
use crate::report::{self, Annotation, Ended, Ending, Files, Out, Publisher, Story, annotation};
use crate::signing::AgentKey;
use crate::trigger::{Commit, Event, GitHubContext, Inputs, Verb, masks, read_event, value_masks};

/// Longest wait for GitHub after the deployment ended: with all around it, a run takes at most 30 s longer.
const REPORTING: Duration = Duration::from_secs(28);
/// When the work ends at the latest after the first signal, whatever hangs.
const WORKING_CANCELLED: Duration = Duration::from_secs(5);
/// When the report ends after the first signal: a runner kills the step 7.5 s after it.
const REPORTING_CANCELLED: Duration = Duration::from_millis(6_500);
/// Longest sentence that is printed of an override or an unreported thing, in characters.
const SHOWN: usize = 500;

/// All that a run is about, read and checked.
pub(super) struct Task {
    pub(super) context: GitHubContext,
    pub(super) inputs: Inputs,
    pub(super) commit: Commit,
    pub(super) verb: Verb,
    pub(super) settings: Settings,
}

pub(super) async fn run(env: &Env, cancel: Cancel) -> Result<(), Failure> {
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    // Before anything else can print a secret.
    Out.text(&masks(vars));
    Out.text(&value_masks(env.secrets()));
    let task = match prepare(vars) {
        Ok(Some(task)) => task,
        nothing => {
            state::keep_closed(vars);
            return nothing.map(|_| ());
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
    let settled = Story { ended: Some(Ended::of(&ending)), ..publisher.story().clone() }.is_settled();
    let unreported = tokio::select! {
        biased;
        unreported = publisher.finish(&ending, REPORTING) => unreported,
        () = cancel.first_and(REPORTING_CANCELLED) => {
            vec!["GitHub did not take the whole report in the time that a runner gives".to_owned()]
        }
    };
    if settled && unreported.is_empty() {
        state::keep_closed(vars);
    }
    for sentence in unreported {
        Out.text(&format!("not reported: {}\n", one_line(&sentence, SHOWN)));
    }
    result
}

/// Work that does not heed the signal is dropped.
fn left() -> Failure {
    Failure::new(Reason::Unknown, "cancelled while something did not answer; what the agent took on it ends by itself")
        .kind(Kind::Cancelled)
        .hint("`deploy-action status <environment>` shows what serves")
}

pub(super) static NO_VARS: BTreeMap<String, String> = BTreeMap::new();

/// Reads everything; `None`, said in a sentence, where there is nothing to do.
pub(super) fn prepare(vars: &BTreeMap<String, String>) -> Result<Option<Task>, Failure> {
    let context = GitHubContext::read(vars)?;
    let inputs = Inputs::read(vars)?;
    let (commit, usual) = match read_event(&context, &payload::read(vars)?)? {
        Event::Deploy(commit) => (commit, Verb::Deploy),
        Event::Plan(commit) => (commit, Verb::Plan),
        Event::Nothing(why) => {
            Out.text(&format!("{why}\n"));
            return Ok(None);
        }
    };
    let verb = inputs.command.unwrap_or(usual);
    if commit.from_fork {
        if verb == Verb::Plan {
            Out.text("the pull request comes from a fork: its run has no key for the agent, so there is no plan\n");
            return Ok(None);
        }
        return Err(Failure::new(Reason::Forbidden, "the pull request comes from a fork: nothing is deployed for it")
            .hint("leave out the input `command` on `pull_request`, or merge it first"));
    }
    inputs.check_login()?;
    let config = read_config(&inputs, &context)?;
    let settings = settings::merge(config.as_ref(), &inputs, &context)?;
    for sentence in &settings.overrides {
        Out.text(&format!("note: {}\n", one_line(sentence, SHOWN)));
    }
    Ok(Some(Task { context, inputs, commit, verb, settings }))
}

/// The file, where there is one. Its problems become annotations, each on its line.
fn read_config(inputs: &Inputs, context: &GitHubContext) -> Result<Option<Config>, Failure> {
    let name = inputs.config.as_ref().map_or_else(|| "deploy.yml".to_owned(), |path| path.display().to_string());
    let text = match fs::read_to_string(context.workspace.join(&name)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && inputs.config.is_none() => return Ok(None),
        Err(error) => {
            return Err(Failure::new(Reason::ConfigInvalid, format!("`{name}` cannot be read"))
                .because(error)
                .hint("check the repository out before this step; `config` is relative to it"));
        }
    };
    let problems = match config::parse(&name, &text) {
        Ok(config) => return Ok(Some(config)),
        Err(problems) => problems,
    };
    for problem in problems.list() {
        let hint = problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        Out.text(&annotation(&Annotation {
            file: &name,
            line: u64::try_from(problem.at.line).ok(),
            title: "configuration",
            message: &format!("{}{hint}", problem.message),
        }));
    }
    let all = problems.to_string();
    Err(Failure::new(Reason::ConfigInvalid, format!("{}\n{}", problems.summary(), all.trim_end())))
}

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
    let deadline = Instant::now() + inputs.timeout;
    let connected = connect(task, env)?;
    let (mut events, mut reader) = execute::event_channel();
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    let only_looks = task.only_looks();
    // An agent that does not answer is known before minutes go into a build.
    let source = tokio::select! {
        source = async {
            connected.observe(None).await?;
            match task.verb {
                Verb::Rollback => Ok(None),
                _ => image::find(settings, inputs, commit, context, env).await.map(Some),
            }
        } => source?,
        () = cancel.first() => return Err(cancelled()),
    };
    let want = match source {
        None => Wanted::Rollback,
        Some(Source::Known(image)) => Wanted::Image(image),
        Some(Source::Wanted(wanted)) if only_looks => {
            Out.text(&format!(
                "`{}` is not built yet: its digest, and so the plan, is known after the push\n",
                wanted.name
            ));
            return Ok(());
        }
        Some(Source::Wanted(wanted)) => {
            let making = wanted.make(commit, context, env, deadline, &mut events, cancel);
            Wanted::Image(telling(making, &mut reader, |event| tell(publisher, event)).await?)
        }
    };
    let planned = tokio::select! {
        planned = connected.plan(&want) => planned?,
        () = cancel.first() => return Err(cancelled()),
    };
    Out.text(&render::text(&planned.report));
    publisher.plan(&planned.report);
    state::keep_plan(vars, &planned.report);
    let plan = planned.executable()?;
    *nothing_to_do = !planned.report.changed;
    if plan.steps.is_empty() || only_looks {
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
        Out.text(&annotation(&Annotation { file, line: *line, title: "build", message }));
    }
    publisher.event(stamped);
}

fn cancelled() -> Failure {
    Failure::new(Reason::Cancelled, "cancelled; nothing was changed")
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
