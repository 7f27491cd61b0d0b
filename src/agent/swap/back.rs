//! Back: whatever was begun is undone, in the order that keeps the version from before serving throughout.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::lease::bounded;
use super::{Fault, LOOK, Swap};
use crate::agent::proxy::traefik::apply::{Wanted, forgotten, insist, lead, withdraw};
use crate::agent::store::{Ended, Record};
use crate::clients::docker::{Container, DockerError};
use crate::domain::Reason;
use crate::event::{Outcome, Phase};

/// Longest wait for the connections of a version that is taken back.
const DRAIN: Duration = Duration::from_secs(10);
/// Longest wait for an engine that is being restarted: without it no container can be started or removed.
const ENGINE: Duration = Duration::from_secs(300);
/// Time between two tries.
const AGAIN: Duration = Duration::from_secs(1);
/// Tries with an engine that answers; one that is just starting may refuse the first.
const REFUSED: u32 = 5;
/// How long a container that nobody wrote down may take to appear: the engine finishes what a caller that died began, and
/// on a busy host that takes seconds. Meanwhile the version from before serves.
const LATE: Duration = Duration::from_secs(5);

/// What the engine may still be making.
#[derive(Debug, Clone, Copy)]
enum Late {
    /// The container of the command that runs before.
    Command,
    /// The containers of the new version.
    Version,
}

impl Swap {
    /// Goes back and gives the end as it really is: `stranded` where a part of the way back failed too.
    pub(super) async fn back(&mut self, ended: Ended) -> Ended {
        self.routes.take().await;
        self.asked = None;
        let began = self.begin(Phase::Back);
        if self.job.going_back.is_none()
            && let Err(fault) = self.record(Record::GoingBack { ended: Box::new(ended.clone()) })
        {
            // The way back is taken from what is there, so it can be taken without its record.
            tracing::error!(error = %fault.message, "going back is not journaled");
        }
        let limit = self.limit(Phase::Back);
        match bounded(Phase::Back, limit, None, self.undo_with_engine()).await {
            Ok(()) => {
                self.end(Phase::Back, began);
                Ended { at: jiff::Timestamp::now(), ..ended }
            }
            Err(fault) => Ended {
                outcome: Outcome::Stranded,
                reason: Some(Reason::RollbackFailed),
                message: format!("{}; and going back failed: {}", ended.message, fault.message),
                hint: Some(format!(
                    "look at `docker ps` and Traefik on the host now; the agent goes on routing to healthy containers of {}",
                    self.service
                )),
                at: jiff::Timestamp::now(),
            },
        }
    }

    /// Every part of the way back may be repeated, so it waits for an engine that is away, and for Traefik. One that
    /// answers and refuses gets a few tries.
    async fn undo_with_engine(&mut self) -> Result<(), Fault> {
        let until = Instant::now() + ENGINE;
        let (mut refused, mut gone) = (0, Vec::new());
        loop {
            let fault = match self.undo(&mut gone).await {
                Err(fault) if [Reason::DockerUnavailable, Reason::TraefikUnreachable].contains(&fault.reason) => fault,
                done => return done,
            };
            tracing::warn!(service = %self.service, error = fault.message, "going back is tried again");
            tokio::time::sleep(AGAIN).await;
            while self.site.engine.version().await.is_err() {
                if Instant::now() >= until {
                    return Err(fault);
                }
                tokio::time::sleep(AGAIN).await;
            }
            refused += 1;
            if refused > REFUSED {
                return Err(fault);
            }
            // An engine that comes back brings Traefik with it, a moment later.
            let there = self.wait_for_proxy().await;
            if fault.reason == Reason::TraefikUnreachable && !there {
                return Err(fault);
            }
        }
    }

    /// `gone` collects the addresses of the containers that are removed.
    async fn undo(&mut self, gone: &mut Vec<IpAddr>) -> Result<(), Fault> {
        let ran = self.job.preparing && self.remove_one_off().await?;
        let old = self.serving_old().await?;
        // Whoever took them away before anything was made left something of their own, which goes on.
        if old.is_empty() && !self.job.accepted.serving.is_empty() && self.job.creating {
            return Err(Fault::new(
                Reason::RollbackFailed,
                "no container of the version from before is left; the new one is kept",
            ));
        }
        let servers: Vec<String> = old.iter().map(Container::server).collect();
        let lost = self.route_is_lost();
        let routed = if lost && self.lead_lost_to(&servers).await {
            Ok(())
        } else if self.job.adopting || lost || (self.job.switching && servers.is_empty()) {
            self.unroute().await
        } else if (self.job.starting || self.job.resumed)
            && !servers.is_empty()
            && let Some(route) = self.job.route.clone().or_else(|| self.state.route.clone())
        {
            let Some((traefik, file)) = self.site.traefik.as_ref().zip(self.site.route_file(&self.service)) else {
                return Err(Fault::new(Reason::SwitchFailed, "agent.yml no longer says where Traefik is"));
            };
            let wanted = Wanted { route: &route, servers: &servers, proof: None };
            insist(&traefik.api, &file, wanted).await
        } else {
            Ok(())
        };
        match routed {
            Err(why) if self.job.switching => {
                let reason = if self.proxy_is_away().await { Reason::TraefikUnreachable } else { Reason::SwitchFailed };
                return Err(Fault::new(reason, why));
            }
            // Before the switch nobody else's requests were led away from the version from before.
            Err(why) => self.note(format!("Traefik has not confirmed the route from before: {why}")),
            Ok(()) => {}
        }
        // After the creation was begun there is no command any more, but a damaged journal says nothing of either.
        if self.job.preparing && !ran && (!self.job.creating || self.job.damaged) {
            self.wait_for_late(Late::Command).await;
            self.remove_one_off().await?;
        }
        self.restore_override()?;
        self.remove_new(gone).await?;
        if lost {
            // By labels Traefik sends to every container that it knows of, and it learns of an end a moment later.
            if let Some(traefik) = &self.site.traefik
                && let Err(why) = forgotten(&traefik.api, gone).await
            {
                self.note(why);
            }
            self.unroute().await.map_err(|why| Fault::new(Reason::SwitchFailed, why))?;
        }
        Ok(())
    }

    /// The route that our file holds although its record is lost leads to these containers until the new ones are gone:
    /// by their labels Traefik would send requests to both. False where that cannot be done.
    async fn lead_lost_to(&self, servers: &[String]) -> bool {
        let Some((traefik, file)) = self.site.traefik.as_ref().zip(self.site.route_file(&self.service)) else {
            return false;
        };
        !servers.is_empty() && lead(&traefik.api, &file, servers).await.is_ok()
    }

    /// The containers from before, running again where something stopped them.
    async fn serving_old(&self) -> Result<Vec<Container>, Fault> {
        let mut serving = Vec::new();
        for container in self.existing(&self.job.accepted.serving).await? {
            if !container.running()
                && let Err(error) = self.site.engine.start(&container.id).await
            {
                // Somebody else is removing it: it counts as gone, the others may still serve.
                tracing::warn!(container = %container.name, %error, "a container of the version from before does not start");
            }
            match self.site.engine.container(&container.id).await {
                Ok(container) if container.running() => serving.push(container),
                Ok(_) | Err(DockerError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(serving)
    }

    /// Takes our file away; labels serve again, as they did before the adoption.
    async fn unroute(&mut self) -> Result<(), String> {
        let Some(file) = self.site.route_file(&self.service) else { return Ok(()) };
        let gone = self.job.route.clone();
        self.job.route = self.state.route.clone();
        let (Some(traefik), Some(gone)) = (&self.site.traefik, gone) else {
            return file.write(None).map_err(|error| error.to_string());
        };
        withdraw(&traefik.api, &file, &gone).await
    }

    fn restore_override(&self) -> Result<(), Fault> {
        if !self.job.creating && !self.job.preparing {
            return Ok(());
        }
        let failed = |error: crate::agent::compose::ComposeError| Fault::new(Reason::ComposeFailed, error.to_string());
        if self.job.release.is_some() || self.job.damaged {
            self.site.compose.write_live(&self.images).map_err(failed)?;
        }
        self.site.compose.drop_candidate().map_err(failed)
    }

    /// Removes the new containers; all that were not there before where their ids were not recorded. One that had traffic
    /// may finish its requests.
    async fn remove_new(&self, gone: &mut Vec<IpAddr>) -> Result<(), Fault> {
        if !self.job.creating {
            return Ok(());
        }
        self.wait_for_late(Late::Version).await;
        let new = self.made().await?;
        gone.extend(new.iter().flat_map(Container::addresses));
        if self.job.switching {
            self.drain(&super::members(&new), Some(Instant::now()), DRAIN).await;
        }
        // All at once: the time that each has to stop would add up to more than the way back may take.
        let remove = async |container: &Container| {
            if self.job.switching && container.running() {
                self.site.engine.stop(&container.id, container.stop_timeout).await?;
            }
            self.site.engine.remove(&container.id).await
        };
        join_all(new.iter().map(remove)).await.into_iter().collect::<Result<(), DockerError>>()?;
        if let Some(release) = &self.job.release {
            let (repository, tag) = self.site.retained(&self.service, release.number);
            self.site.engine.untag(&format!("{repository}:{tag}")).await?;
        }
        Ok(())
    }

    /// Waits until everything is there that the engine may still be making for an agent that died before it wrote it down.
    async fn wait_for_late(&self, late: Late) {
        if !self.job.resumed || !self.job.new.is_empty() {
            return;
        }
        let until = Instant::now() + LATE;
        while Instant::now() < until {
            let complete = match late {
                Late::Command => self.site.engine.container(&self.one_off()).await.is_ok(),
                Late::Version => self.made().await.is_ok_and(|made| made.len() as u64 >= self.job.accepted.replicas),
            };
            if complete {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes the containers that are there for those whose record is lost.
    pub(super) async fn find_new(&mut self) {
        // Without the engine nothing goes forward, and the way back looks for itself.
        let new = self.made().await.unwrap_or_default();
        if let Some(container) = new.first() {
            self.job.new = super::members(&new);
            self.job.config_hash = container.config_hash().to_owned();
            self.job.image_id = Some(container.image_id.clone());
        }
    }

    /// True where a damaged journal hides which route was being adopted, while our file may hold it.
    pub(super) fn route_is_lost(&self) -> bool {
        let unknown = self.job.route.is_none() && self.state.route.is_none();
        let file = || self.site.route_file(&self.service).is_some_and(|file| file.path().exists());
        self.job.damaged && unknown && file()
    }

    /// The containers that this swap made.
    async fn made(&self) -> Result<Vec<Container>, Fault> {
        let all = self.site.engine.service_containers(self.site.compose.project(), self.service.as_str()).await?;
        let old = |container: &Container| {
            let known = self.job.accepted.old.iter().chain(&self.state.retiring);
            known.into_iter().any(|old| old.id == container.id)
        };
        let ours =
            |container: &Container| self.job.new.is_empty() || self.job.new.iter().any(|new| new.id == container.id);
        Ok(all.into_iter().filter(|container| !old(container) && ours(container)).collect())
    }
}
