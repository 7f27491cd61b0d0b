//! Carries a plan out: its steps in order, under one deadline, cancellable, telling all in events.
//!
//! Decides nothing that the plan left open. Must never import `config`, `trigger` or `report`.

mod agent_swap;
mod cancel;
mod close;
mod emit;
mod finish;
pub mod image;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use crate::agent_api::PullCredential;
use crate::clients::agent::AgentClient;
use crate::domain::IdempotencyKey;
use crate::failure::Failure;
use crate::plan::{Plan, Step};

pub use cancel::{Cancel, Canceller, channel as cancel_channel};
pub use close::{close, follow};
pub use emit::{Emitter, channel as event_channel};
pub use finish::Finish;

/// What every step may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The agent that the plan's steps name.
    pub agent: &'a AgentClient,
    /// Where events go.
    pub events: Emitter,
    /// Asks the run to end.
    pub cancel: Cancel,
    /// When waiting ends.
    pub deadline: Instant,
    /// The whole of it, for messages.
    pub timeout: Duration,
    /// Makes a repeated run one deployment.
    pub idempotency_key: IdempotencyKey,
    /// Who asks.
    pub requested_by: String,
    /// For a private registry.
    pub credential: Option<PullCredential>,
}

/// Runs the plan's steps and tells how the last one ended; `None` for a plan without steps.
///
/// # Errors
/// A step was refused, was lost sight of, timed out or was cancelled. A deployment that ended badly is a [`Finish`].
pub async fn run(plan: &Plan, cx: &mut Context<'_>) -> Result<Option<Finish>, Failure> {
    let mut last = None;
    for step in &plan.steps {
        let finish = match step {
            Step::AgentSwap(swap) => agent_swap::run(swap, cx).await?,
        };
        let goes_on = finish.to_failure().is_none();
        last = Some(finish);
        if !goes_on {
            break;
        }
    }
    Ok(last)
}
