//! The one stream of events: the agent and the executors emit them, every report is a fold over them.
//!
//! A reader of an older version meets newer kinds as [`DeployEvent::Unknown`] and skips them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{DeploymentId, ImageRef, Reason};

/// An event with its place in the stream of one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Position in the deployment's stream, from 1 without gaps.
    pub seq: u64,
    /// When it happened, by the emitter's clock.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: DeployEvent,
}

/// The parts of a swap, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The running version's route is taken over from its labels (first deployment only).
    Adopt,
    /// The image is fetched.
    Pull,
    /// New containers are made beside the old ones.
    Create,
    /// They are started.
    Start,
    /// They must answer their probe.
    Gate,
    /// Requests that only the agent can send must reach them through the entry point, before anybody else's do.
    Rehearse,
    /// The route is pointed at them.
    Switch,
    /// Requests through the entry point must be answered by them.
    Prove,
    /// They are watched while the old ones drain.
    Verify,
    /// The old containers are stopped and removed.
    Retire,
    /// The previous state is restored.
    Back,
    /// ECS: a revision of the task definition is made.
    Register,
    /// ECS: a command runs as a task of its own.
    BeforeDeploy,
    /// ECS: another deployment's end is waited for.
    Queue,
    /// ECS: new tasks start and become healthy.
    Provision,
    /// ECS: a test listener sends its requests to them.
    Test,
    /// ECS: somebody has to let the traffic shift.
    Approval,
    /// ECS: the traffic goes to them.
    Shift,
    /// ECS: old and new tasks both run, and going back takes a moment.
    Bake,
    /// ECS: tasks are replaced one after the other.
    Roll,
    /// A phase of a newer version.
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// The word used in reports and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Pull => "pull",
            Self::Create => "create",
            Self::Start => "start",
            Self::Gate => "gate",
            Self::Rehearse => "rehearse",
            Self::Switch => "switch",
            Self::Prove => "prove",
            Self::Verify => "verify",
            Self::Retire => "retire",
            Self::Back => "back",
            Self::Register => "register",
            Self::BeforeDeploy => "before_deploy",
            Self::Queue => "queue",
            Self::Provision => "provision",
            Self::Test => "test",
            Self::Approval => "approval",
            Self::Shift => "shift",
            Self::Bake => "bake",
            Self::Roll => "roll",
            Self::Unknown => "unknown",
        }
    }
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new release serves and was proven.
    Deployed,
    /// What was wanted already ran.
    Unchanged,
    /// It failed; the version from before serves.
    RolledBack,
    /// It failed and going back failed too.
    Stranded,
    /// It was cancelled before the switch; the version from before serves.
    Cancelled,
    /// Somebody else's deployment took its place.
    Superseded,
    /// An outcome of a newer version.
    #[serde(other)]
    Unknown,
}

impl Outcome {
    /// The word used in reports and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled_back",
            Self::Stranded => "stranded",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        }
    }
}

/// What a container that failed looked like. All text is the container's own: data, to be escaped by whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Container name.
    pub name: String,
    /// Docker's state word, for example `running` or `exited`.
    pub state: String,
    /// Docker's health word where the image has a health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Exit code, where it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What that exit code usually means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// Docker's own error text, for example of a command that does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Last log lines, oldest first, control characters removed.
    #[serde(default)]
    pub log: Vec<String>,
}

/// What happened. Texts are whole sentences for people; decisions rest on the other fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeployEvent {
    /// The agent took the deployment on; it now goes on by itself.
    Accepted {
        /// The agent's name for it.
        deployment: DeploymentId,
        /// What is being deployed: by digest, or the engine's image id for one that exists on the host only.
        image: String,
        /// Counts up with every deployment of the application; absent from an older agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<u64>,
    },
    /// A phase began.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// A phase ended well.
    PhaseFinished {
        /// Which.
        phase: Phase,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// A step of a build, or a line of its output. The text is the build's own: data, to be escaped by whoever shows it.
    BuildLine {
        /// One line.
        text: String,
    },
    /// The image was built.
    Built {
        /// The engine's name for it.
        image_id: String,
    },
    /// The registry has the image, read back from it.
    Pushed {
        /// By digest.
        image: ImageRef,
    },
    /// Something wrong in a file of the repository.
    Problem {
        /// Path from the root of the repository, with `/`.
        file: String,
        /// Line, from 1, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        /// One sentence, which may repeat foreign text.
        message: String,
    },
    /// Something worth a line, that decides nothing.
    Note {
        /// The sentence.
        text: String,
    },
    /// From here on the new version gets the traffic.
    Switched,
    /// Requests through the entry point were answered by the new release.
    Proven {
        /// Its number.
        release: u64,
    },
    /// How far a deployment of ECS is; a look that shows nothing new tells none.
    Progress {
        /// Share of the traffic that the new version has, in percent; absent where nobody weighs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<f64>,
        /// New tasks that there shall be.
        desired: u64,
        /// New tasks that run.
        running: u64,
        /// New tasks that ended before they were healthy, as far as it is counted.
        #[serde(default)]
        failed: u64,
        /// Where AWS says that it is, in its own word.
        stage: String,
        /// What is left of the shift and of the waits that are known, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_s: Option<u64>,
    },
    /// A fact about why it failed, as AWS tells it or as we conclude. May hold text from outside.
    Finding {
        /// One sentence.
        text: String,
    },
    /// How the old version's connections ended.
    Drained {
        /// Connections still open when waiting ended; 0 = drained.
        open: u64,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// What a failed container looked like.
    Diagnosis {
        /// The container.
        container: ContainerReport,
    },
    /// The last event: nothing follows.
    Finished {
        /// How it ended.
        outcome: Outcome,
        /// Why, where it did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        /// One sentence.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// The release that serves now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<u64>,
        /// The image that serves now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
    },
    /// A kind of a newer version; skipped.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_kinds_and_members_are_tolerated() {
        let newer = r#"{"seq":3,"at":"2026-01-01T00:00:00Z","kind":"teleported","where":"moon"}"#;
        assert_eq!(serde_json::from_str::<Stamped>(newer).map(|s| s.event).ok(), Some(DeployEvent::Unknown));
        let extended = r#"{"seq":4,"at":"2026-01-01T00:00:00Z","kind":"proven","release":2,"by":"me"}"#;
        assert_eq!(
            serde_json::from_str::<Stamped>(extended).map(|s| s.event).ok(),
            Some(DeployEvent::Proven { release: 2 })
        );
        let phase = r#"{"seq":5,"at":"2026-01-01T00:00:00Z","kind":"phase_started","phase":"teleport"}"#;
        assert_eq!(
            serde_json::from_str::<Stamped>(phase).map(|s| s.event).ok(),
            Some(DeployEvent::PhaseStarted { phase: Phase::Unknown })
        );
    }
}
