//! A rolling deployment of ECS: judged by its own id. After a rollback another id may be the primary one, also an old one,
//! and failed ones stay listed, so "one deployment is left" says nothing.

use super::watch::{Deployment, Fault, Next, Phases};
use crate::aws_api::ecs::{Deployment as Listed, Service};
use crate::clients::aws::{Aws, AwsError};
use crate::domain::{Reason, TaskDefinitionArn};
use crate::event::{DeployEvent, Phase};
use crate::execute::Emitter;
use crate::failure::Failure;
use crate::plan::ecs::EcsRollout;

/// One that is followed.
pub(super) struct Rolling<'a> {
    aws: &'a Aws,
    step: &'a EcsRollout,
    id: String,
    phases: Phases,
    told: Option<(u64, u64, u64, String)>,
    /// Whether a new task runs.
    running: bool,
    /// Why it failed, once it did and its end is waited for.
    failed: Option<String>,
    /// Looks that did not show it yet: they may be stale.
    unseen: Option<u32>,
    /// Whether it was the primary one at the last look.
    primary: bool,
    /// Looks that showed its failure, and nothing of the way back.
    failures: u32,
}

/// Looks that may not show a deployment which began a moment ago.
const YOUNG: u32 = 10;

impl<'a> Rolling<'a> {
    /// The deployment that `after`, the answer to the update, shows for the revision. It may have been undone by then.
    pub(super) fn new(
        aws: &'a Aws,
        step: &'a EcsRollout,
        arn: &TaskDefinitionArn,
        after: &Service,
    ) -> Result<Self, Failure> {
        let ours = || after.deployments.iter().filter(|listed| listed.task_definition == arn.as_str());
        let id = ours()
            .find(|listed| listed.status == "PRIMARY")
            .or_else(|| ours().next())
            .map(|listed| listed.id.clone())
            .ok_or_else(|| {
                Failure::new(Reason::Superseded, "somebody else's deployment followed at once")
                    .hint("`deploy-action status <environment>` shows what runs")
            })?;
        Ok(Self { unseen: Some(0), ..Self::of(aws, step, id) })
    }

    /// One that began a while ago.
    pub(super) fn of(aws: &'a Aws, step: &'a EcsRollout, id: String) -> Self {
        Self {
            aws,
            step,
            id,
            phases: Phases::new(),
            told: None,
            running: false,
            failed: None,
            unseen: None,
            primary: true,
            failures: 0,
        }
    }

    fn progress(&mut self, ours: &Listed, events: &mut Emitter) {
        self.running |= ours.running_count > 0;
        let stage = ours.rollout_state.clone().unwrap_or_else(|| ours.status.clone());
        let seen = (ours.running_count, ours.desired_count, ours.failed_tasks, stage.clone());
        if self.told.as_ref() != Some(&seen) {
            self.told = Some(seen);
            events.tell(DeployEvent::Progress {
                weight: None,
                desired: ours.desired_count,
                running: ours.running_count,
                failed: ours.failed_tasks,
                stage,
                left_s: None,
            });
        }
    }
}

/// Why ECS ended a deployment, by its own words: there is no other sign.
fn reason_of(said: &str) -> Reason {
    if said.to_lowercase().contains("alarm") { Reason::AlarmFired } else { Reason::TasksFailed }
}

/// Where our deployment is, by all that the service lists.
fn judge(service: &Service, id: &str, before: Option<&TaskDefinitionArn>, failed: Option<&str>) -> Next {
    let ours = service.deployments.iter().find(|listed| listed.id == id);
    let primary = service.deployments.iter().find(|listed| listed.status == "PRIMARY");
    let state = |listed: &Listed| listed.rollout_state.clone().unwrap_or_default();
    if let Some(ours) = ours.filter(|ours| ours.status == "PRIMARY") {
        return match state(ours).as_str() {
            "COMPLETED" => Next::Done(""),
            "FAILED" => {
                let why = ours.rollout_state_reason.clone().unwrap_or_else(|| "ECS ended the deployment".to_owned());
                Next::Failed(Fault { reason: reason_of(&why), why, rollback: None })
            }
            // Services without rollout states.
            "" if ours.running_count >= ours.desired_count && service.deployments.len() == 1 => Next::Done(""),
            _ => Next::Goes,
        };
    }
    let Some(primary) = primary else { return Next::Goes };
    let ended = ours.filter(|ours| state(ours) == "FAILED");
    let own = ended.map(|ours| ours.rollout_state_reason.as_deref().unwrap_or_default()).or(failed);
    let own = own.map(|said| if said.is_empty() { "the new tasks failed" } else { said }.to_owned());
    if Some(primary.task_definition.as_str()) != before.map(TaskDefinitionArn::as_str) {
        return Next::Failed(Fault { reason: Reason::Superseded, why: own.unwrap_or_default(), rollback: None });
    }
    // The revision from before again: by the circuit breaker, or by somebody.
    if state(primary) == "IN_PROGRESS" {
        return Next::Goes;
    }
    let (reason, why) = match own {
        Some(said) => (reason_of(&said), said),
        None => (Reason::StoppedByHand, "the service was told to run the revision from before".to_owned()),
    };
    if state(primary) == "FAILED" {
        return Next::Failed(Fault { reason, why, rollback: None });
    }
    Next::Failed(Fault { reason, why, rollback: Some(primary.id.clone()) })
}

impl Deployment for Rolling<'_> {
    const WHO: &'static str = "ECS";

    fn name(&self) -> &str {
        &self.id
    }

    async fn look(&mut self, events: &mut Emitter) -> Result<Next, AwsError> {
        let rollout = &self.step.rollout;
        let service = self.aws.service(&rollout.cluster, &rollout.service).await?;
        let Some(service) = service.filter(Service::is_active) else { return Ok(Next::deleted()) };
        let ours = service.deployments.iter().find(|listed| listed.id == self.id).cloned();
        match (&ours, self.unseen) {
            (None, Some(looks)) if looks < YOUNG => {
                self.unseen = Some(looks + 1);
                return Ok(Next::Goes);
            }
            _ => self.unseen = None,
        }
        if let Some(ours) = &ours {
            self.progress(ours, events);
            if ours.rollout_state.as_deref() == Some("FAILED") && self.failed.is_none() {
                self.failed = Some(ours.rollout_state_reason.clone().unwrap_or_default());
            }
        }
        let next = judge(&service, &self.id, rollout.before.as_ref(), self.failed.as_deref());
        let primary = ours.is_none_or(|ours| ours.status == "PRIMARY");
        self.primary = primary;
        let configured = &service.deployment_configuration;
        let breaker = configured.deployment_circuit_breaker.as_ref().is_some_and(|breaker| breaker.rollback);
        let alarms = configured.alarms.as_ref().is_some_and(|alarms| alarms.enable && alarms.rollback);
        let next = match next {
            // A moment passes between the failure and the deployment that goes back.
            Next::Failed(Fault { rollback: None, .. }) if primary && (breaker || alarms) && self.failures < YOUNG => {
                self.failures += 1;
                Next::Goes
            }
            next => next,
        };
        let phase = match &next {
            Next::Goes if primary => Some(Phase::Roll),
            Next::Goes => Some(Phase::Back),
            Next::Done(_) | Next::Failed(_) => None,
        };
        self.phases.to(phase, events);
        Ok(next)
    }

    /// Going back is another deployment, of the revision from before.
    async fn stop(&mut self) -> Result<bool, AwsError> {
        let rollout = &self.step.rollout;
        // Somebody else's deployment that followed is not ours to undo.
        let Some(before) = rollout.before.as_ref().filter(|_| self.primary) else { return Ok(false) };
        self.aws.update_service(&rollout.cluster, &rollout.service, before).await.map(|_| true)
    }

    fn phase(&self) -> Option<Phase> {
        self.phases.current()
    }

    fn shifting(&self) -> bool {
        self.running
    }

    fn serves(&self) -> &'static str {
        if self.running { "old and new tasks both have traffic" } else { "the old version has the traffic" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:1";
    const NEW: &str = "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:2";
    const OTHER: &str = "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:3";

    fn judged(listed: &[(&str, &str, &str, &str)]) -> (&'static str, Option<Reason>, bool) {
        let deployments = listed.iter().map(|(id, status, revision, state)| Listed {
            id: (*id).to_owned(),
            status: (*status).to_owned(),
            task_definition: (*revision).to_owned(),
            rollout_state: (!state.is_empty()).then(|| (*state).to_owned()),
            desired_count: 2,
            running_count: 2,
            ..Listed::default()
        });
        let service = Service { deployments: deployments.collect(), ..Service::default() };
        match judge(&service, "new", OLD.parse().ok().as_ref(), None) {
            Next::Goes => ("goes", None, false),
            Next::Done(_) => ("done", None, false),
            Next::Failed(fault) => ("failed", Some(fault.reason), fault.rollback.is_some()),
        }
    }

    #[test]
    fn the_own_id_decides() {
        let going = ("goes", None, false);
        let done = ("done", None, false);
        for (listed, expected) in [
            (vec![("new", "PRIMARY", NEW, "IN_PROGRESS"), ("old", "ACTIVE", OLD, "COMPLETED")], going),
            (vec![("new", "PRIMARY", NEW, "COMPLETED")], done),
            (vec![("new", "PRIMARY", NEW, "COMPLETED"), ("old", "ACTIVE", OLD, "COMPLETED")], done),
            (vec![("new", "PRIMARY", NEW, "")], done),
            (vec![("new", "PRIMARY", NEW, ""), ("old", "ACTIVE", OLD, "")], going),
            // The breaker without a rollback.
            (
                vec![("new", "PRIMARY", NEW, "FAILED"), ("old", "ACTIVE", OLD, "COMPLETED")],
                ("failed", Some(Reason::TasksFailed), false),
            ),
            // With one: a new id, and the old id again.
            (vec![("back", "PRIMARY", OLD, "IN_PROGRESS"), ("new", "ACTIVE", NEW, "FAILED")], going),
            (
                vec![("back", "PRIMARY", OLD, "COMPLETED"), ("new", "ACTIVE", NEW, "FAILED")],
                ("failed", Some(Reason::TasksFailed), true),
            ),
            (
                vec![("old", "PRIMARY", OLD, "COMPLETED"), ("new", "INACTIVE", NEW, "FAILED")],
                ("failed", Some(Reason::TasksFailed), true),
            ),
            (
                vec![("back", "PRIMARY", OLD, "FAILED"), ("new", "ACTIVE", NEW, "FAILED")],
                ("failed", Some(Reason::TasksFailed), false),
            ),
            // Somebody went back, or on.
            (vec![("back", "PRIMARY", OLD, "COMPLETED")], ("failed", Some(Reason::StoppedByHand), true)),
            (
                vec![("other", "PRIMARY", OTHER, "IN_PROGRESS"), ("new", "ACTIVE", NEW, "IN_PROGRESS")],
                ("failed", Some(Reason::Superseded), false),
            ),
            (vec![], going),
        ] {
            assert_eq!(judged(&listed), expected, "{listed:?}");
        }
    }
}
