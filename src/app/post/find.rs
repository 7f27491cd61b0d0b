//! What a run left open: at GitHub, and at the agent.

use super::closing;
use crate::agent_api::{Deployment, Holder};
use crate::app::place::{AgentPlace, Connected, EcsPlace, Place};
use crate::app::task::Task;
use crate::domain::{AppName, DeploymentId, IdempotencyKey, ServiceName};
use crate::execute::began_at_aws;
use crate::failure::Failure;
use crate::report::Open;

/// What a look shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is open, and nothing comes any more.
    Closed,
    /// Nothing is open at GitHub, and the agent has no deployment, or does not say.
    Quiet(Option<String>),
    /// Somebody has to tell the end.
    Open(Left),
}

/// What is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// A deployment that the agent may still be at, or whose end GitHub does not show.
    Deployment(DeploymentId),
    /// The agent was never given one.
    Nothing,
    /// What the agent has is not known; with its name for the deployment, where GitHub has that.
    Unknown(Option<DeploymentId>, String),
}

impl Found {
    /// Whether a later look may show something else: the agent may be about to take the deployment on.
    pub(super) fn may_change(&self) -> bool {
        !matches!(self, Self::Closed | Self::Open(Left::Deployment(_)))
    }
}

/// What the agent has of the run.
enum Kept {
    Running(DeploymentId),
    Ended(DeploymentId),
    Nothing,
    /// It does not say; with the deployment that it was asked for.
    Untold(Option<DeploymentId>, String),
}

/// By what GitHub shows and by what the agent has.
pub(super) async fn find(task: &Task, open: &Open, place: &Result<Connected, Failure>) -> Found {
    if task.only_looks() {
        return if open.is_nothing() { Found::Closed } else { Found::Open(Left::Nothing) };
    }
    let kept = match place {
        Ok(Connected { app, place: Place::Agent(place), .. }) => kept(app, place, open, &task.key_begins()).await,
        Ok(Connected { place: Place::Ecs(place), .. }) => kept_at_aws(task, place, open).await,
        Err(failure) => {
            let named = open.deployments.first().map(|(_, id)| id.clone());
            Kept::Untold(named, failure.to_string())
        }
    };
    judge(kept, open.is_nothing())
}

fn judge(kept: Kept, all_told: bool) -> Found {
    match kept {
        Kept::Running(id) => Found::Open(Left::Deployment(id)),
        Kept::Ended(_) if all_told => Found::Closed,
        Kept::Ended(id) => Found::Open(Left::Deployment(id)),
        Kept::Nothing if all_told => Found::Quiet(None),
        Kept::Nothing => Found::Open(Left::Nothing),
        Kept::Untold(_, why) if all_told => Found::Quiet(Some(why)),
        Kept::Untold(id, why) => Found::Open(Left::Unknown(id, why)),
    }
}

/// The one that GitHub names, else the one that was asked for with the run's key.
async fn kept(app: &AppName, agent: &AgentPlace, open: &Open, key_begins: &str) -> Kept {
    for (_, id) in &open.deployments {
        if let Some(kept) = answered(id, agent.client.deployment(id).await, (app, &agent.target.service)) {
            return kept;
        }
    }
    by_key(app, agent, key_begins).await.unwrap_or_else(|failure| Kept::Untold(None, failure.to_string()))
}

/// The same at AWS, which tells how it stands while it is closed.
async fn kept_at_aws(task: &Task, place: &EcsPlace, open: &Open) -> Kept {
    if let Some((_, id)) = open.deployments.first() {
        return Kept::Running(id.clone());
    }
    match began_at_aws(&closing(task, place), &task.key_begins(), &place.aws).await {
        Ok(Some(id)) => Kept::Running(id),
        Ok(None) => Kept::Nothing,
        Err(failure) => Kept::Untold(None, failure.to_string()),
    }
}

/// `None` for one of another service. Without an answer it is nobody's: it may be at another agent.
fn answered(id: &DeploymentId, answer: Result<Deployment, Failure>, here: (&AppName, &ServiceName)) -> Option<Kept> {
    match answer {
        Ok(known) if (&known.app, &known.service) != here => None,
        Ok(known) if known.outcome.is_none() => Some(Kept::Running(known.id)),
        Ok(known) => Some(Kept::Ended(known.id)),
        Err(failure) => Some(Kept::Untold(Some(id.clone()), failure.to_string())),
    }
}

async fn by_key(app: &AppName, agent: &AgentPlace, begins: &str) -> Result<Kept, Failure> {
    let ours = |key: &Option<IdempotencyKey>| key.as_ref().is_some_and(|key| key.as_str().starts_with(begins));
    let holder = agent.observe(app, None).await?.holder;
    let here = |holder: &Holder| ours(&holder.idempotency_key) && holder.service == agent.target.service;
    if let Some(holder) = holder.filter(here) {
        return Ok(Kept::Running(holder.deployment));
    }
    let history = agent.client.history(app, &agent.target.service).await?;
    let past = history.entries.into_iter().find(|entry| ours(&entry.idempotency_key));
    Ok(past.map_or(Kept::Nothing, |entry| Kept::Ended(entry.deployment)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;
    use crate::event::Outcome;

    fn id() -> DeploymentId {
        "d-1".parse().unwrap()
    }

    fn found(answer: Result<Deployment, Failure>, all_told: bool) -> Option<Found> {
        let (app, service) = ("shop".parse().unwrap(), "web".parse().unwrap());
        answered(&id(), answer, (&app, &service)).map(|kept| judge(kept, all_told))
    }

    fn deployment(service: &str, outcome: Option<Outcome>) -> Result<Deployment, Failure> {
        Ok(Deployment {
            api: 1,
            id: id(),
            app: "shop".parse().unwrap(),
            service: service.parse().unwrap(),
            image: "web".to_owned(),
            rollback: false,
            phase: None,
            outcome,
            replay: false,
            fence: None,
            agent_version: None,
        })
    }

    #[test]
    fn what_the_agent_does_not_confirm_is_never_given_up() {
        for reason in [Reason::UnknownDeployment, Reason::Forbidden, Reason::AgentUnreachable] {
            let refused = || Err(Failure::new(reason, "no"));
            let unknown = Found::Open(Left::Unknown(Some(id()), "no".to_owned()));
            assert_eq!(found(refused(), false), Some(unknown), "{reason:?}");
            assert_eq!(found(refused(), true), Some(Found::Quiet(Some("no".to_owned()))), "{reason:?}");
        }
        assert_eq!(found(deployment("api", None), false), None);
    }

    #[test]
    fn a_deployment_is_closed_until_its_end_is_told() {
        let open = Some(Found::Open(Left::Deployment(id())));
        assert_eq!(found(deployment("web", None), false), open);
        assert_eq!(found(deployment("web", None), true), open);
        assert_eq!(found(deployment("web", Some(Outcome::Deployed)), false), open);
        assert_eq!(found(deployment("web", Some(Outcome::Deployed)), true), Some(Found::Closed));
    }

    #[test]
    fn what_may_still_be_handed_over_is_looked_for_again() {
        let later = |kept, all_told| judge(kept, all_told).may_change();
        for all_told in [true, false] {
            assert!(later(Kept::Nothing, all_told));
            assert!(later(Kept::Untold(None, "no".to_owned()), all_told));
            assert!(!later(Kept::Running(id()), all_told));
            assert!(!later(Kept::Ended(id()), all_told));
        }
    }
}
