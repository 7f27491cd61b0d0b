//! What the step and its post step both need of the task that they were given.

use super::action::Task;
use super::settings::Settings;
use crate::clients::github::GitHub;
use crate::domain::one_line;
use crate::report::{CommentOn, Out, Run, Story};
use crate::trigger::{GitHubContext, Verb};

/// Longest sentence that is printed, in characters.
const SHOWN: usize = 500;

/// GitHub, where there is a token for it.
pub(super) fn client(task: &Task) -> Option<GitHub> {
    let token = task.inputs.github_token.as_ref()?;
    GitHub::new(&task.context.api_url, task.context.repository.clone(), token)
        .map_err(|error| Out.text(&format!("not reported: {}\n", one_line(&error.to_string(), SHOWN))))
        .ok()
}

/// The run, as GitHub's deployment names it.
pub(super) fn run_of(task: &Task) -> Run {
    let comment = task.commit.pull_request.map_or(CommentOn::CommitsOnly, CommentOn::PullRequest);
    Run { id: task.context.run_id, attempt: task.context.run_attempt, comment }
}

impl Task {
    /// Before anything happened.
    pub(super) fn story(&self) -> Story {
        let Settings { app, environment, .. } = &self.settings;
        Story::new(app.clone(), environment.clone(), self.commit.head.clone(), self.context.run_url())
    }

    /// What the keys of the run's deployments begin with. The commit is part of it: `act` gives every run the same number.
    pub(super) fn key_begins(&self) -> String {
        let GitHubContext { run_id, run_attempt, .. } = self.context;
        format!("run:{run_id}:{run_attempt}:{}:", self.commit.head.short())
    }

    /// Whether the run changes nothing at the agent.
    pub(super) fn only_looks(&self) -> bool {
        self.verb == Verb::Plan || self.inputs.dry_run
    }
}
