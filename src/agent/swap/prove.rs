//! Prove: requests through the real entry point are answered by the new containers.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::gate::{address, still_up};
use super::{Fault, Swap};
use crate::agent::proxy::traefik::file::Proof;
use crate::agent::proxy::traefik::prove::{Acceptance, Target, certificate_note, container_status, prove};
use crate::agent::store::{CompiledRoute, Record, RouteService};
use crate::agent_api::{Release, Wanted};
use crate::clients::docker::Container;
use crate::domain::{Reason, hex};
use crate::event::{DeployEvent, Phase};
use crate::signing::fresh_nonce;

fn unproven(why: String) -> Fault {
    Fault::new(Reason::ProofFailed, format!("the new version did not prove that it serves: {why}"))
        .hint("ask the same URL of a container of this version; where it needs other headers or a login, set `proof` for the service in agent.yml")
}

/// Routers that rehearse a new version, in place.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    proof: Proof,
    /// What the running version answers to the same requests.
    before: Vec<Option<u16>>,
}

impl Swap {
    pub(super) async fn prove(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Prove);
        let number = self.state.next_number();
        if let Some(route) = self.job.route_of_new().cloned() {
            // A resumed swap has lost its nonces: new ones are put in place first.
            let proof = match self.proof.take() {
                Some(proof) => proof,
                None => {
                    let proof = self.fresh_proof(number)?;
                    self.point_at(&route, &self.new_servers(), Some(&proof)).await.map_err(unproven)?;
                    proof
                }
            };
            self.prove_route(&route, &proof).await?;
            for target in self.targets(&route)? {
                if let Some(note) = certificate_note(&target).await {
                    self.note(note);
                }
            }
        }
        let accepted = &self.job.accepted;
        let release = Release {
            number,
            image: accepted.image.clone(),
            image_id: self.job.image_id.clone().unwrap_or_default(),
            config_hash: self.job.config_hash.clone(),
            proven_at: Timestamp::now(),
            deployment: Some(accepted.deployment.clone()),
            rollback: matches!(accepted.want, Wanted::Rollback),
        };
        self.record(Record::Proven { release: Box::new(release) })?;
        self.end(Phase::Prove, began);
        self.events.emit(DeployEvent::Proven { release: number });
        Ok(())
    }

    /// The same proof before the switch: through routers that only the agent's requests match, to the new containers,
    /// while everybody else is served by the old ones. A version that is broken behind the proxy is found here.
    pub(super) async fn rehearse(&mut self) -> Result<(), Fault> {
        if self.job.route.is_some() && !self.serving().await?.is_empty() {
            self.rehearse_route().await?;
        }
        // Compose was asked at the gate, and took its time meanwhile.
        self.asked_for().await
    }

    async fn rehearse_route(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Rehearse);
        self.reachable().await?;
        let Rehearsal { proof, before } = match self.rehearsal.take() {
            Some(prepared) => prepared,
            None => self.cancellable(Box::pin(self.prepare_rehearsal())).await?,
        };
        self.job.before = before;
        if let Some(route) = self.job.route_of_new() {
            self.cancellable(Box::pin(self.prove_route(route, &proof))).await?;
        }
        self.end(Phase::Rehearse, began);
        Ok(())
    }

    /// True where the rehearsal's routers may be in place before the containers answer: Traefik's own health check would
    /// find them dead then, and not look again for a while.
    pub(super) fn may_prepare(&self) -> bool {
        let checked = |service: &RouteService| service.load_balancer.get("healthCheck").is_some();
        self.job.route_of_new().is_some_and(|route| !route.services.values().any(checked))
    }

    /// Puts the routers of the rehearsal in place.
    pub(super) async fn prepare_rehearsal(&self) -> Result<Rehearsal, Fault> {
        let Some((route, rehearsed)) = self.job.route.as_ref().zip(self.job.route_of_new()) else {
            return Err(Fault::new(Reason::Bug, "there is no route to rehearse"));
        };
        let serving = self.serving().await?;
        let before = self.baselines(&self.targets(rehearsed)?, route).await;
        let fresh = self.fresh_proof(self.state.next_number())?;
        let proof = Proof { next: self.new_servers(), route: self.job.next.clone().map(Box::new), ..fresh };
        self.point_at(route, &serving, Some(&proof)).await.map_err(|why| self.not_taken(&why))?;
        Ok(Rehearsal { proof, before })
    }

    /// What the route calls the containers that serve until the switch.
    pub(super) async fn serving(&self) -> Result<Vec<String>, Fault> {
        let existing = self.existing(&self.job.accepted.serving).await?;
        Ok(existing.into_iter().filter(Container::running).map(|container| container.server()).collect())
    }

    async fn prove_route(&self, route: &CompiledRoute, proof: &Proof) -> Result<(), Fault> {
        for (index, target) in self.targets(route)?.iter().enumerate() {
            let before = self.job.before.get(index).copied().flatten();
            if let Err(why) = Box::pin(self.prove_new(target, proof, before)).await {
                for member in &self.job.new {
                    self.diagnose(member).await;
                }
                // A container that ended is the cause, not what the proxy said about it.
                for container in self.existing(&self.job.new).await? {
                    still_up(&container)?;
                }
                self.proxy_answers(&why).await?;
                return Err(unproven(why));
            }
        }
        Ok(())
    }

    /// Nothing is said about a version where the proxy in front of it has gone.
    async fn proxy_answers(&self, why: &str) -> Result<(), Fault> {
        if !self.proxy_is_away().await {
            return Ok(());
        }
        let told = format!("Traefik stopped answering before the new version was proven: {why}");
        Err(Fault::new(Reason::TraefikUnreachable, told).hint("start Traefik and look at its log, then deploy again"))
    }

    pub(super) async fn proxy_is_away(&self) -> bool {
        match &self.site.traefik {
            Some(traefik) => traefik.api.version().await.is_err(),
            None => false,
        }
    }

    /// Fresh nonces for a release.
    pub(super) fn fresh_proof(&self, release: u64) -> Result<Proof, Fault> {
        let nonce = || -> Result<String, Fault> {
            let bytes = fresh_nonce().map_err(|error| Fault::new(Reason::Bug, error.to_string()))?;
            Ok(hex(&bytes))
        };
        let mark: String = nonce()?;
        let release = format!("{release}.{}", &mark[..12]);
        Ok(Proof { chain: nonce()?, direct: nonce()?, release, next: Vec::new(), route: None })
    }

    /// The adopted route must do what the labels did, whatever that is.
    pub(super) async fn prove_same(&self, target: &Target, proof: &Proof, before: Option<u16>) -> Result<(), String> {
        prove(target, proof, 1, &Acceptance::AsBefore(before)).await
    }

    async fn prove_new(&self, target: &Target, proof: &Proof, before: Option<u16>) -> Result<(), String> {
        let facts = Box::pin(self.around()).await.map_err(|fault| fault.message)?;
        let route = self.job.route_of_new();
        let service = route.and_then(|route| route.services.values().next());
        let (scheme, port) = service.map_or(("http", 0), |service| (service.scheme.as_str(), service.port));
        let mut itself = BTreeSet::new();
        for container in self.existing(&self.job.new).await.map_err(|error| error.to_string())? {
            let Some(address) = address(&container, facts.proxy.as_ref()) else { continue };
            // A container that speaks TLS or HTTP/2 itself is not asked directly: its certificate names no address.
            if scheme == "http" {
                let base = format!("http://{}", std::net::SocketAddr::new(address, port));
                let status = container_status(&self.site.http, target, &base).await;
                itself.insert(status.map_err(|why| format!("{} does not answer by itself: {why}", container.name))?);
            }
        }
        prove(target, proof, self.job.new.len(), &Acceptance::Serving { itself, before }).await
    }
}
