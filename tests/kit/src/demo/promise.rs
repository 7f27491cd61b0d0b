//! What each step promises, checked against what was measured; and the same as JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::step::{MARGIN, Played};

/// Of the requests that were due, at least so many must have been sent, or the load was not what it claims.
const SENT: f64 = 0.98;
/// How much of the end must be answered by one version.
const END: Duration = Duration::from_secs(1);

/// The broken promises of a step, a sentence each.
pub(super) fn broken(step: &Played) -> Vec<String> {
    let (load, expected) = (&step.load, &step.expected);
    let due = SENT * f64::from(load.rate) * load.seconds;
    let serving = load.only_version_in_last(END);
    let (before, after) = step.margins;
    let margin = MARGIN.as_secs_f64();
    let silent = expected.silent.map_or(0, |version| load.count_version(version));
    let mut broken = Vec::new();
    for (holds, sentence) in [
        (step.exit_code == expected.exit_code, format!("exit code {}, not {}", step.exit_code, expected.exit_code)),
        (load.failed == 0, format!("{} requests failed: {:?}", load.failed, load.failures)),
        (load.sent as f64 >= due, format!("only {} of {due:.0} requests were sent", load.sent)),
        (before >= margin && after >= margin, format!("the load spans the command by {before:.1} s and {after:.1} s")),
        (
            serving.as_deref() == Some(expected.serving),
            format!(
                "the last second was answered by {}",
                serving.as_deref().unwrap_or("several versions, or not at all")
            ),
        ),
        (silent == 0, format!("the version that was refused answered {silent} requests")),
        (step.containers == 1, format!("{} containers are left", step.containers)),
        (step.comments.len() == 1, format!("the pull request has {} comments", step.comments.len())),
    ] {
        if !holds {
            broken.push(format!("{}: {sentence}", step.name));
        }
    }
    broken
}

/// The comment as it is at the end.
pub(super) fn comment(steps: &[Played]) -> &str {
    steps.iter().rev().find_map(|step| step.comments.first()).map_or("", String::as_str)
}

/// The content of `--json FILE`.
pub(super) fn json(steps: &[Played], releases: Value) -> Value {
    let (mut requests, mut phases, mut comments) = (Map::new(), Map::new(), Map::new());
    for step in steps {
        let load = &step.load;
        let books = json!({
            "sent": load.sent,
            "failed": load.failed,
            "rate": load.rate,
            "seconds": load.seconds,
            "by_version": load.by_version,
        });
        requests.insert(step.name.to_owned(), books);
        comments.insert(step.name.to_owned(), json!(step.comments.first()));
        phases.insert(
            step.name.to_owned(),
            Value::Object(step.phases.iter().map(|(phase, ms)| (phase.clone(), json!(ms))).collect()),
        );
    }
    json!({
        "requests": requests,
        "phases_ms": phases,
        "releases": releases,
        "comment": comment(steps),
        "comments": comments,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::step::Expected;
    use super::*;
    use crate::load::{Latency, Mix, Report, Seen};

    /// A refused v3, ten seconds long, as it should be.
    fn refused() -> Played {
        let load = Report {
            due: 2500,
            sent: 2500,
            ok: 2500,
            failed: 0,
            failures: BTreeMap::new(),
            samples: Vec::new(),
            rate: 250,
            seconds: 10.0,
            generator_late_max_ms: 1.0,
            by_version: BTreeMap::from([("v2".to_owned(), 2500)]),
            seen: BTreeMap::from([("v2".to_owned(), Seen { first_ms: 1.0, last_ms: 9999.0 })]),
            last_failure_ms: None,
            timeline: Vec::new(),
            longest_gap_ms: 8.0,
            latency_ms: Latency::default(),
            mix: Mix::default(),
            paths: Vec::new(),
            event_streams: Vec::new(),
        };
        let expected = Expected { exit_code: 30, serving: "v2", silent: Some("v3") };
        let (margins, took, phases) = ((2.0, 2.1), Duration::from_secs(6), vec![("gate".to_owned(), 100)]);
        Played {
            name: "v3",
            expected,
            exit_code: 30,
            load,
            margins,
            took,
            phases,
            containers: 1,
            comments: vec!["refused".to_owned()],
        }
    }

    #[test]
    fn a_step_as_it_should_be() {
        assert_eq!(broken(&refused()), [""; 0]);
        let value = json(&[refused()], json!([{"number": 1}]));
        assert_eq!(
            value,
            json!({
                "requests": {"v3": {"sent": 2500, "failed": 0, "rate": 250, "seconds": 10.0, "by_version": {"v2": 2500}}},
                "phases_ms": {"v3": {"gate": 100}},
                "releases": [{"number": 1}],
                "comment": "refused",
                "comments": {"v3": "refused"},
            })
        );
    }

    #[test]
    fn each_promise_can_be_broken() {
        let told = |change: fn(&mut Played)| {
            let mut step = refused();
            change(&mut step);
            broken(&step).join("; ")
        };
        assert_eq!(told(|step| step.exit_code = 0), "v3: exit code 0, not 30");
        assert_eq!(told(|step| step.load.sent = 2449), "v3: only 2449 of 2450 requests were sent");
        assert_eq!(told(|step| step.margins.1 = 1.9), "v3: the load spans the command by 2.0 s and 1.9 s");
        assert_eq!(told(|step| step.containers = 2), "v3: 2 containers are left");
        assert_eq!(told(|step| step.comments.clear()), "v3: the pull request has 0 comments");
        let v3 = |step: &mut Played| {
            step.load.by_version.insert("v3".to_owned(), 1);
        };
        assert_eq!(told(v3), "v3: the version that was refused answered 1 requests");
        let wrong = |step: &mut Played| {
            step.load.seen.insert("v3".to_owned(), Seen { first_ms: 9500.0, last_ms: 9500.0 });
        };
        assert_eq!(told(wrong), "v3: the last second was answered by several versions, or not at all");
        let failed = |step: &mut Played| {
            step.load.failed = 2;
            step.load.failures.insert("reset".to_owned(), 2);
        };
        assert_eq!(told(failed), "v3: 2 requests failed: {\"reset\": 2}");
    }
}
