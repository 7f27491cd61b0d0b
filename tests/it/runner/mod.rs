//! The action in the container that a runner starts, and its post step after it: issue 4, line 2.

mod after;
mod before;
mod making;
mod phases;
mod post;
mod vanished;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use kit::bed::AppImage;
use kit::github::VIEWER;
use kit::runner::{ActionImage, Job, Running, Told};
use serde_json::Value;

use crate::action::agree::agree;
use crate::action::user::{User, push};
use crate::stage::{PATIENCE, Setting, Stage};

/// The pull request that every commit belongs to.
const PULL: u64 = 7;
/// A step ends within this time of its first signal (issue 4): a runner sends the next one after 7.5 s.
const ENDS_WITHIN: Duration = Duration::from_secs(7);

/// A user whose steps run in containers.
struct Scene {
    user: User,
    image: ActionImage,
}

/// A run with its step.
struct Step {
    job: Job,
    step: Running,
}

impl Scene {
    fn new(setting: Setting) -> Self {
        let user = User::with(setting);
        let bed = &user.stage.bed;
        let program = Path::new(env!("CARGO_BIN_EXE_deploy-action"));
        let image = ActionImage::build(&bed.machine, &bed.registry, program, bed.dir()).expect("the action's image");
        Self { user, image }
    }

    /// A service whose new version does not get past the gate.
    fn held_before_the_switch() -> (Self, AppImage) {
        let scene = Self::new(Setting::service(|service| service.gate_timeout = "120s".to_owned()));
        (scene, AppImage::version("v2").env("BOOT_MS", "100000"))
    }

    /// A service whose new version is watched for this long.
    fn held_after_the_switch(verify_for: &str) -> Self {
        Self::new(Setting::service(|service| service.verify_for = verify_for.to_owned()))
    }

    fn stage(&self) -> &Stage {
        &self.user.stage
    }

    /// Starts the step for a push of this version, whose commit belongs to the pull request.
    fn start(&self, app: &AppImage) -> Step {
        self.start_at(&self.user.app(app))
    }

    fn start_at(&self, sha: &str) -> Step {
        self.start_with(sha, &self.user.image())
    }

    /// The same for an image that exists, or for the repository that it is pushed to.
    fn start_with(&self, sha: &str, image: &str) -> Step {
        self.user.github.pull_requests(sha, &[PULL]);
        let mut job = self.user.job("push", &push(sha), sha);
        let inputs = self.user.inputs(&[("image", image)]);
        let step = job.start(&self.image, self.stage().bed.name(), &inputs).expect("the step starts");
        Step { job, step }
    }

    /// The post step, run to its end.
    fn post(&self, job: &mut Job, state: &BTreeMap<String, String>) -> Told {
        ended(&mut self.start_post(job, state))
    }

    fn start_post(&self, job: &mut Job, state: &BTreeMap<String, String>) -> Running {
        let image = self.user.image();
        let inputs = self.user.inputs(&[("image", image.as_str())]);
        let post = job.start_post(&self.image, self.stage().bed.name(), &inputs, state);
        post.expect("the post step starts")
    }

    /// The same as under `act`, where the workflow gives the token itself.
    fn bare_post(&self, job: &mut Job) -> Told {
        let image = self.user.image();
        let inputs = self.user.inputs(&[("image", image.as_str()), ("github-token", crate::action::user::TOKEN)]);
        let post = job.start_bare_post(&self.image, self.stage().bed.name(), &inputs);
        ended(&mut post.expect("the post step starts"))
    }

    /// The one comment there is.
    #[track_caller]
    fn comment(&self) -> String {
        let comments = self.user.github.comments(PULL);
        let [(author, text)] = comments.as_slice() else { panic!("not one comment: {comments:?}") };
        assert_eq!(author, VIEWER);
        text.clone()
    }

    #[track_caller]
    fn assert_comment(&self, says: &str) {
        let comment = self.comment();
        let headline = comment.lines().find(|line| line.starts_with("### ")).unwrap_or_default();
        assert!(headline.contains(says), "{comment}");
    }

    /// The states of the newest deployment at GitHub, oldest first.
    fn states(&self) -> Vec<String> {
        let all = self.user.github.deployments();
        let state = |status: &Value| status["state"].as_str().unwrap_or_default().to_owned();
        all.last().map(|(_, statuses)| statuses.iter().map(state).collect()).unwrap_or_default()
    }

    /// Waits until the agent is at nothing.
    #[track_caller]
    fn agent_ends(&self) {
        self.stage().wait("the agent to be at nothing", || self.stage().state()["holder"].is_null());
    }

    fn calls(&self) -> usize {
        self.user.github.calls().len()
    }
}

impl Step {
    #[track_caller]
    fn says(&self, scene: &Scene, text: &str) {
        let what = format!("the step to say `{text}`");
        if let Err(error) = kit::bed::wait_for(&what, PATIENCE, || self.step.said().contains(text)) {
            panic!("{error}\n{}\n{}", self.step.said(), scene.stage().agent_log());
        }
    }

    /// Signals the docker command once, as a runner does; the step has to end soon, and to tell one thing everywhere.
    #[track_caller]
    fn ends_by(&mut self, scene: &Scene, signal: &str) -> Told {
        let begun = Instant::now();
        self.step.signal(signal).expect("a signal");
        let told = ended(&mut self.step);
        let took = begun.elapsed();
        assert!(took <= ENDS_WITHIN, "SIG{signal}: {took:?}\n{}", told.stdout);
        agree(&told, &scene.user.github);
        told
    }

    /// Kills the container: the step says no more.
    fn dies(&mut self) -> Told {
        self.step.kill_container().expect("it runs");
        ended(&mut self.step)
    }

    /// Three interrupts: the docker command leaves, and the container may go on. Which of the two ends first decides whose
    /// code it is; neither is a success, and it is soon.
    #[track_caller]
    fn is_left_alone(&mut self) -> Told {
        let begun = Instant::now();
        for _ in 0..3 {
            self.step.signal("INT").expect("a signal");
        }
        let told = ended(&mut self.step);
        let took = begun.elapsed();
        assert!(took <= ENDS_WITHIN, "three SIGINTs: {took:?}\n{}", told.stdout);
        assert!([1, 40, 130].contains(&told.code), "exit {}\n{}", told.code, told.stdout);
        told
    }
}

#[track_caller]
fn ended(step: &mut Running) -> Told {
    step.told(PATIENCE).expect("files that a runner takes").unwrap_or_else(|| panic!("it goes on:\n{}", step.said()))
}
