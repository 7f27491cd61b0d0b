//! GitHub in trouble, a run for each kind: the deployment is what it is without, and what GitHub shows is never double.

use std::path::Path;
use std::thread;
use std::time::Duration;

use kit::bed::AppImage;
use kit::github::{Fault, GitHubDouble};

use super::agree::agree;
use super::site::{Left, SHA, Site};
use super::user::{PROGRAM, push};

/// The calls that make or change something, as method and a part of the path.
const CREATE: [(&str, &str); 2] = [("POST", "/issues/7/comments"), ("POST", "/deployments")];
const CHANGE: [(&str, &str); 2] = [("PATCH", "/issues/comments/"), ("POST", "/statuses")];
/// As often as it is called.
const ALWAYS: u32 = 1_000;

/// Plays a fault on each of these calls.
fn each(calls: [(&str, &str); 2], fault: &Fault, times: u32) -> impl FnOnce(&GitHubDouble) {
    move |github| {
        for (method, path) in calls {
            github.fail(method, path, fault.clone(), times);
        }
    }
}

/// Plays a fault on every call.
fn everywhere(fault: &Fault) -> impl Fn(&GitHubDouble) {
    move |github| {
        for (method, path) in [("GET", "/"), ("POST", "/"), ("PATCH", "/")] {
            github.fail(method, path, fault.clone(), ALWAYS);
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
        assert_eq!(none.told.state.get("closed").map(String::as_str), Some("true"), "{fault:?}: {}", none.shown());
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
        let down = everywhere(&fault);
        site.usual = usual;
        let left = site.deploy(&down);
        assert!(left.comments.is_empty(), "{fault:?}: {}", left.shown());
        let unreported = left.unreported();
        // Where each call takes as long as it may, the time for the report can be over before the last of them.
        let out_of_time = fault == Fault::Hanging && unreported.iter().all(|what| what.contains("the whole report"));
        let expected = if out_of_time { 1 } else { 2 };
        assert_eq!(unreported.len(), expected, "comment and deployment: {fault:?}: {}", left.shown());
        // The deployment's own end, not GitHub's.
        site.usual = failed.took;
        site.fresh(&down);
        let again = site.run(&crashing);
        assert_eq!(again.told.code, failed.told.code, "{fault:?}: {}", again.shown());
        assert_eq!(again.told.outputs.get("outcome"), failed.told.outputs.get("outcome"), "{fault:?}");
    }
    // Slow all the time, and still in time.
    site.usual = usual;
    let slow = Fault::Slow(Duration::from_secs(4));
    site.deploy(everywhere(&slow)).assert_complete();
}

#[test]
fn a_hanging_github_is_not_waited_for_before_the_end() {
    let mut site = Site::new();
    site.fresh(everywhere(&Fault::Hanging));
    let mut job = site.user.job("push", &push(SHA), SHA);
    let (version, image) = site.images[1].clone();
    let inputs: Vec<(String, String)> =
        site.user.inputs(&[("image", &image)]).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let step = thread::spawn(move || {
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        job.step(Path::new(PROGRAM), &inputs).expect("the step runs")
    });
    site.user.stage.wait("the new version to serve", || site.user.stage.serves(version));
    assert!(!step.is_finished(), "the report is still on its way");
    assert!(!site.user.github.calls().is_empty(), "GitHub was asked before");
    let told = step.join().expect("the step ends");
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    agree(&told, &site.user.github);
}
