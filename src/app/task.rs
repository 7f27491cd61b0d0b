//! The task that the step and its post step were given: inputs, event and configuration, read and checked.

use std::collections::BTreeMap;

use super::settings::{self, Settings};
use super::{SHOWN, checked_out, payload};
use crate::clients::github::GitHub;
use crate::config::{self, AutoScaling, Config, Target};
use crate::domain::{EnvName, GitSha, IdempotencyKey, Reason, one_line};
use crate::failure::Failure;
use crate::report::{Annotation, CommentOn, Out, Run, Story, annotation};
use crate::signing::body_hash;
use crate::trigger::{Commit, Event, GitHubContext, Inputs, Verb, read_event};

/// All that a run is about, read and checked.
pub(super) struct Task {
    pub(super) context: GitHubContext,
    pub(super) inputs: Inputs,
    pub(super) commit: Commit,
    pub(super) verb: Verb,
    pub(super) settings: Settings,
}

/// What reading everything gives.
pub(super) enum Ready {
    /// Something is to be done.
    Task(Box<Task>),
    /// Nothing is, for the reason that the sentence gives.
    Nothing(&'static str),
}

pub(super) fn prepare(vars: &BTreeMap<String, String>) -> Result<Ready, Failure> {
    let context = GitHubContext::read(vars)?;
    let inputs = Inputs::read(vars)?;
    let (commit, usual) = match read_event(&context, &payload::read(vars)?)? {
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
    // A fork's run has no secrets: half of its login is missing.
    if !commit.from_fork {
        inputs.check_login()?;
    }
    let config = read_config(&inputs, &context)?;
    let settings = settings::merge(config.as_ref(), &inputs, &context)?;
    for sentence in &settings.overrides {
        Out.text(&format!("note: {}\n", one_line(sentence, SHOWN)));
    }
    Ok(Ready::Task(Box::new(Task { context, inputs, commit, verb, settings })))
}

/// The file, where there is one. Its problems become annotations, each on its line.
fn read_config(inputs: &Inputs, context: &GitHubContext) -> Result<Option<Config>, Failure> {
    let name = inputs.config.as_ref().map_or_else(|| "deploy.yml".to_owned(), |path| path.display().to_string());
    let text = match checked_out::read(&context.workspace, &name) {
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

/// GitHub, where there is a token that may write.
pub(super) fn client(task: &Task) -> Option<GitHub> {
    // The token of a fork's run may only read.
    let token = task.inputs.github_token.as_ref().filter(|_| !task.commit.from_fork)?;
    GitHub::new(&task.context.api_url, task.context.repository.clone(), token)
        .map_err(|error| Out.text(&format!("not reported: {}\n", one_line(&error.to_string(), SHOWN))))
        .ok()
}

/// The run, as GitHub's deployment names it.
pub(super) fn run_of(task: &Task) -> Run {
    let comment = task.commit.pull_request.map_or(CommentOn::CommitsOnly, CommentOn::PullRequest);
    let service = task.settings.service();
    Run { id: task.context.run_id, attempt: task.context.run_attempt, service, comment }
}

impl Task {
    /// Before anything happened.
    pub(super) fn story(&self) -> Story {
        let Settings { app, environment, .. } = &self.settings;
        let (app, environment, service) = (app.clone(), environment.clone(), self.settings.service());
        let story = Story::new(app, environment, service, self.commit.head.clone(), self.context.run_url());
        Story { plan_only: self.only_looks(), ..story }
    }

    /// What the keys of the run's deployments to the environment begin with. The commit is part of it: `act` gives every
    /// run the same number.
    pub(super) fn key_begins(&self) -> String {
        key_begins(&self.context, &self.settings.environment, &self.commit.head)
    }

    /// A key of the run for what begins nothing.
    pub(super) fn any_key(&self) -> Result<IdempotencyKey, Failure> {
        let key = format!("{}close", self.key_begins());
        key.parse().map_err(|error| Failure::new(Reason::Bug, "no idempotency key can be made").because(error))
    }

    /// Whether the run may have held a service's automatic scaling.
    pub(super) fn holds_scaling(&self) -> bool {
        let Target::Ecs(target) = &self.settings.target else { return false };
        target.auto_scaling == AutoScaling::Hold && !self.only_looks()
    }

    /// Whether the run changes nothing at the agent.
    pub(super) fn only_looks(&self) -> bool {
        self.verb == Verb::Plan || self.inputs.dry_run
    }
}

/// Repository and environment as a hash: their names may be longer than a key.
fn key_begins(context: &GitHubContext, environment: &EnvName, commit: &GitSha) -> String {
    let GitHubContext { run_id, run_attempt, repository, .. } = context;
    let place = body_hash(format!("{repository}\n{environment}").as_bytes());
    format!("run:{run_id}:{run_attempt}:{}:{}:", commit.short(), &place[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::sample::vars;

    #[test]
    fn a_key_tells_repositories_environments_runs_and_commits_apart_and_is_never_too_long() {
        let begins = |repository: &str, environment: &str, run: &str, commit: &str| {
            let vars = vars(&[
                ("GITHUB_REPOSITORY", repository),
                ("GITHUB_RUN_ID", run),
                ("GITHUB_RUN_ATTEMPT", "4294967295"),
            ]);
            let context = GitHubContext::read(&vars).unwrap();
            key_begins(&context, &environment.parse().unwrap(), &commit.repeat(40).parse().unwrap())
        };
        let run = u64::MAX.to_string();
        let longest = format!("{}/{}", "o".repeat(39), "r".repeat(100));
        let usual = begins(&longest, &"e".repeat(63), &run, "c");
        for other in [
            begins("acme/hello", &"e".repeat(63), &run, "c"),
            begins(&longest, "production", &run, "c"),
            begins(&longest, &"e".repeat(63), "7", "c"),
            begins(&longest, &"e".repeat(63), &run, "d"),
        ] {
            assert_ne!(usual, other);
        }
        // The image's or the word `rollback`, the revision, the service.
        let key = format!("{usual}{}:{}:{}", "a".repeat(12), "b".repeat(16), "s".repeat(63));
        assert!(key.parse::<IdempotencyKey>().is_ok(), "{key}");
    }
}
