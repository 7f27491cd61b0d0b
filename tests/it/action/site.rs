//! An application that is deployed again and again, each time with a GitHub of its own.

use std::time::{Duration, Instant};

use kit::github::{Call, GitHubDouble, VIEWER};
use kit::runner::Told;

use super::github::assert_described;
use super::user::{User, push};

/// How much longer a run may take whatever GitHub does.
const LONGER: Duration = Duration::from_secs(30);
/// The commit, of pull request 7.
pub(crate) const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
/// Two versions of an application that take turns.
pub(crate) struct Site {
    pub(crate) user: User,
    pub(crate) images: [(&'static str, String); 2],
    runs: usize,
    /// How long a run takes while GitHub is well.
    pub(crate) usual: Duration,
}

/// What a run left behind.
pub(crate) struct Left {
    pub(crate) told: Told,
    pub(crate) took: Duration,
    calls: Vec<Call>,
    /// Our comments on the pull request.
    pub(crate) comments: Vec<String>,
    /// The states of each deployment.
    pub(crate) deployments: Vec<Vec<String>>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let user = User::new();
        let images = ["v2", "v3"].map(|version| (version, user.stage.version(version)));
        let mut site = Self { user, images, runs: 0, usual: Duration::ZERO };
        let left = site.deploy(|_| {});
        assert_eq!(left.unreported(), [] as [&str; 0]);
        site.usual = left.took;
        site
    }

    /// A GitHub that knows nothing yet.
    pub(crate) fn fresh(&mut self, faults: impl FnOnce(&GitHubDouble)) {
        self.user.github = GitHubDouble::start().expect("GitHub's double");
        self.user.github.pull_requests(SHA, &[7]);
        faults(&self.user.github);
    }

    /// Deploys the other version, with a GitHub of its own, and holds what must be so whatever GitHub does.
    #[track_caller]
    pub(crate) fn deploy(&mut self, faults: impl FnOnce(&GitHubDouble)) -> Left {
        self.fresh(faults);
        let (version, image) = self.images[self.runs % 2].clone();
        self.runs += 1;
        let left = self.run(&image);
        assert_eq!(left.told.code, 0, "{}", left.told.log());
        assert_eq!(left.told.output("outcome"), "deployed", "{}", left.told.log());
        self.user.stage.assert_serves(version);
        left
    }

    #[track_caller]
    pub(crate) fn run(&self, image: &str) -> Left {
        let mut job = self.user.job("push", &push(SHA), SHA);
        let begun = Instant::now();
        let told = self.user.run(&mut job, &[("image", image)]);
        let left = Left::of(told, begun.elapsed(), &self.user.github);
        assert!(self.usual.is_zero() || left.took <= self.usual + LONGER, "{:?}: {}", left.took, left.told.log());
        assert_described(&self.user.stage.bed.machine, &left.calls);
        left
    }
}

impl Left {
    #[track_caller]
    fn of(told: Told, took: Duration, github: &GitHubDouble) -> Self {
        let ours = github.comments(7).into_iter().filter(|(author, _)| author == VIEWER);
        let states = |statuses: Vec<serde_json::Value>| {
            statuses.iter().map(|status| status["state"].as_str().unwrap_or_default().to_owned()).collect()
        };
        let left = Self {
            told,
            took,
            calls: github.calls(),
            comments: ours.map(|(_, text)| text).collect(),
            deployments: github.deployments().into_iter().map(|(_, statuses)| states(statuses)).collect(),
        };
        left.assert_patience();
        assert!(left.comments.len() <= 1 && left.deployments.len() <= 1, "something is there twice: {}", left.shown());
        left
    }

    /// No call is tried more than three times. A look that failed in between is made again at the end, with one try.
    #[track_caller]
    fn assert_patience(&self) {
        for call in &self.calls {
            let same =
                |other: &&Call| (&other.method, &other.path, &other.body) == (&call.method, &call.path, &call.body);
            let times = self.calls.iter().filter(same).count();
            let most = if call.method == "POST" && call.path != "/graphql" { 3 } else { 4 };
            assert!(times <= most, "{times} times {} {}: {}", call.method, call.path, self.shown());
        }
    }

    /// What the log says was not reported.
    pub(crate) fn unreported(&self) -> Vec<&str> {
        self.told.stdout.lines().filter_map(|line| line.strip_prefix("not reported: ")).collect()
    }

    /// One comment and one deployment, each with the last word.
    #[track_caller]
    pub(crate) fn assert_complete(&self) {
        assert_eq!((self.comments.len(), self.deployments.len()), (1, 1), "{}", self.shown());
        assert!(self.comments[0].contains("Deployed to <code>production</code>"), "{}", self.shown());
        assert_eq!(self.deployments[0].last().map(String::as_str), Some("success"), "{}", self.shown());
        assert_eq!(self.unreported(), [] as [&str; 0], "{}", self.shown());
    }

    pub(crate) fn shown(&self) -> String {
        let calls: Vec<String> = self.calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
        format!("{}\n{:#?}\n{:#?}\n{}", self.told.log(), self.comments, self.deployments, calls.join("\n"))
    }
}
