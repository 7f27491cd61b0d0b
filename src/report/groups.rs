//! The action's log in groups, which a runner folds: the lines of a build, and those of containers that failed.

use crate::event::DeployEvent;

/// Which group is open.
#[derive(Debug, Default)]
pub struct Groups {
    open: Option<&'static str>,
}

impl Groups {
    /// The workflow commands that go before an event's lines.
    #[must_use]
    pub fn before(&mut self, event: &DeployEvent) -> String {
        self.turn(match event {
            DeployEvent::BuildLine { .. } => Some("Build"),
            DeployEvent::Diagnosis { .. } => Some("Last lines of the containers"),
            _ => None,
        })
    }

    /// The one that goes before whatever is no event.
    #[must_use]
    pub fn close(&mut self) -> String {
        self.turn(None)
    }

    fn turn(&mut self, to: Option<&'static str>) -> String {
        if self.open == to {
            return String::new();
        }
        let end = self.open.map_or("", |_| "::endgroup::\n");
        self.open = to;
        to.map_or_else(|| end.to_owned(), |title| format!("{end}::group::{title}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_one_and_is_closed() {
        let build = DeployEvent::BuildLine { text: "[1/2] FROM scratch".to_owned() };
        let mut groups = Groups::default();
        let said = [
            groups.before(&DeployEvent::Switched),
            groups.before(&build),
            groups.before(&build),
            groups.before(&DeployEvent::Switched),
            groups.before(&build),
            groups.close(),
            groups.close(),
        ];
        let (begin, end) = ("::group::Build\n", "::endgroup::\n");
        assert_eq!(said, ["", begin, "", end, begin, end, ""]);
    }
}
