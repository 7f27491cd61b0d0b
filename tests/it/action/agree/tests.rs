//! The check sees what it is for: in each place, each of the things that have to be the same.

use serde_json::json;

use super::*;

const NEW: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OLD: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A run that went back, told as the program tells it.
fn rolled_back() -> Left {
    let digest = OLD.replace(':', "&#58;");
    let markdown = format!(
        "### ❌ Deployment to <code>production</code> failed: the version from before serves\n\n\
         | environment | running before | wanted | serving release | serving digest |\n|---|---|---|---|---|\n\
         | <code>production</code> | release 3, x | y | 3 | <code>sha256&#58;bbbbbbbbbbbb</code> |\n\
         \n<sub>Result: <code>rolled&#95;back &#40;never&#95;healthy&#41;, release 3, {digest}</code>. Commit x. [Run](u)</sub>\n"
    );
    let document = json!({
        "outcome": "rolled_back", "reason": "never_healthy", "release": 3, "image": format!("r/hello@{OLD}"), "exit_code": 30,
    });
    let outputs = [
        ("environment", "production"),
        ("outcome", "rolled_back"),
        ("changed", "false"),
        ("image", &format!("r/hello@{OLD}")),
        ("digest", OLD),
        ("release", "3"),
        ("reason-code", "never_healthy"),
        ("result-json", &document.to_string()),
    ];
    Left {
        code: 30,
        stdout: format!(
            "10:00:00  gate …\nerror: no\n  reason: never_healthy (exit code 30)\n::error title=production%3A rolled_back (never_healthy)::no\n\
             result: rolled_back (never_healthy), release 3, {OLD}, environment production\n"
        ),
        outputs: outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        summary: Some(markdown.clone()),
        comment: Some(format!("<!-- marker -->\n{markdown}")),
        status: Some(
            json!({"state": "failure", "description": format!("rolled_back (never_healthy), release 3, {OLD}")}),
        ),
    }
}

#[test]
fn a_run_that_says_one_thing_agrees() {
    rolled_back().check().expect("it agrees");
    let left = Left { summary: None, comment: None, status: None, ..rolled_back() };
    left.check().expect("without what is not shown");
}

#[test]
fn each_place_is_compared() {
    let doctored = |what: &str, change: &dyn Fn(&mut Left)| {
        let mut left = rolled_back();
        change(&mut left);
        assert!(left.check().is_err(), "{what} is not seen");
    };
    let swap = |text: &mut Option<String>, from: &str, to: &str| {
        let changed = text.as_ref().map(|text| text.replacen(from, to, 1));
        assert_ne!(*text, changed, "nothing to doctor: {from}");
        *text = changed;
    };
    for name in ["outcome", "digest", "release", "reason-code", "changed", "image"] {
        doctored(name, &|left| drop(left.outputs.insert(name.to_owned(), "true".to_owned())));
    }
    for (from, to) in
        [("rolled_back", "deployed"), ("never_healthy", "bug"), (":3}", ":4}"), (OLD, NEW), (":30", ":31")]
    {
        doctored(&format!("result-json: {from}"), &|left| {
            let text = left.outputs["result-json"].replacen(from, to, 1);
            assert_ne!(text, left.outputs["result-json"], "nothing to doctor: {from}");
            left.outputs.insert("result-json".to_owned(), text);
        });
    }
    let markdown = [
        ("❌", "✅"),
        ("| 3 |", "| 4 |"),
        ("58;bbbb", "58;aaaa"),
        ("rolled&#95;back", "stranded"),
        ("release 3, sha", "sha"),
    ];
    for (from, to) in markdown {
        doctored(&format!("the summary: {from}"), &|left| swap(&mut left.summary, from, to));
        doctored(&format!("the comment: {from}"), &|left| swap(&mut left.comment, from, to));
    }
    doctored("a comment that was left as it ran", &|left| left.comment = Some("### ⏳ Deploying".to_owned()));
    for (member, value) in
        [("state", "success"), ("description", "deployed, release 4"), ("description", "the agent deploys")]
    {
        doctored(&format!("the status: {value}"), &|left| {
            if let Some(status) = &mut left.status {
                status[member] = json!(value);
            }
        });
    }
    for (from, to) in
        [("result: rolled_back", "result: deployed"), ("release 3", "release 4"), (OLD, NEW), ("::error", "error")]
    {
        doctored(&format!("the log: {from}"), &|left| left.stdout = left.stdout.replacen(from, to, 1));
    }
    doctored("a log that goes on", &|left| left.stdout.push_str("more\n"));
    doctored("another word at the end", &|left| {
        left.stdout = left.stdout.replace("reason: never_healthy", "reason: bug")
    });
    for code in [0, 13, 31] {
        doctored(&format!("exit code {code}"), &|left| left.code = code);
    }
}

#[test]
fn what_was_proven_is_what_serves() {
    let log =
        |release: u64| format!("10:00:00  proven: release 4 answers\nresult: deployed, release {release}, {NEW}\n");
    assert!(said_in_log(&log(4)).is_some());
    assert!(said_in_log(&log(5)).is_none());
}
