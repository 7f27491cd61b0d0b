//! A service behind an agent: one question, because the agent sees everything else.

use crate::agent_api::{ServiceStatus, Wanted};
use crate::clients::agent::{AgentClient, Ask};
use crate::domain::{AppName, Reason, ServiceName};
use crate::failure::Failure;

/// Asks the agent for all that a plan needs.
///
/// # Errors
/// The agent is not reached, refuses, or answers for something else.
pub async fn observe(
    client: &AgentClient,
    app: &AppName,
    service: &ServiceName,
    want: Option<&Wanted>,
) -> Result<ServiceStatus, Failure> {
    let ask = match want {
        None => Ask::Nothing,
        Some(Wanted::Image(image)) => Ask::Image(image.clone()),
        Some(Wanted::Rollback) => Ask::Rollback,
    };
    let status = client.status(app, service, &ask).await?;
    if (&status.app, &status.service) != (app, service) {
        return Err(Failure::new(
            Reason::AgentUnexpected,
            format!(
                "the agent at `{}` answers for `{}/{}` when asked for `{app}/{service}`",
                client.url(),
                status.app,
                status.service
            ),
        )
        .hint("check that nothing between here and the agent answers from a cache"));
    }
    Ok(status)
}
