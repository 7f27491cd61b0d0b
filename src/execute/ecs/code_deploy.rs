//! The step "CodeDeploy replaces the tasks": begun once, followed to its end, and judged by the revision that serves.

use super::keys::{Keys, asked};
use super::look::{Looks, Seen};
use super::pace::{Pace, rest};
use super::queue::{Begun, begin};
use super::watch::{Deployment, Fault, Followed, Next, Phases, follow};
use super::{
    Ended, Scaling, Shown, as_planned, claim, deployed, diagnose, finish, known, serving, superseded, took_over,
    unseen, vouch,
};
use crate::aws_api::ecs::Service;
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{DeploymentId, Reason, TaskDefinitionArn};
use crate::event::{DeployEvent, Outcome, Phase};
use crate::execute::{Context, Emitter, Finish};
use crate::failure::{Failure, Kind};
use crate::plan::ecs::{CodeDeployRollout, Rollout, ShiftPace, WaitUntil};

/// Looks for a deployment that goes back: it may be named a moment later.
const LATE: u32 = 4;
/// Looks that may find nothing of a deployment that was made a moment ago.
const YOUNG: u32 = 10;

pub(in crate::execute) async fn run(
    step: &CodeDeployRollout,
    registered: Option<&TaskDefinitionArn>,
    scaling: &mut Scaling,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Finish, Failure> {
    let arn = known(&step.rollout.task_definition, registered)?;
    let service = as_planned(&step.rollout, aws, &mut cx.events).await?;
    let mut known = diagnose::Known::of(&service);
    let Begun { id, replay, waited } = begin(step, &arn, scaling, aws, cx).await?;
    // First of all: whoever closes a run that dies goes by it.
    let image = step.rollout.image.as_ref().map_or_else(|| arn.short().to_owned(), ToString::to_string);
    let deployment: DeploymentId = id
        .parse()
        .map_err(|error| Failure::new(Reason::Bug, format!("CodeDeploy's id `{id}` is not taken")).because(error))?;
    cx.events.tell(DeployEvent::Accepted { deployment, image, fence: None });
    if waited && let Ok(Some(service)) = aws.service(&step.rollout.cluster, &step.rollout.service).await {
        // What happened to the other one is not told as ours.
        known = diagnose::Known::of(&service);
    }
    scaling.insist(aws, cx).await;
    if replay {
        // The deployment is under way, with or without.
        if let Err(failure) = scaling.hold(aws, cx).await {
            cx.events.note(format!("automatic scaling goes on meanwhile: {failure}"));
        }
        cx.events.note(format!("this idempotency key is known: following deployment `{id}`, nothing is started anew"));
    }
    // What an earlier run with this key began is another registration of the same.
    let arn = match replay {
        true => {
            let look = async || aws.deployed_revision(&aws.deployment(&id).await?).await;
            asked(aws, &mut cx.events, look).await.ok().flatten().unwrap_or(arn)
        }
        false => arn,
    };
    if step.rollout.vouch && made_well(&service, aws).await {
        vouch(&step.rollout, aws, cx).await;
    }
    if let Some(why) = claim(&step.rollout, &arn, aws, cx).await {
        cx.events.note(format!("until it is proven, `status` takes the revision for somebody else's: {why}"));
    }
    let mut watched = Watched::of(aws, &step.rollout, &id);
    watched.wait_until = step.wait_until;
    watched.pace = step.pace.clone();
    let followed = follow(&mut watched, &step.rollout, aws, cx).await;
    let followed = diagnose::if_late(followed, (&step.rollout, &arn, &known), aws, cx).await?;
    end(&watched, &arn, cx, followed, &known).await
}

/// Whether the deployment succeeded that made the tasks which had the traffic.
async fn made_well(service: &Service, aws: &Aws) -> bool {
    match service.primary().and_then(|set| set.external_id.as_ref()) {
        Some(made_by) => aws.deployment(made_by).await.is_ok_and(|made| made.status == "Succeeded"),
        None => false,
    }
}

/// Tells how a deployment that was followed ended.
pub(super) async fn end(
    watched: &Watched<'_>,
    arn: &TaskDefinitionArn,
    cx: &mut Context<'_>,
    followed: Followed,
    known: &diagnose::Known,
) -> Result<Finish, Failure> {
    let cancelled = followed.stopped.then(|| followed.stopped_when());
    match followed.next {
        Next::Done(rest) => done(watched.rollout, arn, watched.aws, cx, rest).await,
        Next::Failed(fault) => failed(watched, arn, cx, fault, known, cancelled).await,
        Next::Goes => Err(Failure::new(Reason::Bug, "a deployment that goes on was taken for its end")),
    }
}

/// A deployment of CodeDeploy, as it is followed.
pub(super) struct Watched<'a> {
    aws: &'a Aws,
    rollout: &'a Rollout,
    wait_until: WaitUntil,
    pace: ShiftPace,
    id: String,
    looks: Looks,
    phases: Phases,
    /// Looks that found no such deployment.
    missing: u32,
    /// True once it was said that its target may not be looked at.
    blind: bool,
    /// Whether it undoes another one: then its phases are not told.
    back: bool,
}

impl<'a> Watched<'a> {
    pub(super) fn of(aws: &'a Aws, rollout: &'a Rollout, id: &str) -> Self {
        Self {
            aws,
            rollout,
            wait_until: WaitUntil::Finished,
            pace: ShiftPace::default(),
            id: id.to_owned(),
            looks: Looks::default(),
            phases: Phases::new(),
            missing: 0,
            blind: false,
            back: false,
        }
    }

    /// Of the deployment that undoes this one. Nothing stops it, and what may not be looked at was said.
    fn back(&self, id: &str) -> Self {
        let Self { aws, rollout, blind, .. } = *self;
        Self { looks: Looks::from_the_shift_on(), back: true, blind, ..Self::of(aws, rollout, id) }
    }
}

impl Deployment for Watched<'_> {
    const WHO: &'static str = "CodeDeploy";

    fn name(&self) -> &str {
        &self.id
    }

    async fn look(&mut self, events: &mut Emitter) -> Result<Next, AwsError> {
        let deployment = match self.aws.deployment(&self.id).await {
            Err(error) if error.is("DeploymentDoesNotExistException") && self.missing < YOUNG => {
                self.missing += 1;
                return Ok(Next::Goes);
            }
            answer => answer?,
        };
        let target = format!("{}:{}", self.rollout.cluster, self.rollout.service);
        let target = match self.aws.deployment_target(&self.id, &target).await {
            Err(error) if error.trouble == Trouble::Denied => {
                if !self.blind {
                    self.blind = true;
                    events.note(format!("traffic weights and lifecycle events are not shown: {error}"));
                }
                None
            }
            answer => answer?,
        };
        let seen = self.looks.take(&deployment, target.as_ref(), self.wait_until, &self.pace);
        let Seen { phase, events: told, next } = seen;
        if !self.back {
            // The traffic went over in the phase before.
            let (before, after): (Vec<_>, Vec<_>) = told.into_iter().partition(|it| *it == DeployEvent::Switched);
            before.into_iter().for_each(|event| events.tell(event));
            self.phases.to(phase, events);
            after.into_iter().for_each(|event| events.tell(event));
        }
        Ok(next)
    }

    async fn stop(&mut self) -> Result<bool, AwsError> {
        match self.aws.stop_deployment(&self.id, true).await {
            Err(error) if error.is("DeploymentAlreadyCompletedException") => Ok(false),
            answer => answer.map(|()| true),
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.phases.current()
    }

    fn shifting(&self) -> bool {
        // Who cannot see must not stop what may have begun.
        self.looks.shifting || self.blind
    }

    fn goes_back(&self) -> bool {
        self.back
    }

    fn serves(&self) -> &'static str {
        if self.back {
            "the traffic goes back to the old version"
        } else if self.looks.switched {
            "all traffic goes to the new version, and the old tasks are still kept"
        } else if self.looks.shifting {
            "part of the traffic goes to the new version"
        } else {
            "the old version has the traffic"
        }
    }
}

/// CodeDeploy says that it succeeded: the revision that has the traffic tells whether it did.
async fn done(
    rollout: &Rollout,
    arn: &TaskDefinitionArn,
    aws: &Aws,
    cx: &mut Context<'_>,
    rest: &str,
) -> Result<Finish, Failure> {
    let ended = match serving(rollout, aws, cx, |serving| serving == Some(arn)).await {
        Shown::Revision(serving) if serving != *arn => superseded(rollout, &serving),
        Shown::Revision(_) => deployed(rollout, arn, aws, cx, rest).await,
        Shown::Deleted => Ended::deleted(rollout, Reason::ChangedUnderneath, &took_over("CodeDeploy", arn)),
        Shown::Nothing => return Err(unseen(&took_over("CodeDeploy", arn))),
    };
    Ok(finish(&mut cx.events, ended))
}

async fn failed(
    watched: &Watched<'_>,
    arn: &TaskDefinitionArn,
    cx: &mut Context<'_>,
    fault: Fault,
    known: &diagnose::Known,
    cancelled: Option<&str>,
) -> Result<Finish, Failure> {
    let Watched { aws, rollout, .. } = *watched;
    if cancelled.is_none() {
        diagnose::tell(rollout, arn, aws, known, &mut cx.events).await;
    }
    let shifted = watched.shifting();
    let rollback = match fault.rollback.clone() {
        None if shifted => rollback_of(watched, cx).await,
        found => found,
    };
    let undone = match &rollback {
        Some(id) => go_back(watched, cx, id).await?,
        None => !shifted,
    };
    let before = rollout.before.as_ref();
    let serving = serving(rollout, aws, cx, |serving| serving == before).await;
    let ended = match &serving {
        Shown::Deleted => Ended::deleted(rollout, fault.reason, &fault.why),
        Shown::Revision(shown) if Some(shown) == before && undone => match cancelled {
            Some(when) => Ended::back(rollout, Outcome::Cancelled, Reason::Cancelled, when),
            None => Ended::back(rollout, Outcome::RolledBack, fault.reason, &fault.why)
                .hint(diagnose::advice(fault.reason, &fault.why)),
        },
        Shown::Revision(other) if Some(other) != before && other != arn => superseded(rollout, other),
        Shown::Revision(serving) => {
            // CodeDeploy makes the new set the primary one at its end only.
            let parted = Some(serving) == before && watched.looks.shifting;
            let fact = match parted {
                true => format!("is still the primary one, while {}", watched.serves()),
                false => "has the traffic".to_owned(),
            };
            let stranded = Ended::stranded(serving, &fact, fault.reason, &fault.why).hint(
                "look at the deployment group in the console, and send the traffic back to the old task set; then deploy again",
            );
            Ended { release: stranded.release.filter(|_| !parted), ..stranded }
        }
        Shown::Nothing if cancelled.is_some() => return Err(unseen(&fault.why).kind(Kind::Cancelled)),
        Shown::Nothing => return Err(unseen(&fault.why)),
    };
    Ok(finish(&mut cx.events, ended))
}

/// Follows the deployment that goes back; true where it did.
async fn go_back(watched: &Watched<'_>, cx: &mut Context<'_>, id: &str) -> Result<bool, Failure> {
    let mut phases = Phases::new();
    phases.to(Some(Phase::Back), &mut cx.events);
    cx.events.note(format!("deployment `{id}` goes back"));
    let mut back = watched.back(id);
    match follow(&mut back, watched.rollout, watched.aws, cx).await?.next {
        Next::Failed(fault) => {
            cx.events.tell(DeployEvent::Finding { text: format!("going back failed: {}", fault.why) });
            Ok(false)
        }
        Next::Done(_) | Next::Goes => {
            phases.to(None, &mut cx.events);
            Ok(true)
        }
    }
}

/// The deployment that goes back, which may be named a moment later.
async fn rollback_of(watched: &Watched<'_>, cx: &mut Context<'_>) -> Option<String> {
    let (mut pace, mut keys) = (Pace::new(watched.rollout.poll), Keys::default());
    for _ in 0..LATE {
        let found = watched.aws.deployment(&watched.id).await;
        if let Some(deployment) = keys.heard(found, watched.aws, &mut cx.events).await
            && deployment.rollback_deployment.is_some()
        {
            return deployment.rollback_deployment;
        }
        rest(pace.pause(), cx.deadline, &cx.cancel, true).await;
    }
    None
}
