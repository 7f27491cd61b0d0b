//! What holds for every run at GitHub: calls as its API is described, and not more of them than a run may make.

use std::sync::OnceLock;

use kit::bed::Machine;
use kit::github::{Call, Description};

/// Most calls of a deployment, and of a plan.
const SHARES: (usize, usize) = (20, 8);

/// Holds a recording, and what the double answered, against GitHub's description.
#[track_caller]
pub(crate) fn assert_described(machine: &Machine, calls: &[Call]) {
    static DESCRIPTION: OnceLock<Description> = OnceLock::new();
    let description =
        DESCRIPTION.get_or_init(|| Description::read(&machine.github_openapi).expect("GitHub's description"));
    assert_eq!(description.problems(calls), [] as [&str; 0]);
}

/// Counts the calls of one run. Faults make a run try more often, though never more than a deployment may.
#[track_caller]
pub(crate) fn assert_share(calls: &[Call], outcome: &str) {
    let undisturbed = calls.iter().all(|call| call.answer.is_some());
    let share = if outcome == "planned" && undisturbed { SHARES.1 } else { SHARES.0 };
    assert!(calls.len() <= share, "{} calls where {outcome}, more than {share}: {calls:#?}", calls.len());
}
