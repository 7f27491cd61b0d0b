//! What a run left open at GitHub, looked up and closed by whoever comes after it. Creates nothing.

use std::fmt::Display;

use super::super::comment::{comment, is_of, is_open, marker};
use super::super::{Files, Story, UNKNOWN, summary};
use super::voice::end;
use super::{CommentOn, Run};
use crate::clients::github::{CommentId, DeploymentNumber, DeploymentStatus, GitHub, GitHubError, Owner};
use crate::domain::{DeploymentId, GitSha};

/// Most earlier deployments that one run closes.
const EARLIER: usize = 2;
/// Calls that a run needs for its own report.
const FOR_THE_RUN: u32 = 15;

/// What is open.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The run's deployments of this service, open ones and others, with the agent's names for them.
    pub deployments: Vec<(DeploymentNumber, DeploymentId)>,
    /// Those of which GitHub shows no end.
    open: Vec<Unended>,
    comment: Option<CommentId>,
}

impl Open {
    /// Whether there is nothing to close.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.open.is_empty() && self.comment.is_none()
    }
}

/// A deployment of which GitHub shows no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unended {
    number: DeploymentNumber,
    /// Whether its last word is that nobody knows how it ended: whoever finds out says so after it.
    told_unknown: bool,
}

impl Unended {
    /// From the last words of a deployment; `None` where one tells an end.
    fn of(number: DeploymentNumber, words: &[String]) -> Option<Self> {
        let unknown = words.iter().all(|word| word.starts_with(UNKNOWN));
        unknown.then_some(Self { number, told_unknown: !words.is_empty() })
    }
}

/// Another run's deployment, of which GitHub shows no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The other run.
    pub run_id: u64,
    /// Its attempt.
    pub attempt: u32,
    /// What it deployed.
    pub commit: GitSha,
    /// The agent's name for it.
    pub deployment: DeploymentId,
    open: Unended,
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
            let words = github.last_words(*number).await;
            let words = self.unless_trouble("how the deployment stands at GitHub is not known", words);
            found.open.extend(Unended::of(*number, &words));
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
        let untold = |open: &Unended| !open.told_unknown;
        let knows = end(story).is_some_and(|(_, description)| !description.starts_with(UNKNOWN));
        if known && open.comment.is_none() && !open.open.is_empty() && !open.open.iter().any(untold) && !knows {
            // The run told already that nobody knows.
            return;
        }
        if let Some(github) = self.github.take() {
            if let Some(id) = open.comment {
                let edited = github.edit_comment(id, &comment(story)).await;
                self.unless_trouble("the comment on the pull request is not up to date", edited);
            }
            let ours = |known: &&Unended| {
                let name = open.deployments.iter().find(|(number, _)| *number == known.number).map(|(_, name)| name);
                name == story.model.deployment.as_ref()
            };
            for Unended { number, told_unknown } in open.open.iter().filter(ours) {
                let Some((state, description)) = end(story) else { continue };
                if *told_unknown && description.starts_with(UNKNOWN) {
                    continue;
                }
                let (log_url, environment_url) = (story.run_url.clone(), story.url.clone());
                let status = DeploymentStatus { state, description, log_url, environment_url };
                let added = github.add_status(*number, &status).await;
                self.unless_trouble("GitHub does not show how the deployment ended", added);
            }
            self.github = Some(github);
        }
        self.trouble.extend(files.write(&[], &summary(story)));
    }

    /// The service's newest deployments by other runs, up to one of which GitHub shows the end: who came after that one
    /// looked already. Nothing where GitHub does not tell, or where the run needs its calls for itself.
    pub async fn earlier(&mut self, story: &Story) -> Vec<Earlier> {
        let Some(github) = self.github.take() else { return Vec::new() };
        let mut found = Vec::new();
        let own = self.run.owner(story);
        let listed = github.recent_deployments(&story.environment).await.unwrap_or_default();
        let others = listed.into_iter().filter(|known| {
            let owner = &known.payload.owner;
            (&owner.app, &owner.service) == (&own.app, &own.service) && owner != &own
        });
        for known in others.take(EARLIER) {
            if github.calls_left() < FOR_THE_RUN {
                break;
            }
            let words = github.last_words(known.number).await.ok();
            let Some(open) = words.and_then(|words| Unended::of(known.number, &words)) else { break };
            let Owner { run_id, attempt, .. } = known.payload.owner;
            let (commit, deployment) = (known.commit, known.payload.deployment);
            found.push(Earlier { run_id, attempt, commit, deployment, open });
        }
        self.github = Some(github);
        found
    }

    /// Tells the end of another run's deployment: the story is that run's.
    pub async fn close_earlier(&mut self, earlier: &Earlier, story: &Story) {
        let Earlier { run_id: id, attempt, .. } = *earlier;
        self.run = Run { id, attempt, service: story.service.clone(), comment: CommentOn::CommitsOnly };
        let Some(github) = self.github.take() else { return };
        let comment = self.open_comment(&github, story).await;
        let comment = self.unless_trouble("the comment on the pull request is not known", comment);
        self.github = Some(github);
        let deployments = vec![(earlier.open.number, earlier.deployment.clone())];
        let open = Open { deployments, open: vec![earlier.open], comment };
        self.close(&open, story, &Files::default()).await;
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
