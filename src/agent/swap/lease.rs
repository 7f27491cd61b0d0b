//! How long each phase may take at most. A deployment holds its application until the last of them is over: that is its
//! lease, and nobody has to take it away.

use std::time::Duration;

use super::{CancelGate, Fault};
use crate::agent::config::ServiceConfig;
use crate::agent::store::Accepted;
use crate::domain::{Reason, show_span};
use crate::event::Phase;

/// The phases of a deployment that succeeds, in their order.
const PHASES: [Phase; 11] = [
    Phase::Adopt,
    Phase::Pull,
    Phase::BeforeDeploy,
    Phase::Create,
    Phase::Start,
    Phase::Gate,
    Phase::Rehearse,
    Phase::Switch,
    Phase::Prove,
    Phase::Verify,
    Phase::Retire,
];
/// For what engine, compose and Traefik's API are asked in a phase, each call of which has a limit of its own: many calls
/// that are all slow must not add up to hours.
const CALLS: Duration = Duration::from_secs(120);
/// One more container: the engine starts them one after another.
const CONTAINER: Duration = Duration::from_secs(30);
/// The way back waits up to five minutes for an engine that is restarted, and has something to do after that.
const BACK: Duration = Duration::from_secs(600);

/// A phase's limit.
pub(super) fn limit(phase: Phase, config: &ServiceConfig, accepted: &Accepted) -> Duration {
    let containers = u32::try_from(accepted.replicas).unwrap_or(u32::MAX);
    match phase {
        Phase::Pull => config.pull_timeout,
        Phase::Create | Phase::Start => CALLS + CONTAINER.saturating_mul(containers),
        // Each container has the whole time to become healthy.
        Phase::Gate => CALLS + config.gate_timeout.saturating_mul(containers),
        Phase::Verify => CALLS + config.verify_for,
        Phase::BeforeDeploy => {
            let before = accepted.before_deploy.as_ref();
            before.map_or(Duration::ZERO, |before| CALLS + Duration::from_millis(before.timeout_ms))
        }
        Phase::Back => BACK,
        Phase::Adopt | Phase::Rehearse | Phase::Switch | Phase::Prove | Phase::Retire => CALLS,
        // No phases of a swap.
        Phase::Register
        | Phase::Queue
        | Phase::Provision
        | Phase::Test
        | Phase::Approval
        | Phase::Shift
        | Phase::Bake
        | Phase::Roll
        | Phase::Unknown => CALLS,
    }
}

/// The longest time until the end, from the beginning of a phase on; from that of all without one.
#[must_use]
pub fn left(phase: Option<Phase>, config: &ServiceConfig, accepted: &Accepted) -> Duration {
    let back = limit(Phase::Back, config, accepted);
    if phase == Some(Phase::Back) {
        return back;
    }
    let before = phase.and_then(|phase| PHASES.iter().position(|known| *known == phase)).unwrap_or(0);
    // The last of them may be the one that fails.
    PHASES[before..].iter().fold(back, |sum, phase| sum.saturating_add(limit(*phase, config, accepted)))
}

/// Ends a phase that takes longer than it may, and where `cancel` is given also one that is cancelled.
pub(super) async fn bounded<T>(
    phase: Phase,
    limit: Duration,
    cancel: Option<&CancelGate>,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let cancelled = async {
        match cancel {
            Some(cancel) => cancel.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = cancelled => Err(Fault::cancelled()),
        result = tokio::time::timeout(limit, work) => result.unwrap_or_else(|_| Err(over(phase, limit))),
    }
}

/// What a phase that took too long is told as.
pub(super) fn over(phase: Phase, limit: Duration) -> Fault {
    let hint = match phase {
        Phase::Pull => {
            "check the host's connection to the registry; raise `pull_timeout` for the service in agent.yml if it only needs longer"
        }
        _ => "look at the Docker Engine, Traefik and the load of the host; `deploy-action agent doctor` checks them",
    };
    let (phase, span) = (phase.as_str(), show_span(limit));
    Fault::new(Reason::TimedOut, format!("phase `{phase}` was not over within {span}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent_api::BeforeDeploy;

    #[test]
    fn a_lease_gets_shorter_with_every_phase() {
        let config = ServiceConfig::default();
        let timeout_ms = 60_000;
        let of_many = |replicas| Accepted {
            replicas,
            before_deploy: Some(BeforeDeploy { command: vec!["migrate".to_owned()], timeout_ms }),
            ..Accepted::sample()
        };
        let two = of_many(2);
        let of = |phase| left(Some(phase), &config, &two);
        assert_eq!(left(None, &config, &two), of(Phase::Adopt));
        for pair in PHASES.windows(2) {
            assert_eq!(of(pair[0]) - of(pair[1]), limit(pair[0], &config, &two), "{pair:?}");
        }
        assert_eq!(of(Phase::Retire), CALLS + BACK);
        assert_eq!(of(Phase::Back), BACK);
        assert_eq!(limit(Phase::Pull, &config, &two), Duration::from_secs(600));
        assert_eq!(limit(Phase::Gate, &config, &of_many(3)), CALLS + 3 * config.gate_timeout);
        assert_eq!(limit(Phase::BeforeDeploy, &config, &two), CALLS + Duration::from_millis(timeout_ms));
        assert_eq!(limit(Phase::BeforeDeploy, &config, &Accepted::sample()), Duration::ZERO);
        assert!(left(None, &config, &of_many(u64::MAX)) > of(Phase::Adopt), "no overflow");
    }

    #[tokio::test]
    async fn whatever_hangs_is_ended() {
        let hangs = || std::future::pending::<Result<(), Fault>>();
        let short = Duration::from_millis(20);
        let fault = bounded(Phase::Pull, short, None, hangs()).await.expect_err("it hangs");
        assert_eq!(fault.reason, Reason::TimedOut);
        assert!(fault.message.starts_with("phase `pull` was not over within "), "{}", fault.message);
        let cancel = CancelGate::default();
        assert!(cancel.cancel());
        let fault = bounded(Phase::Start, Duration::from_secs(600), Some(&cancel), hangs()).await;
        assert_eq!(fault.expect_err("it is cancelled").reason, Reason::Cancelled);
        let done = bounded(Phase::Start, short, Some(&cancel), async { Ok(1) }).await;
        assert!(done.is_err(), "what was cancelled does not go on");
        assert_eq!(bounded(Phase::Start, short, None, async { Ok(1) }).await.ok(), Some(1));
    }
}
