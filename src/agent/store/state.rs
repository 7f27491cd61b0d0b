//! What the agent knows of an application between deployments: `state.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::atomic::write_atomic;
use super::history::Line;
use super::record::{Accepted, Ended, Member};
use crate::agent_api::{HistoryEntry, Release};
use crate::domain::{DeploymentId, IdempotencyKey, ServiceName};
use crate::event::Outcome;

/// The format this version writes; a newer one is refused, never guessed at.
const FORMAT: u32 = 1;
/// Deployments kept in history, over all services.
const HISTORY: usize = 200;

/// A service's route, taken over from its labels: Traefik's own resolved answer without what the agent decides
/// (priority + 1, servers). All values are Traefik's dynamic configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledRoute {
    /// Routers by name, with the priority that the labels gave them.
    pub routers: BTreeMap<String, Value>,
    /// Services by name.
    pub services: BTreeMap<String, RouteService>,
    /// The service's own middlewares by name.
    pub middlewares: BTreeMap<String, Value>,
    /// The container labels that all this came from.
    pub labels: BTreeMap<String, String>,
}

/// A Traefik service whose servers the agent fills in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteService {
    /// Everything of the load balancer but its servers.
    pub load_balancer: Value,
    /// `http`, `https` or `h2c`.
    pub scheme: String,
    /// Container port.
    pub port: u16,
}

/// One service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Proven releases, oldest first; the last one is the one that serves.
    #[serde(default)]
    pub releases: Vec<Release>,
    /// The containers of the last release.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Containers that no longer serve and are on their way out.
    #[serde(default)]
    pub retiring: Vec<Member>,
    /// The route, once adopted.
    #[serde(default)]
    pub route: Option<CompiledRoute>,
    /// The image name in our override file.
    #[serde(default)]
    pub override_image: Option<String>,
}

/// A finished deployment with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Past {
    service: ServiceName,
    key: IdempotencyKey,
    accepted: Accepted,
    message: String,
    hint: Option<String>,
    entry: HistoryEntry,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppState {
    format: u32,
    /// Services by name.
    #[serde(default)]
    pub services: BTreeMap<ServiceName, ServiceState>,
    /// Ended deployments, oldest first.
    #[serde(default)]
    past: Vec<Past>,
    /// How many deployments ever ended, by the word of their outcome.
    #[serde(default)]
    ended: BTreeMap<ServiceName, BTreeMap<String, u64>>,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk said no.
    #[error("{path} cannot be {what}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A newer agent wrote it: only one that knows its format may touch the application.
    #[error("{path} is of a newer agent: it has format {format}, and this agent reads formats up to {FORMAT}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// It is not what this version writes.
    #[error("{path} is not a state file of this version: {why}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is off.
        why: String,
    },
}

/// What every format says of itself.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Default for AppState {
    fn default() -> Self {
        Self { format: FORMAT, services: BTreeMap::new(), past: Vec::new(), ended: BTreeMap::new() }
    }
}

impl AppState {
    /// Reads the state in `folder`; an absent file is an empty state.
    ///
    /// # Errors
    /// [`StateError`]; the application is then not touched.
    pub fn load(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join("state.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(StateError::Io { path, what: "read", source }),
        };
        let damaged = |error: serde_json::Error| StateError::Format { path: path.clone(), why: error.to_string() };
        // On its own: what else a newer format has need not be readable.
        let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(StateError::Newer { path, format });
        }
        let mut state: Self = serde_json::from_str(&text).map_err(damaged)?;
        if state.ended.is_empty() {
            // An older agent did not count: what it kept is the least there was.
            let past: Vec<(ServiceName, Outcome)> =
                state.past.iter().map(|past| (past.service.clone(), past.entry.outcome)).collect();
            past.iter().for_each(|(service, outcome)| state.count(service, *outcome));
        }
        Ok(state)
    }

    fn count(&mut self, service: &ServiceName, outcome: Outcome) {
        let counts = self.ended.entry(service.clone()).or_default();
        *counts.entry(outcome.as_str().to_owned()).or_default() += 1;
    }

    /// Writes the state into `folder`.
    ///
    /// # Errors
    /// [`StateError::Io`]; the file is then as before.
    pub fn store(&self, folder: &Path) -> Result<(), StateError> {
        let path = folder.join("state.json");
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_atomic(&path, &folder.join("state.json.tmp"), &text, 0o600).map_err(|source| StateError::Io {
            path,
            what: "written",
            source,
        })
    }

    /// A service's state, empty where nothing was deployed yet.
    #[must_use]
    pub fn service(&self, service: &ServiceName) -> ServiceState {
        self.services.get(service).cloned().unwrap_or_default()
    }

    /// Takes the end of a deployment in. Repeating it changes nothing.
    pub fn finish(&mut self, accepted: &Accepted, ended: &Ended, release: Option<u64>) {
        if self.past.iter().any(|past| past.accepted.deployment == accepted.deployment) {
            return;
        }
        let entry = HistoryEntry {
            deployment: accepted.deployment.clone(),
            started_at: accepted.at,
            finished_at: ended.at,
            image: accepted.image.as_ref().map_or_else(|| accepted.image_name.clone(), ToString::to_string),
            rollback: matches!(accepted.want, crate::agent_api::Wanted::Rollback),
            outcome: ended.outcome,
            reason: ended.reason,
            release: release.filter(|_| ended.outcome == Outcome::Deployed),
            requested_by: accepted.requested_by.clone(),
            idempotency_key: Some(accepted.key.clone()),
            fence: fence(accepted),
        };
        self.count(&accepted.service, ended.outcome);
        self.past.push(Past {
            service: accepted.service.clone(),
            key: accepted.key.clone(),
            accepted: accepted.clone(),
            message: ended.message.clone(),
            hint: ended.hint.clone(),
            entry,
        });
        let surplus = self.past.len().saturating_sub(HISTORY);
        self.past.drain(..surplus);
    }

    /// The ended deployments as history keeps them, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = Line> {
        self.past.iter().map(|past| Line::new(past.service.clone(), past.entry.clone(), past.message.clone()))
    }

    /// The fence of the next deployment: above that of every one that ended.
    #[must_use]
    pub fn next_fence(&self) -> u64 {
        self.past.iter().map(|past| past.accepted.fence).max().unwrap_or(0) + 1
    }

    /// The ended deployment with this key.
    #[must_use]
    pub fn by_key(&self, key: &IdempotencyKey) -> Option<(&Accepted, &HistoryEntry)> {
        self.past.iter().rev().find(|past| past.key == *key).map(|past| (&past.accepted, &past.entry))
    }

    /// The ended deployment with this id.
    #[must_use]
    pub fn by_id(&self, id: &DeploymentId) -> Option<(&Accepted, &HistoryEntry)> {
        self.past.iter().find(|past| past.accepted.deployment == *id).map(|past| (&past.accepted, &past.entry))
    }

    /// The images that deployments of a service were about, each once, but for that of the newest one: where it failed,
    /// it is likely to be tried again.
    #[must_use]
    pub fn earlier_images(&self, service: &ServiceName) -> BTreeSet<String> {
        let mut past = self.past.iter().rev().filter(|past| past.service == *service);
        let image = |past: &Past| past.accepted.image.as_ref().map(ToString::to_string);
        let newest = past.next().and_then(image);
        past.filter_map(image).filter(|name| Some(name) != newest.as_ref()).collect()
    }

    /// A service's newest deployment that ended.
    #[must_use]
    pub fn last(&self, service: &ServiceName) -> Option<&DeploymentId> {
        self.past.iter().rev().find(|past| past.service == *service).map(|past| &past.accepted.deployment)
    }

    /// How many deployments of a service ever ended, by the word of their outcome.
    #[must_use]
    pub fn outcomes(&self, service: &ServiceName) -> BTreeMap<String, u64> {
        self.ended.get(service).cloned().unwrap_or_default()
    }

    /// When a deployment of a service last ended well.
    #[must_use]
    pub fn last_success(&self, service: &ServiceName) -> Option<Timestamp> {
        let deployed = |past: &&Past| past.service == *service && past.entry.outcome == Outcome::Deployed;
        let newest = self.past.iter().rev().find(deployed).map(|past| past.entry.finished_at);
        // Longer ago than history reaches: its release tells.
        let release = || self.services.get(service)?.current().filter(|release| release.deployment.is_some());
        newest.or_else(|| release().map(|release| release.proven_at))
    }

    /// A service's ended deployments, newest first.
    #[must_use]
    pub fn history(&self, service: &ServiceName) -> Vec<HistoryEntry> {
        self.past.iter().rev().filter(|past| past.service == *service).map(|past| past.entry.clone()).collect()
    }
}

/// A deployment's fence; none for one that an older agent took on.
#[must_use]
pub fn fence(accepted: &Accepted) -> Option<u64> {
    Some(accepted.fence).filter(|fence| *fence > 0)
}

impl ServiceState {
    /// The release that serves.
    #[must_use]
    pub fn current(&self) -> Option<&Release> {
        self.releases.last()
    }

    /// True until a deployment was proven: what serves is as plain compose made it.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.current().is_none_or(|release| release.deployment.is_none())
    }

    /// The newest proven release whose image is another one than the running release's.
    #[must_use]
    pub fn previous(&self) -> Option<&Release> {
        let current = self.current()?;
        self.releases.iter().rev().find(|release| release.image_id != current.image_id)
    }

    /// The next release's number.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.current().map_or(1, |release| release.number + 1)
    }

    /// Appends a release; the oldest are forgotten beyond the newest `keep`. A release that is known already is not
    /// appended twice.
    pub fn push(&mut self, release: Release, keep: usize) {
        if self.releases.iter().any(|known| known.number == release.number) {
            return;
        }
        self.releases.push(release);
        let mut surplus = self.releases.len().saturating_sub(keep);
        // Never the one that `rollback` would go to, however often one image was deployed since.
        let previous = self.previous().map(|release| release.number);
        self.releases.retain(|release| {
            let goes = surplus > 0 && Some(release.number) != previous;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_is_the_newest_other_image() {
        let mut service = ServiceState::default();
        assert_eq!((service.next_number(), service.previous()), (1, None));
        for (number, image) in [(1, "a"), (2, "b"), (3, "b")] {
            service.push(Release::sample(number, image), 5);
        }
        assert_eq!(service.previous().map(|release| release.number), Some(1));
        assert_eq!(service.next_number(), 4);
    }

    #[test]
    fn what_plain_compose_made_is_found_until_a_deployment_is_proven() {
        let mut service = ServiceState::default();
        assert!(service.is_found());
        service.push(Release::sample(1, "a"), 5);
        assert!(service.is_found());
        service.push(Release { deployment: Some("d-0123456789ab".parse().unwrap()), ..Release::sample(2, "b") }, 5);
        assert!(!service.is_found());
    }

    #[test]
    fn the_way_back_is_never_forgotten() {
        let mut service = ServiceState::default();
        service.push(Release::sample(1, "old"), 5);
        (2..10).for_each(|number| service.push(Release::sample(number, "new"), 5));
        let kept = |service: &ServiceState| service.releases.iter().map(|release| release.number).collect::<Vec<_>>();
        assert_eq!(kept(&service), [1, 6, 7, 8, 9]);
        service.push(Release::sample(9, "new"), 2);
        assert_eq!(kept(&service), [1, 6, 7, 8, 9], "the same release again changes nothing");
        service.push(Release::sample(10, "new"), 2);
        assert_eq!(kept(&service), [1, 10], "fewer are kept from now on");
        assert_eq!(service.previous().map(|release| release.number), Some(1));
    }

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(AppState::load(folder.path()).expect("empty"), AppState::default());
        AppState::default().store(folder.path()).expect("stores");
        assert_eq!(AppState::load(folder.path()).expect("loads"), AppState::default());
        for newer in [r#"{"format":2}"#, r#"{"format":2,"services":"elsewhere"}"#] {
            fs::write(folder.path().join("state.json"), newer).expect("writes");
            assert!(matches!(AppState::load(folder.path()), Err(StateError::Newer { format: 2, .. })), "{newer}");
        }
    }
}
