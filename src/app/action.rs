//! The program as a GitHub action: from event and inputs to an image, and from there as every other deployment.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use super::deploy::telling;
use super::early;
use super::image::{self, Source};
use super::load::Connected;
use super::settings::{self, Settings};
use crate::agent_api::{PullCredential, Wanted};
use crate::clients::agent::AgentClient;
use crate::clients::github::GitHub;
use crate::config::{self, Config};
use crate::domain::{IdempotencyKey, Reason, one_line};
use crate::env::{Env, GITHUB_EVENT_PATH};
use crate::event::{DeployEvent, Stamped};
use crate::execute::{self, Cancel, Context};
use crate::failure::Failure;
use crate::plan::preview::{Origin, Preview, Running, address, running};
use crate::plan::{Plan, Step, render};
use crate::report::{
    self, Annotation, CommentOn, Ended, Ending, Files, Out, Publisher, Run, Story, annotation, failed, last_line,
};
use crate::signing::AgentKey;
use crate::trigger::{Commit, Event, GitHubContext, Inputs, Verb, masks, read_event};

/// Longest wait for GitHub after the deployment ended.
const REPORTING: Duration = Duration::from_secs(30);
/// The same where somebody cancelled: a runner kills the step 7.5 s after its first signal.
const REPORTING_CANCELLED: Duration = Duration::from_secs(5);
/// Longest sentence that is printed of an override or an unreported thing, in characters.
const SHOWN: usize = 500;
/// Why the plan of a fork's pull request says nothing of what runs.
const NO_KEY: &str = "the run of a fork has no key for the agent";

/// All that a run is about, read and checked.
struct Task {
    context: GitHubContext,
    inputs: Inputs,
    commit: Commit,
    verb: Verb,
    settings: Settings,
}

impl Task {
    /// Whether the run changes nothing.
    fn only_looks(&self) -> bool {
        self.verb == Verb::Plan || self.inputs.dry_run
    }
}

pub(super) async fn run(env: &Env, cancel: Cancel) -> Result<(), Failure> {
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    // Before anything else can print a secret.
    Out.text(&masks(vars));
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
    let result = work(&task, env, &cancel, &mut publisher, &mut nothing_to_do).await;
    let failure = result.as_ref().err();
    let limit = match failure.map(|failure| failure.reason) {
        Some(Reason::Cancelled) => REPORTING_CANCELLED,
        _ => REPORTING,
    };
    let ending = Ending { changed: publisher.story().model.changed(), nothing_to_do, failure };
    let conclusion = Story { ended: Some(Ended::of(&ending)), ..publisher.story().clone() }.conclusion();
    for sentence in publisher.finish(&ending, limit).await {
        Out.text(&format!("not reported: {}\n", one_line(&sentence, SHOWN)));
    }
    let environment = Some(&task.settings.environment);
    if let Some(failure) = failure {
        Out.text(&failed(&conclusion, environment, failure));
    }
    Out.text(&last_line(&conclusion, environment));
    result
}

static NO_VARS: BTreeMap<String, String> = BTreeMap::new();

/// What reading everything gives.
enum Ready {
    /// Something is to be done.
    Task(Box<Task>),
    /// Nothing is, for the reason that the sentence gives.
    Nothing(&'static str),
}

fn prepare(vars: &BTreeMap<String, String>) -> Result<Ready, Failure> {
    let context = GitHubContext::read(vars)?;
    let inputs = Inputs::read(vars)?;
    let (commit, usual) = match read_event(&context, &payload(vars)?)? {
        Event::Deploy(commit) => (commit, Verb::Deploy),
        Event::Plan(commit) => (commit, Verb::Plan),
        Event::Nothing(why) => {
            Out.text(&format!("{why}\n"));
            return Ok(Ready::Nothing(why));
        }
    };
    let verb = inputs.command.unwrap_or(usual);
    if commit.from_fork && verb != Verb::Plan {
        return Err(Failure::new(Reason::Forbidden, "the pull request comes from a fork: nothing is deployed for it")
            .hint("leave out the input `command` on `pull_request`, or merge it first"));
    }
    let config = read_config(&inputs, &context)?;
    let settings = settings::merge(config.as_ref(), &inputs, &context)?;
    for sentence in &settings.overrides {
        Out.text(&format!("note: {}\n", one_line(sentence, SHOWN)));
    }
    Ok(Ready::Task(Box::new(Task { context, inputs, commit, verb, settings })))
}

fn payload(vars: &BTreeMap<String, String>) -> Result<Vec<u8>, Failure> {
    let unreadable = |why: std::io::Error| {
        Failure::new(Reason::Usage, "the event's payload cannot be read")
            .because(why)
            .hint(format!("`{}` names its file", GITHUB_EVENT_PATH.name))
    };
    let path = vars.get(GITHUB_EVENT_PATH.name).ok_or_else(|| unreadable(std::io::ErrorKind::NotFound.into()))?;
    fs::read(path).map_err(unreadable)
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
            file: Some(&name),
            line: u64::try_from(problem.at.line).ok(),
            title: "configuration",
            message: &format!("{}{hint}", problem.message),
        }));
    }
    let all = problems.to_string();
    Err(Failure::new(Reason::ConfigInvalid, format!("{}\n{}", problems.summary(), all.trim_end())))
}

fn begin(task: &Task) -> Publisher {
    let Task { context, inputs, commit, settings, .. } = task;
    // The token of a fork's run may only read.
    let github = inputs.github_token.as_ref().filter(|_| !commit.from_fork).and_then(|token| {
        GitHub::new(&context.api_url, context.repository.clone(), token)
            .map_err(|error| Out.text(&format!("not reported: {}\n", one_line(&error.to_string(), SHOWN))))
            .ok()
    });
    let comment = commit.pull_request.map_or(CommentOn::CommitsOnly, CommentOn::PullRequest);
    let (app, environment) = (settings.app.clone(), settings.environment.clone());
    let mut story = Story::new(app, environment, commit.head.clone(), context.run_url());
    story.plan_only = task.only_looks();
    let files = Files { output: context.output.clone(), summary: context.summary.clone() };
    Publisher::begin(github, Run { id: context.run_id, attempt: context.run_attempt, comment }, files, story)
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
        preview(task, publisher, image::origin(settings, inputs, commit)?, Running::NotAsked(NO_KEY));
        return Ok(());
    }
    let deadline = Instant::now() + inputs.timeout;
    let connected = connect(task, env)?;
    let (mut events, mut reader) = execute::event_channel();
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
    let finish = telling(execute::run(plan, &mut cx), &mut reader, |event| tell(publisher, event)).await?;
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

fn connect(task: &Task, env: &Env) -> Result<Connected, Failure> {
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
/// that was planned for: `act` gives every run the same number.
fn key(task: &Task, plan: &Plan, want: &Wanted) -> Result<IdempotencyKey, Failure> {
    let GitHubContext { run_id, run_attempt, .. } = task.context;
    let what = match want {
        Wanted::Image(image) => image.digest().short(),
        Wanted::Rollback => "rollback",
    };
    let seen =
        plan.steps.iter().map(|Step::AgentSwap(swap)| swap.expected_revision.as_str()).next().unwrap_or_default();
    let key = format!("run:{run_id}:{run_attempt}:{what}:{seen}:{}", task.settings.target.service);
    key.parse().map_err(|error| Failure::new(Reason::Bug, "no idempotency key can be made").because(error))
}
