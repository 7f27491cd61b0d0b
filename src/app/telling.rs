//! Who is told what a run of the action does, and what nobody is told.

use std::collections::BTreeMap;

use crate::domain::Redact;
use crate::env::Env;
use crate::event::{DeployEvent, Stamped};
use crate::report::{self, Annotation, Groups, Out, Publisher, annotation};
use crate::trigger::redact;

/// Log and report.
pub(super) struct Telling {
    pub(super) publisher: Publisher,
    /// Of the log.
    pub(super) groups: Groups,
    /// The plan changes nothing.
    pub(super) nothing_to_do: bool,
}

impl Telling {
    pub(super) fn event(&mut self, stamped: &Stamped) {
        Out.text(&self.groups.before(&stamped.event));
        Out.text(&report::lines(stamped));
        if let DeployEvent::Problem { file, line, message } = &stamped.event {
            Out.text(&annotation(&Annotation { file: Some(file), line: *line, title: "build", message }));
        }
        self.publisher.event(stamped);
    }

    /// Text that is no event.
    pub(super) fn text(&mut self, text: &str) {
        Out.text(&self.groups.close());
        Out.text(text);
    }
}

/// What was given for this run and must not be shown.
pub(super) fn secrets(vars: &BTreeMap<String, String>, env: &Env) -> Redact {
    let mut redact = redact(vars);
    env.secrets().for_each(|secret| redact.hide(secret));
    redact
}

/// What a container says goes into the comment too, where no runner hides anything. A build's lines come without secrets.
pub(super) fn hidden(stamped: &Stamped, redact: &Redact) -> Stamped {
    let mut stamped = stamped.clone();
    if let DeployEvent::Diagnosis { container } = &mut stamped.event {
        container.error.iter_mut().chain(&mut container.log).for_each(|text| *text = redact.text(text));
    }
    stamped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_words_are_told_without_secrets() {
        let event = serde_json::json!({
            "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "diagnosis", "container": {
                "name": "web-1", "state": "exited", "error": "exec canary-token", "log": ["with canary-token", "plain"],
            }
        });
        let mut redact = Redact::default();
        redact.hide("canary-token");
        let told = hidden(&serde_json::from_value(event).unwrap(), &redact);
        let DeployEvent::Diagnosis { container } = told.event else { panic!("another kind") };
        assert_eq!(container.error.as_deref(), Some("exec ***"));
        assert_eq!(container.log, ["with ***", "plain"]);
    }
}
