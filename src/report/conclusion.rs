//! What a run came to: the one answer that outputs, comment, summary, log and GitHub's deployment repeat.

use super::story::{Story, Verdict};
use crate::domain::{Digest, ImageRef, Reason};
use crate::failure::Failure;

/// The outcome of a run that does not know how its deployment ended.
pub(super) const UNKNOWN: &str = "unknown";

/// The answer. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// One word; `action.yml` lists them.
    pub outcome: &'static str,
    /// Why it did not end well.
    pub reason: Option<Reason>,
    /// Whether what runs was changed; of a plan, whether it would be. Unknown where the agent may still be about to.
    pub changed: Option<bool>,
    /// The release that serves.
    pub release: Option<u64>,
    /// The image that serves; of a plan, the one that would.
    pub image: Option<String>,
}

impl Conclusion {
    /// Of a run that ended before it knew what was to be done.
    #[must_use]
    pub fn early(failure: Option<&Failure>) -> Self {
        let outcome = if failure.is_some() { "failed" } else { "skipped" };
        let reason = failure.map(|failure| failure.reason);
        Self { outcome, reason, changed: Some(false), release: None, image: None }
    }

    /// The image's digest; an image that exists on the host only has none.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.image.as_deref()?.parse::<ImageRef>().ok().map(|image| image.digest().clone())
    }

    /// `rolled_back (never_healthy), release 3, sha256:…`: the same words wherever it is told, and few enough for
    /// the description of a deployment's status.
    #[must_use]
    pub fn sentence(&self) -> String {
        let reason = self.reason.filter(|reason| (self.outcome, *reason) != ("cancelled", Reason::Cancelled));
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let release = self.release.map(|number| format!(", release {number}")).unwrap_or_default();
        let digest = self.digest().map(|digest| format!(", {digest}")).unwrap_or_default();
        format!("{}{reason}{release}{digest}", self.outcome)
    }
}

impl Story {
    /// What it came to so far.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let verdict = self.verdict();
        let running = self.plan.as_ref().and_then(|plan| plan.running.as_ref());
        let wanted = self.plan.as_ref().and_then(|plan| plan.wanted.as_ref());
        let wanted = || wanted.and_then(|version| version.image.as_ref()).map(ToString::to_string);
        // A plan says what would be deployed; where nothing was to do, what is wanted runs.
        let (release, image) = match verdict {
            Verdict::Planned => (None, wanted()),
            Verdict::NothingToDo => (
                self.model.release.or(running.and_then(|version| version.release)),
                self.model.image.clone().or_else(wanted),
            ),
            _ => (self.model.release, self.model.image.clone()),
        };
        // Before the image is built nobody can say whether it would change something.
        let changed = match (verdict, &self.plan) {
            (Verdict::Planned, plan) => plan.as_ref().map(|plan| plan.changed),
            // Without the agent's last word only a switch that was seen is known.
            (Verdict::LetGo | Verdict::Lost, _) => self.model.switched.then_some(true),
            _ => Some(self.model.changed()),
        };
        let told = self.ended.as_ref().and_then(|ended| ended.failure.as_ref());
        Conclusion {
            outcome: self.outcome(verdict),
            reason: told.map(|told| told.reason).or(self.model.reason),
            changed,
            release,
            image,
        }
    }

    fn outcome(&self, verdict: Verdict) -> &'static str {
        match (self.model.outcome, verdict) {
            (Some(outcome), _) => outcome.as_str(),
            (None, Verdict::NothingToDo) => "unchanged",
            (None, Verdict::Planned) => "planned",
            (None, Verdict::Cancelled) => "cancelled",
            (None, Verdict::Failed) => "failed",
            (None, _) => UNKNOWN,
        }
    }
}
