//! `deploy.yml`: the file that says what is deployed where. Text in, valid values or every problem out.
//!
//! Must never read a file, the environment or the network.

mod before_deploy;
mod ecs;
mod image;
mod read;
#[cfg(test)]
mod tests;
mod variables;

use std::collections::BTreeMap;

use crate::domain::{AgentUrl, AppName, EnvName, ServiceName};
pub use before_deploy::BeforeDeploy;
pub use ecs::{AutoScaling, CodeDeploy, EcsTarget, OnActive, OnCancel, Poll, WaitUntil};
pub use image::{EcrConfig, ImageConfig, NewRepository};
pub use read::parse;
pub use variables::Variables;

/// A valid `deploy.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The application.
    pub app: AppName,
    /// Where its images live.
    pub image: Option<ImageConfig>,
    /// At least one.
    pub environments: BTreeMap<EnvName, Environment>,
}

/// One place that the application is deployed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// What runs there.
    pub target: Target,
}

/// The kind of target, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A host whose agent swaps containers behind Traefik.
    Vps(VpsTarget),
    /// A service of Amazon ECS.
    Ecs(Box<EcsTarget>),
}

/// A service on a host with an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpsTarget {
    /// Where the agent listens.
    pub agent: AgentUrl,
    /// The compose service.
    pub service: ServiceName,
    /// What runs before the new version starts.
    pub before_deploy: Option<BeforeDeploy>,
}
