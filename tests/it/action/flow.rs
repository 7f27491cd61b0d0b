//! Ways through the action, each ended by the check that it tells one thing everywhere ([`super::agree`]).

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use kit::bed::{AppImage, Machine};
use kit::github::GitHubDouble;
use kit::runner::{Job, Told};
use serde_json::json;

use super::agree::agree;
use super::user::{User, pull_request};

#[track_caller]
fn ends(told: &Told, code: i32, outcome: &str, changed: &str) {
    assert_eq!((told.code, told.output("outcome"), told.output("changed")), (code, outcome, changed), "{}", told.log());
}

#[test]
fn a_commit_is_deployed_by_hand_planned_and_rolled_back() {
    let user = User::new();
    let image = user.image();
    let sha = user.version("v2");
    let by_hand = |inputs: &[(&str, &str)]| {
        let mut job = user.job("workflow_dispatch", &json!({"inputs": null}), &sha);
        user.run(&mut job, &[&[("image", image.as_str())], inputs].concat())
    };

    let dry = by_hand(&[("dry-run", "true")]);
    ends(&dry, 0, "planned", "unknown");
    let name = format!("{image}:{sha}-").replace(':', "&#58;&#8203;");
    assert!(dry.summary.contains("with Dockerfile") && dry.summary.contains(&name), "{}", dry.summary);
    let never = by_hand(&[("build", "never")]);
    ends(&never, 20, "failed", "false");
    user.stage.assert_serves("v1");

    let deployed = by_hand(&[]);
    ends(&deployed, 0, "deployed", "true");
    assert_eq!((deployed.output("url"), deployed.output("release")), ("http://app.test/", "2"));
    let deployments = user.github.deployments();
    let asked = &deployments[0].0;
    assert_eq!(
        [&asked["auto_merge"], &asked["transient_environment"], &asked["production_environment"]],
        [false, false, true]
    );
    assert_eq!(asked["required_contexts"], json!([]));
    assert_eq!(deployments[0].1.last().map(|last| &last["environment_url"]), Some(&json!(null)), "not https");

    ends(&user.push(&sha, &[("command", "plan")]), 0, "unchanged", "false");
    user.stage.assert_serves("v2");
    let back = by_hand(&[("command", "rollback")]);
    ends(&back, 0, "deployed", "true");
    assert!(user.stage.v1.ends_with(back.output("digest")), "{}", back.log());
    user.stage.assert_serves("v1");

    // By hand nobody asked a pull request; GitHub knows which has the commit.
    assert_eq!(user.github.comments(7), []);
}

#[test]
fn an_image_that_exists_is_deployed_as_it_is() {
    let user = User::new();
    let v2 = user.stage.version("v2");
    let sha = user.version("v3");
    let run = |image: &str, inputs: &[(&str, &str)]| {
        let mut job = user.job("push", &super::user::push(&sha), &sha);
        user.run(&mut job, &[&[("image", image)], inputs].concat())
    };
    let tag = format!("{}:v1", user.image());
    ends(&run(&tag, &[]), 0, "unchanged", "false");
    ends(&run(&v2, &[("command", "plan")]), 0, "planned", "true");
    let deployed = run(&v2, &[]);
    ends(&deployed, 0, "deployed", "true");
    assert_eq!(deployed.output("image"), v2);
    user.stage.assert_serves("v2");
    let missing = format!("{}:v9", user.image());
    ends(&run(&missing, &[]), 20, "failed", "false");

    // The commit is built, and built again only where that is asked for.
    user.github.pull_requests(&sha, &[7, 8]);
    let built = user.push(&sha, &[]);
    ends(&built, 0, "deployed", "true");
    assert!(user.github.comments(7).is_empty() && user.github.comments(8).is_empty(), "which of the two?");
    assert!(built.log().contains("build context"));
    assert!(!user.push(&sha, &[("build", "never")]).log().contains("build context"));
    user.github.pull_requests(&sha, &[8]);
    let again = user.push(&sha, &[("build", "always")]);
    assert!(again.code == 0 && again.log().contains("build context"), "{}", again.log());
    assert_eq!((user.github.comments(7).len(), user.github.comments(8).len()), (0, 1));
    user.stage.assert_serves("v3");
}

#[test]
fn a_pull_request_is_told_what_would_be_built() {
    let user = User::new();
    let sha = user.version("v2");
    let planned = user.pull_request(&sha, &[("target", "release"), ("build-args", "A=hidden\nB=hidden")]);
    ends(&planned, 0, "planned", "unknown");
    let comments = user.github.comments(7);
    assert_eq!(comments.len(), 1);
    let text = &comments[0].1;
    assert!(text.contains("with Dockerfile, stage release, arguments A, B") && text.contains("release"), "{text}");
    assert!(!text.contains("hidden"), "{text}");
    assert!(user.github.deployments().is_empty(), "a plan is no deployment");

    // What stands in the way of a plan is the comment then.
    let keyless = {
        let mut job = user.job("pull_request", &pull_request(&sha), &sha);
        job.step(Path::new(env!("CARGO_BIN_EXE_deploy-action")), &[("image", &user.image())]).expect("the step runs")
    };
    agree(&keyless, &user.github);
    ends(&keyless, 13, "failed", "false");
    let comments = user.github.comments(7);
    assert_eq!(comments.len(), 1);
    assert!(
        comments[0].1.contains("❌ No plan for") && comments[0].1.contains("input &#96;agent-key"),
        "{}",
        comments[0].1
    );

    // Of a fork there is neither key nor a token that may write; a plan is in the summary all the same.
    let calls = user.github.calls().len();
    let mut payload = pull_request(&sha);
    payload["pull_request"]["head"]["repo"]["full_name"] = json!("eve/hello");
    let mut job = user.job("pull_request", &payload, &sha);
    let fork = job.step(Path::new(env!("CARGO_BIN_EXE_deploy-action")), &[("image", &user.image())]);
    let fork = fork.expect("the step runs");
    agree(&fork, &user.github);
    ends(&fork, 0, "planned", "unknown");
    assert!(fork.summary.contains("not known&#58; the run of a fork has no secrets"), "{}", fork.summary);
    assert!(fork.summary.contains("with Dockerfile"), "{}", fork.summary);
    assert_eq!(user.github.calls().len(), calls, "nothing is asked of GitHub");
    assert_eq!(user.github.comments(7).len(), 1);
}

#[test]
fn a_version_that_fails_is_told_with_its_last_words() {
    let canary = "`</details>` @everyone ::error::x <img src=x> | #1";
    let user = User::new();
    let sha = user.app(&AppImage::version("v2").mode("crash,log-canary").env("CANARY", canary));
    user.github.pull_requests(&sha, &[7]);
    let failed = user.push(&sha, &[]);
    ends(&failed, 30, "rolled_back", "false");
    assert_eq!(failed.output("release"), "1");
    assert!(user.stage.v1.ends_with(failed.output("digest")), "{}", failed.log());
    let comments = user.github.comments(7);
    let text = &comments[0].1;
    assert!(text.contains(failed.output("reason-code").replace('_', "&#95;").as_str()), "{text}");
    let words =
        "&#96;&#60;/details&#62;&#96; &#64;everyone &#58;&#58;error&#58;&#58;x &#60;img src&#61;x&#62; &#124; &#35;1";
    assert!(text.contains(words), "{text}");
    assert!(!text.contains("@") && !text.contains("<img"), "{text}");
    // A runner takes a command from the beginning of a line only, blanks aside.
    let commands = failed.log();
    let commands: Vec<&str> = commands.lines().filter(|line| line.trim_start().starts_with("::error")).collect();
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert_eq!(user.github.deployments()[0].1.last().map(|last| &last["state"]), Some(&json!("failure")));
    user.stage.assert_serves("v1");
}

#[test]
fn a_failed_deployment_is_tried_anew_by_a_run_with_the_same_number() {
    let user = User::new();
    let sha = user.app(&AppImage::version("v2").mode("crash"));
    let image = user.image();
    // `act` gives every run the same number and attempt; on GitHub a later step of the job has them, too.
    let mut job = user.job("push", &super::user::push(&sha), &sha);
    let mut ids = Vec::new();
    // The first one makes a release of what it found: what the second one leaves is all as it was.
    for _ in 0..3 {
        let told = user.run(&mut job, &[("image", &image)]);
        ends(&told, 30, "rolled_back", "false");
        let id = told.output("deployment-id").to_owned();
        assert!(!ids.contains(&id) && !told.log().contains("knows this idempotency key"), "{}", told.log());
        ids.push(id);
    }
    user.stage.assert_serves("v1");
}

#[test]
fn the_timeout_holds_before_the_deployment_too() {
    let machine = Machine::find().expect("a machine");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let begun = Instant::now();
    let told = alone(&machine, |job| {
        let inputs = [
            ("agent-url", url.as_str()),
            ("agent-key", KEY),
            ("service", "web"),
            ("environment", "production"),
            ("image", "registry.example/hello"),
            ("timeout", "1s"),
        ];
        job.step(Path::new(env!("CARGO_BIN_EXE_deploy-action")), &inputs).expect("the step runs")
    });
    ends(&told, 32, "failed", "false");
    assert_eq!(told.output("reason-code"), "timed_out");
    assert!(told.log().contains("nothing was changed"), "{}", told.log());
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited {:?}", begun.elapsed());
}

#[test]
fn what_ends_early_is_in_outputs_and_summary() {
    let machine = Machine::find().expect("a machine");
    let step = |job: &mut Job, inputs: &[(&str, &str)]| {
        job.step(Path::new(env!("CARGO_BIN_EXE_deploy-action")), inputs).expect("the step runs")
    };
    let misspelt = alone(&machine, |job| step(job, &[("enviroment", "staging")]));
    ends(&misspelt, 2, "failed", "false");
    assert!(misspelt.summary.contains("environment"), "{}", misspelt.summary);
    let unsaid = alone(&machine, |job| step(job, &[("environment", "production")]));
    ends(&unsaid, 2, "failed", "false");
    assert_eq!(unsaid.output("environment"), "production");
    let missing = alone(&machine, |job| step(job, &[("config", "ops/deploy.yml")]));
    ends(&missing, 10, "failed", "false");
    let unreadable = alone(&machine, |job| {
        job.raw_event("push", b"{\"after\":", &"a".repeat(40)).expect("an event");
        step(job, &[])
    });
    ends(&unreadable, 2, "failed", "false");
    let nowhere = alone(&machine, |job| {
        job.set("GITHUB_RUN_ID", "");
        step(job, &[])
    });
    ends(&nowhere, 2, "failed", "false");
    let deleted = alone(&machine, |job| {
        job.event("push", &json!({"deleted": true}), &"a".repeat(40)).expect("an event");
        step(job, &[])
    });
    ends(&deleted, 0, "skipped", "false");
    assert!(deleted.summary.contains("deleted its branch or tag"), "{}", deleted.summary);
}

/// A key that nobody knows, of the right form.
const KEY: &str = "deploy-agent-key-v1:vps-1:ci:nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

/// A job without a host, a registry and a repository: what it does needs none.
fn alone(machine: &Machine, run: impl FnOnce(&mut Job) -> Told) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = folder.path().join("workspace");
    std::fs::create_dir(&workspace).expect("a folder");
    let github = GitHubDouble::start().expect("GitHub's double");
    let mut job = Job::new(machine, folder.path(), &workspace, &github.url(), 9).expect("a job");
    job.event("push", &super::user::push(&"a".repeat(40)), &"a".repeat(40)).expect("an event");
    let told = run(&mut job);
    agree(&told, &github);
    assert_eq!(github.calls().len(), 0, "{:?}", github.calls());
    told
}
