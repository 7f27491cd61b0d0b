//! A deployment of ECS that shifts traffic: blue/green, linear, canary. One call tells status, stage, weights and reason.

use jiff::Timestamp;

use super::Ended;
use super::keys::Keys;
use super::pace::{Pace, rest};
use super::watch::{Deployment, Fault, Next, Phases};
use crate::aws_api::ecs::{DeploymentConfiguration, Hook, Service, ServiceDeployment};
use crate::clients::aws::{Aws, AwsError};
use crate::domain::{Reason, TaskDefinitionArn};
use crate::event::{DeployEvent, Phase};
use crate::execute::{Context, Emitter};
use crate::failure::{Failure, Kind};
use crate::plan::ecs::{EcsRollout, WaitUntil};

/// Looks for the deployment that an update began: the service names it a moment later.
const LATE: u32 = 10;

/// One that is followed.
pub(super) struct Staged<'a> {
    aws: &'a Aws,
    step: &'a EcsRollout,
    arn: String,
    /// The deployment that the service named before.
    before: Option<String>,
    phases: Phases,
    told: Option<(u64, u64, u64, u64, String)>,
    asked: Vec<String>,
    shifting: bool,
    switched: bool,
}

impl<'a> Staged<'a> {
    pub(super) fn new(aws: &'a Aws, step: &'a EcsRollout, before: Option<String>) -> Self {
        Self {
            aws,
            step,
            arn: String::new(),
            before,
            phases: Phases::new(),
            told: None,
            asked: Vec::new(),
            shifting: false,
            switched: false,
        }
    }

    /// One that began a while ago.
    pub(super) fn of(aws: &'a Aws, step: &'a EcsRollout, arn: String) -> Self {
        Self { arn, ..Self::new(aws, step, None) }
    }

    /// Learns the name of the deployment of a revision, from the answer to the update or from a later look. One that
    /// deploys another revision is somebody else's.
    pub(super) async fn find(
        &mut self,
        after: &Service,
        ours: &TaskDefinitionArn,
        cx: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let (aws, rollout) = (self.aws, &self.step.rollout);
        let (mut pace, mut keys) = (Pace::new(rollout.poll), Keys::default());
        let mut named = after.current_service_deployment.clone();
        for _ in 0..LATE {
            if let Some(arn) = named.filter(|arn| self.before.as_ref() != Some(arn))
                && let Some(revision) = keys.heard(deployed_by(aws, &arn).await, aws, &mut cx.events).await.flatten()
                && revision == *ours
            {
                self.arn = arn;
                return Ok(());
            }
            rest(pace.pause(), cx.deadline, &cx.cancel, true).await;
            let found = aws.service(&rollout.cluster, &rollout.service).await;
            let found = keys.heard(found, aws, &mut cx.events).await;
            let found = found.flatten();
            if found.as_ref().is_some_and(|service| !service.is_active()) {
                let Ended { message, hint, .. } =
                    Ended::deleted(rollout, Reason::DeploymentFailed, "ECS took the new revision");
                return Err(Failure::new(Reason::DeploymentFailed, message)
                    .kind(Kind::Stranded)
                    .hint(hint.unwrap_or_default()));
            }
            named = found.and_then(|service| service.current_service_deployment);
        }
        Err(Failure::new(Reason::Unknown, "ECS took the new revision and does not name the deployment that it began")
            .kind(Kind::TimedOut)
            .hint("`deploy-action status <environment>` shows what serves"))
    }

    /// ECS shows no such deployment: it is young, or went with its service.
    async fn unseen(&self) -> Result<Next, AwsError> {
        let rollout = &self.step.rollout;
        let service = self.aws.service(&rollout.cluster, &rollout.service).await?;
        Ok(if service.is_some_and(|service| !service.is_active()) { Next::deleted() } else { Next::Goes })
    }

    fn progress(&mut self, seen: &ServiceDeployment, events: &mut Emitter) {
        let side = seen.target_service_revision.clone().unwrap_or_default();
        let weight = side.requested_production_traffic_weight.unwrap_or_default();
        let back = seen.status.starts_with("ROLLBACK");
        self.shifting |= weight > 0.0;
        if weight >= 100.0 && !self.switched && !back {
            self.switched = true;
            events.tell(DeployEvent::Switched);
        }
        let stage = seen.lifecycle_stage.clone().unwrap_or_else(|| seen.status.clone());
        let failed = seen.deployment_circuit_breaker.as_ref().map_or(0, |breaker| breaker.failure_count);
        let hundredths = (weight * 100.0).round().clamp(0.0, 10_000.0) as u64;
        let now = (hundredths, side.running_task_count, side.requested_task_count, failed, stage.clone());
        if self.told.as_ref() != Some(&now) {
            self.told = Some(now);
            events.tell(DeployEvent::Progress {
                weight: Some(weight),
                desired: side.requested_task_count,
                running: side.running_task_count,
                failed,
                left_s: left(weight, &stage, &seen.deployment_configuration),
                stage,
            });
        }
        for hook in &seen.lifecycle_hook_details {
            if hook.status == "AWAITING_ACTION" && !self.asked.contains(&hook.hook_id) {
                self.asked.push(hook.hook_id.clone());
                let then = match hook.timeout_action.as_deref() {
                    Some("CONTINUE") => "goes on",
                    _ => "goes back",
                };
                let at = hook.expires_at.and_then(|at| Timestamp::from_second(at as i64).ok());
                let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
                events.note(format!(
                    "the deployment waits for somebody's word (hook `{}`), and {then} by itself{at} without one: answer it with `deploy-action approve <environment>`, with `--reject` it goes back",
                    hook.hook_id
                ));
            }
        }
    }
}

/// What is left of the shift, or of the watch after it, in seconds, from when it got so far.
fn left(weight: f64, stage: &str, configuration: &DeploymentConfiguration) -> Option<u64> {
    let minutes = match stage {
        "PRODUCTION_TRAFFIC_SHIFT" if weight > 0.0 && weight < 100.0 => match configuration.strategy.as_deref()? {
            "CANARY" => Some(configuration.canary_configuration.as_ref()?.canary_bake_time_in_minutes),
            "LINEAR" => {
                let linear = configuration.linear_configuration.as_ref().filter(|it| it.step_percent > 0.0)?;
                let steps = ((100.0 - weight) / linear.step_percent).ceil() as u64;
                Some(steps.saturating_mul(linear.step_bake_time_in_minutes))
            }
            _ => None,
        },
        "BAKE_TIME" if weight >= 100.0 => configuration.bake_time_in_minutes,
        _ => None,
    };
    minutes.filter(|minutes| *minutes > 0).map(|minutes| minutes.saturating_mul(60))
}

/// The revision that a deployment deploys.
pub(super) async fn deployed_by(aws: &Aws, arn: &str) -> Result<Option<TaskDefinitionArn>, AwsError> {
    let Some(seen) = aws.service_deployment(arn).await? else { return Ok(None) };
    let Some(side) = seen.target_service_revision else { return Ok(None) };
    aws.task_definition_of_revision(&side.arn).await
}

/// Where it is.
fn judge(seen: &ServiceDeployment, wait_until: WaitUntil) -> Next {
    let said =
        seen.status_reason.clone().or_else(|| seen.rollback.as_ref().and_then(|rollback| rollback.reason.clone()));
    let failed = |rollback: Option<String>| {
        let alarms = seen.alarms.as_ref().map_or(&[][..], |alarms| alarms.triggered_alarm_names.as_slice());
        let breaker = seen.deployment_circuit_breaker.as_ref().is_some_and(|breaker| breaker.status == "TRIGGERED");
        let hook = seen.lifecycle_hook_details.iter().find(|hook| hook.ends_it());
        let said = said.clone().unwrap_or_else(|| format!("ECS gives the status {} and no reason", seen.status));
        let (reason, why) = match (alarms, hook) {
            ([first, ..], _) => (Reason::AlarmFired, format!("the alarm `{first}` ended the deployment: {said}")),
            ([], Some(hook)) => {
                let (reason, what) = fault_of(hook);
                (reason, format!("{what}: {said}"))
            }
            ([], None) if breaker => (Reason::TasksFailed, format!("the new tasks failed: {said}")),
            ([], None) if seen.status == "STOPPED" => {
                (Reason::StoppedByHand, format!("somebody stopped the deployment: {said}"))
            }
            ([], None) => (Reason::DeploymentFailed, said),
        };
        Next::Failed(Fault { reason, why, rollback })
    };
    match seen.status.as_str() {
        "SUCCESSFUL" => Next::Done(""),
        "ROLLBACK_SUCCESSFUL" => failed(Some(seen.service_deployment_arn.clone())),
        "ROLLBACK_FAILED" | "STOPPED" => failed(None),
        "IN_PROGRESS" if wait_until == WaitUntil::TrafficShifted && over(seen) => {
            Next::Done("; ECS still keeps the old tasks, and may go back to them")
        }
        _ => Next::Goes,
    }
}

/// What a hook that did not pass says: a pause is somebody's word, anything else a function's.
fn fault_of(hook: &Hook) -> (Reason, String) {
    let name = &hook.hook_id;
    match (hook.target_type.as_str(), hook.status.as_str()) {
        ("PAUSE", "TIMED_OUT") => (Reason::NotApproved, format!("nobody answered the hook `{name}` in time")),
        ("PAUSE", _) => (Reason::StoppedByHand, format!("somebody answered the hook `{name}` with going back")),
        (_, "TIMED_OUT") => (Reason::HookFailed, format!("the hook `{name}` did not answer in time")),
        _ => (Reason::HookFailed, format!("the hook `{name}` failed")),
    }
}

/// Whether all traffic went over, and all hooks passed.
fn over(seen: &ServiceDeployment) -> bool {
    let side = seen.target_service_revision.as_ref();
    let weight = side.and_then(|side| side.requested_production_traffic_weight).unwrap_or_default();
    weight >= 100.0 && matches!(seen.lifecycle_stage.as_deref(), Some("BAKE_TIME" | "CLEAN_UP"))
}

fn phase(seen: &ServiceDeployment) -> Phase {
    if seen.status.starts_with("ROLLBACK") || seen.status.starts_with("STOP") {
        return Phase::Back;
    }
    if seen.lifecycle_hook_details.iter().any(|hook| hook.status == "AWAITING_ACTION") {
        return Phase::Approval;
    }
    match seen.lifecycle_stage.as_deref() {
        Some("TEST_TRAFFIC_SHIFT" | "POST_TEST_TRAFFIC_SHIFT") => Phase::Test,
        Some("PRE_PRODUCTION_TRAFFIC_SHIFT" | "PRODUCTION_TRAFFIC_SHIFT" | "POST_PRODUCTION_TRAFFIC_SHIFT") => {
            Phase::Shift
        }
        Some("BAKE_TIME") => Phase::Bake,
        Some("CLEAN_UP") => Phase::Retire,
        _ => Phase::Provision,
    }
}

impl Deployment for Staged<'_> {
    const WHO: &'static str = "ECS";

    fn name(&self) -> &str {
        &self.arn
    }

    async fn look(&mut self, events: &mut Emitter) -> Result<Next, AwsError> {
        let Some(seen) = self.aws.service_deployment(&self.arn).await? else { return self.unseen().await };
        let next = judge(&seen, self.step.wait_until);
        self.phases.to((next == Next::Goes).then(|| phase(&seen)), events);
        self.progress(&seen, events);
        Ok(next)
    }

    async fn stop(&mut self) -> Result<bool, AwsError> {
        match self.aws.stop_service_deployment(&self.arn).await {
            // It is at its end, which the next look shows.
            Err(error) if error.is("ConflictException") || error.is("ServiceDeploymentNotFoundException") => Ok(false),
            answer => answer.map(|()| true),
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.phases.current()
    }

    fn shifting(&self) -> bool {
        self.shifting
    }

    fn serves(&self) -> &'static str {
        if self.switched {
            "all traffic goes to the new version, and the old tasks are still kept"
        } else if self.shifting {
            "part of the traffic goes to the new version"
        } else {
            "the old version has the traffic"
        }
    }
}
