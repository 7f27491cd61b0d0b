//! Payloads good and bad, and what comes of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::trigger::sample::{HEAD, SHA, vars};

fn event(name: &str, payload: &str) -> Result<Event, Failure> {
    read(&GitHubContext::read(&vars(&[("GITHUB_EVENT_NAME", name)])).unwrap(), payload.as_bytes())
}

fn opened(head_repo: Value) -> Value {
    json!({
        "action": "opened",
        "number": 7,
        "pull_request": {
            "number": 7,
            "head": {"sha": HEAD, "repo": head_repo},
            "base": {"sha": SHA, "repo": {"full_name": "acme/hello"}},
        },
    })
}

#[test]
fn events_and_what_they_ask_for() {
    let zero = "0".repeat(40);
    let own = opened(json!({"full_name": "acme/hello"}));
    let mut closed = own.clone();
    closed["action"] = json!("closed");
    let mut headless = own.clone();
    headless["pull_request"]["head"] = json!({"sha": "main"});
    let mut zeroth = own.clone();
    zeroth["pull_request"]["number"] = json!(0);
    let large = json!({"after": HEAD, "commits": "x".repeat(5_000_000)});
    let mut all = String::new();
    for (what, name, payload) in [
        ("a push", "push", json!({"ref": "refs/heads/main", "after": HEAD, "head_commit": {"id": HEAD}})),
        ("an annotated tag", "push", json!({"ref": "refs/tags/v1", "after": SHA, "head_commit": {"id": HEAD}})),
        ("a deleted branch", "push", json!({"after": zero, "deleted": true, "head_commit": null})),
        ("act without -e", "push", json!({})),
        ("a wrong type", "push", json!({"after": 5})),
        ("a wrong commit", "push", json!({"after": "main"})),
        ("not an object", "push", json!([])),
        ("a list in place of an object", "push", json!([HEAD, false, {"id": HEAD}])),
        ("zeros", "push", json!({"after": zero})),
        ("a commit that is no object", "push", json!({"head_commit": HEAD})),
        ("a commit without an id", "push", json!({"after": HEAD, "head_commit": {}})),
        ("a wrong flag", "push", json!({"after": HEAD, "deleted": "true"})),
        ("5 MB", "push", large),
        ("by hand", "workflow_dispatch", json!({"inputs": null})),
        ("a pull request", "pull_request", own),
        ("of a fork", "pull_request", opened(json!({"full_name": "eve/hello"}))),
        ("of a deleted fork", "pull_request", opened(Value::Null)),
        ("closed", "pull_request", closed),
        ("of a fork with an odd name", "pull_request", opened(json!({"full_name": "..\n::error::x"}))),
        ("of a repository without a name", "pull_request", opened(json!({}))),
        ("a number of another kind", "pull_request", json!({"pull_request": {"number": -1, "head": {}, "base": {}}})),
        ("too large a number", "pull_request", json!({"pull_request": {"number": 1e30, "head": {}, "base": {}}})),
        ("without a commit", "pull_request", headless),
        ("without a number", "pull_request", zeroth),
        ("without members", "pull_request", json!({})),
        ("privileged", "pull_request_target", json!({})),
        ("talk", "issue_comment", json!({"comment": {"body": "/deploy"}})),
    ] {
        let shown = match event(name, &payload.to_string()) {
            Ok(event) => format!("{event:?}\n"),
            Err(failure) => failure.render(),
        };
        all.push_str(&format!("--- {what}: {name}\n{shown}"));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn text_that_is_no_json_is_refused() {
    let deep = "[".repeat(100_000);
    let mut all = String::new();
    for (what, payload) in [
        ("cut off", "{\"after\":"),
        ("nothing", ""),
        ("two of them", "{}{}"),
        ("a member twice", &format!("{{\"after\": \"{HEAD}\", \"after\": \"{SHA}\"}}")),
        ("half a character", "{\"after\": \"\\ud800\"}"),
        ("deep, where it is skipped", &format!("{{\"x\": {deep}")),
        ("deep, where it is wanted", &format!("{{\"after\": {deep}")),
        ("a commit of commands", "{\"after\": \"\\u001b[2J\\u0000\\n::error::x\\u202e##[group]\"}"),
    ] {
        let failure = event("push", payload).expect_err(what);
        all.push_str(&format!("--- {what}\n{}", failure.render()));
    }
    insta::assert_snapshot!(all);
}

/// JSON with the names that matter in right and wrong places.
fn document() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(HEAD.to_owned()),
        Just("0".repeat(40)),
        Just("closed".to_owned()),
        "\\PC{0,8}|[\\x00-\\x9f#\\[:]{0,8}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let name = prop_oneof![
        4 => proptest::sample::select(WANTED).prop_map(|path| path.rsplit('.').next().unwrap().to_owned()),
        1 => "[a-z:\\n]{0,5}",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            5 => proptest::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused_in_plain_lines(
        name in proptest::sample::select(&["push", "pull_request", "workflow_dispatch", "\n::error::x"]),
        document in document(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let whole = document.to_string();
        let part: Vec<u8> = whole.bytes().take(cut.index(whole.len() + 1)).collect();
        for payload in [whole.into_bytes(), part] {
            let vars = vars(&[("GITHUB_EVENT_NAME", name)]);
            if let Err(failure) = read(&GitHubContext::read(&vars).unwrap(), &payload) {
                let told = failure.render();
                prop_assert_eq!(failure.kind.exit_code(), 2);
                prop_assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{:?}", told);
                prop_assert!(!told.lines().any(|line| line.trim_start().starts_with("::")), "{}", told);
            }
        }
    }
}
