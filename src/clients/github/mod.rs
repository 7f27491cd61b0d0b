//! GitHub's API, as far as a deployment is told there: comments, deployments and their statuses.
//!
//! octocrab carries the requests; whether one is repeated is decided here, call by call. A read and an edit are
//! repeated as they are. A creation is never repeated blindly: after a lost answer our own effect is looked for first.
//! Redirects are not followed.

mod answer;
mod call;
mod comments;
mod deployments;
mod error;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use octocrab::Octocrab;
use tokio::sync::OnceCell;

use crate::domain::{RepoSlug, Secret};

pub use comments::{CommentId, OurComment};
pub use deployments::{
    DeploymentNumber, DeploymentPayload, DeploymentState, DeploymentStatus, KnownDeployment, NewDeployment, Owner,
};
pub use error::{GitHubError, Trouble};

/// Most calls of one run, tries included: well below what a workflow's token may do, however badly GitHub answers.
pub const MAX_CALLS: u32 = 20;

/// How long things may take. One value for production; tests are in more of a hurry.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// For one try, until its answer is complete.
    one_try: Duration,
    /// Before the second try; doubles.
    pause: Duration,
    /// Longest wait that GitHub may ask for. Longer ones are reported instead of waited for.
    longest_wait: Duration,
}

const PACE: Pace =
    Pace { one_try: Duration::from_secs(6), pause: Duration::from_millis(500), longest_wait: Duration::from_secs(15) };

/// A client of one repository. Clones share the count of the run's calls.
#[derive(Debug, Clone)]
pub struct GitHub {
    http: Octocrab,
    /// Path of the REST API, empty on github.com, `/api/v3` on GitHub Enterprise Server.
    rest: String,
    /// Path of the GraphQL API.
    graphql: String,
    repository: RepoSlug,
    viewer: Arc<OnceCell<String>>,
    calls: Arc<AtomicU32>,
    /// Tries since the last one that GitHub did or refused.
    in_vain: Arc<AtomicU32>,
    pace: Pace,
}

impl GitHub {
    /// Prepares a client; connects at the first call. Needs a tokio runtime.
    ///
    /// # Errors
    /// `api_url` is not an `http` or `https` address, or the system's CA certificates cannot be read.
    pub fn new(api_url: &str, repository: RepoSlug, token: &Secret<String>) -> Result<Self, GitHubError> {
        let place = Place::of(api_url).ok_or_else(|| GitHubError::address(api_url))?;
        let http = Octocrab::builder()
            // Only scheme and host: octocrab would put the REST path before the GraphQL one.
            .base_uri(place.origin)
            .map_err(|_| GitHubError::address(api_url))?
            .personal_token(token.expose().clone())
            .set_connect_timeout(Some(PACE.one_try))
            .build()
            .map_err(|error| GitHubError::unreachable("preparing the client", &error.to_string()))?;
        Ok(Self {
            http,
            rest: place.rest,
            graphql: place.graphql,
            repository,
            viewer: Arc::default(),
            calls: Arc::default(),
            in_vain: Arc::default(),
            pace: PACE,
        })
    }
}

/// Where the two APIs are.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    origin: String,
    rest: String,
    graphql: String,
}

impl Place {
    /// GitHub Enterprise Server has REST at `/api/v3` and GraphQL at `/api/graphql`; github.com both at the root.
    fn of(api_url: &str) -> Option<Self> {
        let (scheme, rest) = api_url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() || path.contains(['?', '#']) {
            return None;
        }
        let path = path.trim_end_matches('/');
        let graphql = format!("{}/graphql", path.strip_suffix("/v3").unwrap_or(path));
        Some(Self { origin: format!("{scheme}://{host}"), rest: path.to_owned(), graphql })
    }
}
