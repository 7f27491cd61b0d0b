//! The agent's API, seen from the command: signed calls over one connection pool.
//!
//! Each method says whether it is repeated. No proxy of the environment is used: agents are addressed directly, and a
//! proxy that rewrites a request breaks its signature. Redirects are not followed for the same reason.

mod answer;
mod call;
#[cfg(test)]
mod tests;

use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::agent_api::{DeployRequest, Deployment, Events, History, MAX_WAIT, ServiceStatus};
use crate::domain::{AgentUrl, AppName, DeploymentId, ImageRef, Reason, ServiceName};
use crate::failure::Failure;
use crate::signing::AgentKey;
use call::Call;

/// Longest wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for an answer that involves the agent's own state only.
const QUICK: Duration = Duration::from_secs(10);
/// Longest wait for an answer for which the agent asks Docker, compose and Traefik.
const OBSERVING: Duration = Duration::from_secs(45);
/// Added to a long poll's wait before it counts as lost.
const POLL_SLACK: Duration = Duration::from_secs(10);

/// What a status request asks about beside the present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Nothing.
    Nothing,
    /// Whether this image is on the host.
    Image(ImageRef),
    /// What a rollback would go to, and whether that image is on the host.
    Rollback,
}

/// What became of a cancellation.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancellation {
    /// It will end cancelled, or has ended.
    Accepted(Box<Deployment>),
    /// The switch began: it runs to its end by itself.
    TooLate,
}

/// A client of one agent.
#[derive(Debug)]
pub struct AgentClient {
    http: reqwest::Client,
    url: AgentUrl,
    key: AgentKey,
}

impl AgentClient {
    /// Prepares a client; connects at the first call.
    ///
    /// # Errors
    /// The TLS stack cannot start, in practice because the machine has no CA certificates.
    pub fn new(url: AgentUrl, key: AgentKey) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(Duration::from_secs(20))
            .tcp_keepalive(Duration::from_secs(15))
            .user_agent(concat!("deploy-action/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Failure::new(Reason::AgentUnreachable, "the TLS stack cannot start")
                    .because(error)
                    .hint("install the system's CA certificates (package `ca-certificates`) or set `SSL_CERT_FILE`")
            })?;
        Ok(Self { http, url, key })
    }

    /// The agent's address.
    #[must_use]
    pub fn url(&self) -> &AgentUrl {
        &self.url
    }

    /// What runs, and what a plan needs to know. A read: repeated.
    ///
    /// # Errors
    /// The agent is not reached, refuses, or answers something else.
    pub async fn status(&self, app: &AppName, service: &ServiceName, ask: &Ask) -> Result<ServiceStatus, Failure> {
        let query = match ask {
            Ask::Nothing => String::new(),
            Ask::Image(image) => format!("?image={image}"),
            Ask::Rollback => "?rollback=1".to_owned(),
        };
        let call = Call::get(format!("/v1/apps/{app}/services/{service}{query}"), OBSERVING);
        self.repeat(&call).await?.json()
    }

    /// Past deployments and proven releases. A read: repeated.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn history(&self, app: &AppName, service: &ServiceName) -> Result<History, Failure> {
        let call = Call::get(format!("/v1/apps/{app}/services/{service}/history"), QUICK);
        self.repeat(&call).await?.json()
    }

    /// Asks for a deployment. Repeated only because the idempotency key makes it safe: where the first try arrived
    /// and its answer was lost, the second gets the same deployment.
    ///
    /// # Errors
    /// As for [`Self::status`]; a refusal means that nothing was changed.
    pub async fn submit(
        &self,
        app: &AppName,
        service: &ServiceName,
        request: &DeployRequest,
    ) -> Result<Deployment, Failure> {
        let body = serde_json::to_vec(request)
            .map_err(|error| Failure::new(Reason::Bug, "the request cannot be written as JSON").because(error))?;
        let path = format!("/v1/apps/{app}/services/{service}/deployments");
        self.repeat(&Call { method: Method::POST, path, body, timeout: OBSERVING }).await?.json()
    }

    /// A deployment as it stands. A read: repeated.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, Failure> {
        self.repeat(&Call::get(format!("/v1/deployments/{id}"), QUICK)).await?.json()
    }

    /// Events after `after`, waiting up to `wait` for one (at most [`MAX_WAIT`] seconds). A read, but **not** repeated:
    /// whoever follows a deployment asks again anyway, and knows for how long.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn events(&self, id: &DeploymentId, after: u64, wait: Duration) -> Result<Events, Failure> {
        let wait = wait.as_secs().min(MAX_WAIT);
        let path = format!("/v1/deployments/{id}/events?after={after}&wait={wait}");
        self.once(&Call::get(path, Duration::from_secs(wait) + POLL_SLACK)).await?.json()
    }

    /// Asks for a deployment's end before the switch. Cancelling twice is cancelling once: repeated.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn cancel(&self, id: &DeploymentId) -> Result<Cancellation, Failure> {
        let path = format!("/v1/deployments/{id}/cancel");
        let answer = self.repeat(&Call { method: Method::POST, path, body: Vec::new(), timeout: QUICK }).await?;
        if answer.status == StatusCode::CONFLICT && answer.is_from_agent() {
            return Ok(Cancellation::TooLate);
        }
        Ok(Cancellation::Accepted(Box::new(answer.json()?)))
    }
}
