//! The steps at AWS: a revision is registered, and CodeDeploy or ECS replaces the service's tasks by it.
//!
//! What AWS began goes on without us: losing it, a deadline or a second Ctrl-C end the watching only. So the end is told
//! from our own deployment's id and from the revision that has the traffic, never from what else the service shows.

mod approve;
mod close;
mod code_deploy;
mod diagnose;
mod keys;
mod look;
mod one_off;
mod pace;
mod queue;
mod register;
mod rolling;
mod scaling;
mod service;
mod staged;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::aws_api::ecs::Service;
use crate::clients::aws::{Aws, AwsError};
use crate::domain::{Reason, TaskDefinitionArn, show_span};
use crate::event::{DeployEvent, Outcome};
use crate::failure::{Failure, Kind};
use crate::plan::Later;
use crate::plan::ecs::Rollout;

use super::{Context, Emitter, Finish};
use keys::{Keys, asked};
use pace::{Pace, rest};

/// Looks for the revision that serves.
const STALE: u32 = 4;
/// Longest wait for the tags of a revision: what they are about has ended well.
const MARKING: Duration = Duration::from_secs(10);

pub use approve::answer_at_aws;
pub use close::{began_at_aws, close_at_aws};
pub(super) use code_deploy::run as code_deploy;
pub(super) use one_off::run as one_off;
pub use one_off::stop_one_off;
pub(super) use register::run as register;
pub(super) use scaling::Scaling;
pub use scaling::release_scaling;
pub(super) use service::run as service;

/// The revision that a step is about.
fn known(
    revision: &Later<TaskDefinitionArn>,
    registered: Option<&TaskDefinitionArn>,
) -> Result<TaskDefinitionArn, Failure> {
    match (revision, registered) {
        (Later::Known(arn), _) => Ok(arn.clone()),
        (Later::Registered, Some(arn)) => Ok(arn.clone()),
        (Later::Registered, None) => Err(Failure::new(Reason::Bug, "no step before registered a revision")),
    }
}

/// The service, if the revision that has the traffic is still the one that was planned for.
async fn as_planned(rollout: &Rollout, aws: &Aws, events: &mut Emitter) -> Result<Service, Failure> {
    let found = asked(aws, events, async || aws.service(&rollout.cluster, &rollout.service).await).await;
    let found = found.map_err(|error| error.to_failure())?;
    let service = found.filter(Service::is_active).ok_or_else(|| {
        Failure::new(Reason::ChangedUnderneath, format!("the service `{}` is gone", rollout.service)).kind(Kind::Busy)
    })?;
    let serving = service.serving();
    if serving == rollout.expected {
        return Ok(service);
    }
    let name = |arn: &Option<TaskDefinitionArn>| arn.as_ref().map_or("none".to_owned(), |arn| arn.short().to_owned());
    Err(Failure::new(
        Reason::ChangedUnderneath,
        format!(
            "the service `{}` runs revision `{}`, and `{}` when this was planned; nothing was shifted",
            rollout.service,
            name(&serving),
            name(&rollout.expected)
        ),
    )
    .kind(Kind::Busy)
    .hint("somebody else deployed in between: look at it, then deploy again"))
}

/// Tells the end, and gives it.
fn finish(events: &mut Emitter, ended: Ended) -> Finish {
    let Ended { outcome, reason, message, hint, release, image } = ended;
    events.tell(DeployEvent::Finished {
        outcome,
        reason,
        message: message.clone(),
        hint: hint.clone(),
        release,
        image,
    });
    Finish { outcome, reason, message, hint }
}

/// How a deployment ended, and what serves after it.
struct Ended {
    outcome: Outcome,
    reason: Option<Reason>,
    message: String,
    hint: Option<String>,
    release: Option<u64>,
    image: Option<String>,
}

impl Ended {
    /// The new revision serves.
    fn deployed(rollout: &Rollout, arn: &TaskDefinitionArn, how: &str) -> Self {
        Self {
            outcome: Outcome::Deployed,
            reason: None,
            message: format!("revision `{}` of `{}` serves{how}", arn.short(), rollout.service),
            hint: None,
            release: Some(arn.revision()),
            image: rollout.image.as_ref().map(ToString::to_string),
        }
    }

    /// The revision from before serves.
    fn back(rollout: &Rollout, outcome: Outcome, reason: Reason, why: &str) -> Self {
        let before = rollout.before.as_ref();
        let serves = before.map_or("nothing serves".to_owned(), |arn| format!("revision `{}` serves", arn.short()));
        Self {
            outcome,
            reason: Some(reason),
            message: format!("{}; {serves}", why.trim_end_matches('.')),
            hint: None,
            release: before.map(TaskDefinitionArn::revision),
            image: rollout.image_before.clone(),
        }
    }

    /// Nobody went back, or not whole.
    /// `fact` is what is known of the revision that the service shows.
    fn stranded(serving: &TaskDefinitionArn, fact: &str, reason: Reason, why: &str) -> Self {
        let (why, serves) = (why.trim_end_matches('.'), serving.short());
        Self {
            outcome: Outcome::Stranded,
            reason: Some(reason),
            message: format!("{why}, and it was not undone; revision `{serves}` {fact}"),
            hint: None,
            release: Some(serving.revision()),
            image: None,
        }
    }

    /// There is no service any more, whatever became of the deployment.
    fn deleted(rollout: &Rollout, reason: Reason, why: &str) -> Self {
        let Rollout { cluster, service, before, .. } = rollout;
        let revision = before.as_ref().map(|arn| format!(" with the revision `{}`", arn.short())).unwrap_or_default();
        Self {
            outcome: Outcome::Stranded,
            reason: Some(reason),
            message: format!(
                "{}; the cluster `{cluster}` has no active service `{service}` any more, and what runs of it is stopped",
                why.trim_end_matches('.')
            ),
            hint: Some(format!(
                "once AWS shows it as INACTIVE or not at all, create it again{revision}; then deploy again"
            )),
            release: None,
            image: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Somebody else's revision serves.
fn superseded(rollout: &Rollout, serving: &TaskDefinitionArn) -> Ended {
    Ended {
        outcome: Outcome::Superseded,
        reason: Some(Reason::Superseded),
        message: format!(
            "somebody else's deployment followed: revision `{}` of `{}` serves",
            serving.short(),
            rollout.service
        ),
        hint: Some("`deploy-action status <environment>` shows what runs".to_owned()),
        release: Some(serving.revision()),
        image: None,
    }
}

/// What AWS shows of a service after a deployment.
enum Shown {
    /// The revision that has the traffic.
    Revision(TaskDefinitionArn),
    /// Somebody deleted it.
    Deleted,
    /// It could not be looked at.
    Nothing,
}

impl Shown {
    fn revision(&self) -> Option<&TaskDefinitionArn> {
        match self {
            Self::Revision(arn) => Some(arn),
            Self::Deleted | Self::Nothing => None,
        }
    }
}

/// The revision that has the traffic; looked at until it is the one that is hoped for, or a few times: looks may be stale.
async fn serving(
    rollout: &Rollout,
    aws: &Aws,
    cx: &mut Context<'_>,
    hoped: impl Fn(Option<&TaskDefinitionArn>) -> bool,
) -> Shown {
    let (mut pace, mut keys) = (Pace::new(rollout.poll), Keys::default());
    let mut last = Shown::Nothing;
    for _ in 0..STALE {
        let found = aws.service(&rollout.cluster, &rollout.service).await;
        match keys.heard(found, aws, &mut cx.events).await {
            Some(Some(service)) if !service.is_active() => return Shown::Deleted,
            Some(Some(service)) => {
                last = service.serving().map_or(Shown::Nothing, Shown::Revision);
                if hoped(last.revision()) {
                    break;
                }
            }
            Some(None) => last = Shown::Deleted,
            None => {}
        }
        rest(pace.pause(), cx.deadline, &cx.cancel, true).await;
    }
    last
}

/// What is told of a success that did not last.
fn took_over(who: &str, arn: &TaskDefinitionArn) -> String {
    format!("{who} says that revision `{}` took over", arn.short())
}

/// An end that nobody saw is told as none: neither as a success, nor as one that was undone or was not.
fn unseen(told: &str) -> Failure {
    let told = told.trim_end_matches('.');
    let message = format!("{told}, but the service could not be looked at: what serves is not known");
    Failure::new(Reason::Unknown, message)
        .kind(Kind::TimedOut)
        .hint("`deploy-action status <environment>` shows what serves; the log says why AWS did not answer")
}

/// The new revision serves: its tags tell so from now on, for whoever goes back. It serves without them as well. With
/// something left, which `rest` tells, AWS may still go back: then the next deployment marks it, once that is over.
async fn deployed(rollout: &Rollout, arn: &TaskDefinitionArn, aws: &Aws, cx: &mut Context<'_>, rest: &str) -> Ended {
    if rest.is_empty() {
        let tags = rollout.mark.tags(Timestamp::now(), &cx.requested_by);
        if let Some(why) = mark(arn, tags, aws, &mut cx.events).await {
            cx.events.note(format!("the revision is not marked as proven, so `rollback` will not find it: {why}"));
        }
    } else {
        cx.events
            .note("the revision is not marked as proven yet: the next deployment does it, where this one ends well");
    }
    Ended::deployed(rollout, arn, rest)
}

/// Says at the revision which run lets the service run it; why it could not. A signal is not kept waiting for that.
async fn claim(rollout: &Rollout, arn: &TaskDefinitionArn, aws: &Aws, cx: &mut Context<'_>) -> Option<String> {
    let tags = rollout.mark.begun(cx.idempotency_key.as_str());
    tokio::select! {
        why = mark(arn, tags, aws, &mut cx.events) => why,
        () = cx.cancel.first() => Some("the run was cancelled".to_owned()),
    }
}

/// Says at the revision from before, which came to a good end after its run had ended, that it was proven.
async fn vouch(rollout: &Rollout, aws: &Aws, cx: &mut Context<'_>) {
    let Some(before) = &rollout.before else { return };
    let tags = rollout.mark.vouched(Timestamp::now());
    let why = tokio::select! {
        why = mark(before, tags, aws, &mut cx.events) => why,
        () = cx.cancel.first() => return,
    };
    if let Some(why) = why {
        let revision = before.short();
        cx.events.note(format!("`{revision}` is not marked as proven, so `rollback` will not find it: {why}"));
    }
}

/// Tags a revision; why it could not.
async fn mark(arn: &TaskDefinitionArn, tags: Vec<(String, String)>, aws: &Aws, events: &mut Emitter) -> Option<String> {
    let marking = asked(aws, events, async || aws.tag(arn, tags.clone()).await);
    match timeout(MARKING, marking).await {
        Ok(answer) => answer.err().map(|error| error.to_string()),
        Err(_) => Some(format!("AWS did not answer within {}", show_span(MARKING))),
    }
}

/// A deployment that AWS goes on with while this run cannot watch it any more.
fn left_running(who: &str, id: &str, why: &AwsError) -> Failure {
    let failure = why.to_failure();
    Failure::new(failure.reason, format!("{}; deployment `{id}` was left running", failure.message))
        .kind(Kind::TimedOut)
        .hint(format!(
            "{who} finishes it or goes back by its own rules; `deploy-action status <environment>` shows what serves. {}",
            failure.hint.unwrap_or_default()
        ))
}
