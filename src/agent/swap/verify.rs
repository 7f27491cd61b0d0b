//! Verify: the new containers are watched while the old ones drain. The old ones run until the window is over, so that
//! going back is a change of the route only.

use std::time::Duration;

use tokio::time::Instant;

use super::gate::{Probing, address, probe_once};
use super::{Fault, Left, Swap, drained};
use crate::agent::facts::gate;
use crate::agent::proxy::traefik::prove::baseline;
use crate::agent::store::Member;
use crate::clients::docker::DockerError;
use crate::domain::{Reason, show_span};
use crate::event::{DeployEvent, Phase};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Longest look at whether an old container is drained.
const DRAINED: Duration = Duration::from_millis(500);
/// How long the entry point may fail to answer at the end of the window: a restart of the proxy takes less.
const DOOR: Duration = Duration::from_secs(5);
/// Failed probes in a row that end the window: one bad answer under load is not a broken version.
const BAD_IN_A_ROW: u32 = 5;

impl Swap {
    pub(super) async fn verify(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Verify);
        self.drop_proof().await?;
        // Only another process's part of the window has to be told by the wall clock, which may jump.
        let gone = if self.job.resumed { self.since_proof() } else { Duration::ZERO };
        let window = self.config.verify_for.saturating_sub(gone);
        {
            let mut watching = std::pin::pin!(self.watch(window));
            let mut draining = std::pin::pin!(tokio::time::timeout(window, self.drain_old()));
            // A version that fails in its window is not kept waiting for the connections of the other one.
            tokio::select! {
                watched = &mut watching => {
                    watched?;
                    let _ = draining.await;
                }
                _ = &mut draining => watching.await?,
            }
        }
        self.still_answered().await?;
        self.end(Phase::Verify, began);
        Ok(())
    }

    /// Takes the proof's routers out of the route.
    pub(super) async fn drop_proof(&mut self) -> Result<(), Fault> {
        let Some(route) = self.job.route_of_new().cloned() else { return Ok(()) };
        self.point_at(&route, &self.new_servers(), None).await.map_err(|why| {
            let told = format!("the proof's routers could not be taken out of the route again: {why}");
            Fault::new(Reason::VerifyFailed, told)
        })
    }

    /// Says which connections keep the old containers. Nobody waits for them: they are seen out after the end.
    pub(super) async fn tell_open(&self) {
        let left = self.drain_left();
        if left.is_zero() {
            return;
        }
        if let Left::Open(open @ 1..) = self.drain(&self.job.accepted.serving, None, left.min(DRAINED)).await {
            let open = if open == 1 { "1 connection is".to_owned() } else { format!("{open} connections are") };
            let limit = show_span(self.config.drain_timeout);
            self.note(format!(
                "{open} still open to the old version; it is stopped when they end, {limit} after the switch at the latest"
            ));
        }
    }

    /// How long ago the proof was; nothing where the clock was set back.
    fn since_proof(&self) -> Duration {
        let proven = self.job.release.as_ref().map(|release| release.proven_at);
        proven.and_then(|at| Duration::try_from(jiff::Timestamp::now() - at).ok()).unwrap_or_default()
    }

    /// At the end of the window somebody outside must still get an answer: containers may be well behind a closed door.
    async fn still_answered(&self) -> Result<(), Fault> {
        let Some(route) = self.job.route_of_new() else { return Ok(()) };
        let targets = self.targets(route)?;
        let Some(target) = targets.first() else { return Ok(()) };
        let until = Instant::now() + DOOR;
        loop {
            let status = baseline(target).await;
            if status.is_some_and(|status| status < 500) {
                return Ok(());
            }
            if Instant::now() >= until {
                let got = status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
                let url = format!("{}://{}{}", target.entry.scheme(), target.host, target.path);
                return Err(Fault::new(
                    Reason::VerifyFailed,
                    format!("{url} at {} gives {got} at the end of the verify window", target.entry),
                )
                .hint("look at Traefik's container and its log on the host"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn watch(&self, window: Duration) -> Result<(), Fault> {
        let until = Instant::now() + window;
        let mut errors = if window.is_zero() { None } else { self.error_watch().await };
        let facts = Box::pin(self.around()).await?;
        let probing = Probing::of(&gate(&self.site, &self.service, &facts));
        let mut bad = 0;
        loop {
            let answers = match &mut errors {
                Some(errors) => self.look_at_answers(errors).await,
                None => Ok(()),
            };
            // First what became of the containers: one that ended is why its answers fail. Nobody is probed then, which
            // may take seconds.
            let probing = probing.as_ref().filter(|_| answers.is_ok());
            for member in &self.job.new {
                if let Err(fault) = self.look(member, probing, &facts, &mut bad).await {
                    self.diagnose(member).await;
                    return Err(fault);
                }
            }
            if let Err(fault) = answers {
                for member in &self.job.new {
                    self.diagnose(member).await;
                }
                return Err(fault);
            }
            if Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(
        &self,
        member: &Member,
        probing: Option<&Probing>,
        facts: &crate::agent::facts::Facts,
        bad: &mut u32,
    ) -> Result<(), Fault> {
        let failed = |why: String| Fault::new(Reason::VerifyFailed, why).hint("its last log lines say why");
        let container = match self.site.engine.container(&member.id).await {
            Ok(container) => container,
            Err(DockerError::NotFound(_)) => {
                return Err(Fault::new(
                    Reason::ChangedUnderneath,
                    format!("{} was removed by someone else", member.name),
                )
                .hint("let no `docker compose` run during a deployment, then deploy again"));
            }
            Err(error) => return Err(error.into()),
        };
        if let Err(fault) = super::gate::still_up(&container) {
            return Err(failed(format!("{} within its verify window", fault.message)));
        }
        if container.health.as_deref() == Some("unhealthy") {
            return Err(failed(format!("{} became unhealthy within its verify window", member.name)));
        }
        if let (Some(Probing::Http { port, path }), Some(address)) =
            (probing, address(&container, facts.proxy.as_ref()))
        {
            match probe_once(&self.site.http, address, *port, path).await {
                Ok(()) => *bad = 0,
                Err(why) => {
                    *bad += 1;
                    if *bad >= BAD_IN_A_ROW {
                        return Err(failed(format!(
                            "{} stopped answering within its verify window: {why}",
                            member.name
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until the old containers hold no connection of the proxy.
    async fn drain_old(&self) {
        let began = Instant::now();
        let limit = self.drain_left();
        match self.drain(&self.job.accepted.serving, None, limit).await {
            Left::Open(open) => {
                let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.events.emit(DeployEvent::Drained { open, took_ms });
            }
            Left::Unknown => self.note(format!(
                "the old version's connections cannot be seen; it got the whole drain time of {}",
                show_span(self.config.drain_timeout)
            )),
        }
    }

    /// What is left of the drain time, which counts from the switch.
    fn drain_left(&self) -> Duration {
        let limit = self.config.drain_timeout;
        self.drain_until.map_or(limit, |until| until.saturating_duration_since(Instant::now()))
    }

    /// As [`drained`] does, one after the other.
    pub(super) async fn drain(&self, members: &[Member], left: Option<Instant>, limit: Duration) -> Left {
        let port = self.job.route.as_ref().and_then(|route| route.services.values().next()).map(|service| service.port);
        // A damaged journal may hide the route, and with it the port.
        if port.is_none() && !self.job.damaged {
            return Left::Open(0);
        }
        let until = Instant::now() + limit;
        // Without Traefik's addresses every connection counts.
        let proxy = Box::pin(self.around()).await.ok().and_then(|facts| facts.proxy);
        let peers = proxy.map(|proxy| proxy.addresses()).unwrap_or_default();
        let Ok(containers) = self.existing(members).await else { return Left::Unknown };
        let mut all = 0;
        for container in containers {
            match drained(&container, port, &peers, left, until).await {
                Left::Open(open) => all += open,
                Left::Unknown => return Left::Unknown,
            }
        }
        Left::Open(all)
    }
}
