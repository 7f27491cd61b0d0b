//! What can be told where there is no plan yet: the image is not built, or nobody may ask the agent.

use super::image::BuildSpec;
use super::{Place, Version};
use crate::agent_api::{Blocker, ServiceStatus};
use crate::domain::{AppName, EnvName, GitSha, HttpUrl, ServiceLabel};

/// What a deployment would do, without what only a registry or an agent knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvName,
    /// The service.
    pub service: ServiceLabel,
    /// Where it runs.
    pub place: Place,
    /// Where its image would come from.
    pub image: Origin,
    /// What it would take the place of.
    pub running: Running,
    /// What makes a deployment impossible, whatever the image.
    pub blockers: Vec<Blocker>,
}

/// Where an image would come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From a build of the commit.
    Build {
        /// The commit.
        commit: GitSha,
        /// Path of the Dockerfile from the root of the repository.
        dockerfile: String,
        /// The stage, where one is named.
        target: Option<String>,
        /// The names of the build's arguments.
        args: Vec<String>,
        /// Name and tag that it would be pushed as.
        name: String,
    },
    /// It is taken as it is.
    Given(String),
}

/// What is known of what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// The agent was asked; absent where nothing runs.
    Known(Option<Version>),
    /// The agent was not asked, for this reason.
    NotAsked(&'static str),
}

impl Origin {
    /// The build of a commit.
    #[must_use]
    pub fn build(commit: GitSha, spec: &BuildSpec, name: String) -> Self {
        let path = spec.context.join(&spec.dockerfile);
        let path = path.strip_prefix(".").unwrap_or(&path).to_string_lossy().into_owned();
        Self::Build {
            commit,
            dockerfile: path,
            target: spec.target.clone(),
            args: spec.args.keys().cloned().collect(),
            name,
        }
    }
}

/// What runs, as a plan would show it.
#[must_use]
pub fn running(status: &ServiceStatus) -> Option<Version> {
    super::vps::running(status)
}

/// The service's address for people: that of the proof, which the agent reaches through the real entry point. Where no
/// rule asks for a path, it is the root; else the path that is proven is the only one known. None where the rules name
/// hosts, and that of the proof is another: such an address is not the service's.
#[must_use]
pub fn address(status: &ServiceStatus) -> Option<HttpUrl> {
    let mut url: HttpUrl = status.proof.as_ref()?.parse().ok()?;
    let mut rules = status.routes.iter().map(|route| route.rule.to_ascii_lowercase());
    if rules.clone().any(|rule| rule.contains("host(")) && !rules.any(|rule| rule.contains(&format!("`{}`", url.host)))
    {
        return None;
    }
    url.query = None;
    if !status.routes.iter().any(|route| route.rule.contains("Path")) {
        url.path = "/".to_owned();
    }
    Some(url)
}
