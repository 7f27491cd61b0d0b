//! The program as a GitHub action: from event and inputs to an image, and from there as every other deployment.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use super::deploy::telling;
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
use crate::plan::{Plan, Step, render};
use crate::report::{self, Annotation, CommentOn, Ending, Files, Out, Publisher, Run, Story, annotation};
use crate::signing::AgentKey;
use crate::trigger::{Commit, Event, GitHubContext, Inputs, Verb, masks, read_event};

/// Longest wait for GitHub after the deployment ended: with all around it, a run takes at most 30 s longer.
const REPORTING: Duration = Duration::from_secs(28);
/// The same where somebody cancelled: a runner kills the step 7.5 s after its first signal.
const REPORTING_CANCELLED: Duration = Duration::from_secs(5);
/// Longest sentence that is printed of an override or an unreported thing, in characters.
const SHOWN: usize = 500;

/// All that a run is about, read and checked.
struct Task {
    context: GitHubContext,
    inputs: Inputs,
    commit: Commit,
    verb: Verb,
    settings: Settings,
}

pub(super) async fn run(env: &Env, cancel: Cancel) -> Result<(), Failure> {
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    // Before anything else can print a secret.
    Out.text(&masks(vars));
    let Some(task) = prepare(vars)? else { return Ok(()) };
    let mut publisher = begin(&task);
    let mut nothing_to_do = false;
    let result = work(&task, env, &cancel, &mut publisher, &mut nothing_to_do).await;
    let failure = result.as_ref().err();
    let limit = match failure.map(|failure| failure.reason) {
        Some(Reason::Cancelled) => REPORTING_CANCELLED,
        _ => REPORTING,
    };
    let ending = Ending { changed: publisher.story().model.changed(), nothing_to_do, failure };
    for sentence in publisher.finish(&ending, limit).await {
        Out.text(&format!("not reported: {}\n", one_line(&sentence, SHOWN)));
    }
    result
}

static NO_VARS: BTreeMap<String, String> = BTreeMap::new();

/// Reads everything; `None`, said in a sentence, where there is nothing to do.
fn prepare(vars: &BTreeMap<String, String>) -> Result<Option<Task>, Failure> {
    let context = GitHubContext::read(vars)?;
    let inputs = Inputs::read(vars)?;
    let (commit, usual) = match read_event(&context, &payload(vars)?)? {
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
    let config = read_config(&inputs, &context)?;
    let settings = settings::merge(config.as_ref(), &inputs, &context)?;
    for sentence in &settings.overrides {
        Out.text(&format!("note: {}\n", one_line(sentence, SHOWN)));
    }
    Ok(Some(Task { context, inputs, commit, verb, settings }))
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
    let Task { context, inputs, commit, settings, .. } = task;
    let github = inputs.github_token.as_ref().and_then(|token| {
        GitHub::new(&context.api_url, context.repository.clone(), token)
            .map_err(|error| Out.text(&format!("not reported: {}\n", one_line(&error.to_string(), SHOWN))))
            .ok()
    });
    let comment = commit.pull_request.map_or(CommentOn::CommitsOnly, CommentOn::PullRequest);
    let (app, environment) = (settings.app.clone(), settings.environment.clone());
    let story = Story::new(app, environment, commit.head.clone(), context.run_url());
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
    let deadline = Instant::now() + inputs.timeout;
    let connected = connect(task, env)?;
    let (mut events, mut reader) = execute::event_channel();
    let only_looks = task.verb == Verb::Plan || inputs.dry_run;
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
    let finish = telling(execute::run(plan, &mut cx), &mut reader, |event| tell(publisher, event)).await?;
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
