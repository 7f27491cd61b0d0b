//! What the action's step says in the log of its job.

use serde_json::Value;

/// A line for people, if the step's is worth one: neither a command to the runner nor the beginning of a phase.
pub(super) fn shown(said: &str) -> Option<String> {
    let text = strip_time(said).unwrap_or(said).trim_end();
    let worth = !text.is_empty() && !text.starts_with("::") && !text.ends_with(" …");
    worth.then(|| text.to_owned())
}

/// Milliseconds by phase, from the result, in the order in which the log tells that they ended.
pub(super) fn phases(lines: &[String], result: &Value) -> Vec<(String, u64)> {
    let all = result["phases_ms"].as_object().into_iter().flatten();
    let mut phases: Vec<(String, u64)> =
        all.filter_map(|(phase, took)| Some((phase.clone(), took.as_u64()?))).collect();
    let told = |phase: &str| {
        let is_end =
            |line: &&str| line.strip_prefix(phase).is_some_and(|rest| rest.trim_start().starts_with("done in "));
        lines.iter().filter_map(|line| strip_time(under_act(line).unwrap_or(line))).position(|line| is_end(&line))
    };
    phases.sort_by_key(|(phase, _)| told(phase));
    phases
}

/// What stands before a step's own words where `act` shows them; its other lines are about itself, or the summary.
const UNDER_ACT: &str = "]   | ";

/// What the step itself said, of a line that `act` shows.
pub(super) fn under_act(line: &str) -> Option<&str> {
    Some(line.split_once(UNDER_ACT)?.1)
}

/// Without `HH:MM:SS  `; none where a line does not begin with it.
fn strip_time(line: &str) -> Option<&str> {
    let (time, text) = line.split_once("  ")?;
    let is_time = time.len() == 8 && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    is_time.then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_that_are_worth_showing() {
        let shown = |line| shown(line).unwrap_or_default();
        assert_eq!(shown("22:43:01  gate    done in 0.1 s"), "gate    done in 0.1 s");
        assert_eq!(shown("  steps"), "  steps");
        for silent in ["::add-mask::x", "22:43:01  gate    …", "::error file=a::x", ""] {
            assert_eq!(shown(silent), "");
        }
    }

    #[test]
    fn only_the_step_counts() {
        assert_eq!(under_act("[hello/deploy]   | 22:43:01  built"), Some("22:43:01  built"));
        assert_eq!(under_act("[hello/deploy]   ✅  Success - Main x"), None);
        assert_eq!(under_act("| environment | of the summary |"), None);
    }

    #[test]
    fn phases_in_their_order() {
        let log = ["22:43:01  pull    done in 0.1 s", "22:43:01  gate    done in 0.1 s"].map(str::to_owned);
        let result = json!({"phases_ms": {"gate": 2, "pull": 1}});
        assert_eq!(phases(&log, &result), [("pull".to_owned(), 1), ("gate".to_owned(), 2)]);
    }
}
