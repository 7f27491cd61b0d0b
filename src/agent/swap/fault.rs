//! Why a phase did not succeed: a reason, a sentence, and what to do.

use crate::agent::compose::ComposeError;
use crate::agent::facts::FactsError;
use crate::agent::store::JournalError;
use crate::agent_api::Blocker;
use crate::clients::docker::DockerError;
use crate::domain::Reason;

/// Why a phase did not succeed.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The cause.
    pub reason: Reason,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), hint: None }
    }

    pub(super) fn cancelled() -> Self {
        Self::new(Reason::Cancelled, "cancelled before the new version got any traffic")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What blocks: the first of several, as one sentence.
    pub(super) fn blocked(reason: Reason, blockers: Vec<Blocker>) -> Self {
        let first = blockers.into_iter().next();
        let (message, hint) = first.map(|blocker| (blocker.message, blocker.hint)).unwrap_or_default();
        Self::new(reason, message).hint(hint)
    }
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self::new(Reason::StateUnusable, format!("{error}{why}"))
            .hint("free space in `state_dir` and make it writable for the agent")
    }
}

impl From<DockerError> for Fault {
    fn from(error: DockerError) -> Self {
        match error {
            DockerError::NotFound(what) => Self::new(
                Reason::ChangedUnderneath,
                format!("something was removed by someone else during the deployment: {what}"),
            )
            .hint("let no `docker compose` run during a deployment, then deploy again"),
            other => Self::new(Reason::DockerUnavailable, other.to_string())
                .hint("`deploy-action agent doctor` on the host checks the engine"),
        }
    }
}

impl From<FactsError> for Fault {
    fn from(error: FactsError) -> Self {
        let (reason, mend) = match &error {
            FactsError::Compose(ComposeError::TimedOut(_)) => (Reason::TimedOut, "find out what holds compose up"),
            FactsError::Docker(_) => (Reason::DockerUnavailable, "start the Docker Engine"),
            FactsError::Compose(_) => {
                (Reason::ComposeFailed, "mend the compose files, or `dir` and `files` of the application in agent.yml")
            }
            FactsError::NoService { .. } => {
                (Reason::UnknownService, "name one of those in deploy.yml, and in agent.yml under `services`")
            }
        };
        let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self::new(reason, format!("{error}{why}"))
            .hint(format!("{mend}; `deploy-action agent doctor` on the host checks it"))
    }
}
