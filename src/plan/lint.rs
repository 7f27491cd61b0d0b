//! Contradictions inside a plan. A second pair of eyes: it knows nothing of how the plan was made.

use super::{Action, Later, Plan, PlanReport, Step};
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
    let swaps = report.gate.is_some();
    let stale = |step: &Step| matches!(step, Step::AgentSwap(swap) if swap.expected_revision.is_empty());
    let unregistered = |step: &Step| {
        let rollout = match step {
            Step::CodeDeploy(step) => &step.rollout,
            Step::EcsService(step) => &step.rollout,
            Step::OneOff(step) => return step.task_definition == Later::Registered,
            Step::AgentSwap(_) | Step::Register(_) => return false,
        };
        rollout.task_definition == Later::Registered
    };
    let registers = plan.steps.iter().position(|step| matches!(step, Step::Register(_)));
    let waits = plan.steps.iter().position(unregistered);
    let rules = [
        (acts && !report.blockers.is_empty(), "acts_though_blocked", "it has steps although it is blocked"),
        (acts && !report.changed, "acts_without_change", "it has steps although nothing changes"),
        (
            !acts && report.changed && report.blockers.is_empty(),
            "change_without_steps",
            "something changes, nothing blocks, and it has no steps",
        ),
        (acts == report.actions.is_empty(), "steps_and_lines_differ", "its steps and its lines do not go together"),
        (acts && plan.left_held.is_some(), "acts_and_sets_back", "it sets back what its own steps may hold"),
        (plan.steps.iter().any(stale), "no_expected_revision", "a swap does not say which state it was planned for"),
        (acts && report.gate == Some(Gate::None), "no_gate", "a swap has no gate"),
        (
            waits.is_some_and(|at| registers.is_none_or(|before| before > at)),
            "nothing_registered",
            "tasks are made from a revision that no step before registers",
        ),
        (
            at(Phase::Shift).is_some() && !before(Phase::Provision, Phase::Shift),
            "shift_before_provision",
            "traffic shifts before there are tasks to take it",
        ),
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
        (
            swaps && !before(Phase::Gate, Phase::Retire),
            "retire_before_gate",
            "the old version is removed before the gate",
        ),
        (
            at(Phase::Shift).is_some() && !before(Phase::Shift, Phase::Retire),
            "retire_before_shift",
            "the old tasks are removed before the traffic shifts",
        ),
        (
            swaps && !before(Phase::Verify, Phase::Retire),
            "retire_before_verify",
            "the old version is removed before the verify window",
        ),
    ];
    rules.into_iter().filter(|(broken, ..)| *broken).map(|(_, code, message)| Lint { code, message }).collect()
}
