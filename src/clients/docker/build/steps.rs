//! The steps of a build, as they are told.

use std::collections::{HashMap, HashSet, VecDeque};

use bollard::moby::buildkit::v1::StatusResponse;

use crate::domain::Redact;

/// Lines that are kept of each step, for the one that fails.
const KEPT: usize = 20;
/// Longest part of a line that waits for the rest, in bytes.
const LONGEST: usize = 64 << 10;

/// What is known of a build's steps.
pub(super) struct Steps<'a> {
    redact: &'a Redact,
    /// What a step has said of a line that is not at its end yet: a chunk may end in the middle of a secret.
    begun: HashMap<(String, i64), Vec<u8>>,
    shown: HashSet<String>,
    last: HashMap<String, VecDeque<String>>,
    /// Name and digest of the step that failed first.
    failed: Option<(String, String)>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(redact: &'a Redact) -> Self {
        Self { redact, begun: HashMap::new(), shown: HashSet::new(), last: HashMap::new(), failed: None }
    }

    /// Takes news in; gives `line` what is worth one.
    pub(super) fn lines(&mut self, status: StatusResponse, line: &mut impl FnMut(String)) {
        // What was said is told before the end of who said it.
        for log in status.logs {
            let key = (log.vertex, log.stream);
            let mut text = self.begun.remove(&key).unwrap_or_default();
            text.extend_from_slice(&log.msg);
            let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let rest = text.split_off(end);
            self.said(&key.0, &text, line);
            if rest.len() > LONGEST {
                self.said(&key.0, &rest, line);
            } else if !rest.is_empty() {
                self.begun.insert(key, rest);
            }
        }
        for step in status.vertexes {
            if step.completed.is_some() || !step.error.is_empty() {
                self.flush(Some(&step.digest), line);
            }
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
    }

    /// Tells the lines that were begun by this step, or by any, and never ended.
    pub(super) fn flush(&mut self, step: Option<&str>, line: &mut impl FnMut(String)) {
        let ended = |begun: &(String, i64)| step.is_none_or(|step| begun.0 == step);
        let mut left: Vec<_> = self.begun.extract_if(|begun, _| ended(begun)).collect();
        left.sort();
        for ((step, _), text) in left {
            self.said(&step, &text, line);
        }
    }

    fn said(&mut self, step: &str, text: &[u8], line: &mut impl FnMut(String)) {
        for text in String::from_utf8_lossy(text).lines() {
            let text = self.redact.text(text);
            line(format!("  | {text}"));
            let last = self.last.entry(step.to_owned()).or_default();
            last.push_back(text);
            if last.len() > KEPT {
                last.pop_front();
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

#[cfg(test)]
mod tests {
    use bollard::moby::buildkit::v1::{Vertex, VertexLog};

    use super::*;

    fn log(text: &str) -> StatusResponse {
        let log =
            VertexLog { vertex: "one".to_owned(), msg: text.as_bytes().to_vec(), stream: 1, ..VertexLog::default() };
        StatusResponse { logs: vec![log], ..StatusResponse::default() }
    }

    #[test]
    fn a_secret_in_two_chunks_is_hidden_and_no_line_is_lost() {
        let mut redact = Redact::default();
        redact.hide("canary-secret");
        let mut steps = Steps::new(&redact);
        let mut told = Vec::new();
        for text in ["it is cana", "ry-sec", "ret.\nnext: canary", "-secret"] {
            steps.lines(log(text), &mut |line| told.push(line));
        }
        assert_eq!(told, ["  | it is ***."]);
        let failed = Vertex { digest: "one".to_owned(), error: "exit code 1".to_owned(), ..Vertex::default() };
        let status = StatusResponse { vertexes: vec![failed], ..StatusResponse::default() };
        steps.lines(status, &mut |line| told.push(line));
        assert_eq!(told[1..], ["  | next: ***"]);
        assert_eq!(steps.failed().1, "it is ***.\nnext: ***");
    }
}
