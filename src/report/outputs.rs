//! The action's outputs, and how they are written so that no value can become another output.

use serde_json::{Value, json};

use super::json::{Ending, object, result};
use super::story::{Story, Verdict};
use crate::domain::{ImageRef, Reason};
use crate::failure::Failure;

/// Every output by its name; a value that is not known is empty.
#[must_use]
pub fn outputs(story: &Story, ending: &Ending<'_>) -> Vec<(&'static str, String)> {
    let model = &story.model;
    let wanted = story.plan.as_ref().and_then(|plan| plan.wanted.as_ref()).and_then(|version| version.image.as_ref());
    // A plan says what would be deployed; a deployment says what serves.
    let image = match story.verdict() {
        Verdict::Planned | Verdict::NothingToDo => wanted.map(ToString::to_string),
        _ => model.image.clone(),
    };
    let digest = image.as_deref().and_then(|image| image.parse::<ImageRef>().ok());
    let running = story.plan.as_ref().and_then(|plan| plan.running.as_ref()).and_then(|version| version.release);
    let release = model.release.or(running.filter(|_| ending.nothing_to_do));
    let outcome = match (model.outcome, story.verdict()) {
        (Some(outcome), _) => outcome.as_str(),
        (None, Verdict::NothingToDo) => "unchanged",
        (None, Verdict::Planned) => "planned",
        (None, Verdict::Cancelled) => "cancelled",
        (None, Verdict::Failed) => "failed",
        (None, _) => "unknown",
    };
    // Of a plan, whether it would change something; before the image is built nobody can say.
    let changed = match (story.verdict(), &story.plan) {
        (Verdict::Planned, None) => None,
        (Verdict::Planned, Some(plan)) => Some(plan.changed),
        _ => Some(ending.changed),
    };
    let reason = ending.failure.map(|failure| failure.reason).or(model.reason).map(Reason::as_str);
    vec![
        ("environment", story.environment.to_string()),
        ("outcome", outcome.to_owned()),
        ("changed", changed.map_or_else(|| "unknown".to_owned(), |changed| changed.to_string())),
        ("image", image.unwrap_or_default()),
        ("digest", digest.map(|image| image.digest().as_str().to_owned()).unwrap_or_default()),
        ("release", release.map(|number| number.to_string()).unwrap_or_default()),
        ("url", story.url.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("deployment-id", model.deployment.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("reason-code", reason.unwrap_or_default().to_owned()),
        ("result-json", document(&result(model, ending), outcome, changed)),
    ]
}

/// The result as one line, with the same outcome and change as the other outputs.
fn document(result: &str, outcome: &str, changed: Option<bool>) -> String {
    let mut document: Value = serde_json::from_str(result).unwrap_or_default();
    document["outcome"] = json!(outcome);
    document["changed"] = json!(changed);
    object(&document).trim_end().to_owned()
}

/// What is appended to the file that `GITHUB_OUTPUT` names. `delimiter` is random: nobody can write a value that ends
/// early.
///
/// # Errors
/// A value holds the delimiter all the same; nothing is to be written then.
pub(super) fn file(outputs: &[(&'static str, String)], delimiter: &str) -> Result<String, Failure> {
    let mut out = String::new();
    for (name, value) in outputs {
        if value.contains(delimiter) {
            return Err(Failure::new(Reason::Bug, format!("the output `{name}` holds the random delimiter")));
        }
        out.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_become_another_output() {
        let hostile = [("release", "1\nurl=https://evil".to_owned())];
        assert_eq!(file(&hostile, "d1").ok().as_deref(), Some("release<<d1\n1\nurl=https://evil\nd1\n"));
        assert!(file(&[("url", "x\nd1\ny".to_owned())], "d1").is_err());
    }
}
