//! The renderers over one stream, hostile text included.

use super::*;
use crate::agent_api::{History, ServiceStatus};
use crate::domain::Reason;
use crate::event::Stamped;
use crate::failure::Failure;

fn stream(events: &[&str]) -> Vec<Stamped> {
    events
        .iter()
        .enumerate()
        .map(|(at, event)| {
            let text = format!(r#"{{"seq":{},"at":"2026-03-01T10:00:{at:02}Z",{event}}}"#, at + 1);
            serde_json::from_str(&text).unwrap()
        })
        .collect()
}

const IMAGE: &str = "127.0.0.1:5000/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn good() -> Vec<Stamped> {
    let accepted = format!(r#""kind":"accepted","deployment":"d-1","image":"{IMAGE}""#);
    let finished =
        format!(r#""kind":"finished","outcome":"deployed","message":"release 4 serves","release":4,"image":"{IMAGE}""#);
    stream(&[
        &accepted,
        r#""kind":"phase_started","phase":"gate""#,
        r#""kind":"phase_finished","phase":"gate","took_ms":1234"#,
        r#""kind":"switched""#,
        r#""kind":"proven","release":4"#,
        r#""kind":"drained","open":0,"took_ms":100"#,
        r#""kind":"drained","open":2,"took_ms":30000"#,
        r#""kind":"of_tomorrow","x":1"#,
        &finished,
    ])
}

fn bad() -> Vec<Stamped> {
    let long = "x".repeat(2000);
    let diagnosis = format!(
        r###""kind":"diagnosis","container":{{"name":"badgery-web-2","state":"exited","health":"unhealthy","exit_code":137,
        "meaning":"killed, often out of memory","error":"exec \u001b[31mfailed","log":["::error::pwned","\r::set-output name=a::b",
        "##[add-mask]x","\u001b[2Jcleared","two\nlines","{long}"]}}"###
    );
    stream(&[
        r#""kind":"note","text":"::stop-commands::x""#,
        &diagnosis,
        r#""kind":"diagnosis","container":{"name":"c","state":"running"}"#,
        r#""kind":"finished","outcome":"rolled_back","reason":"never_healthy","message":"`web` did not become healthy\n::error::x","hint":"look","release":3"#,
    ])
}

fn log(events: &[Stamped]) -> String {
    events.iter().map(lines).collect()
}

#[test]
fn progress_is_told_in_lines() {
    insta::assert_snapshot!(log(&good()));
}

#[test]
fn hostile_text_stays_text() {
    let text = log(&bad());
    for line in text.lines() {
        assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.chars().count() <= LINE + 10, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn json_is_one_object_per_line() {
    let mut model = Model::default();
    let mut all = String::new();
    for stamped in bad() {
        model.apply(&stamped);
        all.push_str(&event(&stamped).replace(&"x".repeat(2000), "xxx"));
    }
    let failure = Failure::new(Reason::NeverHealthy, "`web` did not become healthy").hint("look");
    all.push_str(&result(&model, &Ending { changed: false, nothing_to_do: false, failure: Some(&failure) }));
    for stamped in good() {
        model.apply(&stamped);
    }
    all.push_str(&result(&model, &Ending { changed: true, nothing_to_do: false, failure: None }));
    all.push_str(&result(&Model::default(), &Ending { changed: false, nothing_to_do: true, failure: None }));
    let blocked = Failure::new(Reason::Blocked, "blocked");
    all.push_str(&result(&Model::default(), &Ending { changed: false, nothing_to_do: false, failure: Some(&blocked) }));
    for line in all.lines() {
        assert!(line.starts_with('{') && !line.contains("##["), "{line}");
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_model_knows_what_is_going_on() {
    let mut model = Model::default();
    let events = good();
    model.apply(&events[0]);
    model.apply(&events[1]);
    assert_eq!(model.current, Some(crate::event::Phase::Gate));
    events.iter().skip(2).for_each(|stamped| model.apply(stamped));
    assert_eq!((model.current, model.switched, model.proven, model.release), (None, true, Some(4), Some(4)));
    assert_eq!(model.phases, [(crate::event::Phase::Gate, 1234)]);
}

#[test]
fn status_tells_what_runs() {
    let mut all = String::new();
    for case in [
        "later_swap",
        "busy",
        "not_running",
        "blocked_container_name",
        "first_swap_from_labels",
        "worker_without_route",
    ] {
        let path = format!("{}/tests/plans/{case}/input.json", env!("CARGO_MANIFEST_DIR"));
        let input: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let service: ServiceStatus = serde_json::from_value(input["status"].clone()).unwrap();
        all.push_str(&format!("--- {case}\n{}", status(&"staging".parse().unwrap(), &service)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn history_is_a_table() {
    let text = format!(
        r#"{{"api":1,"releases":[],"entries":[
        {{"deployment":"d-3","started_at":"2026-03-01T10:00:00Z","finished_at":"2026-03-01T10:00:14Z","image":"{IMAGE}",
          "rollback":true,"outcome":"deployed","release":5,"requested_by":"eve\u001b[1m\n::x"}},
        {{"deployment":"d-2","started_at":"2026-03-01T09:00:00Z","finished_at":"2026-03-01T09:03:05Z","image":"{IMAGE}",
          "outcome":"rolled_back","reason":"never_healthy","requested_by":"ci"}},
        {{"deployment":"d-1","started_at":"2026-02-01T09:00:00Z","finished_at":"2026-02-01T08:59:59Z","image":"sha256:1234","outcome":"deployed"}}]}}"#
    );
    let read: History = serde_json::from_str(&text).unwrap();
    let none = History { api: 1, entries: vec![], releases: vec![], agent_version: None };
    let name = "staging".parse().unwrap();
    insta::assert_snapshot!(format!("{}{}", history(&name, &read), history(&name, &none)));
}
