//! The publisher against a double of GitHub: what is there afterwards, and what the log is told.

use kit::github::{Fault, GitHubDouble, VIEWER};

use super::*;
use crate::domain::{Reason, Secret};
use crate::event::{DeployEvent, Outcome, Phase};
use crate::failure::Failure;
use crate::report::comment;

const LIMIT: Duration = Duration::from_secs(30);

fn story() -> Story {
    Story::new(
        "shop".parse().unwrap(),
        "staging".parse().unwrap(),
        "web".parse().unwrap(),
        "c".repeat(40).parse().unwrap(),
        "https://github.example/badgery/shop/actions/runs/9".to_owned(),
    )
}

fn client(double: &GitHubDouble) -> Option<GitHub> {
    GitHub::new(&double.url(), "badgery/shop".parse().unwrap(), &Secret::new("t".to_owned())).ok()
}

fn stamped(event: DeployEvent) -> Stamped {
    Stamped { seq: 1, at: "2026-03-01T10:00:00Z".parse().unwrap(), event }
}

fn events(outcome: Outcome) -> Vec<Stamped> {
    let accepted = DeployEvent::Accepted { deployment: "d-1".parse().unwrap(), image: "web".to_owned(), fence: None };
    let gate = DeployEvent::PhaseFinished { phase: Phase::Gate, took_ms: 1 };
    let finished = DeployEvent::Finished {
        outcome,
        reason: None,
        message: "ended".to_owned(),
        hint: None,
        release: Some(4),
        image: None,
    };
    [accepted, gate, finished].map(stamped).to_vec()
}

/// A whole run; what could not be reported.
async fn run(double: &GitHubDouble, comment: CommentOn, outcome: Outcome, failure: Option<&Failure>) -> Vec<String> {
    let run = run_on(comment);
    let mut publisher = Publisher::begin(client(double), run, Files::default(), story());
    for event in events(outcome) {
        publisher.event(&event);
    }
    sentences(publisher.finish(&Ending { changed: true, nothing_to_do: false, failure }, LIMIT).await)
}

/// A whole run that does not end before something was sent to each of these paths.
async fn run_with_a_between(double: &GitHubDouble, comment: CommentOn, paths: &[&str]) -> Vec<String> {
    let run = run_on(comment);
    let mut publisher = Publisher::begin(client(double), run, Files::default(), story());
    let [accepted, rest @ ..] = &events(Outcome::Deployed)[..] else { panic!("no events") };
    publisher.event(accepted);
    let sent = |path: &&str| double.calls().iter().any(|call| call.method == "POST" && call.path.ends_with(path));
    while !paths.iter().all(sent) {
        tokio::task::yield_now().await;
    }
    for event in rest {
        publisher.event(event);
    }
    sentences(publisher.finish(&Ending { changed: true, nothing_to_do: false, failure: None }, LIMIT).await)
}

fn run_on(comment: CommentOn) -> Run {
    Run { id: 9, attempt: 1, service: "web".parse().unwrap(), comment }
}

fn sentences(unreported: Vec<Unreported>) -> Vec<String> {
    unreported.into_iter().map(|unreported| unreported.sentence).collect()
}

fn seven() -> CommentOn {
    CommentOn::PullRequest(7.try_into().unwrap())
}

fn states(double: &GitHubDouble) -> Vec<String> {
    let deployments = double.deployments();
    let statuses = deployments.iter().flat_map(|(_, statuses)| statuses);
    statuses.map(|status| status["state"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_run_that_is_kept_waiting_leaves_the_comment_to_the_one_that_deploys() {
    let double = GitHubDouble::start().unwrap();
    let other = Story { run_url: "https://github.example/badgery/shop/actions/runs/8".to_owned(), ..story() };
    let text = comment(&other);
    double.comment(7, VIEWER, &text);
    let only = || double.comments(7).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    let busy = Failure::new(Reason::Busy, "another deployment runs");
    let publisher = Publisher::begin(client(&double), run_on(seven()), Files::default(), story());
    let ending = Ending { changed: false, nothing_to_do: false, failure: Some(&busy) };
    assert_eq!(sentences(publisher.finish(&ending, LIMIT).await), [] as [&str; 0]);
    assert_eq!(only(), [text]);
    let failure = Failure::new(Reason::NeverHealthy, "no");
    run(&double, seven(), Outcome::RolledBack, Some(&failure)).await;
    assert!(only()[0].contains("/runs/9"), "{:?}", only());
}

#[tokio::test]
async fn a_run_is_one_comment_and_one_deployment() {
    let double = GitHubDouble::start().unwrap();
    assert_eq!(run_with_a_between(&double, seven(), &["/deployments"]).await, [] as [&str; 0]);
    let comments = double.comments(7);
    assert_eq!((comments.len(), comments[0].0.as_str()), (1, VIEWER));
    assert!(comments[0].1.contains("Deployed to <code>staging</code>: release 4 serves"), "{}", comments[0].1);
    assert_eq!((double.deployments().len(), states(&double)), (1, vec!["in_progress".into(), "success".into()]));
    assert!(double.calls().len() <= 8, "{:?}", double.calls());
    let asked = &double.deployments()[0].0;
    assert_eq!([&asked["transient_environment"], &asked["production_environment"]], [true, false]);
    // The next run edits; it ends before GitHub was told that it runs.
    let failure = Failure::new(Reason::NeverHealthy, "no");
    run(&double, seven(), Outcome::RolledBack, Some(&failure)).await;
    assert_eq!(double.comments(7).len(), 1);
    assert_eq!(states(&double)[2..], ["failure"]);
}

#[tokio::test]
async fn a_push_is_told_where_exactly_one_pull_request_has_the_commit() {
    for (numbers, comments) in [(&[][..], 0), (&[7][..], 1), (&[7, 8][..], 0)] {
        let double = GitHubDouble::start().unwrap();
        double.pull_requests(&"c".repeat(40), numbers);
        assert_eq!(run(&double, CommentOn::CommitsOnly, Outcome::Deployed, None).await, [] as [&str; 0]);
        assert_eq!(double.comments(7).len(), comments, "{numbers:?}");
        assert_eq!(double.deployments().len(), 1);
        assert_eq!(double.deployments()[0].0["transient_environment"], false);
    }
}

#[tokio::test]
async fn what_is_refused_once_is_made_at_the_end() {
    for fault in [Fault::Forbidden(None), Fault::BadToken, Fault::Missing, Fault::Invalid, Fault::TooMany(60)] {
        let double = GitHubDouble::start().unwrap();
        double.fail("POST", "/issues/7/comments", fault.clone(), 1);
        double.fail("POST", "/deployments", fault.clone(), 1);
        let unreported = run_with_a_between(&double, seven(), &["/issues/7/comments", "/deployments"]).await;
        assert_eq!(unreported, [] as [&str; 0], "{fault:?}");
        assert_eq!((double.comments(7).len(), double.deployments().len()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_lost_deployment_that_cannot_be_looked_for_is_not_made_again() {
    let double = GitHubDouble::start().unwrap();
    double.fail("POST", "/deployments", Fault::ClosedAfter, 1);
    double.fail("GET", "/deployments", Fault::Forbidden(None), 1);
    let unreported = run_with_a_between(&double, CommentOn::Nothing, &["/deployments"]).await;
    assert_eq!(double.deployments().len(), 1);
    assert!(unreported[0].starts_with("GitHub shows no deployment, or none that is up to date: "), "{unreported:?}");
}

#[tokio::test]
async fn what_is_refused_is_said_once_and_left_alone() {
    let double = GitHubDouble::start().unwrap();
    double.fail("POST", "/comments", Fault::Forbidden(None), 99);
    double.fail("POST", "/deployments", Fault::Forbidden(Some("deployments=write")), 99);
    let unreported = run(&double, seven(), Outcome::Deployed, None).await;
    insta::assert_snapshot!(unreported.join("\n"));
    let posts = double.calls().iter().filter(|call| call.method == "POST" && call.path != "/graphql").count();
    assert_eq!(posts, 2);
}

#[tokio::test]
async fn whatever_passes_leaves_the_report_complete() {
    let mut runs = tokio::task::JoinSet::new();
    for fault in [
        Fault::TooMany(1),
        Fault::Secondary(Some(1)),
        Fault::BadGatewayAfter,
        Fault::ClosedAfter,
        Fault::Slow(Duration::from_millis(300)),
        Fault::Truncated,
        Fault::Html,
    ] {
        runs.spawn(async move {
            let double = GitHubDouble::start().unwrap();
            for path in ["/graphql", "/comments", "/deployments"] {
                double.fail("POST", path, fault.clone(), 1);
            }
            let unreported = run(&double, seven(), Outcome::Deployed, None).await;
            assert_eq!(unreported, [] as [&str; 0], "{fault:?}");
            assert_eq!((double.comments(7).len(), double.deployments().len()), (1, 1), "{fault:?}");
            assert_eq!(states(&double).last().map(String::as_str), Some("success"), "{fault:?}");
            assert!(double.calls().len() <= 20, "{fault:?}");
        });
    }
    while let Some(ended) = runs.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn github_down_is_a_sentence() {
    let double = GitHubDouble::start().unwrap();
    for method in ["GET", "POST", "PATCH"] {
        double.fail(method, "/", Fault::Down, 1_000);
    }
    let begun = Instant::now();
    let unreported = run(&double, seven(), Outcome::Deployed, None).await;
    assert!(begun.elapsed() < LIMIT);
    assert_eq!(unreported.len(), 2, "{unreported:?}");
    assert!(double.calls().len() <= 20);
}

#[tokio::test]
async fn a_hanging_github_holds_nobody_longer_than_the_limit() {
    let double = GitHubDouble::start().unwrap();
    double.fail("POST", "/", Fault::Hanging, 1_000);
    let run = run_on(seven());
    let mut publisher = Publisher::begin(client(&double), run, Files::default(), story());
    let begun = Instant::now();
    for event in events(Outcome::Deployed) {
        publisher.event(&event);
    }
    let ending = Ending { changed: true, nothing_to_do: false, failure: None };
    let unreported = publisher.finish(&ending, Duration::from_secs(1)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    let sentence = "GitHub did not take the whole report within 1 s".to_owned();
    assert_eq!(unreported, [Unreported { sentence, may_pass: true }]);
}

#[tokio::test]
async fn files_are_written_without_github() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    let files = Files { output: path("output"), summary: path("summary") };
    let run = run_on(CommentOn::Nothing);
    let mut publisher = Publisher::begin(None, run.clone(), files, story());
    for event in events(Outcome::Deployed) {
        publisher.event(&event);
    }
    let ending = Ending { changed: true, nothing_to_do: false, failure: None };
    assert_eq!(publisher.finish(&ending, LIMIT).await, []);
    let output = std::fs::read_to_string(folder.path().join("output")).unwrap();
    let (delimiter, rest) = output.strip_prefix("environment<<").unwrap().split_once('\n').unwrap();
    assert_eq!(delimiter.len(), 32);
    assert!(rest.starts_with(&format!("staging\n{delimiter}\noutcome<<{delimiter}\ndeployed\n{delimiter}\n")));
    assert!(std::fs::read_to_string(folder.path().join("summary")).unwrap().starts_with("### ✅ Deployed"));
    let gone = Files { output: path("no/such"), summary: None };
    let publisher = Publisher::begin(None, run, gone, story());
    assert!(sentences(publisher.finish(&ending, LIMIT).await)[0].starts_with("the outputs were not written: "));
}

#[tokio::test]
async fn what_is_refused_for_good_is_told_apart_from_what_may_pass() {
    for (fault, may_pass) in [
        (Fault::Forbidden(Some("deployments=write")), false),
        (Fault::Missing, false),
        (Fault::Down, true),
        (Fault::TooMany(60), true),
    ] {
        let double = GitHubDouble::start().unwrap();
        double.fail("POST", "/deployments", fault.clone(), 99);
        double.fail("GET", "/deployments", fault.clone(), 99);
        let mut publisher = Publisher::begin(client(&double), run_on(seven()), Files::default(), story());
        for event in events(Outcome::Deployed) {
            publisher.event(&event);
        }
        let ending = Ending { changed: true, nothing_to_do: false, failure: None };
        let unreported = publisher.finish(&ending, LIMIT).await;
        assert_eq!(unreported.iter().map(|one| one.may_pass).collect::<Vec<_>>(), [may_pass], "{fault:?}");
    }
}

/// A run without a pull request whose end is not known, told by whoever comes after it.
#[tokio::test]
async fn what_nobody_knew_is_told_once_and_corrected_by_who_learns_it() {
    let double = GitHubDouble::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lost = Failure::new(Reason::TimedOut, "no answer");
    let ending = Ending { changed: false, nothing_to_do: false, failure: Some(&lost) };
    let begun = &events(Outcome::Deployed)[..1];
    let mut publisher = Publisher::begin(client(&double), run_on(CommentOn::Nothing), Files::default(), story());
    begun.iter().for_each(|event| publisher.event(event));
    assert_eq!(publisher.finish(&ending, LIMIT).await, []);
    // Whether it was told that it runs depends on who is faster.
    let ends = || states(&double).into_iter().filter(|state| state != "in_progress").collect::<Vec<_>>();
    assert_eq!(ends(), ["error"]);

    let tell = async |events: &[Stamped], ending: &Ending<'_>, name: &str| {
        let mut late = Late::new(client(&double), run_on(CommentOn::Nothing));
        let mut story = story();
        let open = late.look(&story).await;
        events.iter().for_each(|event| story.apply(event));
        story.ended = Some(Ended::of(ending));
        let files = Files { output: None, summary: Some(folder.path().join(name)) };
        late.close(&open, &story, &files).await;
        assert_eq!(late.trouble(), [] as [&str; 0]);
        folder.path().join(name).exists()
    };
    assert!(!tell(begun, &ending, "as-lost").await, "nothing new");
    assert_eq!(ends(), ["error"]);
    let known = Ending { changed: true, nothing_to_do: false, failure: None };
    let all = events(Outcome::Deployed);
    assert!(tell(&all, &known, "known").await);
    assert_eq!(ends(), ["error", "success"]);
    assert!(!tell(&all, &known, "again").await, "nothing is open");
    assert_eq!(ends(), ["error", "success"]);
}
