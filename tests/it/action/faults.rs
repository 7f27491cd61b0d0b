//! GitHub in trouble, a run for each kind: the deployment is what it is without, and what GitHub shows is never double.

use std::time::{Duration, Instant};

use kit::bed::AppImage;
use kit::github::{Call, Fault, GitHubDouble, VIEWER};
use kit::runner::Told;

use super::github::assert_described;
use super::user::{PROGRAM, User, push};

/// How much longer a run may take whatever GitHub does.
const LONGER: Duration = Duration::from_secs(30);
/// The commit, of pull request 7.
const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
/// The calls that make or change something, as method and a part of the path.
const CREATE: [(&str, &str); 2] = [("POST", "/issues/7/comments"), ("POST", "/deployments")];
const CHANGE: [(&str, &str); 2] = [("PATCH", "/issues/comments/"), ("POST", "/statuses")];
const ALL: [(&str, &str); 3] = [("GET", "/"), ("POST", "/"), ("PATCH", "/")];
/// As often as it is called.
const ALWAYS: u32 = 1_000;

/// Two versions of an application that take turns.
struct Site {
    user: User,
    images: [(&'static str, String); 2],
    runs: usize,
    /// How long a run takes while GitHub is well.
    usual: Duration,
}

/// What a run left behind.
struct Left {
    told: Told,
    took: Duration,
    calls: Vec<Call>,
    /// Our comments on the pull request.
    comments: Vec<String>,
    /// The states of each deployment.
    deployments: Vec<Vec<String>>,
}

impl Site {
    fn new() -> Self {
        let user = User::new();
        let images = ["v2", "v3"].map(|version| (version, user.stage.version(version)));
        let mut site = Self { user, images, runs: 0, usual: Duration::ZERO };
        let left = site.deploy(|_| {});
        assert_eq!(left.unreported(), [] as [&str; 0]);
        site.usual = left.took;
        site
    }

    /// A GitHub that knows nothing yet.
    fn fresh(&mut self, faults: impl FnOnce(&GitHubDouble)) {
        self.user.github = GitHubDouble::start().expect("GitHub's double");
        self.user.github.pull_requests(SHA, &[7]);
        faults(&self.user.github);
    }

    /// Deploys the other version, with a GitHub of its own, and holds what must be so whatever GitHub does.
    #[track_caller]
    fn deploy(&mut self, faults: impl FnOnce(&GitHubDouble)) -> Left {
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
    fn run(&self, image: &str) -> Left {
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
    fn unreported(&self) -> Vec<&str> {
        self.told.stdout.lines().filter_map(|line| line.strip_prefix("not reported: ")).collect()
    }

    /// One comment and one deployment, each with the last word.
    #[track_caller]
    fn assert_complete(&self) {
        assert_eq!((self.comments.len(), self.deployments.len()), (1, 1), "{}", self.shown());
        assert!(self.comments[0].contains("Deployed to <code>production</code>"), "{}", self.shown());
        assert_eq!(self.deployments[0].last().map(String::as_str), Some("success"), "{}", self.shown());
        assert_eq!(self.unreported(), [] as [&str; 0], "{}", self.shown());
    }

    fn shown(&self) -> String {
        let calls: Vec<String> = self.calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
        format!("{}\n{:#?}\n{:#?}\n{}", self.told.log(), self.comments, self.deployments, calls.join("\n"))
    }
}

/// Plays a fault on each of these calls.
fn each(calls: [(&str, &str); 2], fault: &Fault, times: u32) -> impl FnOnce(&GitHubDouble) {
    move |github| {
        for (method, path) in calls {
            github.fail(method, path, fault.clone(), times);
        }
    }
}

#[test]
fn what_is_refused_for_good_is_in_the_log_and_nowhere_twice() {
    let mut site = Site::new();
    let mut told = String::new();
    for fault in [
        Fault::Forbidden(None),
        Fault::Forbidden(Some("issues=write; pull_requests=write; deployments=write")),
        Fault::BadToken,
        Fault::Missing,
        Fault::Invalid,
    ] {
        let none = site.deploy(each(CREATE, &fault, ALWAYS));
        assert_eq!((none.comments.len(), none.deployments.len()), (0, 0), "{fault:?}: {}", none.shown());
        let stale = site.deploy(each(CHANGE, &fault, ALWAYS));
        assert_eq!((stale.comments.len(), stale.deployments.len()), (1, 1), "{fault:?}: {}", stale.shown());
        let sentences = |left: &Left| left.unreported().join("\n  ");
        told.push_str(&format!("{fault:?}, creating\n  {}\n", sentences(&none)));
        told.push_str(&format!("{fault:?}, changing\n  {}\n", sentences(&stale)));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_passes_leaves_one_comment_and_one_deployment() {
    let mut site = Site::new();
    for fault in [
        Fault::TooMany(1),
        Fault::TooMany(60),
        Fault::Secondary(Some(1)),
        Fault::Secondary(None),
        Fault::BadGatewayAfter,
        Fault::ClosedAfter,
        Fault::Slow(Duration::from_secs(2)),
        Fault::Hanging,
        Fault::Truncated,
        Fault::Html,
    ] {
        site.deploy(each(CREATE, &fault, 1)).assert_complete();
        let changed = site.deploy(each(CHANGE, &fault, 1));
        if matches!(fault, Fault::TooMany(60) | Fault::Secondary(None)) {
            // A wait of a minute is not worth it: the comment keeps what it said before.
            assert_eq!((changed.comments.len(), changed.deployments.len()), (1, 1), "{fault:?}: {}", changed.shown());
            assert!(!changed.unreported().is_empty(), "{fault:?}: {}", changed.shown());
        } else {
            changed.assert_complete();
        }
    }
}

#[test]
fn a_github_that_is_down_takes_nothing_from_a_deployment() {
    let mut site = Site::new();
    let crashing = site.user.stage.push(&AppImage::version("v9").mode("crash"));
    site.fresh(|_| {});
    let usual = site.usual;
    site.usual = Duration::ZERO;
    let failed = site.run(&crashing);
    assert_eq!(failed.told.code, 30, "{}", failed.shown());
    assert_eq!(failed.deployments[0].last().map(String::as_str), Some("failure"), "{}", failed.shown());
    for fault in [
        Fault::Down,
        Fault::Hanging,
        Fault::BadGatewayAfter,
        Fault::ClosedAfter,
        Fault::Truncated,
        Fault::Html,
        Fault::TooMany(1),
        Fault::Forbidden(None),
    ] {
        let down = |github: &GitHubDouble| {
            ALL.iter().for_each(|(method, path)| github.fail(method, path, fault.clone(), ALWAYS))
        };
        site.usual = usual;
        let left = site.deploy(down);
        assert!(left.comments.is_empty(), "{fault:?}: {}", left.shown());
        let unreported = left.unreported();
        assert_eq!(unreported.len(), 2, "comment and deployment: {fault:?}: {}", left.shown());
        // The deployment's own end, not GitHub's.
        site.usual = failed.took;
        site.fresh(down);
        let again = site.run(&crashing);
        assert_eq!(again.told.code, failed.told.code, "{fault:?}: {}", again.shown());
        assert_eq!(again.told.outputs.get("outcome"), failed.told.outputs.get("outcome"), "{fault:?}");
    }
}

#[test]
fn a_hanging_github_is_not_waited_for_before_the_end() {
    let mut site = Site::new();
    site.fresh(|github| ALL.iter().for_each(|(method, path)| github.fail(method, path, Fault::Hanging, ALWAYS)));
    let mut job = site.user.job("push", &push(SHA), SHA);
    let (version, image) = site.images[1].clone();
    let inputs: Vec<(String, String)> =
        site.user.inputs(&[("image", &image)]).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let step = std::thread::spawn(move || {
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        job.step(std::path::Path::new(PROGRAM), &inputs).expect("the step runs")
    });
    site.user.stage.wait("the new version to serve", || site.user.stage.serves(version));
    assert!(!step.is_finished(), "the report is still on its way");
    assert!(!site.user.github.calls().is_empty(), "GitHub was asked before");
    let told = step.join().expect("the step ends");
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
}
