//! After a swap: its end goes into the state, the application is let go of, and old containers are seen out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::App;
use crate::agent::config::DEFAULT_KEEP_RELEASES;
use crate::agent::facts::{Facts, FactsError};
use crate::agent::store::{AppState, Ended, EventLog, Journal, Member};
use crate::agent::swap::{Done, Job, Left, Routes, drained};
use crate::clients::docker::DockerError;
use crate::domain::{Reason, ServiceName};
use crate::event::{DeployEvent, Outcome};

/// How long a start of the agent waits for the answer of a Traefik that may be starting too.
const ROUTE: Duration = Duration::from_secs(10);
/// How often a swap tries to see the containers of the swap before out.
const RETIRE_TRIES: usize = 3;
/// Time before something that the disk or the engine refused is tried again; doubles up to [`RARELY`].
const AGAIN: Duration = Duration::from_secs(1);
/// Longest time between two tries.
const RARELY: Duration = Duration::from_secs(60);

impl App {
    /// Takes the end of a swap into the state, lets go of the application, and only then tells everyone.
    pub(super) async fn settle(self: &Arc<Self>, done: Done, events: &EventLog) {
        let Done { mut journal, job, ended, drain_until, routes } = done;
        let service = job.accepted.service.clone();
        let mut inner = self.inner.lock().await;
        let releases = self.site.service(&service).map_or(DEFAULT_KEEP_RELEASES, |config| config.keep_releases);
        take_in(&mut inner.state, &job, &ended, releases);
        let serving = inner.state.service(&service).current().cloned();
        let (ended_outcome, ended_reason) = (ended.outcome.as_str(), ended.reason.map_or("", Reason::as_str));
        let ended_message = ended.message.clone();
        // Before the application is let go of: whoever finds the deployment ended must find its end among its events. The
        // journal holds the end already, so a crash from here on changes nothing.
        let (told, done) = events.after(0);
        self.phases.observe(&self.site.app, &service, &told);
        if !done {
            events.emit(DeployEvent::Finished {
                outcome: ended.outcome,
                reason: ended.reason,
                message: ended.message,
                hint: ended.hint,
                release: serving.as_ref().map(|release| release.number),
                image: serving.map(|release| release.image.map_or(release.image_id, |image| image.to_string())),
            });
        }
        tracing::info!(
            app = %self.site.app,
            %service,
            deployment = %job.accepted.deployment,
            outcome = ended_outcome,
            reason = ended_reason,
            "deployment ended: {ended_message}"
        );
        // Before the journal forgets it: repeated, it changes nothing.
        if let Some(line) = inner.state.lines().last() {
            inner.history.append(&line);
        }
        let kept = keep(&inner.state, &mut journal, &self.site.folder);
        inner.journal = Some(journal);
        inner.running = None;
        let shown = inner.history.shown().into_iter().map(|line| line.entry.deployment);
        EventLog::forget_all_but(&self.site.folder, &shown.chain([job.accepted.deployment.clone()]).collect());
        drop(inner);
        if let Err(error) = kept {
            tracing::error!(app = %self.site.app, error, "the end of the deployment is not stored yet; tried again");
            let app = self.clone();
            self.tasks.spawn(async move { app.keep_later().await });
        }
        // Not before the state tells which containers serve: the watch goes by it.
        drop(routes);
        self.see_out(service, job.accepted.old, drain_until);
        self.ended.notify_one();
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
                    let mut routes = Routes::of(&self.routes, None);
                    let job = self.with_route(job, &ended, &mut routes).await;
                    self.settle(Done { journal, job, ended, drain_until: None, routes }, &events).await;
                }
                (Some(journal), None) => self.launch(&mut inner, job, journal, None, None),
                (None, _) => {}
            }
        }
        let leaving: Vec<_> = {
            let inner = self.inner.lock().await;
            let services = inner.state.services.iter().filter(|(_, state)| !state.retiring.is_empty());
            services.map(|(name, state)| (name.clone(), state.retiring.clone())).collect()
        };
        for (service, members) in leaving {
            self.see_out(service, members, None);
        }
    }

    /// The job of a deployment that ended, with the route that a damaged journal hides: what it had from the labels Traefik
    /// can be asked for again, as long as the old containers are there. A stranded one may have left anything in the file.
    async fn with_route(&self, mut job: Job, ended: &Ended, routes: &mut Routes) -> Job {
        let service = &job.accepted.service;
        let state = self.service_state(service).await;
        // Where it went back, the new version's labels lead nowhere.
        let next = job.next.as_ref().filter(|_| ended.outcome == Outcome::Deployed);
        let unknown = job.damaged && job.route.is_none() && next.is_none() && state.route.is_none();
        let file = self.site.route_file(service).filter(|file| file.path().exists());
        if !unknown || ended.outcome == Outcome::Stranded || file.is_none() {
            return job;
        }
        routes.take().await;
        let until = Instant::now() + ROUTE;
        loop {
            let facts = Box::pin(Facts::gather(&self.site, service, &state)).await;
            if let Ok(Facts { route: Ok(Some(route)), .. }) = facts {
                job.route = Some(route);
                return job;
            }
            // What compose files say wrong is not mended by waiting.
            let may_come = !matches!(facts, Err(FactsError::Compose(_) | FactsError::NoService { .. }));
            if !may_come || Instant::now() >= until {
                tracing::error!(app = %self.site.app, %service, "the route file is nobody's until the next deployment: a damaged journal hides what it was made from");
                return job;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Stores what could not be stored before, for example because the disk was full. Another deployment does it first,
    /// or is refused.
    async fn keep_later(&self) {
        let mut pause = AGAIN;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RARELY);
            let mut inner = self.inner.lock().await;
            let Some(mut journal) = inner.journal.take() else { return };
            let kept = if journal.is_empty() { Ok(()) } else { keep(&inner.state, &mut journal, &self.site.folder) };
            inner.journal = Some(journal);
            if kept.is_ok() {
                return;
            }
        }
    }

    /// Stops and removes those of these containers that no longer serve, once their connections ended. Nobody waits for it,
    /// and it goes on until they are gone: the engine may be away meanwhile. Those of later deployments have their own time.
    fn see_out(self: &Arc<Self>, service: ServiceName, members: Vec<Member>, drain_until: Option<Instant>) {
        let app = self.clone();
        self.tasks.spawn(async move {
            let mut pause = AGAIN;
            loop {
                let retiring = app.service_state(&service).await.retiring;
                let leaving: Vec<Member> = members.iter().filter(|member| retiring.contains(member)).cloned().collect();
                if leaving.is_empty() {
                    break;
                }
                if app.retire(&service, leaving, drain_until).await {
                    continue;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RARELY);
            }
            app.sweep(&service).await;
        });
    }

    /// Without `until` their connections get the whole drain time from now on. True where all of them are gone.
    async fn retire(&self, service: &ServiceName, members: Vec<Member>, until: Option<Instant>) -> bool {
        let state = self.service_state(service).await;
        let port = state.route.as_ref().and_then(|route| route.services.values().next()).map(|route| route.port);
        // A route that a damaged journal hides led requests to them as well.
        let routed = port.is_some() || self.site.route_file(service).is_some_and(|file| file.path().exists());
        let proxy = match Box::pin(Facts::gather(&self.site, service, &state)).await {
            Ok(facts) => facts.proxy.map(|proxy| proxy.addresses()).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        // One that is no longer in agent.yml drains as well.
        let limit = self.site.service(service).cloned().unwrap_or_default().drain_timeout;
        // The drain time began when the route left them.
        let left_at = until.and_then(|until| until.checked_sub(limit)).unwrap_or_else(Instant::now);
        let until = until.unwrap_or_else(|| Instant::now() + limit);
        // All at once: one that ignores the signal does not keep the next one from its end.
        let leaves = async |member: &Member| {
            let Ok(container) = self.site.engine.container(&member.id).await else { return };
            if routed {
                let left = drained(&container, port, &proxy, Some(left_at), until).await;
                if left != Left::Open(0) {
                    tracing::warn!(container = %member.name, ?left, %service, "stopped with connections still open: `drain_timeout` is over");
                }
            }
            let gone = async {
                self.site.engine.stop(&member.id, container.stop_timeout).await?;
                self.site.engine.remove(&member.id).await
            };
            if let Err(error) = gone.await {
                tracing::warn!(container = %member.name, %error, "an old container could not be removed; tried again");
            }
        };
        join_all(members.iter().map(leaves)).await;
        let left = self.still_there(&members).await;
        let mut inner = self.inner.lock().await;
        if let Some(state) = inner.state.services.get_mut(service) {
            let seen = |member: &Member| members.contains(member);
            state.retiring.retain(|member| !seen(member) || left.contains(member));
        }
        if let Err(error) = inner.state.store(&self.site.folder) {
            tracing::error!(error = told(&error), "the state is not stored");
        }
        drop(inner);
        self.ended.notify_one();
        left.is_empty()
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
    pub(super) async fn wait_seen_out(&self, service: &ServiceName) {
        for _ in 0..RETIRE_TRIES {
            let retiring = self.service_state(service).await.retiring;
            if retiring.is_empty() || self.retire(service, retiring, None).await {
                return;
            }
        }
    }
}

/// Stores the state and empties the journal, whose end is in it.
pub(super) fn keep(state: &AppState, journal: &mut Journal, folder: &Path) -> Result<(), String> {
    state.store(folder).map_err(|error| told(&error))?;
    journal.clear().map_err(|error| told(&error))
}

/// An error with its cause.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// What the state takes from the end of a swap.
fn take_in(state: &mut AppState, job: &Job, ended: &Ended, keep: usize) {
    let service = state.services.entry(job.accepted.service.clone()).or_default();
    // An adoption stays also when what came after it failed.
    if job.routed() {
        service.route = job.route.clone();
    }
    if let (Outcome::Deployed, Some(release)) = (ended.outcome, &job.release) {
        service.push(release.clone(), keep);
        if let Some(next) = &job.next {
            service.route = Some(next.clone());
        }
        service.members = job.new.clone();
        service.override_image = Some(job.accepted.image_name.clone());
        service.retiring.extend(job.accepted.old.iter().cloned());
    }
    state.finish(&job.accepted, ended, job.release.as_ref().map(|release| release.number));
}
