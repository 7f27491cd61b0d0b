//! Inputs as a runner hands them on: every one of `action.yml`, with its default or empty, and those that are given.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::bed::{BedError, Result};

/// The variables `INPUT_…`, by name.
pub(super) fn of_action(token: Option<&str>, given: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../action.yml");
    let text = fs::read_to_string(&file).map_err(|error| BedError::file(&file, &error))?;
    let defaults = defaults(&text);
    let defaults = defaults.iter().map(|(name, value)| match value.as_str() {
        "${{ github.token }}" => (name.as_str(), token.unwrap_or_default()),
        value => (name.as_str(), value),
    });
    // An unknown input is handed on too, with no more than a warning.
    Ok(defaults.chain(given.iter().copied()).map(|(name, value)| (variable(name), value.to_owned())).collect())
}

/// Upper case, spaces as underscores; hyphens stay.
pub(super) fn variable(name: &str) -> String {
    format!("INPUT_{}", name.to_uppercase().replace(' ', "_"))
}

/// Of a file whose inputs have a line each, and a line each for what they have.
fn defaults(action: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut name = String::new();
    for line in action.lines().skip_while(|line| *line != "inputs:").skip(1) {
        let depth = line.len() - line.trim_start().len();
        match (depth, line.trim()) {
            (0, "") => {}
            (0, _) => break,
            (2, key) => {
                key.trim_end_matches(':').clone_into(&mut name);
                all.insert(name.clone(), String::new());
            }
            (_, member) => {
                if let Some(value) = member.strip_prefix("default:") {
                    all.insert(name.clone(), value.trim().trim_matches('\'').to_owned());
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_has_its_variable() {
        let all = of_action(Some("t"), &[("agent-key", "k"), ("no such", "x")]).expect("action.yml");
        let get = |name: &str| all.get(name).map(String::as_str);
        assert_eq!(get("INPUT_BUILD"), Some("auto"));
        assert_eq!(get("INPUT_TARGET"), Some(""), "not given, and without a default");
        assert_eq!(get("INPUT_GITHUB-TOKEN"), Some("t"));
        assert_eq!(get("INPUT_AGENT-KEY"), Some("k"));
        assert_eq!(get("INPUT_NO_SUCH"), Some("x"));
    }
}
