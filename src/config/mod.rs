//! `deploy.yml`: the file that says what is deployed where. Text in, valid values or every problem out.
//!
//! Must never read a file, the environment or the network.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::domain::{AgentUrl, AppName, EnvName, Repository, ServiceName};
pub use read::parse;

/// A valid `deploy.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The application.
    pub app: AppName,
    /// `image.repository`: where its images live.
    pub repository: Option<Repository>,
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
}

/// A service on a host with an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpsTarget {
    /// Where the agent listens.
    pub agent: AgentUrl,
    /// The compose service.
    pub service: ServiceName,
}
