//! What can be asked about an application, and the one thing that can be said to it: stop.

use super::{App, deployment, docker, holder, phase_of, refusal, unreadable};
use crate::agent::facts::Facts;
use crate::agent::metrics::Numbers;
use crate::agent::store::{EventLog, ServiceState, StateError};
use crate::agent_api::{API, ApiError, Deployment, HistoryEntry, Release, ServiceStatus};
use crate::domain::{DeploymentId, ImageRef, Reason, ServiceName};
use crate::event::Stamped;

impl App {
    /// A service's state.
    pub async fn service_state(&self, service: &ServiceName) -> ServiceState {
        self.inner.lock().await.state.service(service)
    }

    /// What the state knows of a service, counted.
    pub async fn numbers(&self, service: &ServiceName) -> Numbers {
        let inner = self.inner.lock().await;
        let in_progress = inner.running.as_ref().is_some_and(|running| running.accepted.service == *service);
        Numbers {
            outcomes: inner.state.outcomes(service),
            release: inner.state.service(service).current().map(|release| release.number),
            last_success: inner.state.last_success(service),
            last: inner.state.last(service).cloned(),
            in_progress,
        }
    }

    /// Everything a plan needs to know.
    ///
    /// # Errors
    /// [`ApiError`] where the host cannot be read.
    pub async fn status(
        &self,
        service: &ServiceName,
        image: Option<&ImageRef>,
        rollback: bool,
    ) -> Result<ServiceStatus, ApiError> {
        self.known(service)?;
        let (state, last, holder, changes) = {
            let inner = self.inner.lock().await;
            let last = inner.state.last(service).cloned();
            let changes = inner.running.as_ref().is_some_and(|running| running.accepted.service == *service);
            let holder = inner.running.as_ref().map(|running| holder(&self.site, running));
            (inner.state.service(service), last, holder, changes)
        };
        let facts = Box::pin(Facts::gather(&self.site, service, &state)).await.map_err(unreadable)?;
        let status = crate::agent::facts::status(&self.site, service, &state, last.as_ref(), &facts).await;
        let mut status = status.map_err(docker)?;
        status.holder = holder;
        if changes {
            // In the middle of a deployment everything differs from what was deployed before.
            status.drift.clear();
        }
        let asked = match (image, rollback, state.previous()) {
            (Some(image), _, _) => Some(image.to_string()),
            (None, true, Some(previous)) => Some(previous.image_id.clone()),
            _ => None,
        };
        if let Some(name) = asked {
            status.image_present = Some(self.site.engine.image(&name).await.map_err(docker)?.is_some());
        }
        Ok(status)
    }

    /// A deployment as it stands.
    pub async fn deployment(&self, id: &DeploymentId) -> Option<Deployment> {
        let inner = self.inner.lock().await;
        if let Some(running) = inner.running.as_ref().filter(|running| running.accepted.deployment == *id) {
            return Some(deployment(&self.site, &running.accepted, phase_of(&running.events), None, false));
        }
        if let Some((accepted, entry)) = inner.state.by_id(id) {
            return Some(deployment(&self.site, accepted, None, Some(entry.outcome), false));
        }
        // The state has forgotten it; the history has not.
        let line = inner.history.shown().into_iter().find(|line| line.entry.deployment == *id)?;
        Some(Deployment {
            api: API,
            id: id.clone(),
            app: self.site.app.clone(),
            service: line.service,
            image: line.entry.image,
            rollback: line.entry.rollback,
            phase: None,
            outcome: Some(line.entry.outcome),
            replay: false,
            fence: line.entry.fence,
            agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        })
    }

    /// A deployment's events after `seq`, waiting for one until `wait` is over.
    pub async fn events(&self, id: &DeploymentId, seq: u64, wait: std::time::Duration) -> Option<(Vec<Stamped>, bool)> {
        let log = {
            let inner = self.inner.lock().await;
            match inner.running.as_ref().filter(|running| running.accepted.deployment == *id) {
                Some(running) => running.events.clone(),
                None => {
                    let known = inner.state.by_id(id).is_some()
                        || inner.history.shown().iter().any(|line| line.entry.deployment == *id);
                    if !known {
                        return None;
                    }
                    let events = EventLog::stored(&self.site.folder, id);
                    return Some((events.into_iter().filter(|event| event.seq > seq).collect(), true));
                }
            }
        };
        // Nothing new in time is an answer too.
        let _ = tokio::time::timeout(wait, log.grown_past(seq)).await;
        Some(log.after(seq))
    }

    /// Cancels a deployment before its switch.
    ///
    /// # Errors
    /// [`ApiError`] once the switch began or where it is over.
    pub async fn cancel(&self, id: &DeploymentId) -> Option<Result<Deployment, ApiError>> {
        let inner = self.inner.lock().await;
        if let Some(running) = inner.running.as_ref().filter(|running| running.accepted.deployment == *id) {
            if running.cancel.cancel() {
                return Some(Ok(deployment(&self.site, &running.accepted, phase_of(&running.events), None, false)));
            }
            return Some(Err(refusal(
                Reason::Busy,
                "the switch began; the agent finishes the deployment or goes back by itself",
                "`deploy-action status` shows the result",
            )));
        }
        let (accepted, entry) = inner.state.by_id(id)?;
        Some(Ok(deployment(&self.site, accepted, None, Some(entry.outcome), false)))
    }

    /// A service's past.
    ///
    /// # Errors
    /// [`ApiError`] for a service that is not managed.
    pub async fn history(&self, service: &ServiceName) -> Result<(Vec<HistoryEntry>, Vec<Release>), ApiError> {
        self.known(service)?;
        let inner = self.inner.lock().await;
        let mut releases = inner.state.service(service).releases;
        releases.reverse();
        let mut entries: Vec<HistoryEntry> =
            inner.history.shown().into_iter().filter(|line| line.service == *service).map(|line| line.entry).collect();
        entries.reverse();
        if entries.is_empty() {
            entries = inner.state.history(service);
        }
        Ok((entries, releases))
    }

    /// Forgets an adopted route whose labels are no longer those of the service.
    pub(in crate::agent) async fn forget_route(&self, service: &ServiceName) -> Result<(), StateError> {
        let mut inner = self.inner.lock().await;
        if let Some(state) = inner.state.services.get_mut(service) {
            state.route = None;
        }
        inner.state.store(&self.site.folder)
    }

    pub(super) fn known(&self, service: &ServiceName) -> Result<(), ApiError> {
        if self.site.service(service).is_some() {
            return Ok(());
        }
        let known: Vec<String> = self.site.config.services.keys().map(ToString::to_string).collect();
        Err(refusal(
            Reason::UnknownService,
            format!("this agent manages no service `{service}` of {}; it manages {}", self.site.app, known.join(", ")),
            format!(
                "add `{service}` under `services` of application {} in agent.yml on the host and restart the agent",
                self.site.app
            ),
        ))
    }
}
