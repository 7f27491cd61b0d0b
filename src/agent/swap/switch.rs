//! Switch: the route file names the new containers, and Traefik confirms it.

use super::{Fault, Swap};
use crate::agent::facts::{may_route, shared_networks, subject};
use crate::agent::proxy::traefik::api::text;
use crate::agent::proxy::traefik::apply::{Wanted, apply, where_to_look};
use crate::agent::proxy::traefik::compile::compile;
use crate::agent::proxy::traefik::prove::{Target, baseline, targets};
use crate::agent::proxy::traefik::rule::Rule;
use crate::agent::store::{CompiledRoute, Member, Record};
use crate::domain::Reason;
use crate::event::{DeployEvent, Phase};

/// How long Traefik's Docker provider may take to see a first, healthy container.
const SEEN: std::time::Duration = std::time::Duration::from_secs(10);

impl Swap {
    pub(super) async fn switch(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Switch);
        self.as_planned().await?;
        let first = if self.job.route.is_none() { self.cancellable(self.first_route()).await? } else { None };
        let before = self.job.before.clone();
        if !self.cancel.commit() {
            return Err(Fault::new(Reason::Cancelled, "cancelled before the new version got any traffic"));
        }
        if let Some(route) = first {
            self.record(Record::Adopting { route: Box::new(route) })?;
        }
        let next = self.job.next.clone().map(Box::new);
        self.record(Record::Switching { before, next })?;
        if let Some(route) = self.job.route_of_new().cloned() {
            self.reachable().await?;
            let proof = self.fresh_proof(self.state.next_number())?;
            self.point_at(&route, &self.new_servers(), Some(&proof)).await.map_err(|why| self.not_taken(&why))?;
            self.proof = Some(proof);
        }
        self.record(Record::Switched)?;
        if self.job.adopting {
            self.record(Record::Adopted)?;
        }
        self.events.emit(DeployEvent::Switched);
        self.end(Phase::Switch, began);
        Ok(())
    }

    /// Traefik did not take over a route to the new version.
    pub(super) fn not_taken(&self, why: &str) -> Fault {
        let fault = Fault::new(Reason::SwitchFailed, format!("the new version could not be put into the route: {why}"));
        match self.site.route_file(&self.service) {
            Some(file) => fault.hint(where_to_look(&file)),
            None => fault,
        }
    }

    /// The route of a service that had no container before: labels of the new one, once Traefik has seen it.
    async fn first_route(&self) -> Result<Option<CompiledRoute>, Fault> {
        let until = tokio::time::Instant::now() + SEEN;
        loop {
            let facts = self.facts().await?;
            if !may_route(&facts) && matches!(facts.route, Ok(None)) {
                return Ok(None);
            }
            let new: Vec<_> = facts
                .containers
                .iter()
                .filter(|c| self.job.new.iter().any(|member| member.id == c.id))
                .cloned()
                .collect();
            let compiled = facts.view.as_ref().map(|view| compile(view, &subject(&new)));
            match compiled {
                Some(Ok(Some(route))) => return Ok(Some(route)),
                Some(Err(blockers)) => return Err(Fault::blocked(Reason::AdoptFailed, blockers)),
                _ if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await
                }
                _ => {
                    return Err(Fault::new(
                        Reason::AdoptFailed,
                        "Traefik does not route to the new container although its labels ask for it",
                    )
                    .hint("Traefik's `constraints` or `network` may exclude it; its log says more"));
                }
            }
        }
    }

    /// Every new container must be in a network where Traefik reaches it.
    pub(super) async fn reachable(&self) -> Result<(), Fault> {
        let facts = Box::pin(self.around()).await?;
        let Some(proxy) = &facts.proxy else { return Ok(()) };
        let lost = |container: &&crate::clients::docker::Container| {
            self.job.new.iter().any(|member| member.id == container.id) && shared_networks(container, proxy).is_empty()
        };
        match facts.containers.iter().find(lost) {
            Some(container) => Err(Fault::new(
                Reason::SwitchFailed,
                format!("{} and {} share no user-defined network", container.name, proxy.name),
            )
            .hint("attach the service to Traefik's network in the compose file")),
            None => Ok(()),
        }
    }

    /// What the route calls the new containers.
    pub(super) fn new_servers(&self) -> Vec<String> {
        self.job.new.iter().map(Member::server).collect()
    }

    /// Writes the route to these containers and waits for Traefik's confirmation.
    pub(super) async fn point_at(
        &self,
        route: &CompiledRoute,
        servers: &[String],
        proof: Option<&crate::agent::proxy::traefik::file::Proof>,
    ) -> Result<(), String> {
        let Some((traefik, file)) = self.site.traefik.as_ref().zip(self.site.route_file(&self.service)) else {
            return Err("agent.yml no longer says where Traefik is".to_owned());
        };
        apply(&traefik.api, &file, Some(Wanted { route, servers, proof }), route).await
    }

    /// The requests that prove the route.
    pub(super) fn targets(&self, route: &CompiledRoute) -> Result<Vec<Target>, Fault> {
        let Some(traefik) = &self.site.traefik else { return Ok(Vec::new()) };
        let config = &self.config;
        let probe = config.probe.as_ref().map_or("/", |probe| probe.path.as_str());
        targets(route, config.proof.as_deref(), probe, &traefik.config.entrypoints)
            .map_err(|blocker| Fault::new(Reason::Blocked, blocker.message).hint(blocker.hint))
    }

    /// What the running version answers to them through `route`; nothing where that leads elsewhere.
    pub(super) async fn baselines(&self, targets: &[Target], route: &CompiledRoute) -> Vec<Option<u16>> {
        let leads = |target: &Target| {
            let path = target.path.split('?').next().unwrap_or_default();
            route.routers.values().any(|router| Rule::read(text(router, "rule")).may_match(&target.host, path))
        };
        let mut found = Vec::with_capacity(targets.len());
        for target in targets {
            found.push(if leads(target) { baseline(target).await } else { None });
        }
        found
    }
}
