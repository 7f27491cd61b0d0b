//! Pull, create, start: the new containers, made by compose itself and started through the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::disk::tells_full;
use super::{Fault, Swap, members};
use crate::agent::compose::{ComposeError, With};
use crate::agent::facts::{FactsError, traefik_labels};
use crate::agent::proxy::traefik::api::text;
use crate::agent::proxy::traefik::labels::{self, Around};
use crate::agent::store::{CompiledRoute, Record};
use crate::clients::docker::{Container, DockerError};
use crate::domain::{Reason, ServiceName};
use crate::event::Phase;

/// How long a call of compose may still go on after somebody cancelled: dropped in the middle, it may leave a container
/// that nobody knows.
const LET_GO: Duration = Duration::from_secs(4);
/// Longest wait for containers that still appear after a call of compose was ended.
pub(super) const QUIET: Duration = Duration::from_secs(5);

/// How long the engine is asked whether it is there, once a call of compose failed.
const THERE: Duration = Duration::from_secs(3);
/// How the docker command says that it did not reach the engine, or lost it. An engine that systemd starts by its socket is
/// back before anybody could look.
const AWAY: [&str; 2] = ["Cannot connect to the Docker daemon", "error during connect"];

fn tells_away(words: &str) -> bool {
    AWAY.iter().any(|away| words.contains(away))
}

pub(super) fn compose_fault(error: ComposeError) -> Fault {
    let reason = if matches!(error, ComposeError::TimedOut(_)) { Reason::TimedOut } else { Reason::ComposeFailed };
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    Fault::new(reason, format!("{error}{source}")).hint(
        "mend what compose names; `docker compose config` in the project's folder on the host shows what it reads",
    )
}

impl Swap {
    pub(super) async fn pull(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Pull);
        self.record(Record::Pulling)?;
        let id = self.cancellable(self.fetch()).await?;
        self.credential = None;
        self.record(Record::Pulled { image_id: id })?;
        self.end(Phase::Pull, began);
        Ok(())
    }

    /// The engine's id of the image; fetched where the host does not have it.
    async fn fetch(&self) -> Result<String, Fault> {
        let name = &self.job.accepted.image_name;
        if let Some(image) = self.site.engine.image(name).await? {
            return Ok(image.id);
        }
        let Some(image) = &self.job.accepted.image else {
            return Err(Fault::new(
                Reason::PullFailed,
                format!("{name} exists on no registry and is no longer on this host"),
            )
            .hint("deploy an image from a registry"));
        };
        self.has_room(image).await?;
        let pulled = self.site.engine.pull(image, self.credential.as_ref()).await;
        let failed = |why: String, hint: String| {
            Fault::new(Reason::PullFailed, format!("{image} could not be pulled: {why}")).hint(hint)
        };
        match pulled {
            Err(DockerError::Unavailable { why, .. }) => Err(failed(why, "check the Docker Engine on the host".to_owned())),
            Err(error) if tells_full(&error.to_string()) => {
                Err(self.told_full(failed(error.to_string(), String::new()), Some(image)).await)
            }
            Err(error) => Err(failed(
                error.to_string(),
                "check that the digest was pushed to this repository, and that the registry's user name and password are given where it needs them".to_owned(),
            )),
            Ok(()) => match self.site.engine.image(name).await? {
                Some(image) => Ok(image.id),
                None => Err(failed("the engine does not know it afterwards".to_owned(), "look at the engine's log".to_owned())),
            },
        }
    }

    pub(super) async fn create(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Create);
        let project = self.site.compose.project().to_owned();
        let before = self.site.engine.service_containers(&project, self.service.as_str()).await?;
        let known = |id: &str| self.job.accepted.old.iter().chain(&self.state.retiring).any(|member| member.id == id);
        if let Some(stranger) = before.iter().find(|container| !known(&container.id)) {
            return Err(Fault::new(
                Reason::ChangedUnderneath,
                format!("container {} appeared since the deployment began", stranger.name),
            )
            .hint("let no `docker compose` run during a deployment, then deploy again"));
        }
        self.record(Record::Creating)?;
        self.site.compose.write_candidate(&self.candidate_images()).map_err(compose_fault)?;
        let total = before.len() as u64 + self.job.accepted.replicas;
        if let Err(fault) = self.create_containers(total).await {
            return Err(self.told_full(fault, None).await);
        }
        let after = self.site.engine.service_containers(&project, self.service.as_str()).await?;
        let new: Vec<_> =
            after.into_iter().filter(|container| !before.iter().any(|old| old.id == container.id)).collect();
        let unexpected = |why: String| {
            Fault::new(Reason::CreateFailed, why)
                .hint("let no `docker compose` run during a deployment, then deploy again")
        };
        if new.len() as u64 != self.job.accepted.replicas {
            return Err(unexpected(format!(
                "compose made {} containers instead of {}",
                new.len(),
                self.job.accepted.replicas
            )));
        }
        let hash = new.first().map(Container::config_hash).unwrap_or_default().to_owned();
        for container in &new {
            if container.config_hash() != hash {
                return Err(unexpected(format!("{} was not made from the same configuration", container.name)));
            }
            if Some(&container.image_id) != self.job.image_id.as_ref() {
                return Err(unexpected(format!("{} was made from another image", container.name)));
            }
        }
        let new = self.keep_addresses(new).await?;
        self.job.next = self.next_route(new.first()).await?;
        let next = self.job.next.clone().map(Box::new);
        self.record(Record::Created { new: members(&new), config_hash: hash, next })?;
        self.end(Phase::Create, began);
        Ok(())
    }

    /// The images of a compose project that has the new one.
    pub(super) fn candidate_images(&self) -> BTreeMap<ServiceName, String> {
        let mut images = self.images.clone();
        images.insert(self.service.clone(), self.job.accepted.image_name.clone());
        images
    }

    /// Lets compose make the containers. A cancellation waits for that a moment, then ends it.
    async fn create_containers(&self, total: u64) -> Result<(), Fault> {
        let created = {
            let mut call = std::pin::pin!(self.site.compose.create(&self.service, total, &self.site.lock));
            tokio::select! {
                created = &mut call => Some(created),
                () = self.cancel.cancelled() => tokio::time::timeout(LET_GO, call).await.ok(),
            }
        };
        match created {
            Some(Ok(())) if self.cancel.is_cancelled() => Err(Fault::cancelled()),
            Some(Ok(())) => Ok(()),
            Some(Err(error @ ComposeError::TimedOut(_))) => {
                self.quiet(total).await;
                Err(self.call_fault(error).await)
            }
            Some(Err(error)) => Err(self.call_fault(error).await),
            None => {
                self.quiet(total).await;
                Err(Fault::cancelled())
            }
        }
    }

    /// What it means that a call of compose failed: where the engine was away, nothing is wrong with what was asked.
    pub(super) async fn call_fault(&self, error: ComposeError) -> Fault {
        let told = matches!(&error, ComposeError::Failed { words, .. } if tells_away(words));
        let is_away = async || !matches!(tokio::time::timeout(THERE, self.site.engine.version()).await, Ok(Ok(_)));
        let away = told || !self.cancel.is_cancelled() && is_away().await;
        let fault = compose_fault(error);
        if !away {
            return fault;
        }
        Fault::new(Reason::DockerUnavailable, format!("the Docker Engine was away: {}", fault.message))
            .hint("`deploy-action agent doctor` on the host checks the engine")
    }

    /// Waits until the engine has done what a call of compose that was ended had asked it for: all of it, or whatever it did
    /// meanwhile. On a busy host one container takes it seconds, and one that appears later would be nobody's.
    async fn quiet(&self, total: u64) {
        let until = tokio::time::Instant::now() + QUIET;
        while tokio::time::Instant::now() < until {
            let found = self.site.engine.service_containers(self.site.compose.project(), self.service.as_str()).await;
            if found.is_ok_and(|containers| containers.len() as u64 >= total) {
                return;
            }
            tokio::time::sleep(super::LOOK).await;
        }
    }

    /// The route that a new container's labels ask for, where they are not those that the route was made from.
    async fn next_route(&self, new: Option<&Container>) -> Result<Option<CompiledRoute>, Fault> {
        let (Some(today), Some(traefik), Some(new)) = (&self.job.route, &self.site.traefik, new) else {
            return Ok(None);
        };
        let wanted = traefik_labels(new);
        if wanted == today.labels {
            return Ok(None);
        }
        let failed = |why: String| Fault::new(Reason::SwitchFailed, why);
        let view = traefik.api.view().await.map_err(|error| failed(error.to_string()))?;
        let next = labels::route(&wanted, Around { view: &view, today: Some(today) })
            .map_err(|blockers| Fault::blocked(Reason::Blocked, blockers))?;
        let next =
            next.ok_or_else(|| failed("the labels of the new container ask for no route any more".to_owned()))?;
        let rules = |route: &CompiledRoute| {
            let rules: Vec<&str> = route.routers.values().map(|router| text(router, "rule")).collect();
            rules.join(", ")
        };
        self.note(format!("the routing labels changed: {} becomes {} with the switch", rules(today), rules(&next)));
        Ok(Some(next))
    }

    pub(super) async fn start(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Start);
        self.record(Record::Starting)?;
        // Traefik pauses after each change of its files: the rehearsal's is made while the application boots.
        let prepared = async {
            if !self.may_prepare() || self.serving().await?.is_empty() {
                return Ok(None);
            }
            self.cancellable(Box::pin(self.prepare_rehearsal())).await.map(Some)
        };
        let (started, prepared) = tokio::join!(self.start_new(), prepared);
        started?;
        self.rehearsal = prepared?;
        self.end(Phase::Start, began);
        Ok(())
    }

    /// Begins to ask compose for the hash of what was planned, with the new image; [`Swap::asked_for`] takes the answer.
    pub(super) fn ask(&self) -> AbortOnDropHandle<Result<String, ComposeError>> {
        let (site, service) = (self.site.clone(), self.service.clone());
        let image = self.job.accepted.image_name.clone();
        let planned = self.planned.as_ref().map(|planned| planned.facts.resolved.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let resolved = match planned {
                Some(planned) => planned.with_image(&service, &image)?,
                None => site.compose.resolve(With::Candidate).await?,
            };
            site.compose.hash(&resolved, &service).await
        }))
    }

    /// A container whose label is not the hash that compose gives for what was planned would be made anew, old one first,
    /// by the next plain `docker compose up -d`, or was made from files that somebody edited meanwhile.
    pub(super) async fn asked_for(&mut self) -> Result<(), Fault> {
        let asked = self.asked.take().unwrap_or_else(|| self.ask());
        let hash = asked.await.map_err(|error| Fault::new(Reason::Bug, error.to_string()))?;
        if hash.map_err(FactsError::from)? == self.job.config_hash {
            return Ok(());
        }
        self.as_planned().await?;
        Err(Fault::new(
            Reason::CreateFailed,
            format!("compose made the new containers of {} from another configuration than was planned", self.service),
        )
        .hint("let nobody edit the compose files during a deployment, then deploy again; if this comes again, update compose on the host"))
    }

    async fn start_new(&self) -> Result<(), Fault> {
        for member in &self.job.new {
            if let Err(error) = self.site.engine.start(&member.id).await {
                let report = self.diagnose(member).await;
                let fault = match error {
                    DockerError::Unavailable { .. } => error.into(),
                    error => Fault::not_started(&member.name, report.as_ref(), &error),
                };
                return Err(self.told_full(fault, None).await);
            }
        }
        Ok(())
    }

    /// Makes the new image the one that a plain `docker compose up -d` uses, and keeps it on the host for a rollback.
    /// Both may be repeated.
    pub(super) async fn promote(&mut self) -> Result<(), Fault> {
        self.site.compose.promote(&self.candidate_images()).map_err(compose_fault)?;
        if let Some(release) = &self.job.release {
            let (repository, tag) = self.site.retained(&self.service, release.number);
            self.site.engine.tag(&release.image_id, &repository, &tag).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_away_is_told_from_a_call_that_is_wrong() {
        for away in [
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "error during connect: Post \"http://%2Fvar%2Frun%2Fdocker.sock/v1.41/containers/create\": EOF",
        ] {
            assert!(tells_away(away), "{away}");
        }
        for wrong in ["no such service: web", "exec: \"migrate\": executable file not found in $PATH"] {
            assert!(!tells_away(wrong), "{wrong}");
        }
    }
}
