//! Everything that AWS would remember, its clock, and the way of a call through it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::balancer::Balancer;
use super::codedeploy::{self, CodeDeploy};
use super::ecs::{self, Ecs};
use super::fault::Fault;
use super::gate::{self, Gate};
use super::ids::Ids;
use super::logs::Logs;
use super::registry::Registry;
use super::request::{AwsFault, Request, Service};
use super::scaling::Scaling;
use super::secrets::Secrets;
use super::{balancer, clock, iam, logs, registry, scaling, secrets, tokens};

/// Where the virtual clock begins, in seconds since 1970.
pub const EPOCH: u64 = 1_790_000_000;

/// A pure, synchronous double of the part of AWS that deployments touch. Time passes only when somebody polls.
#[derive(Debug, Clone)]
pub struct World {
    /// The virtual time, in seconds since 1970.
    pub now: u64,
    /// How far one poll moves the clock, in seconds.
    pub tick: u64,
    /// What goes wrong. May change in the middle of a run.
    pub faults: Vec<Fault>,
    pub(crate) cluster: String,
    pub(crate) service: String,
    /// The wall clock: credentials expire by the clients' own clock, not by the virtual one.
    pub(crate) wall: u64,
    /// How long assumed keys are good at most, in seconds.
    pub(crate) session_seconds: u64,
    /// How long CodeDeploy waits for the new tasks, in seconds.
    pub(crate) install_limit: u64,
    pub(crate) ids: Ids,
    pub(crate) gate: Gate,
    pub(crate) ecs: Ecs,
    pub(crate) codedeploy: CodeDeploy,
    pub(crate) balancer: Balancer,
    pub(crate) scaling: Scaling,
    pub(crate) logs: Logs,
    pub(crate) registry: Registry,
    pub(crate) secrets: Secrets,
    /// The roles of IAM by name, each with its path.
    pub(crate) roles: BTreeMap<String, String>,
}

impl World {
    /// Answers a call.
    ///
    /// # Errors
    /// What AWS refuses, with AWS's code; a status of 0 means that the effect happened and no answer comes.
    pub fn call(&mut self, request: &Request) -> Result<Value, AwsFault> {
        gate::enter(self, request)?;
        if clock::is_poll(self, request) {
            self.advance(self.tick);
        }
        let answer = self.dispatch(request);
        clock::settle(self);
        gate::leave(self, request, answer)
    }

    /// Lets time pass, with all that happens in it, in order.
    pub fn advance(&mut self, seconds: u64) {
        clock::advance(self, self.now + seconds);
    }

    /// ECS says something of the service, now.
    pub fn say(&mut self, message: &str) {
        let (cluster, service) = (self.cluster.clone(), self.service.clone());
        ecs::service::tell(self, &cluster, &service, message.to_owned());
    }

    /// Somebody deletes the service, now.
    pub fn delete_service(&mut self) {
        let of_world = |known: &ecs::Service| known.cluster == self.cluster && known.name == self.service;
        if let Some(at) = self.ecs.services.iter().position(of_world) {
            ecs::rolling::delete_service(self, at);
        }
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.gate.calls
    }

    fn dispatch(&mut self, request: &Request) -> Result<Value, AwsFault> {
        let (operation, input) = (request.operation.as_str(), &request.input);
        match request.service {
            Service::Ecs => ecs::call(self, operation, input),
            Service::CodeDeploy => codedeploy::call(self, operation, input),
            Service::LoadBalancing => balancer::call(self, operation, input),
            Service::AutoScaling => scaling::call(self, operation, input),
            Service::Logs => logs::call(self, operation, input),
            Service::Ecr => registry::call(self, operation, input),
            Service::Sts => tokens::call(self, operation, input),
            Service::SecretsManager => secrets::secret(self, operation, input),
            Service::Parameters => secrets::parameter(self, operation, input),
            Service::Iam => iam::call(self, operation, input),
        }
    }

    /// Whether a fault is switched on.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }
}
