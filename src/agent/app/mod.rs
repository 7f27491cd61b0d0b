//! One application while the agent runs: takes deployments on one at a time, resumes what a crash interrupted, keeps the
//! state, and sees old containers out.

mod queries;
mod settle;
mod submit;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::TaskTracker;

use super::config::ServiceConfig;
use super::facts::FactsError;
use super::metrics::PhaseTimes;
use super::site::Site;
use super::store::{Accepted, AppState, EventLog, History, Journal, JournalError, StateError, fence};
use super::swap::{CancelGate, Fault, Job, PROXY, left};
use crate::agent_api::{API, ApiError, Deployment, Holder, Wanted};
use crate::clients::docker::DockerError;
use crate::domain::Reason;
use crate::event::{DeployEvent, Outcome, Phase};

/// What stopping and removing old containers may take beside their drain.
const SEEN_OUT: Duration = Duration::from_secs(120);

/// Why an application cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its state.
    #[error(transparent)]
    State(#[from] StateError),
}

impl OpenError {
    /// Whether it stays so until a person mends it: trying again is of no use.
    #[must_use]
    pub const fn stays(&self) -> bool {
        matches!(
            self,
            Self::State(StateError::Newer { .. } | StateError::Format { .. })
                | Self::Journal(JournalError::Newer { .. } | JournalError::Headless { .. })
        )
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::State(StateError::Newer { .. }) | Self::Journal(JournalError::Newer { .. }) => {
                "install the agent of the version that wrote it"
            }
            Self::State(StateError::Format { .. }) | Self::Journal(JournalError::Headless { .. }) => {
                "move the file aside to start without it: users are not affected, and what can be gone back to begins anew with the next deployment"
            }
            Self::State(StateError::Io { .. }) | Self::Journal(JournalError::Io { .. }) => {
                "free space in `state_dir`, and let the agent read and write it"
            }
        }
    }
}

/// A deployment in progress.
#[derive(Debug, Clone)]
struct Running {
    accepted: Accepted,
    /// When this process took it up.
    launched: Timestamp,
    events: EventLog,
    cancel: CancelGate,
}

#[derive(Debug)]
struct Inner {
    state: AppState,
    history: History,
    /// Here between deployments, with the swap during one.
    journal: Option<Journal>,
    running: Option<Running>,
}

/// An application.
#[derive(Debug)]
pub struct App {
    /// What does not change.
    pub site: Arc<Site>,
    inner: Mutex<Inner>,
    /// Held by whoever may write route files: a swap, or the watch between swaps.
    pub(in crate::agent) routes: Arc<Mutex<()>>,
    /// Rung after every deployment, for the watch.
    pub(in crate::agent) ended: Notify,
    tasks: TaskTracker,
    phases: PhaseTimes,
}

/// An answer that is not what was asked for.
#[must_use]
pub fn refusal(code: Reason, message: impl Into<String>, hint: impl Into<String>) -> ApiError {
    ApiError { code, message: message.into(), hint: Some(hint.into()), holder: None }
}

impl App {
    /// Opens an application: its state, and a swap that was interrupted, if there is one.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed then.
    pub fn open(site: Site, tasks: TaskTracker, phases: PhaseTimes) -> Result<(Arc<Self>, Option<Job>), OpenError> {
        let state = AppState::load(&site.folder)?;
        let (journal, found) = Journal::open(&site.folder)?;
        let job = Job::of(found);
        let history = History::open(&site.folder, state.lines());
        let inner = Mutex::new(Inner { state, history, journal: Some(journal), running: None });
        let (site, routes, ended) = (Arc::new(site), Arc::default(), Notify::new());
        let app = Self { site, inner, routes, ended, tasks, phases };
        Ok((Arc::new(app), job))
    }
}

fn deployment(
    site: &Site,
    accepted: &Accepted,
    phase: Option<Phase>,
    outcome: Option<Outcome>,
    replay: bool,
) -> Deployment {
    Deployment {
        api: API,
        id: accepted.deployment.clone(),
        app: site.app.clone(),
        service: accepted.service.clone(),
        image: accepted.image.as_ref().map_or_else(|| accepted.image_name.clone(), ToString::to_string),
        rollback: matches!(accepted.want, Wanted::Rollback),
        phase,
        outcome,
        replay,
        fence: fence(accepted),
        agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    }
}

fn phase_of(events: &EventLog) -> Option<Phase> {
    phase_and_time(events).map(|(phase, _)| phase)
}

fn phase_and_time(events: &EventLog) -> Option<(Phase, Timestamp)> {
    events.after(0).0.into_iter().rev().find_map(|event| match event.event {
        DeployEvent::PhaseStarted { phase } => Some((phase, event.at)),
        _ => None,
    })
}

/// When a deployment has ended at the latest: by the limits of the phases from the one on that it is in.
fn until(site: &Site, running: &Running) -> Option<Timestamp> {
    let config = site.service(&running.accepted.service).cloned().unwrap_or_default();
    let seen = phase_and_time(&running.events);
    let lasts = left(seen.map(|(phase, _)| phase), &config, &running.accepted);
    // Before its first phase it waits for containers of the deployment before; after a restart of the agent, for Traefik.
    let (from, waits) = match seen {
        Some((_, at)) if at >= running.launched => (at, Duration::ZERO),
        Some(_) => (running.launched, PROXY),
        None => (running.launched, seen_out(&config)),
    };
    from.checked_add(lasts.saturating_add(waits)).ok()
}

/// Longest wait for the containers of the deployment before.
fn seen_out(config: &ServiceConfig) -> Duration {
    config.drain_timeout.saturating_add(SEEN_OUT)
}

fn holder(site: &Site, running: &Running) -> Holder {
    Holder {
        deployment: running.accepted.deployment.clone(),
        service: running.accepted.service.clone(),
        requested_by: running.accepted.requested_by.clone(),
        since: running.accepted.at,
        idempotency_key: Some(running.accepted.key.clone()),
        fence: fence(&running.accepted),
        until: until(site, running),
    }
}

fn docker(error: DockerError) -> ApiError {
    refusal(
        Reason::DockerUnavailable,
        error.to_string(),
        "start the Docker Engine on the host; `deploy-action agent doctor` checks it",
    )
}

fn unreadable(error: FactsError) -> ApiError {
    let fault = Fault::from(error);
    ApiError { code: fault.reason, message: fault.message, hint: fault.hint, holder: None }
}
