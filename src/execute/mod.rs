//! Carries a plan out: its steps in order, under one deadline, cancellable, telling all in events.
//!
//! Decides nothing that the plan left open. Must never import `config`, `trigger` or `report`.

mod agent_swap;
mod cancel;
mod close;
mod ecs;
mod emit;
mod finish;
pub mod image;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use crate::agent_api::PullCredential;
use crate::clients::agent::AgentClient;
use crate::clients::aws::Aws;
use crate::domain::{IdempotencyKey, Reason};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Step};

pub use cancel::{Cancel, Canceller, channel as cancel_channel};
pub use close::{close, follow};
pub use ecs::{answer_at_aws, began_at_aws, close_at_aws, release_scaling, stop_one_off};
pub use emit::{Emitter, channel as event_channel};
pub use finish::Finish;

/// What every step may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// Who carries the plan's steps out.
    pub remote: Remote<'a>,
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
    /// With which an agent pulls from a private registry.
    pub credential: Option<PullCredential>,
}

/// Who carries steps out.
#[derive(Debug, Clone, Copy)]
pub enum Remote<'a> {
    /// The agent that the steps name.
    Agent(&'a AgentClient),
    /// AWS.
    Aws(&'a Aws),
}

/// Runs the plan's steps and tells how the last one ended; `None` for a plan without steps.
///
/// # Errors
/// A step was refused, was lost sight of, timed out or was cancelled. A deployment that ended badly is a [`Finish`].
pub async fn run(plan: &Plan, cx: &mut Context<'_>) -> Result<Option<Finish>, Failure> {
    let mut last = None;
    let mut registered = None;
    for step in &plan.steps {
        let finish = match (step, cx.remote) {
            (Step::AgentSwap(swap), Remote::Agent(agent)) => agent_swap::run(swap, agent, cx).await?,
            (Step::Register(step), Remote::Aws(aws)) => {
                registered = Some(ecs::register(step, aws, cx).await?);
                continue;
            }
            (Step::OneOff(step), Remote::Aws(aws)) => {
                ecs::one_off(step, registered.as_ref(), aws, cx).await?;
                continue;
            }
            (Step::CodeDeploy(step), Remote::Aws(aws)) => {
                let (limits, mut scaling) = (Limits::of(cx), ecs::Scaling::of(&step.rollout));
                let ended = limits.hold(ecs::code_deploy(step, registered.as_ref(), &mut scaling, aws, cx)).await;
                scaling.release(aws, cx).await;
                ended?
            }
            (Step::EcsService(step), Remote::Aws(aws)) => {
                let (limits, mut scaling) = (Limits::of(cx), ecs::Scaling::of(&step.rollout));
                let ended = limits.hold(ecs::service(step, registered.as_ref(), &mut scaling, aws, cx)).await;
                scaling.release(aws, cx).await;
                ended?
            }
            (Step::AgentSwap(_), Remote::Aws(_)) | (_, Remote::Agent(_)) => {
                return Err(Failure::new(Reason::Bug, "the plan's steps are for another kind of target"));
            }
        };
        let goes_on = finish.to_failure().is_none();
        last = Some(finish);
        if !goes_on {
            break;
        }
    }
    Ok(last)
}

/// How much longer than its deadline a step at AWS may take to say what failed.
const LAST_WORDS: Duration = Duration::from_secs(60);

/// What ends a step at AWS that does not end itself: calls that hang heed neither deadline nor signal.
struct Limits {
    cancel: Cancel,
    end: Instant,
}

impl Limits {
    fn of(cx: &Context<'_>) -> Self {
        Self { cancel: cx.cancel.clone(), end: cx.deadline + LAST_WORDS }
    }

    async fn hold(self, step: impl Future<Output = Result<Finish, Failure>>) -> Result<Finish, Failure> {
        let left = |kind, why: &str| {
            Failure::new(Reason::Unknown, format!("{why}; what AWS was told to do goes on there"))
                .kind(kind)
                .hint("`deploy-action status <environment>` shows what serves")
        };
        // A step that heeds them says more.
        tokio::select! {
            biased;
            ended = step => ended,
            () = self.cancel.second() => Err(left(Kind::Cancelled, "left at once")),
            () = tokio::time::sleep_until(self.end) => Err(left(Kind::TimedOut, "the time was over while AWS did not answer")),
        }
    }
}
