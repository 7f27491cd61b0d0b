//! The end of a deployment whose run is gone: ask the agent to give it up, then follow it until it ended.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::agent_swap::{PAUSE, passes};
use super::{Cancel, Emitter, Finish};
use crate::agent_api::MAX_WAIT;
use crate::clients::agent::{AgentClient, Cancellation};
use crate::domain::DeploymentId;
use crate::failure::Failure;

/// How long the agent may be away, as when it is restarted, before its answer is given up.
const AWAY: Duration = Duration::from_secs(30);

/// Closes one deployment and tells all its events, from the first. `None` where it still goes on when `until` or a
/// signal ends the watching.
///
/// # Errors
/// The agent does not know it, or is not reached.
pub async fn close(
    agent: &AgentClient,
    id: &DeploymentId,
    events: &mut Emitter,
    cancel: &Cancel,
    until: Instant,
) -> Result<Option<Finish>, Failure> {
    let closed = tokio::select! {
        closed = timeout_at(until, ask_and_follow(agent, id, events)) => closed,
        () = cancel.first() => return Ok(None),
    };
    closed.unwrap_or(Ok(None))
}

async fn ask_and_follow(
    agent: &AgentClient,
    id: &DeploymentId,
    events: &mut Emitter,
) -> Result<Option<Finish>, Failure> {
    match agent.cancel(id).await? {
        Cancellation::Accepted(deployment) if deployment.outcome.is_some() => {}
        Cancellation::Accepted(_) => events.note("the agent gives the deployment up: it had not begun the switch"),
        Cancellation::TooLate => events.note("the switch began, so the agent finishes the deployment"),
    }
    follow(agent, id, events).await
}

/// Tells all events of a deployment, from the first, and asks for nothing.
///
/// # Errors
/// The agent does not know it, or is not reached.
pub async fn follow(agent: &AgentClient, id: &DeploymentId, events: &mut Emitter) -> Result<Option<Finish>, Failure> {
    let mut after = 0;
    let mut heard = Instant::now();
    loop {
        let asked = Instant::now();
        let page = match agent.events(id, after, Duration::from_secs(MAX_WAIT)).await {
            Ok(page) => page,
            Err(failure) if passes(&failure) && heard.elapsed() < AWAY => {
                sleep(PAUSE).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        heard = Instant::now();
        let empty = page.events.is_empty();
        let mut finish = None;
        for stamped in page.events {
            after = stamped.seq;
            finish = Finish::of_event(&stamped.event).or(finish);
            events.pass(stamped.at, stamped.event);
        }
        if finish.is_none() && page.done {
            finish = Finish::of_deployment(&agent.deployment(id).await?, events);
        }
        if finish.is_some() || page.done {
            return Ok(finish);
        }
        if empty && asked.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
    }
}
