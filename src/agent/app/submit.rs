//! Taking a deployment on: everything that can be refused is refused here, before anything is changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::settle::{keep, told};
use super::{App, Inner, Running, deployment, docker, holder, phase_of, refusal, seen_out, unreadable};
use crate::agent::config::DEFAULT_KEEP_RELEASES;
use crate::agent::facts::{Facts, blockers, by_digest, revision, serving, wanted_replicas};
use crate::agent::site::Site;
use crate::agent::store::{Accepted, AppState, EventLog, Journal, Record, ServiceState, fence};
use crate::agent::swap::{CancelGate, Job, Planned, Routes, Swap, members};
use crate::agent_api::{ApiError, BeforeDeploy, DeployRequest, Deployment, Release, Wanted};
use crate::clients::docker::{DockerError, RegistryLogin};
use crate::domain::{DeploymentId, IdempotencyKey, ImageRef, Reason, ServiceName, hex, is_command};
use crate::event::DeployEvent;
use crate::signing::fresh_nonce;

impl App {
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
            let holder = holder(&self.site, running);
            return Err(ApiError {
                code: Reason::Busy,
                message: holder.told(),
                hint: Some("wait for it to end, then deploy again".to_owned()),
                holder: Some(Box::new(holder)),
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
        if let Some(before) = &request.before_deploy {
            self.may_run(service, &request.want, before)?;
        }
        let state = inner.state.service(service);
        let stamp = self.site.compose.stamp();
        let facts = Box::pin(Facts::gather(&self.site, service, &state)).await.map_err(unreadable)?;
        let seen = revision(&facts, &state, inner.state.last(service));
        if request.expected_revision.as_ref().is_some_and(|expected| *expected != seen) {
            return Err(refusal(
                Reason::ChangedUnderneath,
                "what runs is no longer what the plan saw",
                "plan again; another deployment or a `docker compose` on the host came in between",
            ));
        }
        if let Some(first) = blockers(&self.site, service, &facts).into_iter().next() {
            let unreachable = first.code == Reason::TraefikUnreachable.as_str();
            let reason = if unreachable { Reason::TraefikUnreachable } else { Reason::Blocked };
            return Err(refusal(reason, format!("{} ({})", first.message, first.code), first.hint));
        }
        let replicas = wanted_replicas(&facts, &state);
        if replicas == 0 {
            let hint =
                format!("set `scale` or `deploy.replicas` of service `{service}` to at least 1 in the compose file");
            return Err(refusal(
                Reason::Blocked,
                "the compose file asks for no container of the service (no_replicas)",
                hint,
            ));
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
            replicas,
            before_deploy: request.before_deploy,
            old: members(&facts.containers),
            serving: members(serving(&state, facts.running())),
            fence: inner.state.next_fence(),
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
        let planned = Planned { facts, stamp };
        self.launch(&mut inner, Job::new(accepted), journal, login, Some(planned));
        Ok(answer)
    }

    /// A command in the application's own image is more than an image: who holds a key could run any program of it. So
    /// the host has to allow it.
    fn may_run(&self, service: &ServiceName, want: &Wanted, before: &BeforeDeploy) -> Result<(), ApiError> {
        if !self.site.service(service).is_some_and(|config| config.before_deploy) {
            let app = &self.site.app;
            return Err(refusal(
                Reason::Blocked,
                format!("no command runs before a deployment of `{service}` here (before_deploy_refused)"),
                format!("set `before_deploy: allowed` under `apps.{app}.services.{service}` in agent.yml on the host"),
            ));
        }
        if *want == Wanted::Rollback || !is_command(&before.command, Duration::from_millis(before.timeout_ms)) {
            let hint = "send 1 to 64 words of 8 KiB in all, a time of at most six hours, and none for a rollback";
            return Err(refusal(Reason::BadRequest, "`before_deploy` is not a command that can be run", hint));
        }
        Ok(())
    }

    /// Journals the beginning. A journal that still holds the deployment before, because its end could not be stored
    /// then, is settled first.
    fn begin(&self, state: &AppState, journal: &mut Journal, accepted: &Accepted) -> Result<(), String> {
        if !journal.is_empty() {
            keep(state, journal, &self.site.folder)?;
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
            config_hash: container.config_hash().to_owned(),
            proven_at: Timestamp::now(),
            deployment: None,
            rollback: false,
        };
        let (repository, tag) = self.site.retained(service, 1);
        self.site.engine.tag(&release.image_id, &repository, &tag).await?;
        let found = state.services.entry(service.clone()).or_default();
        found.push(release, DEFAULT_KEEP_RELEASES);
        found.members = members(facts.running());
        state.store(&self.site.folder).map_err(|error| DockerError::Refused { status: 0, message: error.to_string() })
    }

    pub(super) fn launch(
        self: &Arc<Self>,
        inner: &mut Inner,
        job: Job,
        journal: Journal,
        credential: Option<RegistryLogin>,
        planned: Option<Planned>,
    ) {
        let events = EventLog::open(&self.site.folder, &job.accepted.deployment);
        let cancel = CancelGate::default();
        if job.switching {
            // It was committed before it was interrupted; nobody can have cancelled it since.
            let _ = cancel.commit();
        }
        let service = job.accepted.service.clone();
        inner.running = Some(Running {
            launched: Timestamp::now(),
            accepted: job.accepted.clone(),
            events: events.clone(),
            cancel: cancel.clone(),
        });
        tracing::info!(
            app = %self.site.app,
            %service,
            deployment = %job.accepted.deployment,
            image = %job.accepted.image_name,
            by = %job.accepted.requested_by,
            resumed = job.resumed,
            "deployment begins"
        );
        if !job.resumed {
            events.emit(DeployEvent::Accepted {
                deployment: job.accepted.deployment.clone(),
                image: job.accepted.image_name.clone(),
                fence: fence(&job.accepted),
            });
        }
        // One that was taken out of agent.yml leaves the override too, or `docker compose up` would make it for ever.
        let managed = inner.state.services.iter().filter(|(name, _)| self.site.service(name).is_some());
        let images = managed.filter_map(|(name, state)| Some((name.clone(), state.override_image.clone()?)));
        let mut swap = Swap {
            site: self.site.clone(),
            // A service that was taken out of agent.yml in the middle of its swap is brought to its end with the defaults.
            config: self.site.service(&service).cloned().unwrap_or_default(),
            state: inner.state.service(&service),
            service,
            images: images.collect::<BTreeMap<_, _>>(),
            job,
            journal,
            events: events.clone(),
            cancel,
            credential,
            planned,
            proof: None,
            rehearsal: None,
            asked: None,
            drain_until: None,
            // Taken here where they are free, so that after a start nobody comes in between.
            routes: Routes::of(&self.routes, self.routes.clone().try_lock_owned().ok()),
            pinned: None,
        };
        let app = self.clone();
        self.tasks.spawn(async move {
            swap.routes.take().await;
            if !swap.state.retiring.is_empty() {
                let text = "waiting for the old containers of the deployment before to finish their requests and end";
                swap.events.emit(DeployEvent::Note { text: text.to_owned() });
            }
            let seen_out = tokio::time::timeout(seen_out(&swap.config), app.wait_seen_out(&swap.service));
            tokio::select! {
                () = swap.cancel.cancelled() => {}
                // Who is not out by then is counted, and seen out afterwards.
                _ = seen_out => {}
            }
            // What it fetches is in nobody's use until its containers exist.
            let images = app.site.images.clone().read_owned().await;
            let done = swap.run().await;
            drop(images);
            app.settle(done, &events).await;
        });
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
        let asked = (service, &request.want, &request.before_deploy);
        if (&accepted.service, &accepted.want, &accepted.before_deploy) == asked {
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

fn new_id() -> Result<DeploymentId, ApiError> {
    let bug = |why: String| refusal(Reason::Bug, why, "report it");
    let bytes = fresh_nonce().map_err(|error| bug(error.to_string()))?;
    format!("d-{}", hex(&bytes[..6])).parse().map_err(|error: crate::domain::NameError| bug(error.to_string()))
}
