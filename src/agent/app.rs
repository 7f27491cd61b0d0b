//! One application while the agent runs: takes deployments on one at a time, resumes what a crash interrupted, keeps the
//! state, and sees old containers out.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::TaskTracker;

use super::facts::{Facts, blockers, by_digest, revision};
use super::site::Site;
use super::store::{
    Accepted, AppState, Ended, EventLog, Journal, JournalError, Member, Record, ServiceState, StateError,
};
use super::swap::{CancelGate, Done, Job, Swap, members};
use crate::agent_api::{
    API, ApiError, DeployRequest, Deployment, HistoryEntry, Holder, Release, ServiceStatus, Wanted,
};
use crate::clients::docker::{DockerError, RegistryLogin};
use crate::domain::{DeploymentId, IdempotencyKey, ImageRef, Reason, ServiceName};
use crate::event::{DeployEvent, Outcome, Phase, Stamped};
use crate::signing::fresh_nonce;

/// How often a swap tries to see the containers of the swap before out.
const RETIRE_TRIES: usize = 3;

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

/// A deployment in progress.
#[derive(Debug, Clone)]
struct Running {
    accepted: Accepted,
    events: EventLog,
    cancel: CancelGate,
}

#[derive(Debug)]
struct Inner {
    state: AppState,
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
    pub(super) routes: Arc<Mutex<()>>,
    /// Rung after every deployment, for the watch.
    pub(super) ended: Notify,
    tasks: TaskTracker,
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
    pub fn open(site: Site, tasks: TaskTracker) -> Result<(Arc<Self>, Option<Job>), OpenError> {
        let state = AppState::load(&site.folder)?;
        let (journal, records) = Journal::open(&site.folder)?;
        let job = Job::of(records);
        let inner = Mutex::new(Inner { state, journal: Some(journal), running: None });
        let app = Self { site: Arc::new(site), inner, routes: Arc::default(), ended: Notify::new(), tasks };
        Ok((Arc::new(app), job))
    }

    /// Brings an interrupted swap to its end, and sees out the containers that were on their way.
    pub async fn resume(self: &Arc<Self>, job: Option<Job>) {
        if let Some(job) = job {
            tracing::info!(app = %self.site.app, deployment = %job.accepted.deployment, "resuming a deployment");
            let mut inner = self.inner.lock().await;
            match (inner.journal.take(), job.finished.clone()) {
                (Some(journal), Some(ended)) => {
                    drop(inner);
                    let events = EventLog::open(&self.site.folder, &job.accepted.deployment);
                    self.settle(Done { journal, job, ended }, &events).await;
                }
                (Some(journal), None) => self.launch(&mut inner, job, journal, None),
                (None, _) => {}
            }
        }
        let leaving: Vec<ServiceName> = {
            let inner = self.inner.lock().await;
            inner
                .state
                .services
                .iter()
                .filter(|(_, state)| !state.retiring.is_empty())
                .map(|(name, _)| name.clone())
                .collect()
        };
        for service in leaving {
            self.see_out(service);
        }
    }

    /// A service's state.
    pub async fn service_state(&self, service: &ServiceName) -> ServiceState {
        self.inner.lock().await.state.service(service)
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
        let (state, holder) = {
            let inner = self.inner.lock().await;
            (inner.state.service(service), inner.running.as_ref().map(holder))
        };
        let facts = Facts::gather(&self.site, service, &state).await.map_err(unreadable)?;
        let mut status = super::facts::status(&self.site, service, &state, &facts).await.map_err(docker)?;
        status.holder = holder;
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

    /// Takes a deployment on, or says why not. The same key gives the same deployment.
    ///
    /// # Errors
    /// [`ApiError`]; nothing was changed then.
    pub async fn submit(
        self: &Arc<Self>,
        service: &ServiceName,
        request: DeployRequest,
    ) -> Result<Deployment, ApiError> {
        self.known(service)?;
        let mut inner = self.inner.lock().await;
        if let Some(known) = replayed(&self.site, &inner, service, &request)? {
            return Ok(known);
        }
        if let Some(running) = &inner.running {
            let holder = holder(running);
            return Err(ApiError {
                code: Reason::Busy,
                message: format!(
                    "deployment {} of {} by {} holds the application since {}",
                    holder.deployment, holder.service, holder.requested_by, holder.since
                ),
                hint: Some("wait for it to end, then deploy again".to_owned()),
                holder: Some(holder),
            });
        }
        if let Wanted::Image(image) = &request.want
            && !self.site.config.images.iter().any(|known| known.same_as(image.repository()))
        {
            let known: Vec<String> = self.site.config.images.iter().map(ToString::to_string).collect();
            return Err(refusal(
                Reason::ImageNotAllowed,
                format!("images of {} may not be deployed here; allowed: {}", image.repository(), known.join(", ")),
                format!(
                    "add `{}` to `images` of application {} in agent.yml on the host",
                    image.repository(),
                    self.site.app
                ),
            ));
        }
        let state = inner.state.service(service);
        let facts = Facts::gather(&self.site, service, &state).await.map_err(unreadable)?;
        if request.expected_revision.as_ref().is_some_and(|expected| *expected != revision(&facts, &state)) {
            return Err(refusal(
                Reason::ChangedUnderneath,
                "what runs is no longer what the plan saw",
                "plan again; another deployment or a `docker compose` on the host came in between",
            ));
        }
        if let Some(first) = blockers(&self.site, service, &facts).into_iter().next() {
            return Err(refusal(Reason::Blocked, format!("{} ({})", first.message, first.code), first.hint));
        }
        let (image, image_name) = self.resolve(&request.want, &state)?;
        let accepted = Accepted {
            deployment: new_id()?,
            key: request.idempotency_key,
            service: service.clone(),
            want: request.want,
            image,
            image_name,
            requested_by: crate::domain::one_line(&request.requested_by, 100),
            at: Timestamp::now(),
            replicas: (facts.running().count() as u64).max(facts.compose.replicas).max(1),
            old: members(&facts.containers),
            serving: members(facts.running()),
        };
        if state.releases.is_empty() {
            self.note_found(&mut inner.state, service, &facts).await.map_err(docker)?;
        }
        let Some(mut journal) = inner.journal.take() else {
            return Err(refusal(Reason::Unavailable, "the application is being opened", "try again in a moment"));
        };
        if let Err(error) = self.begin(&inner.state, &mut journal, &accepted) {
            inner.journal = Some(journal);
            let hint = "free space in `state_dir` on the host, and make it writable for the agent";
            return Err(refusal(Reason::StateUnusable, error, hint));
        }
        let login = request
            .credential
            .map(|credential| RegistryLogin { username: credential.username, password: credential.password });
        let answer = deployment(&self.site, &accepted, None, None, false);
        self.launch(&mut inner, Job::new(accepted), journal, login);
        Ok(answer)
    }

    /// Journals the beginning. A journal that still holds the deployment before, because its end could not be stored
    /// then, is settled first.
    fn begin(&self, state: &AppState, journal: &mut Journal, accepted: &Accepted) -> Result<(), String> {
        fn told(error: &dyn std::error::Error) -> String {
            error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
        }
        if !journal.is_empty() {
            state.store(&self.site.folder).map_err(|error| told(&error))?;
            journal.clear().map_err(|error| told(&error))?;
        }
        journal.append(&Record::Accepted { accepted: Box::new(accepted.clone()) }).map_err(|error| told(&error))
    }

    /// The image by digest where it has one, and its name for compose.
    fn resolve(&self, want: &Wanted, state: &ServiceState) -> Result<(Option<ImageRef>, String), ApiError> {
        match want {
            Wanted::Image(image) => Ok((Some(image.clone()), image.to_string())),
            Wanted::Rollback => {
                let previous = state.previous().ok_or_else(|| {
                    refusal(
                        Reason::NoEarlierRelease,
                        "there is no earlier proven release with another image",
                        "deploy the version you want with `deploy-action deploy --image …`",
                    )
                })?;
                Ok((
                    previous.image.clone(),
                    previous.image.as_ref().map_or_else(|| previous.image_id.clone(), ToString::to_string),
                ))
            }
        }
    }

    /// Takes the version that was found running in as release 1, so that there is something to go back to.
    async fn note_found(&self, state: &mut AppState, service: &ServiceName, facts: &Facts) -> Result<(), DockerError> {
        let Some(container) = facts.running().next() else { return Ok(()) };
        let image = self.site.engine.image(&container.image_id).await?.and_then(|image| by_digest(&self.site, &image));
        let release = Release {
            number: 1,
            image,
            image_id: container.image_id.clone(),
            config_hash: container.label("com.docker.compose.config-hash").unwrap_or_default().to_owned(),
            proven_at: Timestamp::now(),
            deployment: None,
            rollback: false,
        };
        let (repository, tag) = self.site.retained(service, 1);
        self.site.engine.tag(&release.image_id, &repository, &tag).await?;
        let found = state.services.entry(service.clone()).or_default();
        found.push(release);
        found.members = members(facts.running());
        state.store(&self.site.folder).map_err(|error| DockerError::Refused { status: 0, message: error.to_string() })
    }

    fn launch(self: &Arc<Self>, inner: &mut Inner, job: Job, journal: Journal, credential: Option<RegistryLogin>) {
        let events = EventLog::open(&self.site.folder, &job.accepted.deployment);
        let cancel = CancelGate::default();
        if job.switching {
            // It was committed before it was interrupted; nobody can have cancelled it since.
            let _ = cancel.commit();
        }
        let service = job.accepted.service.clone();
        inner.running =
            Some(Running { accepted: job.accepted.clone(), events: events.clone(), cancel: cancel.clone() });
        if !job.resumed {
            events.emit(DeployEvent::Accepted {
                deployment: job.accepted.deployment.clone(),
                image: job.accepted.image_name.clone(),
            });
        }
        let images =
            inner.state.services.iter().filter_map(|(name, state)| Some((name.clone(), state.override_image.clone()?)));
        let swap = Swap {
            site: self.site.clone(),
            state: inner.state.service(&service),
            service,
            images: images.collect::<BTreeMap<_, _>>(),
            job,
            journal,
            events: events.clone(),
            cancel,
            credential,
            proof: None,
        };
        let app = self.clone();
        self.tasks.spawn(async move {
            let routes = app.routes.clone().lock_owned().await;
            app.wait_seen_out(&swap.service).await;
            let done = swap.run().await;
            drop(routes);
            app.settle(done, &events).await;
        });
    }

    /// Takes the end of a swap into the state, lets go of the application, and only then tells everyone.
    async fn settle(self: &Arc<Self>, done: Done, events: &EventLog) {
        let Done { mut journal, job, ended } = done;
        let service = job.accepted.service.clone();
        let mut inner = self.inner.lock().await;
        let dropped = take_in(&mut inner.state, &job, &ended);
        let serving = inner.state.service(&service).current().cloned();
        match inner.state.store(&self.site.folder) {
            Ok(()) => {
                if let Err(error) = journal.clear() {
                    tracing::error!(%error, "the journal is read again at the next start");
                }
            }
            Err(error) => tracing::error!(%error, "the journal is kept and read again at the next start"),
        }
        inner.journal = Some(journal);
        inner.running = None;
        drop(inner);
        events.emit(DeployEvent::Finished {
            outcome: ended.outcome,
            reason: ended.reason,
            message: ended.message,
            hint: ended.hint,
            release: serving.as_ref().map(|release| release.number),
            image: serving.map(|release| release.image.map_or(release.image_id, |image| image.to_string())),
        });
        for release in dropped {
            let (repository, tag) = self.site.retained(&service, release.number);
            if let Err(error) = self.site.engine.untag(&format!("{repository}:{tag}")).await {
                tracing::warn!(%error, "the image of an old release stays on the host");
            }
        }
        self.see_out(service);
        self.ended.notify_one();
    }

    /// Stops and removes the containers that no longer serve, once their connections ended. Nobody waits for it.
    fn see_out(self: &Arc<Self>, service: ServiceName) {
        let app = self.clone();
        self.tasks.spawn(async move { app.retire(&service).await });
    }

    async fn retire(&self, service: &ServiceName) {
        let state = self.service_state(service).await;
        let port = state.route.as_ref().and_then(|route| route.services.values().next()).map(|route| route.port);
        let proxy = match Facts::gather(&self.site, service, &state).await {
            Ok(facts) => facts.proxy.map(|proxy| proxy.addresses()).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let limit = self.site.service(service).map(|config| config.drain_timeout).unwrap_or_default();
        let until = tokio::time::Instant::now() + limit;
        for member in &state.retiring {
            let Ok(container) = self.site.engine.container(&member.id).await else { continue };
            if let Some(port) = port {
                super::swap::drained(
                    &container,
                    port,
                    &proxy,
                    until.saturating_duration_since(tokio::time::Instant::now()),
                )
                .await;
            }
            let gone = async {
                self.site.engine.stop(&member.id, container.stop_timeout).await?;
                self.site.engine.remove(&member.id).await
            };
            if let Err(error) = gone.await {
                tracing::warn!(container = %member.name, %error, "an old container could not be removed; tried again at the next start");
            }
        }
        let left = self.still_there(&state.retiring).await;
        let mut inner = self.inner.lock().await;
        if let Some(state) = inner.state.services.get_mut(service) {
            state.retiring = left;
        }
        if let Err(error) = inner.state.store(&self.site.folder) {
            tracing::error!(%error, "the state is not stored");
        }
        drop(inner);
        self.ended.notify_one();
    }

    async fn still_there(&self, members: &[Member]) -> Vec<Member> {
        let mut left = Vec::new();
        for member in members {
            if !matches!(self.site.engine.container(&member.id).await, Err(DockerError::NotFound(_))) {
                left.push(member.clone());
            }
        }
        left
    }

    /// A swap counts its containers, so those of the swap before go first. One that cannot be removed does not hold the
    /// swap up for ever: it is counted, and tried again afterwards.
    async fn wait_seen_out(&self, service: &ServiceName) {
        for _ in 0..RETIRE_TRIES {
            if self.service_state(service).await.retiring.is_empty() {
                return;
            }
            self.retire(service).await;
        }
    }

    /// A deployment as it stands.
    pub async fn deployment(&self, id: &DeploymentId) -> Option<Deployment> {
        let inner = self.inner.lock().await;
        if let Some(running) = inner.running.as_ref().filter(|running| running.accepted.deployment == *id) {
            return Some(deployment(&self.site, &running.accepted, phase_of(&running.events), None, false));
        }
        let (accepted, entry) = inner.state.by_id(id)?;
        Some(deployment(&self.site, accepted, None, Some(entry.outcome), false))
    }

    /// A deployment's events after `seq`, waiting for one until `wait` is over.
    pub async fn events(&self, id: &DeploymentId, seq: u64, wait: std::time::Duration) -> Option<(Vec<Stamped>, bool)> {
        let log = {
            let inner = self.inner.lock().await;
            match inner.running.as_ref().filter(|running| running.accepted.deployment == *id) {
                Some(running) => running.events.clone(),
                None => {
                    inner.state.by_id(id)?;
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
        Ok((inner.state.history(service), releases))
    }

    /// True while a deployment runs.
    pub async fn busy(&self) -> bool {
        self.inner.lock().await.running.is_some()
    }

    /// Forgets an adopted route whose labels are no longer those of the service.
    pub(super) async fn forget_route(&self, service: &ServiceName) -> Result<(), StateError> {
        let mut inner = self.inner.lock().await;
        if let Some(state) = inner.state.services.get_mut(service) {
            state.route = None;
        }
        inner.state.store(&self.site.folder)
    }

    fn known(&self, service: &ServiceName) -> Result<(), ApiError> {
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

/// The earlier deployment with the request's key, which must have asked for the same.
fn replayed(
    site: &Site,
    inner: &Inner,
    service: &ServiceName,
    request: &DeployRequest,
) -> Result<Option<Deployment>, ApiError> {
    let same = |accepted: &Accepted| {
        if accepted.service == *service && accepted.want == request.want {
            return Ok(());
        }
        Err(refusal(
            Reason::BadRequest,
            format!(
                "the idempotency key was used for deployment {}, which asked for something else",
                accepted.deployment
            ),
            "use a key of its own for every deployment",
        ))
    };
    let known = |key: &IdempotencyKey| *key == request.idempotency_key;
    if let Some(running) = inner.running.as_ref().filter(|running| known(&running.accepted.key)) {
        same(&running.accepted)?;
        return Ok(Some(deployment(site, &running.accepted, phase_of(&running.events), None, true)));
    }
    match inner.state.by_key(&request.idempotency_key) {
        Some((accepted, entry)) => {
            same(accepted)?;
            Ok(Some(deployment(site, accepted, None, Some(entry.outcome), true)))
        }
        None => Ok(None),
    }
}

/// What the state takes from the end of a swap. Gives the releases whose images may go.
fn take_in(state: &mut AppState, job: &Job, ended: &Ended) -> Vec<Release> {
    let service = state.services.entry(job.accepted.service.clone()).or_default();
    // An adoption stays also when what came after it failed.
    if job.routed() {
        service.route = job.route.clone();
    }
    let mut dropped = Vec::new();
    if let (Outcome::Deployed, Some(release)) = (ended.outcome, &job.release) {
        dropped = service.push(release.clone());
        service.members = job.new.clone();
        service.override_image = Some(job.accepted.image_name.clone());
        service.retiring.extend(job.accepted.old.iter().cloned());
    }
    state.finish(&job.accepted, ended, job.release.as_ref().map(|release| release.number));
    dropped
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
    }
}

fn phase_of(events: &EventLog) -> Option<Phase> {
    events.after(0).0.into_iter().rev().find_map(|event| match event.event {
        DeployEvent::PhaseStarted { phase } => Some(phase),
        _ => None,
    })
}

fn holder(running: &Running) -> Holder {
    Holder {
        deployment: running.accepted.deployment.clone(),
        service: running.accepted.service.clone(),
        requested_by: running.accepted.requested_by.clone(),
        since: running.accepted.at,
    }
}

fn new_id() -> Result<DeploymentId, ApiError> {
    let bug = |why: String| refusal(Reason::Bug, why, "report it");
    let bytes = fresh_nonce().map_err(|error| bug(error.to_string()))?;
    let text: String = bytes[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("d-{text}").parse().map_err(|error: crate::domain::NameError| bug(error.to_string()))
}

fn docker(error: DockerError) -> ApiError {
    refusal(
        Reason::DockerUnavailable,
        error.to_string(),
        "start the Docker Engine on the host; `deploy-action agent doctor` checks it",
    )
}

fn unreadable(error: super::facts::FactsError) -> ApiError {
    let fault = super::swap::Fault::from(error);
    ApiError { code: fault.reason, message: fault.message, hint: fault.hint, holder: None }
}
