//! What one look at a deployment of CodeDeploy means. Pure: looks in, what is new and the end out.

use super::watch::{Fault, Next};
use crate::aws_api::codedeploy::{Deployment, LifecycleEvent, SetInfo, Shift, Target};
use crate::domain::Reason;
use crate::event::{DeployEvent, Phase};
use crate::plan::ecs::{ShiftPace, WaitUntil};

/// What a look shows.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// The phase that it is in; none at its end.
    pub(super) phase: Option<Phase>,
    /// What is new within it.
    pub(super) events: Vec<DeployEvent>,
    /// Where it is.
    pub(super) next: Next,
}

/// The fold of the looks.
#[derive(Debug, Default)]
pub(super) struct Looks {
    phase: Option<Phase>,
    told: Option<(u64, u64, u64, String)>,
    /// Whether all traffic went to the new tasks.
    pub(super) switched: bool,
    /// Whether some traffic did.
    pub(super) shifting: bool,
    blue: Option<String>,
}

impl Looks {
    /// Of a deployment that begins with the traffic.
    pub(super) fn from_the_shift_on() -> Self {
        Self { shifting: true, ..Self::default() }
    }

    /// Takes a look in.
    pub(super) fn take(
        &mut self,
        deployment: &Deployment,
        target: Option<&Target>,
        wait_until: WaitUntil,
        pace: &ShiftPace,
    ) -> Seen {
        let mut events = Vec::new();
        let status = deployment.status.as_str();
        if let Some(target) = target.filter(|_| status != "Succeeded") {
            self.progress(target, deployment, pace, &mut events);
        }
        let next = match status {
            "Succeeded" => Next::Done(""),
            "Failed" | "Stopped" => Next::Failed(fault(deployment, target, self.phase)),
            _ if wait_until == WaitUntil::TrafficShifted && shifted(deployment, target) => {
                Next::Done("; CodeDeploy still keeps the old tasks, and may go back to them")
            }
            _ => Next::Goes,
        };
        if next == Next::Goes {
            self.phase = phase(deployment, target).or(self.phase);
        }
        let phase = if next == Next::Goes { self.phase } else { None };
        Seen { phase, events, next }
    }

    fn progress(&mut self, target: &Target, deployment: &Deployment, pace: &ShiftPace, events: &mut Vec<DeployEvent>) {
        if self.blue.is_none() {
            let blue = |set: &&SetInfo| set.status == "PRIMARY";
            self.blue = target.sets.iter().find(blue).map(|set| set.identifier.clone());
        }
        let Some(green) = target.green(self.blue.as_deref()) else { return };
        self.shifting |= green.weight > 0.0;
        if green.weight >= 100.0 && !self.switched {
            self.switched = true;
            events.push(DeployEvent::Switched);
        }
        let current = target.events.iter().find(|event| event.status == "InProgress");
        let stage = current.map_or(deployment.status.as_str(), |event| event.name.as_str()).to_owned();
        // Weights are shares of a hundred; hundredths tell two apart.
        let hundredths = (green.weight * 100.0).round().clamp(0.0, 10_000.0) as u64;
        let seen = (hundredths, green.running, green.desired, stage.clone());
        if self.told.as_ref() == Some(&seen) {
            return;
        }
        self.told = Some(seen);
        events.push(DeployEvent::Progress {
            weight: Some(green.weight),
            desired: green.desired,
            running: green.running,
            failed: 0,
            left_s: match phase(deployment, Some(target)) {
                Some(Phase::Approval) => seconds(pace.ready_minutes),
                Some(Phase::Bake) => seconds(pace.termination_minutes),
                _ => left(green.weight, current, pace.shift.as_ref()),
            },
            stage,
        });
    }
}

fn seconds(minutes: u64) -> Option<u64> {
    (minutes > 0).then(|| minutes.saturating_mul(60))
}

/// What is left of the shift, where its steps are known.
fn left(weight: f64, current: Option<&LifecycleEvent>, shift: Option<&Shift>) -> Option<u64> {
    current.filter(|event| event.name == "AllowTraffic")?;
    match *shift? {
        Shift::AllAtOnce => None,
        Shift::Canary { minutes, .. } => (weight < 100.0).then_some(minutes * 60),
        Shift::Linear { percent, minutes } => {
            let rest = (100.0 - weight).max(0.0) / (percent.max(1) as f64);
            (rest > 0.0).then_some(rest.ceil() as u64 * minutes * 60)
        }
    }
}

/// Whether all traffic went over, and all hooks passed.
fn shifted(deployment: &Deployment, target: Option<&Target>) -> bool {
    deployment.terminating || target.is_some_and(|target| target.status == "Succeeded")
}

fn phase(deployment: &Deployment, target: Option<&Target>) -> Option<Phase> {
    if deployment.status == "Ready" {
        return Some(Phase::Approval);
    }
    if !deployment.is_active() {
        return None;
    }
    if shifted(deployment, target) {
        return Some(Phase::Bake);
    }
    let begun = |event: &&LifecycleEvent| matches!(event.status.as_str(), "InProgress" | "Succeeded");
    let last = target?.events.iter().rev().find(begun)?;
    Some(match last.name.as_str() {
        "AllowTestTraffic" | "AfterAllowTestTraffic" => Phase::Test,
        "BeforeAllowTraffic" | "AllowTraffic" | "AfterAllowTraffic" => Phase::Shift,
        _ => Phase::Provision,
    })
}

fn fault(deployment: &Deployment, target: Option<&Target>, phase: Option<Phase>) -> Fault {
    let failed = target.and_then(|target| target.events.iter().find(|event| event.status == "Failed"));
    let code = deployment.error_code.as_deref().unwrap_or_default();
    let hook = failed.filter(|event| event.name != "Install" && event.name != "AllowTraffic");
    let reason = match (code, failed) {
        ("ALARM_ACTIVE", _) => Reason::AlarmFired,
        (code, _) if code.starts_with("IAM_ROLE") => Reason::DeploymentFailed,
        _ if phase == Some(Phase::Approval) && code != "MANUAL_STOP" => Reason::NotApproved,
        ("MANUAL_STOP", _) => Reason::StoppedByHand,
        ("HOOK_EXECUTION_FAILURE", _) => Reason::HookFailed,
        (_, Some(_)) if hook.is_some() => Reason::HookFailed,
        (_, Some(event)) if event.name == "Install" => Reason::TasksFailed,
        _ => Reason::DeploymentFailed,
    };
    let at = failed.map(|event| format!(" at {}", event.name)).unwrap_or_default();
    let what = match reason {
        Reason::AlarmFired => format!("an alarm ended the deployment{at}"),
        Reason::NotApproved => "nobody let the traffic shift in time".to_owned(),
        Reason::StoppedByHand => format!("somebody stopped the deployment{at}"),
        Reason::HookFailed => match failed.and_then(|event| event.script.as_ref()) {
            Some(script) => format!("the hook `{script}` failed{at}"),
            None => format!("a hook failed{at}"),
        },
        Reason::TasksFailed => "the new tasks did not become healthy".to_owned(),
        _ => format!("CodeDeploy ended the deployment{at}"),
    };
    let said = failed
        .and_then(|event| event.message.as_ref())
        .filter(|_| hook.is_some())
        .or(deployment.error_message.as_ref());
    let why = match (said, code) {
        (Some(said), "") => format!("{what}: {said}"),
        (Some(said), code) => format!("{what} ({code}): {said}"),
        (None, "") => what,
        (None, code) => format!("{what} ({code})"),
    };
    Fault { reason, why, rollback: deployment.rollback_deployment.clone() }
}
