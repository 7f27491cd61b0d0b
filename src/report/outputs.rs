//! The action's outputs, and how they are written so that no value can become another output.

use serde_json::{Value, json};

use super::conclusion::Conclusion;
use super::json::{Ending, object, result};
use super::story::Story;
use crate::domain::Reason;
use crate::failure::Failure;

/// An output: name and value.
pub type Output = (&'static str, String);

/// Every output by its name; a value that is not known is empty.
#[must_use]
pub fn outputs(story: &Story, ending: &Ending<'_>) -> Vec<Output> {
    let url = story.url.as_ref().map(ToString::to_string).unwrap_or_default();
    let deployment = story.model.deployment.as_ref().map(ToString::to_string).unwrap_or_default();
    list(story.environment.to_string(), &story.conclusion(), &url, &deployment, &result(&story.model, ending))
}

pub(super) fn list(
    environment: String,
    conclusion: &Conclusion,
    url: &str,
    deployment: &str,
    result: &str,
) -> Vec<Output> {
    let changed = conclusion.changed.map_or_else(|| "unknown".to_owned(), |changed| changed.to_string());
    vec![
        ("environment", environment),
        ("outcome", conclusion.outcome.to_owned()),
        ("changed", changed),
        ("image", conclusion.image.clone().unwrap_or_default()),
        ("digest", conclusion.digest().map(|digest| digest.to_string()).unwrap_or_default()),
        ("release", conclusion.release.map(|number| number.to_string()).unwrap_or_default()),
        ("url", url.to_owned()),
        ("deployment-id", deployment.to_owned()),
        ("reason-code", conclusion.reason.map(Reason::as_str).unwrap_or_default().to_owned()),
        ("result-json", document(result, conclusion)),
    ]
}

/// The result as one line, with the same answers as the other outputs.
fn document(result: &str, conclusion: &Conclusion) -> String {
    let mut document: Value = serde_json::from_str(result).unwrap_or_default();
    document["outcome"] = json!(conclusion.outcome);
    document["changed"] = json!(conclusion.changed);
    document["release"] = json!(conclusion.release);
    document["image"] = json!(conclusion.image);
    document["reason"] = json!(conclusion.reason.map(Reason::as_str));
    object(&document).trim_end().to_owned()
}

/// What is appended to the file that `GITHUB_OUTPUT` names. `delimiter` is random: nobody can write a value that ends
/// early.
///
/// # Errors
/// A value holds the delimiter all the same; nothing is to be written then.
pub(super) fn file(outputs: &[Output], delimiter: &str) -> Result<String, Failure> {
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
