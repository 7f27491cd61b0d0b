//! A plan as text, markdown or JSON. Pure; all three show the same value. [`preview_text`] where there is none yet.

mod escape;
mod json;
mod markdown;
mod preview;
mod text;

use super::{PlanReport, Version};
use crate::domain::one_line;

pub use escape::{markdown_code, markdown_prose};
pub use json::json;
pub use markdown::markdown;
pub use preview::{preview_markdown, preview_text};
pub use text::text;

/// Longest text from outside on one line, in characters.
const LINE: usize = 500;

/// The sentence that sums a plan up.
/// Of a plan with a blocker.
const BLOCKED: &str = "Blocked: nothing will be done.";

fn verdict(report: &PlanReport) -> &'static str {
    match (report.blockers.is_empty(), report.changed) {
        (false, _) => BLOCKED,
        (true, true) => "A deployment changes this.",
        (true, false) => "Nothing to do: what is wanted runs.",
    }
}

/// `release 3, repository@sha256:…` shortened for people.
fn version(version: Option<&Version>, none: &str) -> String {
    let Some(version) = version else { return none.to_owned() };
    let image = version.image.as_ref().map_or_else(
        || {
            version
                .image_id
                .as_deref()
                .map_or_else(|| "an unknown image".to_owned(), |id| format!("image {}", short(id)))
        },
        |image| format!("{}@sha256:{}", image.repository(), image.digest().short()),
    );
    let release = version.release.map(|number| format!("release {number}, ")).unwrap_or_default();
    let count = if version.containers == 1 { String::new() } else { format!(", {} containers", version.containers) };
    format!("{release}{image}{count}")
}

/// The first 12 digits of an engine's image id.
fn short(id: &str) -> String {
    one_line(id.strip_prefix("sha256:").unwrap_or(id), LINE).chars().take(12).collect()
}
