//! What the action's step leaves for its post step, through the runner's state file. A hint only: `act` passes none on.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

use super::SHOWN;
use crate::domain::{DeploymentId, one_line};
use crate::env::GITHUB_STATE;
use crate::plan::PlanReport;
use crate::report::{Out, Unreported};

/// The agent's name for the deployment; a runner hands it on as `STATE_deployment`.
const DEPLOYMENT: &str = "deployment";
/// The plan as JSON: the comment shows it, and the post step could not make the same one any more.
const PLAN: &str = "plan";
/// Set where the step came to its end: nothing is left to be given up.
const SETTLED: &str = "settled";
/// Set where that end was told as far as it can be: nothing is left to close.
const CLOSED: &str = "closed";
/// That the run may hold automatic scaling.
const HOLD: &str = "hold";
/// Largest plan that is kept, in bytes: the post step gets it as a variable, of which Linux takes 128 KiB.
const LARGEST_PLAN: usize = 32 * 1024;

/// The agent took the deployment on.
pub(super) fn keep_deployment(vars: &BTreeMap<String, String>, id: &DeploymentId) {
    keep(vars, DEPLOYMENT, id.as_str());
}

/// The plan is made.
pub(super) fn keep_plan(vars: &BTreeMap<String, String>, plan: &PlanReport) {
    // What is left out is only missing from a comment.
    if let Ok(json) = serde_json::to_string(plan)
        && json.len() <= LARGEST_PLAN
    {
        keep(vars, PLAN, &json);
    }
}

/// The step came to its end. Where GitHub did not take all of it and may take it later, that is left to the post step.
pub(super) fn keep_settled(vars: &BTreeMap<String, String>, unreported: &[Unreported]) {
    keep(vars, SETTLED, "true");
    if !unreported.iter().any(|unreported| unreported.may_pass) {
        keep_closed(vars);
    }
}

/// The run may hold a service's automatic scaling.
pub(super) fn keep_hold(vars: &BTreeMap<String, String>) {
    keep(vars, HOLD, "true");
}

/// Everything was said.
pub(super) fn keep_closed(vars: &BTreeMap<String, String>) {
    keep(vars, CLOSED, "true");
}

/// The deployment that the step before named.
pub(super) fn deployment(vars: &BTreeMap<String, String>) -> Option<DeploymentId> {
    vars.get(&format!("STATE_{DEPLOYMENT}"))?.parse().ok()
}

/// The plan that the step before made, if it is one that this version reads.
pub(super) fn plan(vars: &BTreeMap<String, String>) -> Option<PlanReport> {
    serde_json::from_str(vars.get(&format!("STATE_{PLAN}"))?).ok()
}

/// Whether the step before left nothing to close.
pub(super) fn is_closed(vars: &BTreeMap<String, String>) -> bool {
    is_set(vars, CLOSED)
}

/// Whether the step before may have held automatic scaling.
pub(super) fn may_hold(vars: &BTreeMap<String, String>) -> bool {
    is_set(vars, HOLD)
}

/// Whether the step before came to its end.
pub(super) fn is_settled(vars: &BTreeMap<String, String>) -> bool {
    is_set(vars, SETTLED)
}

fn is_set(vars: &BTreeMap<String, String>, name: &str) -> bool {
    vars.get(&format!("STATE_{name}")).is_some_and(|value| value == "true")
}

/// No value can end its line early: they are slugs, and JSON without line breaks.
fn keep(vars: &BTreeMap<String, String>, name: &str, value: &str) {
    let Some(path) = vars.get(GITHUB_STATE.name).filter(|path| !path.trim().is_empty()) else { return };
    let file = OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(format!("{name}={value}\n").as_bytes())) {
        let sentence = format!("nothing is kept for the post step: `{path}`: {error}");
        Out.text(&format!("{}\n", one_line(&sentence, SHOWN)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_github_may_take_later_is_left_to_the_post_step() {
        for (parts, closed) in
            [(&[][..], true), (&[false][..], true), (&[true][..], false), (&[false, true][..], false)]
        {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("state");
            let vars = BTreeMap::from([(GITHUB_STATE.name.to_owned(), file.display().to_string())]);
            let one = |may_pass: &bool| Unreported { sentence: "no".to_owned(), may_pass: *may_pass };
            keep_settled(&vars, &parts.iter().map(one).collect::<Vec<_>>());
            let kept = std::fs::read_to_string(&file).unwrap();
            let vars = kept.lines().filter_map(|line| line.split_once('='));
            let vars = vars.map(|(name, value)| (format!("STATE_{name}"), value.to_owned())).collect();
            assert_eq!((is_settled(&vars), is_closed(&vars)), (true, closed), "{parts:?}: {kept}");
        }
    }
}
