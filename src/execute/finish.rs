//! How a deployment ended, and what that means for the exit code.

use super::Emitter;
use crate::agent_api::Deployment;
use crate::domain::{Reason, one_line};
use crate::event::{DeployEvent, Outcome};
use crate::failure::{Failure, Kind};

/// Longest sentence of the agent that is repeated, in characters.
const SHOWN: usize = 500;

/// The last word on a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it did not end well.
    pub reason: Option<Reason>,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finish {
    /// From a stream's last event.
    pub(super) fn of_event(event: &DeployEvent) -> Option<Self> {
        let DeployEvent::Finished { outcome, reason, message, hint, .. } = event else { return None };
        Some(Self { outcome: *outcome, reason: *reason, message: message.clone(), hint: hint.clone() })
    }

    /// From the deployment itself, where the stream's last event is of a kind that this version does not know. That event
    /// is told in its place: whoever reports it has to know the end.
    pub(super) fn of_deployment(deployment: &Deployment, events: &mut Emitter) -> Option<Self> {
        let outcome = deployment.outcome?;
        let message = format!("deployment `{}` ended as `{}`", deployment.id, outcome.as_str());
        let image = matches!(outcome, Outcome::Deployed | Outcome::Unchanged).then(|| deployment.image.clone());
        let (reason, hint, release) = (None, None, None);
        events.tell(DeployEvent::Finished { outcome, reason, message: message.clone(), hint, release, image });
        Some(Self { outcome, reason: None, message, hint: None })
    }

    /// The failure, where it is one. The exit code follows the outcome; the word follows the reason.
    #[must_use]
    pub fn to_failure(&self) -> Option<Failure> {
        let (kind, reason) = match self.outcome {
            Outcome::Deployed | Outcome::Unchanged => return None,
            Outcome::RolledBack if self.reason == Some(Reason::BeforeDeployFailed) => {
                (Kind::PreDeploy, Reason::BeforeDeployFailed)
            }
            Outcome::RolledBack => (Kind::RolledBack, Reason::Unknown),
            Outcome::Stranded => (Kind::Stranded, Reason::RollbackFailed),
            Outcome::Cancelled => (Kind::Cancelled, Reason::Cancelled),
            Outcome::Superseded => (Kind::Busy, Reason::Superseded),
            // An outcome of a newer agent: whatever it is, this version cannot vouch for what serves.
            Outcome::Unknown => (Kind::Stranded, Reason::Unknown),
        };
        let failure = Failure::new(self.reason.unwrap_or(reason), one_line(&self.message, SHOWN)).kind(kind);
        if self.outcome == Outcome::Unknown && self.hint.is_none() {
            let own = env!("CARGO_PKG_VERSION");
            return Some(failure.hint(format!(
                "the agent is newer than this deploy-action (version {own}) and ended it in a way that it does not know: update it, and look with `deploy-action status`"
            )));
        }
        Some(match &self.hint {
            Some(hint) => failure.hint(one_line(hint, SHOWN)),
            None => failure,
        })
    }
}
