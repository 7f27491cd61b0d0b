//! Somebody with a repository and a host that the agent serves.

use std::fs;
use std::path::Path;

use kit::act::Repository;
use kit::bed::AppImage;
use kit::github::GitHubDouble;
use kit::runner::{Job, Told};
use serde_json::{Value, json};

use super::agree::agree;
use super::github::{assert_described, assert_share};
use crate::stage::{Setting, Stage};

/// The action's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_deploy-action");
/// The job's token.
pub(crate) const TOKEN: &str = "canary-token";

/// The parts, each the user's own.
pub(crate) struct User {
    pub(crate) stage: Stage,
    pub(crate) github: GitHubDouble,
    /// With a `deploy.yml` whose environment `production` is the stage's service.
    pub(crate) repository: Repository,
    /// The agent key.
    pub(crate) key: String,
    runs: std::cell::Cell<u64>,
}

impl User {
    pub(crate) fn new() -> Self {
        Self::with(Setting::default())
    }

    pub(crate) fn with(setting: Setting) -> Self {
        let mut stage = Stage::set(setting);
        let dir = stage.bed.dir().join("user");
        let repository = Repository::create(&stage.bed.machine, &dir.join("hello")).expect("a repository");
        let deploy = fs::read_to_string(stage.bed.dir().join("client/deploy.yml")).expect("a configuration");
        repository.write("deploy.yml", &deploy).expect("writes");
        let key = stage.bed.agent().expect("an agent").key().to_owned();
        let github = GitHubDouble::start().expect("GitHub's double");
        Self { stage, github, repository, key, runs: std::cell::Cell::new(100) }
    }

    /// The repository that images are pushed to.
    pub(crate) fn image(&self) -> String {
        self.stage.bed.registry.repository("hello")
    }

    /// Commits the sources of a version of the sample app; gives the commit.
    pub(crate) fn version(&self, version: &str) -> String {
        self.app(&AppImage::version(version))
    }

    /// The same for any sample app.
    pub(crate) fn app(&self, app: &AppImage) -> String {
        app.write(&self.stage.bed.machine, self.repository.dir()).expect("writes");
        self.repository.commit(&app.version).expect("commits")
    }

    /// A new run for an event about a commit, as a runner would begin it.
    pub(crate) fn job(&self, event: &str, payload: &Value, sha: &str) -> Job {
        let id = self.runs.get() + 1;
        self.runs.set(id);
        let dir = self.stage.bed.dir().join(format!("user/run-{id}"));
        let job = Job::new(&self.stage.bed.machine, &dir, self.repository.dir(), &self.github.url(), id);
        let mut job = job.expect("a job");
        job.token(TOKEN);
        job.event(event, payload, sha).expect("an event");
        job
    }

    /// The inputs of a usual step, and these.
    pub(crate) fn inputs<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("agent-key", self.key.as_str())], more].concat()
    }

    /// Runs the action's step of a job to its end, and checks that it tells one thing everywhere.
    #[track_caller]
    pub(crate) fn run(&self, job: &mut Job, inputs: &[(&str, &str)]) -> Told {
        let before = self.github.calls().len();
        let told = job.step(Path::new(PROGRAM), &self.inputs(inputs)).expect("the step runs");
        assert_share(&self.github.calls()[before..], told.output("outcome"));
        agree(&told, &self.github);
        told
    }

    /// A push of the commit that is checked out.
    pub(crate) fn push(&self, sha: &str, inputs: &[(&str, &str)]) -> Told {
        let image = self.image();
        self.run(&mut self.job("push", &push(sha), sha), &[&[("image", image.as_str())], inputs].concat())
    }

    /// The opening of pull request 7 with this head.
    pub(crate) fn pull_request(&self, head: &str, inputs: &[(&str, &str)]) -> Told {
        let image = self.image();
        let mut job = self.job("pull_request", &pull_request(head), &"f".repeat(40));
        self.run(&mut job, &[&[("image", image.as_str())], inputs].concat())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // A test that failed says why itself.
        if !std::thread::panicking() {
            assert_described(&self.stage.bed.machine, &self.github.calls());
        }
    }
}

/// A push's payload, as far as it matters.
pub(crate) fn push(sha: &str) -> Value {
    json!({"ref": "refs/heads/main", "after": sha, "deleted": false, "head_commit": {"id": sha}})
}

/// That of pull request 7, from a branch of the repository itself.
pub(crate) fn pull_request(head: &str) -> Value {
    let repo = json!({"full_name": "acme/hello"});
    json!({
        "action": "opened",
        "pull_request": {"number": 7, "head": {"sha": head, "repo": repo}, "base": {"sha": head, "repo": repo}},
    })
}
