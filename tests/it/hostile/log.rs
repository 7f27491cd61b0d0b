//! What an application prints, what a branch is called, who pushed: data in every place that shows it, and in no command.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kit::bed::{AgentOptions, AppImage, Machine};
use kit::runner::Told;
use serde_json::json;

use super::watched::{Watched, peak_of};
use crate::action::bare::assert_no_foreign_command;
use crate::action::user::{User, pull_request, push};
use crate::stage::{Setting, Stage};

/// Most memory in MiB of whoever passes on what an application prints: a megabyte on a line is cut where it is read.
const MEMORY: u64 = 48;
/// Longest that a deployment of a version may take that ends at once.
const TIME: Duration = Duration::from_secs(60);

/// No terminal obeys it, and no reader is turned around.
#[track_caller]
fn assert_plain(place: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains(char::is_control), "{place}: {line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}', '\u{feff}']), "{place}: {line:?}");
        assert!(line.chars().count() < 20_000, "{place}: a line of {} characters", line.chars().count());
    }
}

/// What GitHub renders of it is text.
#[track_caller]
fn assert_text(place: &str, markdown: &str) {
    assert_plain(place, markdown);
    for trick in ["<img", "<script", "</table", "<!-- ", "@", "](https://pwned", "www.pwned", "```", "~~", "$x"] {
        assert!(
            !markdown.contains(trick) || trick == "<!-- " && markdown.matches(trick).count() == 1,
            "{place}: {trick} in {markdown}"
        );
    }
    assert_eq!(markdown.matches("<details").count(), markdown.matches("</details>").count(), "{place}: {markdown}");
}

/// The names that a step's outputs have, and no other.
#[track_caller]
fn assert_told(user: &User, told: &Told) {
    assert_no_foreign_command(&told.log());
    assert_plain("the log", &told.log());
    assert!(
        told.stdout.contains("colours") && told.stdout.contains("no text"),
        "its last words are shown: {}",
        told.stdout
    );
    let action = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).expect("action.yml");
    let (_, outputs) = action.split_once("\noutputs:\n").expect("outputs");
    assert!(
        told.outputs
            .keys()
            .all(|name| outputs.contains(&format!("\n  {name}:")) || outputs.starts_with(&format!("  {name}:"))),
        "{:?}",
        told.outputs
    );
    assert_eq!(told.output("outcome"), "rolled_back");
    assert_text("the summary", &told.summary);
    let comments = user.github.comments(7);
    assert_eq!(comments.len(), 1);
    assert_text("the comment", &comments[0].1);
    assert!(comments[0].1.chars().count() <= 65_536);
    for (asked, statuses) in user.github.deployments() {
        assert_plain("a deployment", &format!("{asked:#}{}", json!(statuses)).replace("\\u", ""));
    }
}

/// An agent whose compose notes with what it is called.
fn noting(dir: &Path) -> AgentOptions {
    let trace = dir.join("trace");
    let script = format!("printf '%s\\n' \"$@\" >>'{}'\ncompose \"$@\"", trace.display());
    Machine::find().expect("a prepared machine").compose_as(dir, &script).expect("writes");
    AgentOptions {
        wrapper: vec!["env".to_owned(), format!("DOCKER_CONFIG={}", dir.display())],
        ..AgentOptions::default()
    }
}

#[test]
fn last_words_and_names_do_no_harm() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut user = User::with(Setting { agent: noting(dir.path()), ..Setting::default() });
    let pwned = dir.path().join("pwned");
    let name =
        format!("-x/$(touch {0})`touch {0}`\";touch {0};\"'|touch {0}&#\u{202e}\n::error::pwned", pwned.display());
    let sha = user.app(&AppImage::version("v2").mode("crash,log-hostile"));
    user.github.pull_requests(&sha, &[7]);
    let mut payload = push(&sha);
    payload["ref"] = json!(format!("refs/heads/{name}"));
    payload["head_commit"]["message"] = json!(name);
    payload["pusher"] = json!({"name": name});
    payload["commits"] = json!([{"message": name, "author": {"name": name}}]);
    let mut job = user.job("push", &payload, &sha);
    for variable in ["GITHUB_REF_NAME", "GITHUB_HEAD_REF", "GITHUB_ACTOR", "GITHUB_WORKFLOW", "GITHUB_TRIGGERING_ACTOR"]
    {
        job.set(variable, &name);
    }
    let image = user.image();
    let failed = user.run(&mut job, &[("image", image.as_str())]);
    assert_eq!(failed.code, 30, "{}", failed.log());
    assert_told(&user, &failed);
    user.stage.assert_serves("v1");

    let mut planned = pull_request(&sha);
    planned["pull_request"]["title"] = json!(format!("`{name}` </details> @everyone"));
    planned["pull_request"]["body"] = json!(name);
    planned["pull_request"]["head"]["ref"] = json!(name);
    planned["pull_request"]["user"] = json!({"login": name});
    let mut job = user.job("pull_request", &planned, &"f".repeat(40));
    job.set("GITHUB_HEAD_REF", &name);
    let plan = user.run(&mut job, &[("image", image.as_str())]);
    assert_eq!(plan.code, 0, "{}", plan.log());
    assert_no_foreign_command(&plan.log());
    assert_text("the plan", &user.github.comments(7)[0].1);

    shown_on_a_terminal(&user.stage);
    let agent = user.stage.bed.agent().expect("an agent");
    let peak = peak_of(agent.id().expect("it runs"));
    assert!((1..=MEMORY).contains(&peak), "the agent held {peak} MiB");
    assert!(!pwned.exists(), "a name was run");
    let trace = fs::read_to_string(dir.path().join("trace")).expect("compose was called");
    assert!(trace.contains("create\n--no-recreate"), "{trace}");
    assert!(!trace.contains("touch") && !trace.contains("pwned"), "{trace}");
}

/// The same on a terminal: `history` says who asked, a deployment quotes the last words.
#[track_caller]
fn shown_on_a_terminal(stage: &Stage) {
    for format in ["text", "json"] {
        for verb in ["status", "history"] {
            let said = stage.bed.deploy_action(&[verb, "production", "--format", format]).expect("it runs");
            assert_eq!(said.code, 0, "{said:?}");
            assert_plain(verb, &said.stdout);
        }
        let image = stage.push(&AppImage::version("v3").mode("crash,log-hostile"));
        let line = ["deploy", "production", "--image", &image, "--format", format];
        let mut command = stage.bed.command(&line).expect("a command");
        command.env("DEPLOY_REQUESTED_BY", "\u{1b}[31meve\n::error::x");
        let watched = Watched::run(&mut command, TIME);
        watched.assert_within(&format!("a deployment as {format}"), 30, MEMORY, TIME);
        let said = watched.said();
        assert_plain(&format!("a deployment as {format}"), &said);
        assert!(said.contains("colours") && !said.lines().any(|line| line.trim_start().starts_with("::")), "{said}");
    }
    stage.assert_serves("v1");
}
