//! The plan for a terminal; readable without colour.

use super::{LINE, verdict, version};
use crate::agent_api::Blocker;
use crate::domain::one_line;
use crate::plan::PlanReport;

/// Renders a plan as lines.
#[must_use]
pub fn text(report: &PlanReport) -> String {
    let mut out = format!("{}: {}/{} at {}\n", report.environment, report.app, report.service, report.place);
    let mut line = |text: String| {
        out.push_str(&one_line(&text, LINE));
        out.push('\n');
    };
    line(format!("  running  {}", version(report.running.as_ref(), "nothing")));
    let rollback = if report.rollback { " (rollback)" } else { "" };
    line(format!("  wanted   {}{rollback}", version(report.wanted.as_ref(), "an earlier release, and there is none")));
    if !report.actions.is_empty() {
        line("  steps".to_owned());
        for action in &report.actions {
            line(format!("    {} {:<7} {}", action.mark.sign(), action.phase.as_str(), action.text));
        }
        let expected = if report.downtime.expected { "expected" } else { "none" };
        line(format!("  downtime {expected}: {}", report.downtime.why));
    }
    if !report.notes.is_empty() {
        line("  notes".to_owned());
        for note in &report.notes {
            line(format!("    - {note}"));
        }
    }
    blockers(&report.blockers).into_iter().for_each(&mut line);
    line(format!("  {}", verdict(report)));
    out
}

/// What is in the way, as lines; none where nothing is.
pub(super) fn blockers(blockers: &[Blocker]) -> Vec<String> {
    let title = (!blockers.is_empty()).then(|| "  blockers".to_owned());
    let each = blockers.iter().flat_map(|blocker| {
        [format!("    ! {}: {}", blocker.code, blocker.message), format!("      hint: {}", blocker.hint)]
    });
    title.into_iter().chain(each).collect()
}
