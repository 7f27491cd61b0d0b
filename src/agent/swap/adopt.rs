//! Adopt: the route of the running version is taken over from its labels before anything else happens, because a new
//! container carries the same labels and would get traffic through them as soon as it is healthy.

use super::{Fault, Swap};
use crate::agent::facts::may_route;
use crate::agent::proxy::traefik::apply::{Wanted, apply, turn, where_to_look};
use crate::agent::proxy::traefik::compile::differences;
use crate::agent::proxy::traefik::prove::certificate_note;
use crate::agent::store::{CompiledRoute, Member, Record};
use crate::clients::docker::Container;
use crate::domain::Reason;
use crate::event::Phase;

impl Swap {
    pub(super) async fn adopt(&mut self) -> Result<(), Fault> {
        if let Some(route) = &self.state.route {
            self.job.route = Some(route.clone());
            // A first deployment that failed has left the adoption.
            if self.state.is_found() {
                self.pin();
            }
            return Ok(());
        }
        let facts = Box::pin(self.around()).await?;
        let serving: Vec<String> = facts.running().map(Container::server).collect();
        if serving.is_empty() {
            return Ok(());
        }
        let route = facts.route.clone().map_err(|blockers| Fault::blocked(Reason::AdoptFailed, blockers))?;
        let Some(route) = route else {
            return if may_route(&facts) {
                Err(Fault::new(
                    Reason::AdoptFailed,
                    "Traefik does not route to the running version although its labels ask for it",
                )
                .hint("`deploy-action verify` says what to change"))
            } else {
                Ok(())
            };
        };
        let began = self.begin(Phase::Adopt);
        self.pin();
        self.record(Record::Adopting { route: Box::new(route.clone()) })?;
        let adopted = self.cancellable(self.take_over(&route, &serving)).await;
        adopted.map_err(|fault| Fault { reason: adopt_reason(fault.reason), ..fault })?;
        self.record(Record::Adopted)?;
        self.end(Phase::Adopt, began);
        Ok(())
    }

    /// As by its labels, until the switch: by the address that it has, whatever becomes of the engine.
    fn pin(&mut self) {
        let serving = self.job.accepted.serving.iter();
        let names = serving.filter(|member| member.address.is_none()).map(|member| member.name.clone()).collect();
        self.pinned = Some(self.site.stand_ins.pin(self.site.route_files(), names));
    }

    /// A resumed one leads to names again, at once: after a restart of the host an address is somebody else's.
    pub(super) fn by_names(&self) {
        let servers: Vec<String> = self.job.accepted.serving.iter().map(Member::server).collect();
        let untouched = self.state.is_found() && !self.job.switching && !servers.is_empty();
        let file = self.site.route_file(&self.service).filter(|file| untouched && file.path().exists());
        if let Some(Err(why)) = file.map(|file| turn(&file, &servers)) {
            tracing::warn!(why, "the route could not be led to names; tried again on the way back");
        }
    }

    async fn take_over(&self, route: &CompiledRoute, serving: &[String]) -> Result<(), Fault> {
        let Some(traefik) = self.site.traefik.as_ref().zip(self.site.route_file(&self.service)) else { return Ok(()) };
        let (traefik, file) = traefik;
        let targets = self.targets(route)?;
        let before = self.baselines(&targets, route).await;
        let proof = self.fresh_proof(0)?;
        let wanted = Wanted { route, servers: serving, proof: Some(&proof) };
        let failed = |why: String| {
            Fault::new(Reason::AdoptFailed, format!("the route of the running version could not be taken over: {why}"))
                .hint("`deploy-action agent doctor` on the host compares Traefik's folder, networks and API with agent.yml")
        };
        let not_taken = |why: String| failed(why).hint(where_to_look(&file));
        apply(&traefik.api, &file, Some(wanted), route).await.map_err(not_taken)?;
        let view = traefik.api.view().await.map_err(|error| failed(error.to_string()))?;
        if let Some(difference) = differences(&view, route).into_iter().next() {
            return Err(failed(difference));
        }
        for (target, before) in targets.iter().zip(before) {
            self.prove_same(target, &proof, before).await.map_err(failed)?;
            if let Some(note) = certificate_note(target).await {
                self.note(note);
            }
        }
        let steady = Wanted { proof: None, ..wanted };
        apply(&traefik.api, &file, Some(steady), route).await.map_err(not_taken)
    }
}

/// A cancellation stays one.
fn adopt_reason(reason: Reason) -> Reason {
    if reason == Reason::Cancelled { reason } else { Reason::AdoptFailed }
}
