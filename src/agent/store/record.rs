//! What the journal says: intent before an effect, outcome after it.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::CompiledRoute;
use crate::agent_api::{BeforeDeploy, Release, Wanted};
use crate::domain::{DeploymentId, IdempotencyKey, ImageRef, Reason, ServiceName};
use crate::event::Outcome;

/// A container, by what survives a restart of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Full id.
    pub id: String,
    /// Name.
    pub name: String,
    /// The address that stays its own, where it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
}

impl Member {
    /// What a route calls it, as [`server`](crate::clients::docker::Container::server) of the container says.
    #[must_use]
    pub fn server(&self) -> String {
        self.address.map_or_else(|| self.name.clone(), |address| address.to_string())
    }
}

/// Everything a deployment starts from. Holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The deployment's id.
    pub deployment: DeploymentId,
    /// The caller's key.
    pub key: IdempotencyKey,
    /// The service.
    pub service: ServiceName,
    /// What was asked for.
    pub want: Wanted,
    /// The image by digest; absent for one that exists on this host only.
    pub image: Option<ImageRef>,
    /// The name under which compose gets the image.
    pub image_name: String,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub at: Timestamp,
    /// Every container that was there before, whatever its state.
    pub old: Vec<Member>,
    /// Those of them that ran.
    pub serving: Vec<Member>,
    /// How many containers the new release gets.
    pub replicas: u64,
    /// What runs before the new version starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_deploy: Option<BeforeDeploy>,
    /// Greater than that of every earlier deployment of the application; 0 from an older agent.
    #[serde(default)]
    pub fence: u64,
}

#[cfg(test)]
impl Accepted {
    /// A rollback of `web`, for tests.
    pub(in crate::agent) fn sample() -> Self {
        Self {
            deployment: "d-1".parse().expect("an id"),
            key: "key-of-the-caller".parse().expect("a key"),
            service: "web".parse().expect("a name"),
            want: Wanted::Rollback,
            image: None,
            image_name: "sha256:1".to_owned(),
            requested_by: "someone".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            old: Vec::new(),
            serving: Vec::new(),
            replicas: 1,
            before_deploy: None,
            fence: 1,
        }
    }
}

/// How it ended, as history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, where it did not end well.
    pub reason: Option<Reason>,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// When.
    pub at: Timestamp,
}

macro_rules! records {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? })? = $word:literal,)+) => {
        /// One line of the journal.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "record")]
        pub enum Record {
            $($(#[$doc])* #[serde(rename = $word)] $variant $({ $($(#[$fdoc])* $field: $type),* })?,)+
        }

        impl Record {
            /// The stable word of this kind of record.
            #[must_use]
            pub const fn word(&self) -> &'static str {
                match self {
                    $(Record::$variant { .. } => $word,)+
                }
            }

            /// The words of all kinds, in the order of a swap.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];
        }
    };
}

records! {
    /// The deployment was taken on.
    Accepted {
        /// What it starts from.
        accepted: Box<Accepted>,
    } = "accepted",
    /// The route file is about to be written for the containers that run now.
    Adopting {
        /// The route.
        route: Box<CompiledRoute>,
    } = "adopting",
    /// The route is ours and was proven with the running version.
    Adopted = "adopted",
    /// The image is about to be fetched.
    Pulling = "pulling",
    /// The image is here.
    Pulled {
        /// The engine's id of it.
        image_id: String,
    } = "pulled",
    /// A container is about to be created for the command that runs before.
    Preparing = "preparing",
    /// Containers are about to be created.
    Creating = "creating",
    /// They exist.
    Created {
        /// The new ones.
        new: Vec<Member>,
        /// Compose's hash of their configuration.
        config_hash: String,
        /// The route of theirs, where their routing labels differ from those of the old ones; said again at the switch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Box<CompiledRoute>>,
    } = "created",
    /// They are about to be started.
    Starting = "starting",
    /// They answer their probe.
    Gated = "gated",
    /// The route file is about to be written for the new containers.
    Switching {
        /// What the running version answers to the proof's requests.
        before: Vec<Option<u16>>,
        /// The route of the new containers, where their routing labels differ from those of the old ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Box<CompiledRoute>>,
    } = "switching",
    /// Traefik confirmed it.
    Switched = "switched",
    /// Requests through the entry point were answered by the new containers.
    Proven {
        /// The release they make.
        release: Box<Release>,
    } = "proven",
    /// The verify window is over; the old containers are about to go.
    Retiring = "retiring",
    /// The previous state is about to be restored.
    GoingBack {
        /// Why.
        ended: Box<Ended>,
    } = "going_back",
    /// It is over.
    Finished {
        /// How.
        ended: Box<Ended>,
    } = "finished",
}

/// A place where a test may kill the agent: right before or right after a record reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The effect before it is done, the record is not written.
    Before(&'static str),
    /// The record is on disk, the effect it announces is not done.
    After(&'static str),
}

impl Point {
    /// Every point, in the order of a swap.
    pub fn all() -> impl Iterator<Item = Self> {
        Record::WORDS.iter().flat_map(|word| [Self::Before(word), Self::After(word)])
    }

    /// Kills this process with SIGKILL where `DEPLOY_AGENT_KILL_AT` names this point: no destructor, no flush.
    #[cfg(feature = "kill-points")]
    pub fn pass(self) {
        if crate::env::kill_at().as_deref() == Some(self.to_string().as_str()) {
            // Nothing to be done where the kernel refuses: the test then fails because the agent lives.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }

    /// Kill points exist only in test builds.
    #[cfg(not(feature = "kill-points"))]
    pub fn pass(self) {}
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before(word) => write!(f, "before-{word}"),
            Self::After(word) => write!(f, "after-{word}"),
        }
    }
}
