//! What a failed container looked like, for the report.

use super::{Fault, Swap};
use crate::agent::store::Member;
use crate::clients::docker::DockerError;
use crate::domain::{Reason, one_line};
use crate::event::{ContainerReport, DeployEvent};

/// Log lines in a report.
const LINES: usize = 20;
/// What the kernel says of a program that it cannot run, as the last line of the container's log.
const FOREIGN: &str = "exec format error";

impl Swap {
    /// Emits the container's state, exit code with its meaning, and last log lines, and gives them. Never fails.
    pub(super) async fn diagnose(&self, member: &Member) -> Option<ContainerReport> {
        let container = self.site.engine.container(&member.id).await.ok()?;
        let log = self.site.engine.last_lines(&member.id, LINES).await;
        // The engine forgets the exit code of an earlier run, and one on its way out may not have one yet.
        let refused = container.state == "created" && container.exit_code.is_some_and(|code| code != 0);
        let ended = container.ended() || refused;
        let report = ContainerReport {
            name: container.name.clone(),
            state: container.state.clone(),
            health: container.health.clone(),
            exit_code: container.exit_code.filter(|_| ended),
            meaning: container.exit_meaning().filter(|_| ended),
            error: container.error.as_deref().map(|error| one_line(error, 500)),
            log,
        };
        self.events.emit(DeployEvent::Diagnosis { container: report.clone() });
        Some(report)
    }
}

impl Fault {
    /// Of a container that ended: with what its last words say better than its exit code.
    pub(super) fn explained(self, report: Option<&ContainerReport>) -> Self {
        let foreign = |line: &String| line.ends_with(FOREIGN);
        match report.filter(|report| report.log.last().is_some_and(foreign)) {
            Some(report) if self.reason == Reason::ContainerExited => {
                let code = report.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
                let why = "its program is built for another architecture than this host's";
                Self::new(self.reason, format!("{} ended{code}: {why}", report.name))
                    .hint("build the image for this host's platform")
            }
            _ => self,
        }
    }

    /// Of a container that the engine could not start.
    pub(super) fn not_started(name: &str, report: Option<&ContainerReport>, error: &DockerError) -> Self {
        let why = match error {
            DockerError::Refused { message, .. } => essence(message).to_owned(),
            other => other.to_string(),
        };
        let code = report.and_then(|report| {
            let meaning = report.meaning.as_ref().map(|meaning| format!(" ({meaning})")).unwrap_or_default();
            Some(format!(", exit code {}{meaning}", report.exit_code?))
        });
        Self::new(Reason::StartFailed, format!("{name} could not be started{}: {why}", code.unwrap_or_default()))
            .hint("check the image's command and platform, and the mounts in the compose file")
    }
}

/// What the engine says without the programs that handed it on.
fn essence(message: &str) -> &str {
    let own = ["unable to start container process: ", "error during container init: "];
    let message = own.iter().fold(message, |text, prefix| text.split_once(prefix).map_or(text, |(_, rest)| rest));
    message.trim().trim_end_matches(": unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_is_cut_to_what_matters() {
        let newest = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc \
            create failed: unable to start container process: error during container init: exec: \"/x\": permission \
            denied: unknown";
        assert_eq!(essence(newest), "exec: \"/x\": permission denied");
        assert_eq!(
            essence("driver failed programming external connectivity"),
            "driver failed programming external connectivity"
        );
    }
}
