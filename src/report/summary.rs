//! The job summary: what the comment says, for runs without one as well.

use super::comment::{LONGEST, body};
use super::story::Story;

/// The report as a section of the job summary.
#[must_use]
pub fn summary(story: &Story) -> String {
    // GitHub would take 1 MiB; a report that says more than the comment would be a second report.
    format!("{}\n", body(story, LONGEST))
}
