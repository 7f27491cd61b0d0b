//! Tells GitHub, beside the deployment and never in its way: a task of its own follows the story.
//!
//! Whatever GitHub does, the deployment goes on and ends as it ends; what could not be told comes back as sentences.

mod late;
#[cfg(test)]
mod tests;
mod voice;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::story::{Ended, Story};
use super::{Ending, Files, outputs, summary};
use crate::clients::github::{GitHub, GitHubError, Owner, Trouble};
use crate::domain::{GitSha, HttpUrl, PrNumber, ServiceLabel};
use crate::event::Stamped;
use crate::plan::PlanReport;
use crate::plan::preview::Preview;
pub use late::{Earlier, Late, Open};
use voice::Voice;

/// Shortest time between two edits of the comment; first and last ones are not held back.
const BETWEEN_EDITS: Duration = Duration::from_secs(15);

/// Where the comment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentOn {
    /// This pull request.
    PullRequest(PrNumber),
    /// The pull request that the commit belongs to, if it is exactly one.
    CommitsOnly,
    /// Nowhere: the commit belongs to no pull request, or to more than one.
    Nothing,
}

impl CommentOn {
    /// The pull request, looked for once: what it is found to be stays.
    async fn pull_request(&mut self, github: &GitHub, commit: &GitSha) -> Result<Option<PrNumber>, GitHubError> {
        if *self == Self::CommitsOnly {
            *self = match github.pull_requests_of(commit).await?.as_slice() {
                [only] => Self::PullRequest(*only),
                _ => Self::Nothing,
            };
        }
        Ok(if let Self::PullRequest(number) = self { Some(*number) } else { None })
    }
}

/// The workflow run, as far as GitHub's deployment names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: u64,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// The service that it deploys.
    pub service: ServiceLabel,
    /// Where the comment goes.
    pub comment: CommentOn,
}

impl Run {
    fn owner(&self, story: &Story) -> Owner {
        Owner { run_id: self.id, attempt: self.attempt, app: story.app.clone(), service: self.service.clone() }
    }
}

/// What could not be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreported {
    /// For the log.
    pub sentence: String,
    /// False where it stays refused, however often it is tried.
    pub may_pass: bool,
}

impl Unreported {
    /// What GitHub may take later.
    #[must_use]
    pub fn passing(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), may_pass: true }
    }

    fn of(what: &str, error: &GitHubError) -> Self {
        let may_pass = matches!(error.trouble, Trouble::Unreachable | Trouble::Limited);
        Self { sentence: format!("{what}: {error}"), may_pass }
    }
}

/// Publishes one environment's story.
#[derive(Debug)]
pub struct Publisher {
    story: Story,
    files: Files,
    told: watch::Sender<Story>,
    task: Option<JoinHandle<Vec<Unreported>>>,
}

impl Publisher {
    /// Begins: the comment says that it runs as soon as GitHub takes it. Without a client only the files are written.
    /// Needs a tokio runtime.
    #[must_use]
    pub fn begin(github: Option<GitHub>, run: Run, files: Files, story: Story) -> Self {
        let (told, stories) = watch::channel(story.clone());
        let task = github.map(|github| tokio::spawn(follow(github, run, stories)));
        Self { story, files, told, task }
    }

    /// Takes the plan in.
    pub fn plan(&mut self, plan: &PlanReport) {
        self.story.plan = Some(plan.clone());
        self.told.send_replace(self.story.clone());
    }

    /// Takes in what is known before there is a plan.
    pub fn preview(&mut self, preview: Preview) {
        self.story.preview = Some(preview);
        self.told.send_replace(self.story.clone());
    }

    /// Takes the environment's address in.
    pub fn address(&mut self, url: HttpUrl) {
        self.story.url = Some(url);
        self.told.send_replace(self.story.clone());
    }

    /// Takes one more event in.
    pub fn event(&mut self, stamped: &Stamped) {
        self.story.apply(stamped);
        self.told.send_replace(self.story.clone());
    }

    /// The story so far.
    #[must_use]
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// Writes outputs and summary, says the last word at GitHub, and gives up after `limit`. Returns what could not be
    /// reported.
    pub async fn finish(mut self, ending: &Ending<'_>, limit: Duration) -> Vec<Unreported> {
        self.story.ended = Some(Ended::of(ending));
        let unwritten = self.files.write(&outputs(&self.story, ending), &summary(&self.story));
        let mut unreported: Vec<Unreported> =
            unwritten.into_iter().map(|sentence| Unreported { sentence, may_pass: false }).collect();
        self.told.send_replace(self.story.clone());
        if let Some(mut task) = self.task.take() {
            match tokio::time::timeout(limit, &mut task).await {
                Ok(Ok(all)) => unreported.extend(all),
                Ok(Err(error)) => {
                    unreported.push(Unreported::passing(format!("the report to GitHub broke off: {error}")))
                }
                Err(_) => {
                    task.abort();
                    let sentence = format!("GitHub did not take the whole report within {} s", limit.as_secs());
                    unreported.push(Unreported::passing(sentence));
                }
            }
        }
        unreported
    }
}

/// Follows the story to its end, or until nobody tells it any more.
async fn follow(github: GitHub, run: Run, mut stories: watch::Receiver<Story>) -> Vec<Unreported> {
    let mut voice = Voice::new(github, run);
    let mut next = Instant::now();
    loop {
        let story = stories.borrow_and_update().clone();
        if story.ended.is_some() {
            return voice.last(&story).await;
        }
        voice.open(&story).await;
        if Instant::now() >= next {
            voice.progress(&story).await;
            next = Instant::now() + BETWEEN_EDITS;
        }
        // What was held back is told when its time comes, even if nothing more happens until then.
        let held_back = tokio::time::timeout_at(next, stories.changed()).await;
        if matches!(held_back, Ok(Err(_))) {
            return voice.silent();
        }
    }
}
