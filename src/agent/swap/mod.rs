//! One swap: the phases in their order, each journaled before its effect, and the way back from every one of them.

mod address;
mod adopt;
mod answers;
mod back;
mod before;
mod cancel;
mod create;
mod diagnose;
mod disk;
mod drain;
mod fault;
mod gate;
mod job;
mod lease;
mod planned;
mod prove;
mod routes;
mod switch;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::compose::ComposeError;
use super::config::ServiceConfig;
use super::facts::Facts;
use super::proxy::traefik::file::Proof;
use super::proxy::traefik::stand_in::Pinned;
use super::site::Site;
use super::store::{Ended, EventLog, Journal, Member, Record, ServiceState};
use crate::clients::docker::{Container, DockerError, RegistryLogin};
use crate::domain::{Reason, ServiceName};
use crate::event::{DeployEvent, Outcome, Phase};

pub use address::sets_aside;
pub use cancel::CancelGate;
pub use drain::{Left, drained};
pub use fault::Fault;
pub use gate::{address, probe_once};
pub use job::Job;
use lease::bounded;
pub use lease::left;
pub use planned::Planned;
pub use prove::Rehearsal;
pub use routes::Routes;

/// How long a resumed swap waits for Traefik.
pub const PROXY: Duration = Duration::from_secs(45);
/// Time between two looks for it.
const LOOK: Duration = Duration::from_millis(200);

/// A swap in progress.
#[derive(Debug)]
pub struct Swap {
    /// Its application.
    pub site: Arc<Site>,
    /// Its service.
    pub service: ServiceName,
    /// Its part of `agent.yml`.
    pub config: ServiceConfig,
    /// The service's state when it began.
    pub state: ServiceState,
    /// The images of the live override when it began.
    pub images: BTreeMap<ServiceName, String>,
    /// What the journal says so far.
    pub job: Job,
    /// The journal.
    pub journal: Journal,
    /// Its events.
    pub events: EventLog,
    /// Whether it may still be cancelled.
    pub cancel: CancelGate,
    /// For the pull; in memory only.
    pub credential: Option<RegistryLogin>,
    /// What the plan saw; not known to a resumed swap.
    pub planned: Option<Planned>,
    /// The proof routers in the route file.
    pub proof: Option<Proof>,
    /// Until when the old containers may keep connections, once the route has left them.
    pub drain_until: Option<Instant>,
    /// The rehearsal that was prepared while the containers started.
    pub rehearsal: Option<Rehearsal>,
    /// What compose says of the new containers, once it was asked.
    pub asked: Option<AbortOnDropHandle<Result<String, ComposeError>>>,
    /// The application's routes, which nobody else changes meanwhile.
    pub routes: Routes,
    /// Whose addresses stand in for their names until it ends.
    pub pinned: Option<Pinned>,
}

/// A swap that came to its end, with what the state takes from it.
#[derive(Debug)]
pub struct Done {
    /// The journal, to be emptied once the state is stored.
    pub journal: Journal,
    /// What happened.
    pub job: Job,
    /// How it ended.
    pub ended: Ended,
    /// Until when the old containers may keep connections.
    pub drain_until: Option<Instant>,
    /// The application's routes, to be let go of once the end is stored.
    pub routes: Routes,
}

impl Swap {
    /// Runs the swap from wherever its journal stands, forward or back, to its end.
    pub async fn run(mut self) -> Done {
        if self.job.resumed {
            // Only an adoption journals its route; one that was adopted before is in the state.
            self.job.route = self.job.route.take().or_else(|| self.state.route.clone());
            if let Some(Err(error)) = self.site.route_file(&self.service).map(|file| file.forget_half()) {
                tracing::warn!(%error, "half a route file is left beside the whole one");
            }
            self.by_names();
            self.wait_for_proxy().await;
        }
        // The way back looks for itself: what is there now may not be all of it yet.
        if self.job.damaged && self.job.switched {
            self.find_new().await;
        }
        let result = match self.job.going_back.clone() {
            Some(ended) => Err(ended),
            None => Box::pin(self.forward()).await.map_err(|fault| self.ended(&fault)),
        };
        let ended = match result {
            Ok(()) => self.success(),
            Err(ended) => Box::pin(self.back(ended)).await,
        };
        self.pinned = None;
        if let Err(error) = self.journal.append(&Record::Finished { ended: Box::new(ended.clone()) }) {
            tracing::error!(%error, "the end of the deployment is not journaled; it is found again at the next start");
        }
        Done { journal: self.journal, job: self.job, ended, drain_until: self.drain_until, routes: self.routes }
    }

    /// Each phase is a future of its own on the heap: all of them in one would not fit a thread's stack.
    async fn forward(&mut self) -> Result<(), Fault> {
        if self.job.damaged && (!self.job.switched || self.route_is_lost()) {
            let (why, hint) = if self.job.newer {
                (
                    "its journal has records of a newer agent",
                    "deploy again; let no older agent start while a newer one is in the middle of a deployment",
                )
            } else {
                (
                    "its journal is damaged",
                    "deploy again; look for the disk's errors in the kernel's log, and at `journal.damaged` in the state folder",
                )
            };
            let message = format!("the agent was stopped and {why}, so that nobody knows how far it came");
            return Err(Fault::new(Reason::Interrupted, message).hint(hint));
        }
        if self.job.resumed && !self.job.switched {
            let moment =
                if self.job.switching { "during the switch" } else { "before the new version got the traffic" };
            return Err(Fault::new(Reason::Interrupted, format!("the agent was stopped {moment}")).hint("deploy again"));
        }
        if !self.job.switched {
            let gate = self.cancel.clone();
            let cancel = Some(&gate);
            bounded(Phase::Adopt, self.limit(Phase::Adopt), cancel, Box::pin(self.adopt())).await?;
            bounded(Phase::Pull, self.limit(Phase::Pull), cancel, Box::pin(self.pull())).await?;
            // A call of compose that makes containers is not dropped in the middle.
            if let Some(before) = self.job.accepted.before_deploy.clone() {
                let limit = self.limit(Phase::BeforeDeploy);
                bounded(Phase::BeforeDeploy, limit, None, Box::pin(self.before_deploy(&before))).await?;
            }
            bounded(Phase::Create, self.limit(Phase::Create), None, Box::pin(self.create())).await?;
            bounded(Phase::Start, self.limit(Phase::Start), cancel, Box::pin(self.start())).await?;
            bounded(Phase::Gate, self.limit(Phase::Gate), cancel, Box::pin(self.gate())).await?;
            bounded(Phase::Rehearse, self.limit(Phase::Rehearse), cancel, Box::pin(self.rehearse())).await?;
            bounded(Phase::Switch, self.limit(Phase::Switch), cancel, Box::pin(self.switch())).await?;
        } else {
            self.still_here().await?;
        }
        // For a resumed swap it begins anew: how long ago the switch was is known by a clock only that may have been set.
        self.drain_until = Some(Instant::now() + self.config.drain_timeout);
        // A recorded proof is not repeated; what is left of its window is, at least for one look.
        let proves = self.job.release.is_none();
        if proves {
            bounded(Phase::Prove, self.limit(Phase::Prove), None, Box::pin(self.prove())).await?;
        }
        self.promote().await?;
        if !self.job.retiring {
            bounded(Phase::Verify, self.limit(Phase::Verify), None, Box::pin(self.verify())).await?;
        } else if proves {
            // The record of an earlier proof was damaged, and its window is over.
            self.drop_proof().await?;
        }
        self.record(Record::Retiring)?;
        let _ = tokio::time::timeout(self.limit(Phase::Retire), Box::pin(self.tell_open())).await;
        Ok(())
    }

    /// After a restart of the host Traefik may come up later than the agent; without it no route can be changed. False
    /// where it did not come.
    async fn wait_for_proxy(&self) -> bool {
        let until = Instant::now() + PROXY;
        while self.proxy_is_away().await {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// A resumed swap points the route at its containers once more: first they must be there, and run. Once their window
    /// was over they are the stable version, and what a restart of the host stopped is started.
    async fn still_here(&self) -> Result<(), Fault> {
        for member in &self.job.new {
            let mut container = self.site.engine.container(&member.id).await?;
            if self.job.retiring && !container.running() {
                self.site.engine.start(&member.id).await?;
                container = self.site.engine.container(&member.id).await?;
            }
            gate::runs(&container)?;
        }
        Ok(())
    }

    fn success(&self) -> Ended {
        let release = self.job.release.as_ref().map_or(0, |release| release.number);
        Ended {
            outcome: Outcome::Deployed,
            reason: None,
            message: format!("release {release} of {} serves", self.service),
            hint: None,
            at: Timestamp::now(),
        }
    }

    fn ended(&self, fault: &Fault) -> Ended {
        let outcome = if fault.reason == Reason::Cancelled { Outcome::Cancelled } else { Outcome::RolledBack };
        Ended {
            outcome,
            reason: Some(fault.reason),
            message: fault.message.clone(),
            hint: fault.hint.clone(),
            at: Timestamp::now(),
        }
    }

    fn limit(&self, phase: Phase) -> Duration {
        lease::limit(phase, &self.config, &self.job.accepted)
    }

    /// Journals a record and takes it into the job.
    fn record(&mut self, record: Record) -> Result<(), Fault> {
        self.journal.append(&record)?;
        self.job.take(record);
        Ok(())
    }

    fn begin(&mut self, phase: Phase) -> Instant {
        self.job.phase = Some(phase);
        self.events.emit(DeployEvent::PhaseStarted { phase });
        Instant::now()
    }

    fn end(&self, phase: Phase, began: Instant) {
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.events.emit(DeployEvent::PhaseFinished { phase, took_ms });
    }

    fn note(&self, text: impl Into<String>) {
        self.events.emit(DeployEvent::Note { text: text.into() });
    }

    /// Everything, read anew.
    async fn facts(&self) -> Result<Facts, Fault> {
        Ok(Box::pin(Facts::gather(&self.site, &self.service, &self.state)).await?)
    }

    /// What compose files and labels say was read when it was accepted; containers are as they are now.
    async fn around(&self) -> Result<Facts, Fault> {
        let Some(mut facts) = self.planned.as_ref().map(|planned| planned.facts.clone()) else {
            return self.facts().await;
        };
        let site = &self.site;
        let containers = site.engine.service_containers(site.compose.project(), self.service.as_str()).await?;
        facts.containers = containers
            .into_iter()
            .filter(|container| !self.state.retiring.iter().any(|old| old.id == container.id))
            .collect();
        if let Some(proxy) = &facts.proxy {
            // A proxy that was made anew has another id, and is looked for again.
            facts.proxy = match site.engine.container(&proxy.id).await {
                Ok(proxy) => Some(proxy),
                Err(DockerError::NotFound(_)) => self.facts().await?.proxy,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(facts)
    }

    /// Waits for something that a cancellation may interrupt.
    async fn cancellable<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::select! {
            result = work => result,
            () = self.cancel.cancelled() => Err(Fault::cancelled()),
        }
    }

    /// The containers of a list that still exist.
    async fn existing(&self, members: &[Member]) -> Result<Vec<Container>, DockerError> {
        let mut found = Vec::new();
        for member in members {
            match self.site.engine.container(&member.id).await {
                Ok(container) => found.push(container),
                Err(DockerError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// Containers as the journal names them.
#[must_use]
pub fn members<'a>(containers: impl IntoIterator<Item = &'a Container>) -> Vec<Member> {
    let member = |container: &Container| Member {
        id: container.id.clone(),
        name: container.name.clone(),
        address: container.kept.as_ref().map(|kept| kept.address),
    };
    containers.into_iter().map(member).collect()
}
