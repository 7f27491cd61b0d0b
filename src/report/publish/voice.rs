//! What is said at GitHub: the comment and the deployment. What is refused in between is tried once more at the end.

use super::super::comment::{comment, is_of, is_open, marker};
use super::super::story::{Story, Verdict};
use super::{CommentOn, Run, Unreported};
use crate::clients::github::{
    CommentId, DeploymentNumber, DeploymentPayload, DeploymentState, DeploymentStatus, GitHub, GitHubError,
    NewDeployment, OurComment, Trouble,
};

/// Calls that are kept for the end: an edit and a status, three tries each, and a look after each lost status.
const FOR_THE_END: u32 = 9;

/// Says one story.
pub(super) struct Voice {
    github: GitHub,
    run: Run,
    comment: Comment,
    deployment: Deployment,
}

struct Comment {
    on: CommentOn,
    known: Option<CommentId>,
    /// As it stands on GitHub.
    last: String,
    /// It was refused: in between it is left alone.
    refused: bool,
    trouble: Vec<Unreported>,
}

#[derive(Default)]
struct Deployment {
    standing: Standing,
    trouble: Vec<Unreported>,
}

/// Whether GitHub shows a deployment.
#[derive(Default)]
enum Standing {
    #[default]
    NotAsked,
    /// GitHub made none. It is asked once more, at the end.
    Refused,
    /// An answer was lost, and whether it was made is not known: another one could be a second one.
    Lost,
    Open(DeploymentNumber),
}

impl Voice {
    pub(super) fn new(github: GitHub, run: Run) -> Self {
        let comment =
            Comment { on: run.comment, known: None, last: String::new(), refused: false, trouble: Vec::new() };
        Self { github, run, comment, deployment: Deployment::default() }
    }

    /// The deployment, as soon as the agent took it on.
    pub(super) async fn open(&mut self, story: &Story) {
        if matches!(self.deployment.standing, Standing::NotAsked) {
            self.deployment.open(&self.github, &self.run, story).await;
            let text = "the agent deploys".to_owned();
            self.deployment.add(&self.github, story, DeploymentState::InProgress, text).await;
        }
    }

    /// The comment, in between.
    pub(super) async fn progress(&mut self, story: &Story) {
        if self.github.calls_left() > FOR_THE_END && !self.comment.refused {
            self.comment.say(&self.github, story).await;
        }
    }

    /// Both, at the end.
    pub(super) async fn last(mut self, story: &Story) -> Vec<Unreported> {
        let closing = async {
            if matches!(self.deployment.standing, Standing::NotAsked | Standing::Refused) {
                self.deployment.open(&self.github, &self.run, story).await;
            }
            self.deployment.close(&self.github, story).await;
        };
        tokio::join!(self.comment.say(&self.github, story), closing);
        self.silent()
    }

    /// What could not be said.
    pub(super) fn silent(self) -> Vec<Unreported> {
        let mut all = self.comment.trouble;
        all.extend(self.deployment.trouble);
        all
    }
}

impl Comment {
    async fn say(&mut self, github: &GitHub, story: &Story) {
        let text = comment(story);
        if text == self.last {
            return;
        }
        match self.put(github, story, &text).await {
            Ok(None) => {}
            Ok(Some(id)) => {
                self.known = Some(id);
                self.last = text;
                // What went wrong on the way was made good.
                self.trouble.clear();
            }
            Err(error) => {
                self.refused = matches!(error.trouble, Trouble::Refused | Trouble::Missing);
                note(&mut self.trouble, "the comment on the pull request is not up to date", &error);
            }
        }
    }

    /// Nothing where there is no pull request, or where another run's deployment is still being told.
    async fn put(&mut self, github: &GitHub, story: &Story, text: &str) -> Result<Option<CommentId>, GitHubError> {
        let Some(on) = self.on.pull_request(github, &story.commit).await? else { return Ok(None) };
        let of_another = |found: &OurComment| is_open(&found.text) && !is_of(&found.text, &story.run_url);
        let leave = |found: &OurComment| !story.takes_over() && of_another(found);
        github.upsert_comment(on, &marker(story), text, self.known, leave).await
    }
}

impl Deployment {
    async fn open(&mut self, github: &GitHub, run: &Run, story: &Story) {
        let Some(id) = &story.model.deployment else { return };
        let new = NewDeployment {
            commit: story.commit.clone(),
            environment: story.environment.clone(),
            transient: matches!(run.comment, CommentOn::PullRequest(_)),
            payload: DeploymentPayload { owner: run.owner(story), deployment: id.clone() },
            image: story.model.accepted.as_ref().and_then(|image| image.parse().ok()),
        };
        match github.create_deployment(&new).await {
            Ok(number) => {
                self.standing = Standing::Open(number);
                self.trouble.clear();
            }
            Err(error) => {
                let (standing, what) = match error.trouble {
                    Trouble::Unreachable => (Standing::Lost, "GitHub shows no deployment, or none that is up to date"),
                    _ => (Standing::Refused, "GitHub shows no deployment"),
                };
                self.standing = standing;
                note(&mut self.trouble, what, &error);
            }
        }
    }

    async fn close(&mut self, github: &GitHub, story: &Story) {
        if let Some((state, text)) = end(story) {
            self.add(github, story, state, text).await;
        }
    }

    async fn add(&mut self, github: &GitHub, story: &Story, state: DeploymentState, description: String) {
        let Standing::Open(number) = self.standing else { return };
        let (log_url, environment_url) = (story.run_url.clone(), story.url.clone());
        let status = DeploymentStatus { state, description, log_url, environment_url };
        // A status that was not told before this one does not matter any more.
        self.trouble.clear();
        if let Err(error) = github.add_status(number, &status).await {
            let what = format!("GitHub does not show the deployment as `{}`", state.as_str());
            note(&mut self.trouble, &what, &error);
        }
    }
}

/// How a deployment stands at the end; `None` where there is nothing to say.
pub(super) fn end(story: &Story) -> Option<(DeploymentState, String)> {
    let state = match story.verdict() {
        Verdict::Deployed | Verdict::NothingToDo => DeploymentState::Success,
        Verdict::RolledBack => DeploymentState::Failure,
        Verdict::Stranded | Verdict::Failed | Verdict::Lost => DeploymentState::Error,
        Verdict::Cancelled | Verdict::Superseded => DeploymentState::Inactive,
        Verdict::LetGo => DeploymentState::InProgress,
        Verdict::Running | Verdict::Planned => return None,
    };
    Some((state, story.conclusion().sentence()))
}

/// Once.
fn note(trouble: &mut Vec<Unreported>, what: &str, error: &GitHubError) {
    let unreported = Unreported::of(what, error);
    if !trouble.contains(&unreported) {
        trouble.push(unreported);
    }
}
