//! A deployment as its events tell it.

use crate::domain::{DeploymentId, Reason};
use crate::event::{DeployEvent, Outcome, Phase, Stamped};

/// What is known of a deployment so far: the fold of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// The agent's name for it.
    pub deployment: Option<DeploymentId>,
    /// What is being deployed, as who carries it out took it on: by digest, where it has one.
    pub accepted: Option<String>,
    /// Phases that ended well, in order, with their length in milliseconds.
    pub phases: Vec<(Phase, u64)>,
    /// The phase that began and has not ended.
    pub current: Option<Phase>,
    /// True once the new version got the traffic.
    pub switched: bool,
    /// The release that was proven.
    pub proven: Option<u64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why, where it did not end well.
    pub reason: Option<Reason>,
    /// The release that serves at the end.
    pub release: Option<u64>,
    /// The image that serves at the end.
    pub image: Option<String>,
}

impl Model {
    /// Whether what runs was changed, as far as the events tell.
    #[must_use]
    pub fn changed(&self) -> bool {
        match self.outcome {
            Some(Outcome::Deployed | Outcome::Stranded | Outcome::Superseded | Outcome::Unknown) => true,
            Some(Outcome::Unchanged | Outcome::RolledBack | Outcome::Cancelled) => false,
            None => self.switched,
        }
    }

    /// Takes one more event in.
    pub fn apply(&mut self, stamped: &Stamped) {
        match &stamped.event {
            DeployEvent::Accepted { deployment, image, .. } => {
                self.deployment = Some(deployment.clone());
                self.accepted = Some(image.clone());
            }
            DeployEvent::PhaseStarted { phase } => self.current = Some(*phase),
            DeployEvent::PhaseFinished { phase, took_ms } => {
                self.current = self.current.filter(|current| current != phase);
                self.phases.push((*phase, *took_ms));
            }
            DeployEvent::Switched => self.switched = true,
            DeployEvent::Proven { release } => self.proven = Some(*release),
            DeployEvent::Finished { outcome, reason, release, image, .. } => {
                self.outcome = Some(*outcome);
                self.reason = *reason;
                self.release = *release;
                self.image.clone_from(image);
            }
            DeployEvent::Note { .. }
            | DeployEvent::BuildLine { .. }
            | DeployEvent::Built { .. }
            | DeployEvent::Pushed { .. }
            | DeployEvent::Problem { .. }
            | DeployEvent::Progress { .. }
            | DeployEvent::Finding { .. }
            | DeployEvent::Drained { .. }
            | DeployEvent::Diagnosis { .. }
            | DeployEvent::Unknown => {}
        }
    }
}
