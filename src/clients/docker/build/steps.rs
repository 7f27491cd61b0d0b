//! The steps of a build, as they are told.

use std::collections::{HashMap, HashSet, VecDeque};

use bollard::moby::buildkit::v1::StatusResponse;

use super::redact::Redact;

/// Lines that are kept of each step, for the one that fails.
const KEPT: usize = 20;

/// What is known of a build's steps.
pub(super) struct Steps<'a> {
    redact: Redact<'a>,
    shown: HashSet<String>,
    last: HashMap<String, VecDeque<String>>,
    /// Name and digest of the step that failed first.
    failed: Option<(String, String)>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(redact: Redact<'a>) -> Self {
        Self { redact, shown: HashSet::new(), last: HashMap::new(), failed: None }
    }

    /// Takes news in; gives `line` what is worth one.
    pub(super) fn lines(&mut self, status: StatusResponse, line: &mut impl FnMut(String)) {
        for step in status.vertexes {
            let name = self.redact.text(&step.name);
            // What BuildKit does for itself is worth a line only when it fails.
            let own = name.starts_with("[internal]") || name == "copy /context /";
            if step.started.is_some() && !own && self.shown.insert(step.digest.clone()) {
                line(if step.cached { format!("{name} (cached)") } else { name.clone() });
            }
            // A failing step takes others with it; those say `context canceled`.
            if !step.error.is_empty() && !step.error.contains("context canceled") && self.failed.is_none() {
                self.failed = Some((name, step.digest));
            }
        }
        for log in status.logs {
            for text in String::from_utf8_lossy(&log.msg).lines() {
                let text = self.redact.text(text);
                line(format!("  | {text}"));
                let last = self.last.entry(log.vertex.clone()).or_default();
                last.push_back(text);
                if last.len() > KEPT {
                    last.pop_front();
                }
            }
        }
    }

    /// An error of the engine, fit to be told.
    pub(super) fn told(&self, error: &str) -> String {
        self.redact.text(error)
    }

    /// The step that failed first, and what it said last.
    pub(super) fn failed(self) -> (Option<String>, String) {
        let Some((name, digest)) = self.failed else { return (None, String::new()) };
        let last = self.last.get(&digest).map(|lines| Vec::from_iter(lines.iter().map(String::as_str)).join("\n"));
        (Some(name), last.unwrap_or_default())
    }
}
