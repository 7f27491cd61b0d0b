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
    ] {
        if !holds {
            broken.push(format!("{}: {sentence}", step.name));
        }
    }
    broken
}

/// The content of `--json FILE`.
pub(super) fn json(steps: &[Played], releases: Value) -> Value {
    let (mut requests, mut phases) = (Map::new(), Map::new());
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
        phases.insert(step.name.to_owned(), json!(step.phases));
    }
    json!({"requests": requests, "phases_ms": phases, "releases": releases})
}
