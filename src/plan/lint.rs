//! Contradictions inside a plan. A second pair of eyes: it knows nothing of how the plan was made.

use super::{Action, Plan, PlanReport, Step};
use crate::agent_api::Gate;
use crate::event::Phase;

/// A contradiction. The plan that holds it is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// A stable word.
    pub code: &'static str,
    /// What contradicts what.
    pub message: &'static str,
}

/// Looks for contradictions.
#[must_use]
pub fn lint(plan: &Plan, report: &PlanReport) -> Vec<Lint> {
    let at = |phase: Phase| report.actions.iter().position(|action: &Action| action.phase == phase);
    let before = |first: Phase, second: Phase| at(second).is_none_or(|second| at(first).is_some_and(|f| f < second));
    let acts = !plan.steps.is_empty();
    let stale = |step: &Step| match step {
        Step::AgentSwap(swap) => swap.expected_revision.is_empty(),
    };
    let rules = [
        (acts && !report.blockers.is_empty(), "acts_though_blocked", "it has steps although it is blocked"),
        (acts && !report.changed, "acts_without_change", "it has steps although nothing changes"),
        (
            !acts && report.changed && report.blockers.is_empty(),
            "change_without_steps",
            "something changes, nothing blocks, and it has no steps",
        ),
        (acts == report.actions.is_empty(), "steps_and_lines_differ", "its steps and its lines do not go together"),
        (plan.steps.iter().any(stale), "no_expected_revision", "a swap does not say which state it was planned for"),
        (acts && report.gate == Gate::None, "no_gate", "a swap has no gate"),
        (!before(Phase::Create, Phase::Gate), "gate_before_create", "the gate is passed before a container is made"),
        (!before(Phase::Gate, Phase::Switch), "switch_before_gate", "traffic is switched before the gate"),
        (
            !before(Phase::Adopt, Phase::Create) && at(Phase::Adopt).is_some(),
            "adopt_late",
            "a container is made before its labels are adopted",
        ),
        (
            at(Phase::Rehearse).is_some() && !before(Phase::Rehearse, Phase::Switch),
            "rehearse_after_switch",
            "the rehearsal comes after the switch",
        ),
        (!before(Phase::Switch, Phase::Prove), "prove_before_switch", "the proof comes before the switch"),
        (
            at(Phase::Switch).is_some() && (at(Phase::Prove).is_none() || !before(Phase::Prove, Phase::Retire)),
            "retire_before_prove",
            "the old version is removed before the new one is proven",
        ),
        (!before(Phase::Gate, Phase::Retire), "retire_before_gate", "the old version is removed before the gate"),
        (
            !before(Phase::Verify, Phase::Retire),
            "retire_before_verify",
            "the old version is removed before the verify window",
        ),
    ];
    rules.into_iter().filter(|(broken, ..)| *broken).map(|(_, code, message)| Lint { code, message }).collect()
}
