//! Events and the result for machines, one JSON object per line.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Model;
use crate::domain::{Reason, plain_json};
use crate::event::Stamped;
use crate::failure::Failure;

/// What ends a run, beside what its events told.
#[derive(Debug)]
pub struct Ending<'a> {
    /// Whether what runs was changed; of a dry run, whether it would be.
    pub changed: bool,
    /// True where the plan found nothing to do.
    pub nothing_to_do: bool,
    /// The failure, where it ended in one.
    pub failure: Option<&'a Failure>,
}

/// One event.
#[must_use]
pub fn event(stamped: &Stamped) -> String {
    serde_json::to_value(stamped).map_or_else(|_| String::new(), |value| object(&value))
}

/// The last line of a run.
#[must_use]
pub fn result(model: &Model, ending: &Ending<'_>) -> String {
    let phases: BTreeMap<&str, u64> = model.phases.iter().map(|(phase, took)| (phase.as_str(), *took)).collect();
    let reason = ending.failure.map(|failure| failure.reason).or(model.reason).map(Reason::as_str);
    object(&json!({
        "kind": "result",
        "outcome": model.outcome.map(|outcome| outcome.as_str()).or(ending.nothing_to_do.then_some("unchanged")),
        "changed": ending.changed,
        "deployment": model.deployment.as_ref().map(|id| id.as_str()),
        "release": model.release,
        "image": model.image,
        "reason": reason,
        "message": ending.failure.map(ToString::to_string),
        "hint": ending.failure.and_then(|failure| failure.hint.as_deref()),
        "exit_code": ending.failure.map_or(0, |failure| failure.kind.exit_code()),
        "phases_ms": phases,
    }))
}

/// One JSON object as one line.
#[must_use]
pub fn object(value: &Value) -> String {
    format!("{}\n", plain_json(&value.to_string()))
}
