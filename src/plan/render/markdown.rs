//! The plan for a comment or a job summary. All text that is not ours goes through `escape`.

use super::{markdown_code, markdown_prose, verdict, version};
use crate::agent_api::Blocker;
use crate::plan::PlanReport;

/// Renders a plan as GitHub-flavoured markdown.
#[must_use]
pub fn markdown(report: &PlanReport) -> String {
    let service = format!("{}/{}", report.app, report.service);
    let mut out = format!(
        "### {}: {}\n\n{}\n\n",
        markdown_code(report.environment.as_str()),
        markdown_code(&service),
        verdict(report)
    );
    let rollback = if report.rollback { " (rollback)" } else { "" };
    out.push_str("| | version |\n|---|---|\n");
    out.push_str(&format!("| running | {} |\n", markdown_code(&version(report.running.as_ref(), "nothing"))));
    let wanted = version(report.wanted.as_ref(), "an earlier release, and there is none");
    out.push_str(&format!("| wanted{rollback} | {} |\n", markdown_code(&wanted)));
    if !report.actions.is_empty() {
        out.push_str("\n| | phase | what happens |\n|---|---|---|\n");
        for action in &report.actions {
            let sign = markdown_code(&action.mark.sign().to_string());
            out.push_str(&format!("| {sign} | {} | {} |\n", action.phase.as_str(), markdown_prose(&action.text)));
        }
        let expected = if report.downtime.expected { "expected" } else { "none" };
        out.push_str(&format!("\n**Downtime:** {expected}: {}\n", markdown_prose(&report.downtime.why)));
    }
    out.push_str(&blockers(&report.blockers));
    if !report.notes.is_empty() {
        out.push_str("\n**Notes**\n\n");
        for note in &report.notes {
            out.push_str(&format!("- {}\n", markdown_prose(note)));
        }
    }
    out
}

/// What is in the way; empty where nothing is.
pub(super) fn blockers(blockers: &[Blocker]) -> String {
    let mut out = String::new();
    if !blockers.is_empty() {
        out.push_str("\n**Blockers**\n\n");
    }
    for blocker in blockers {
        let code = markdown_code(&blocker.code);
        out.push_str(&format!("- {code}: {}  \n", markdown_prose(&blocker.message)));
        out.push_str(&format!("  hint: {}\n", markdown_prose(&blocker.hint)));
    }
    out
}
