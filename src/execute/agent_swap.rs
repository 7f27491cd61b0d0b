//! The step "an agent swaps containers": hand it over, follow it, let go of it well.
//!
//! Once the agent accepted it, the deployment lives there: losing the connection, a deadline or a second Ctrl-C end the
//! watching only.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{Context, Finish};
use crate::agent_api::{API, DeployRequest, Deployment, Events, MAX_WAIT};
use crate::clients::agent::{AgentClient, Cancellation};
use crate::domain::{DeploymentId, Reason, show_span};
use crate::event::{DeployEvent, Phase};
use crate::failure::{Failure, Kind};
use crate::plan::AgentSwap;

/// How long a cancelled run still watches for the end, from its first signal on. A runner kills the step 7.5 s after it,
/// and the end has to be reported before that.
const LET_GO: Duration = Duration::from_secs(4);
/// Pause after a lost connection, and after a page that came at once and was empty.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(swap: &AgentSwap, agent: &AgentClient, cx: &mut Context<'_>) -> Result<Finish, Failure> {
    let deployment = submit(swap, agent, cx).await?;
    // From here on the agent may be lost: whoever reports has to know that it took the deployment on.
    let (id, image) = (deployment.id.clone(), deployment.image.clone());
    cx.events.tell(DeployEvent::Accepted { deployment: id, image, fence: deployment.fence });
    if deployment.replay {
        cx.events.note(format!(
            "the agent knows this idempotency key: following deployment `{}`, nothing is started anew",
            deployment.id
        ));
    }
    let mut watch =
        Watch { agent, id: deployment.id, after: 0, phase: deployment.phase, lost: false, letting_go: None };
    watch.follow(cx).await
}

/// Hands the deployment over. A signal in this moment waits briefly for the answer: without the deployment's id there is
/// nothing to cancel.
async fn submit(swap: &AgentSwap, agent: &AgentClient, cx: &Context<'_>) -> Result<Deployment, Failure> {
    let request = DeployRequest {
        api: API,
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        idempotency_key: cx.idempotency_key.clone(),
        want: swap.want.clone(),
        expected_revision: Some(swap.expected_revision.clone()),
        before_deploy: swap.before_deploy.clone(),
        requested_by: cx.requested_by.clone(),
        credential: cx.credential.clone(),
    };
    let impatient = async {
        tokio::select! {
            () = cx.cancel.second() => {}
            () = cx.cancel.first_and(LET_GO) => {}
        }
    };
    tokio::select! {
        answer = agent.submit(&swap.app, &swap.service, &request) => answer,
        () = impatient => Err(unsure(Kind::Cancelled)),
        () = sleep_until(cx.deadline) => Err(unsure(Kind::TimedOut)),
    }
}

fn unsure(kind: Kind) -> Failure {
    Failure::new(Reason::Unknown, "stopped while the deployment was being handed over; the agent may have accepted it")
        .kind(kind)
        .hint("`deploy-action status <environment>` shows whether it runs; the same `--idempotency-key` joins it")
}

/// What is known of a deployment that is being followed.
struct Watch<'a> {
    agent: &'a AgentClient,
    id: DeploymentId,
    /// The last event seen.
    after: u64,
    phase: Option<Phase>,
    /// True while the connection is lost.
    lost: bool,
    /// Set by a cancellation.
    letting_go: Option<LettingGo>,
}

/// The end of watching after a cancellation.
struct LettingGo {
    until: Instant,
    too_late: bool,
}

impl Watch<'_> {
    async fn follow(&mut self, cx: &mut Context<'_>) -> Result<Finish, Failure> {
        loop {
            let until = self.letting_go.as_ref().map_or(cx.deadline, |letting_go| letting_go.until.min(cx.deadline));
            let asked = Instant::now();
            let page = tokio::select! {
                biased;
                () = cx.cancel.second() => return Err(self.left()),
                () = cx.cancel.first(), if self.letting_go.is_none() => {
                    self.cancel(cx).await?;
                    continue;
                }
                () = sleep_until(until) => return Err(self.out_of_time(cx)),
                page = self.agent.events(&self.id, self.after, self.wait(until)) => page,
            };
            let pause = match page {
                Ok(page) => {
                    let empty = page.events.is_empty();
                    if let Some(finish) = self.take(page, cx).await? {
                        return Ok(finish);
                    }
                    empty && asked.elapsed() < PAUSE
                }
                Err(failure) if passes(&failure) => {
                    self.tell_lost(&failure, cx);
                    true
                }
                // It was handed over, and nobody goes on with it.
                Err(failure) if failure.reason == Reason::StateUnusable => {
                    let message = format!("what became of deployment `{}` is not known: {}", self.id, failure.message);
                    return Err(Failure { message, ..failure }.kind(Kind::Stranded));
                }
                Err(failure) => return Err(failure),
            };
            if pause {
                tokio::select! {
                    () = cx.cancel.second() => {}
                    () = cx.cancel.first(), if self.letting_go.is_none() => {}
                    () = sleep(PAUSE) => {}
                }
            }
        }
    }

    /// How long the agent may hold the answer back: a wait that outlasts the watching would be cut off anyway.
    fn wait(&self, until: Instant) -> Duration {
        Duration::from_secs(MAX_WAIT).min(until.saturating_duration_since(Instant::now()))
    }

    /// Passes a page on, and tells the end where it holds one.
    async fn take(&mut self, page: Events, cx: &mut Context<'_>) -> Result<Option<Finish>, Failure> {
        if self.lost {
            self.lost = false;
            cx.events.note("the agent is back");
        }
        let mut finish = None;
        for stamped in page.events {
            if stamped.seq <= self.after {
                continue;
            }
            self.after = stamped.seq;
            if let DeployEvent::PhaseStarted { phase } = stamped.event {
                self.phase = Some(phase);
            }
            finish = Finish::of_event(&stamped.event).or(finish);
            // The answer to the submission told it.
            if !matches!(stamped.event, DeployEvent::Accepted { .. }) {
                cx.events.pass(stamped.at, stamped.event);
            }
        }
        if finish.is_none() && page.done {
            let deployment = self.agent.deployment(&self.id).await?;
            finish = Finish::of_deployment(&deployment, &mut cx.events);
        }
        Ok(finish)
    }

    fn tell_lost(&mut self, failure: &Failure, cx: &mut Context<'_>) {
        if !self.lost {
            self.lost = true;
            cx.events
                .note(format!("{failure}; the agent goes on by itself, also after a restart, and this run keeps trying until its deadline"));
        }
    }

    /// The first signal: ask the agent to abandon the deployment. It is said before the agent answers, so that whoever
    /// waits for one that does not knows what a second signal does.
    async fn cancel(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.events
            .note("cancelling: the agent is asked to abandon the deployment; a second signal leaves it to the agent");
        let until = cx.cancel.since() + LET_GO;
        let answer = tokio::select! {
            answer = timeout_at(until, self.agent.cancel(&self.id)) => answer,
            () = cx.cancel.second() => return Err(self.left()),
        };
        let too_late = match answer {
            Ok(Ok(Cancellation::Accepted(_))) => {
                cx.events.note("the agent abandons the deployment before the switch");
                false
            }
            Ok(Ok(Cancellation::TooLate)) => {
                cx.events.note("the switch began, so the agent finishes the deployment by itself");
                true
            }
            Ok(Err(failure)) => return Err(self.left().because(failure)),
            Err(_) => return Err(self.left()),
        };
        self.letting_go = Some(LettingGo { until, too_late });
        Ok(())
    }

    fn out_of_time(&self, cx: &Context<'_>) -> Failure {
        match &self.letting_go {
            Some(LettingGo { too_late: true, .. }) => self.left(),
            Some(LettingGo { too_late: false, .. }) => self.failure(
                Reason::Cancelled,
                format!("cancelled: the agent was told to abandon deployment `{}` and is going back", self.id),
            ),
            None => {
                let phase = self.phase.map(|phase| format!(" in phase `{}`", phase.as_str())).unwrap_or_default();
                let state = if self.lost && self.phase.is_none() {
                    "the agent has not answered since it was accepted".to_owned()
                } else if self.lost {
                    format!("it was last seen{phase}, and the agent has not answered since")
                } else {
                    format!("it is still running{phase}, and the agent finishes it or goes back by itself")
                };
                let message = format!("deployment `{}` did not end within {}; {state}", self.id, show_span(cx.timeout));
                let failure = self.failure(Reason::TimedOut, message);
                if !self.lost {
                    return failure;
                }
                failure.hint(
                    "on the host, look at `systemctl status deploy-agent`: once it runs it finishes the deployment or goes back, and `deploy-action status <environment>` shows the result",
                )
            }
        }
    }

    /// Leaving while the deployment runs on.
    fn left(&self) -> Failure {
        let message = if matches!(self.letting_go, Some(LettingGo { too_late: true, .. })) {
            format!("cancelled, but the switch had begun: the agent is finishing deployment `{}`", self.id)
        } else {
            format!("left deployment `{}`: the agent finishes it or goes back by itself", self.id)
        };
        self.failure(Reason::Cancelled, message).kind(Kind::Cancelled)
    }

    fn failure(&self, reason: Reason, message: String) -> Failure {
        Failure::new(reason, message).hint("`deploy-action status <environment>` shows the result")
    }
}

/// Failures that an agent's restart explains: nothing listens, a proxy answers in its place, it is not ready yet.
pub(super) fn passes(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::AgentUnreachable | Reason::AgentUnexpected | Reason::Unavailable)
}
