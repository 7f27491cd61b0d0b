//! What a failed container looked like, for the report.

use super::Swap;
use crate::agent::store::Member;
use crate::domain::one_line;
use crate::event::{ContainerReport, DeployEvent};

/// Log lines in a report.
const LINES: usize = 20;

impl Swap {
    /// Emits the container's state, exit code with its meaning, and last log lines. Never fails.
    pub(super) async fn diagnose(&self, member: &Member) {
        let Ok(container) = self.site.engine.container(&member.id).await else { return };
        let log = self.site.engine.last_lines(&member.id, LINES).await;
        // The engine forgets the exit code of an earlier run, and one on its way out may not have one yet.
        let ended = container.ended();
        let report = ContainerReport {
            name: container.name.clone(),
            state: container.state.clone(),
            health: container.health.clone(),
            exit_code: container.exit_code.filter(|_| ended),
            meaning: container.exit_meaning().filter(|_| ended),
            error: container.error.as_deref().map(|error| one_line(error, 500)),
            log,
        };
        self.events.emit(DeployEvent::Diagnosis { container: report });
    }
}
