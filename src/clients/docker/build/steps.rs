//! The steps of a build, as they are told.

use std::collections::HashSet;

use bollard::moby::buildkit::v1::StatusResponse;

/// What is known of a build's steps.
#[derive(Debug, Default)]
pub(super) struct Steps {
    shown: HashSet<String>,
    /// The step that failed first.
    pub(super) failed: Option<String>,
}

impl Steps {
    /// Takes news in; gives `line` what is worth one.
    pub(super) fn lines(&mut self, status: StatusResponse, line: &mut impl FnMut(String)) {
        for step in status.vertexes {
            // What BuildKit does for itself is worth a line only when it fails.
            let own = step.name.starts_with("[internal]") || step.name == "copy /context /";
            if step.started.is_some() && !own && self.shown.insert(step.digest) {
                line(if step.cached { format!("{} (cached)", step.name) } else { step.name.clone() });
            }
            // A failing step takes others with it; those say `context canceled`.
            if !step.error.is_empty() && !step.error.contains("context canceled") && self.failed.is_none() {
                self.failed = Some(step.name);
            }
        }
        for log in status.logs {
            for text in String::from_utf8_lossy(&log.msg).lines() {
                line(format!("  | {text}"));
            }
        }
    }
}
