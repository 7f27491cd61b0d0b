//! Automatic scaling that stands still while tasks are replaced: a change of their number in the middle of a shift can end
//! a deployment. What stood still before is noted at AWS itself, with the run that holds it, so that whoever comes after a
//! run that was killed sets it back.

use std::time::Duration;

use tokio::time::timeout;

use super::keys::asked;
use crate::clients::aws::{Aws, AwsError, Hold, Suspended, Trouble};
use crate::domain::{EcsName, show_span};
use crate::execute::{Context, Emitter};
use crate::failure::Failure;
use crate::plan::ecs::Rollout;

/// Longest time for setting it back.
const RELEASE: Duration = Duration::from_secs(20);
/// The same once somebody asked for the end of the run, and waits for it.
const RELEASE_CANCELLED: Duration = Duration::from_secs(4);

/// The scaling of one service during one run.
#[derive(Debug)]
pub(in crate::execute) struct Scaling {
    cluster: EcsName,
    service: EcsName,
    /// Whether it is to be held.
    asked: bool,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    arn: String,
    hold: Hold,
}

impl Scaling {
    pub(in crate::execute) fn of(rollout: &Rollout) -> Self {
        let (cluster, service) = (rollout.cluster.clone(), rollout.service.clone());
        Self { cluster, service, asked: rollout.hold_scaling, held: None }
    }

    /// What a run that is gone left held: one whose key begins so.
    async fn left(cluster: &EcsName, service: &EcsName, key_begins: &str, aws: &Aws) -> Result<Self, AwsError> {
        let mut held = None;
        if let Some(target) = aws.scalable_target(cluster, service).await? {
            let hold = aws.scaling_hold(&target.arn).await?.filter(|hold| hold.key.starts_with(key_begins));
            held = hold.map(|hold| Held { arn: target.arn, hold });
        }
        Ok(Self { cluster: cluster.clone(), service: service.clone(), asked: true, held })
    }

    /// Holds it, where it is asked for and not held yet.
    pub(super) async fn hold(&mut self, aws: &Aws, cx: &mut Context<'_>) -> Result<(), Failure> {
        if !self.asked || self.held.is_some() {
            return Ok(());
        }
        let refused = |error: AwsError| error.to_failure();
        let target = async || aws.scalable_target(&self.cluster, &self.service).await;
        let Some(target) = asked(aws, &mut cx.events, target).await.map_err(refused)? else {
            cx.events.note("the service has no automatic scaling to hold");
            self.asked = false;
            return Ok(());
        };
        // A run that was killed, or one whose deployment this one follows, left everything standing still.
        let noted = async || aws.scaling_hold(&target.arn).await;
        let noted = asked(aws, &mut cx.events, noted).await.map_err(refused)?;
        // A note alone holds nothing.
        let noted = noted.filter(|_| target.suspended.is_anything());
        let before = noted.as_ref().map_or(target.suspended, |hold| hold.before);
        let hold = Hold { before, key: cx.idempotency_key.to_string() };
        let note = async || aws.note_scaling(&target.arn, Some(&hold)).await;
        asked(aws, &mut cx.events, note).await.map_err(refused)?;
        self.held = Some(Held { arn: target.arn, hold });
        let suspend = async || aws.suspend_scaling(&self.cluster, &self.service, Suspended::ALL).await;
        if let Err(error) = asked(aws, &mut cx.events, suspend).await {
            if error.trouble == Trouble::Denied {
                self.forget(noted.as_ref(), aws, cx).await;
            }
            return Err(error.to_failure());
        }
        cx.events.note("automatic scaling stands still until the run ends");
        Ok(())
    }

    /// Nothing was changed, so the note of it is again what it was.
    async fn forget(&mut self, noted: Option<&Hold>, aws: &Aws, cx: &mut Context<'_>) {
        let Some(Held { arn, .. }) = self.held.take() else { return };
        let note = async || aws.note_scaling(&arn, noted).await;
        if let Err(error) = asked(aws, &mut cx.events, note).await {
            cx.events.note(format!("the note at AWS of automatic scaling that would be held stays: {error}"));
        }
    }

    /// Once the deployment is under way: a run that had nothing to do may have taken this hold for one that was left.
    pub(super) async fn insist(&self, aws: &Aws, cx: &mut Context<'_>) {
        let Some(Held { arn, hold }) = &self.held else { return };
        let again = asked(aws, &mut cx.events, async || {
            if aws.scaling_hold(arn).await?.is_some() {
                return Ok(());
            }
            aws.note_scaling(arn, Some(hold)).await?;
            aws.suspend_scaling(&self.cluster, &self.service, Suspended::ALL).await
        });
        let again = timeout(RELEASE_CANCELLED, again).await;
        if let Ok(Err(error)) = again {
            cx.events.note(format!("whether automatic scaling still stands still is not known: {error}"));
        }
    }

    /// Sets it back at the end of the run, however that came.
    pub(in crate::execute) async fn release(self, aws: &Aws, cx: &mut Context<'_>) {
        let limit = if cx.cancel.is_asked() { RELEASE_CANCELLED } else { RELEASE };
        self.release_within(limit, aws, &mut cx.events).await;
    }

    /// Sets it back, unless another run holds it by now: that one sets it back.
    async fn release_within(self, limit: Duration, aws: &Aws, events: &mut Emitter) {
        let Self { cluster, service, held: Some(Held { arn, hold }), .. } = self else { return };
        let mut set_back = false;
        // From the start again where the keys ran out: another run may have come in meanwhile.
        let releasing = asked(aws, events, async || {
            if aws.scaling_hold(&arn).await?.is_some_and(|noted| noted.key != hold.key) {
                return Ok(Released::Taken);
            }
            aws.suspend_scaling(&cluster, &service, hold.before).await?;
            set_back = true;
            aws.note_scaling(&arn, None).await.map(|()| Released::Wholly)
        });
        let released = timeout(limit, releasing).await;
        let trouble = match released {
            Ok(Ok(Released::Wholly)) => return events.note("automatic scaling goes on"),
            Ok(Ok(Released::Taken)) => return events.note("another run holds automatic scaling now, and sets it back"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("AWS did not answer within {}", show_span(limit)),
        };
        if set_back {
            return events.note(format!("automatic scaling goes on; the note of it at AWS stays: {trouble}"));
        }
        events.note(format!("automatic scaling was not set back, which the post step or the next run does: {trouble}"));
        events.note(format!(
            "or: `aws application-autoscaling register-scalable-target --service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id service/{cluster}/{service} --suspended-state '{}'`",
            hold.before.document()
        ));
    }
}

/// What became of a hold.
enum Released {
    /// It is undone.
    Wholly,
    /// Another run holds it by now.
    Taken,
}

/// Sets back what a run that is gone left held, if its key begins so.
///
/// # Errors
/// AWS does not tell whether there is something.
pub async fn release_scaling(
    (cluster, service): (&EcsName, &EcsName),
    key_begins: &str,
    aws: &Aws,
    events: &mut Emitter,
) -> Result<(), Failure> {
    let left = Scaling::left(cluster, service, key_begins, aws).await.map_err(|error| error.to_failure())?;
    left.release_within(RELEASE, aws, events).await;
    Ok(())
}
