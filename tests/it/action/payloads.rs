//! Payloads as GitHub sends them, and as it does not: each is handled or refused with a sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use kit::bed::Machine;
use kit::runner::Told;
use serde_json::{Value, json};

use super::bare::{Bare, SHA};

const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
const TAG: &str = "1111111111111111111111111111111111111111";

/// Runs the step with everything but a key.
#[track_caller]
fn run(bare: &Bare, event: &str, payload: &[u8]) -> Told {
    let place = bare.place();
    let place: Vec<(&str, &str)> = place.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    bare.run((event, payload), &[], &place)
}

/// What came of an event, in one line: nothing to do, refused, or taken on, which ends at the missing key.
#[track_caller]
fn sentence(told: &Told) -> String {
    if told.code == 0 {
        let said = told.stdout.lines().rfind(|line| !line.starts_with("result: "));
        return said.expect("a sentence").to_owned();
    }
    let line = |begin: &str| told.stdout.lines().find_map(|line| line.strip_prefix(begin)).map(str::to_owned);
    match line("error: ").expect("a sentence") {
        taken if taken.starts_with("there is no agent key") => "taken on".to_owned(),
        refused => format!("{refused}: {}", line("  because: ").or(line("  hint: ")).expect("why, or what to do")),
    }
}

fn opened(head_repo: &Value) -> Value {
    let head = json!({"sha": HEAD, "repo": head_repo});
    json!({"action": "opened", "pull_request": {"number": 7, "head": head, "base": {"sha": SHA, "repo": {"full_name": "acme/hello"}}}})
}

#[test]
fn odd_payloads_are_handled_or_refused() {
    let bare = Bare::new();
    let own = opened(&json!({"full_name": "acme/hello"}));
    let mut headless = own.clone();
    headless["pull_request"]["head"] = json!({"sha": null});
    let tagged = |after: &str| json!({"ref": "refs/tags/v1", "after": after, "head_commit": {"id": HEAD}});
    let large = json!({"after": HEAD, "commits": "x".repeat(5_000_000)});
    let deep = format!("{{\"x\": {}", "[{\"y\":".repeat(50_000));
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("a pull request", "pull_request", own.to_string().into()),
        ("of a fork", "pull_request", opened(&json!({"full_name": "eve/hello"})).to_string().into()),
        ("of a deleted fork", "pull_request", opened(&Value::Null).to_string().into()),
        ("without members", "pull_request", "{}".into()),
        ("without a commit", "pull_request", headless.to_string().into()),
        ("without members", "push", "{}".into()),
        ("a tag, light", "push", tagged(HEAD).to_string().into()),
        ("a tag, annotated", "push", tagged(TAG).to_string().into()),
        ("a deleted branch", "push", json!({"after": "0".repeat(40), "deleted": true}).to_string().into()),
        ("wrong types", "push", json!({"after": 5, "deleted": "no"}).to_string().into()),
        ("not an object", "push", json!([HEAD, false]).to_string().into()),
        ("not JSON", "push", "ref=refs/heads/main".into()),
        ("nothing at all", "push", "".into()),
        ("cut off", "push", tagged(HEAD).to_string().as_bytes()[..60].into()),
        ("not UTF-8", "push", b"{\"after\": \"\xff\xfe\"}".to_vec()),
        ("5 MB", "push", large.to_string().into()),
        ("larger than any", "push", format!("{{\"x\": \"{}\"}}", "x".repeat(32 << 20)).into()),
        ("deep", "push", deep.into()),
        (
            "huge numbers",
            "push",
            format!("{{\"x\": 1e999999999, \"id\": {}, \"after\": \"{HEAD}\"}}", "9".repeat(9_999)).into(),
        ),
        ("a huge number that matters", "pull_request", "{\"pull_request\": {\"number\": 1e400}}".into()),
        ("a member twice", "push", format!("{{\"after\": \"{HEAD}\", \"after\": \"{SHA}\"}}").into()),
        (
            "hostile names",
            "push",
            "{\"after\": \"\\u0000\\u001b[2J\\u202e\\r\\n::error title=pwned::x ##[error]pwned\"}".into(),
        ),
        ("by hand", "workflow_dispatch", json!({"inputs": null}).to_string().into()),
        ("by hand, not an object", "workflow_dispatch", "5".into()),
        ("with the base's secrets", "pull_request_target", own.to_string().into()),
        ("talk", "issue_comment", json!({"comment": {"body": "/deploy"}}).to_string().into()),
        ("by the clock", "schedule", json!({"schedule": "0 0 * * *"}).to_string().into()),
    ];
    let mut all = String::new();
    for (what, event, payload) in cases {
        let told = run(&bare, event, &payload);
        all.push_str(&format!("=== {event}: {what}\n{}", bare.shown(&told)));
    }
    bare.assert_untouched();
    insta::assert_snapshot!(all);
}

#[test]
fn a_tags_commit_is_told_not_the_tag() {
    let bare = Bare::new();
    let tagged = json!({"ref": "refs/tags/v1", "after": TAG, "head_commit": {"id": HEAD}}).to_string();
    let summary = run(&bare, "push", tagged.as_bytes()).summary;
    assert!(summary.contains(&HEAD[..7]) && !summary.contains(&TAG[..7]), "{summary}");
}

#[test]
fn a_fork_without_secrets_is_no_mistake() {
    let bare = Bare::new();
    let place = bare.place();
    let mut inputs: Vec<(&str, &str)> = place.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    inputs.extend([("registry-username", "robot"), ("registry-password", ""), ("agent-key", "")]);
    let payload = opened(&json!({"full_name": "eve/hello"})).to_string();
    let told = bare.run(("pull_request", payload.as_bytes()), &[], &inputs);
    assert_eq!(told.code, 0, "{}", told.log());
    assert!(told.stdout.contains("the run of a fork has no secrets"), "{}", told.log());
    bare.assert_untouched();
}

#[test]
fn every_event_of_github_is_handled_or_refused() {
    let file = Machine::find().and_then(|machine| machine.webhooks()).expect("the examples");
    let examples: Vec<Value> = serde_json::from_slice(&fs::read(file).expect("reads")).expect("JSON");
    assert_eq!(examples.len(), 58);
    let bare = Bare::new();
    let mut all: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in &examples {
        let name = event["name"].as_str().expect("a name");
        for payload in event["examples"].as_array().expect("payloads") {
            let told = run(&bare, name, payload.to_string().as_bytes());
            assert!([0, 2, 13].contains(&told.code), "{name}: {}", told.log());
            all.entry(name).or_default().insert(sentence(&told));
        }
    }
    bare.assert_untouched();
    let line = |(name, sentences): (&&str, &BTreeSet<String>)| {
        format!("{name}: {}\n", sentences.iter().cloned().collect::<Vec<_>>().join(" | "))
    };
    insta::assert_snapshot!(all.iter().map(line).collect::<String>());
}
