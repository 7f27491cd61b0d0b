//! What a run left open at GitHub, looked up and closed by whoever comes after it. Creates nothing.

use std::fmt::Display;

use super::super::comment::{comment, is_of, is_open, marker};
use super::super::{Files, Story, summary};
use super::Run;
use super::voice::end;
use crate::clients::github::{CommentId, DeploymentNumber, DeploymentStatus, GitHub, GitHubError};
use crate::domain::DeploymentId;

/// What is open.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The run's deployments of this service, open ones and others, with the agent's names for them.
    pub deployments: Vec<(DeploymentNumber, DeploymentId)>,
    /// Those without a last status.
    open: Vec<DeploymentNumber>,
    comment: Option<CommentId>,
}

impl Open {
    /// Whether there is nothing to close.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.open.is_empty() && self.comment.is_none()
    }
}

/// Speaks for a run that is gone.
#[derive(Debug)]
pub struct Late {
    /// Absent without a token.
    github: Option<GitHub>,
    run: Run,
    trouble: Vec<String>,
}

impl Late {
    /// For that run.
    #[must_use]
    pub fn new(github: Option<GitHub>, run: Run) -> Self {
        Self { github, run, trouble: Vec::new() }
    }

    /// Looks for what is open. Where GitHub does not tell, it counts as nothing, and [`Self::trouble`] has the sentence.
    pub async fn look(&mut self, story: &Story) -> Open {
        let Some(github) = self.github.take() else { return Open::default() };
        let mut found = Open::default();
        let owner = self.run.owner(story);
        let listed = github.deployments_of(&story.commit, &story.environment, &owner).await;
        found.deployments = self.unless_trouble("the run's deployments at GitHub are not known", listed);
        for (number, _) in &found.deployments {
            let closed = github.is_closed(*number).await;
            if !self.unless_trouble("how the deployment stands at GitHub is not known", closed) {
                found.open.push(*number);
            }
        }
        let comment = self.open_comment(&github, story).await;
        found.comment = self.unless_trouble("the comment on the pull request is not known", comment);
        self.github = Some(github);
        found
    }

    /// Tells the story's end to all that is open of this deployment; without a name, to the comment alone.
    pub async fn close(&mut self, open: &Open, story: &Story, files: &Files) {
        let nothing_was_handed_over = story.model.deployment.is_none();
        let known = self.github.is_some() && self.trouble.is_empty();
        if known && open.is_nothing() && (nothing_was_handed_over || !open.deployments.is_empty()) {
            // The run told it all in the meantime, its summary included.
            return;
        }
        if let Some(github) = self.github.take() {
            if let Some(id) = open.comment {
                let edited = github.edit_comment(id, &comment(story)).await;
                self.unless_trouble("the comment on the pull request is not up to date", edited);
            }
            let ours = |number: &&DeploymentNumber| {
                let name = open.deployments.iter().find(|(known, _)| known == *number).map(|(_, name)| name);
                name == story.model.deployment.as_ref()
            };
            for number in open.open.iter().filter(ours) {
                let Some((state, description)) = end(story) else { continue };
                let (log_url, environment_url) = (story.run_url.clone(), story.url.clone());
                let status = DeploymentStatus { state, description, log_url, environment_url };
                let added = github.add_status(*number, &status).await;
                self.unless_trouble("GitHub does not show how the deployment ended", added);
            }
            self.github = Some(github);
        }
        self.trouble.extend(files.write(&[], &summary(story)));
    }

    /// What could not be looked up or said, a sentence each.
    #[must_use]
    pub fn trouble(self) -> Vec<String> {
        self.trouble
    }

    async fn open_comment(&mut self, github: &GitHub, story: &Story) -> Result<Option<CommentId>, GitHubError> {
        let Some(on) = self.run.comment.pull_request(github, &story.commit).await? else { return Ok(None) };
        let found = github.comment(on, &marker(story)).await?;
        Ok(found.filter(|found| is_open(&found.text) && is_of(&found.text, &story.run_url)).map(|found| found.id))
    }

    fn unless_trouble<T: Default, E: Display>(&mut self, what: &str, result: Result<T, E>) -> T {
        result.unwrap_or_else(|error| {
            let sentence = format!("{what}: {error}");
            if !self.trouble.contains(&sentence) {
                self.trouble.push(sentence);
            }
            T::default()
        })
    }
}
