//! The begin of a deployment by CodeDeploy, which takes one at a time in a group: what is under way is waited for, ended
//! where only its old tasks are left to go, or a reason to give up.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::keys::{Hope, Keys, RENEWED};
use super::pace::{Pace, rest};
use super::{Scaling, as_planned};
use crate::clients::aws::{Aws, AwsError, NewDeployment, Trouble};
use crate::domain::{Reason, TaskDefinitionArn, one_line, show_span};
use crate::event::{DeployEvent, Phase};
use crate::execute::Context;
use crate::failure::{Failure, Kind};
use crate::plan::ecs::{CodeDeployRollout, OnActive};
use crate::signing::body_hash;

/// Longest description in characters (CodeDeploy, limits).
const DESCRIPTION: usize = 256;
/// Looks for a deployment whose making was not answered: lists show it a moment later.
const LOOKS: u32 = 3;
/// Newest deployments among which it is looked for.
const RECENT: usize = 10;
/// Most calls of a look.
const CALLS: usize = 3;

/// A deployment that was begun.
pub(super) struct Begun {
    pub(super) id: String,
    /// True for one that an earlier run with the same key began.
    pub(super) replay: bool,
    /// True where somebody else's was waited for.
    pub(super) waited: bool,
}

pub(super) async fn begin(
    step: &CodeDeployRollout,
    arn: &TaskDefinitionArn,
    scaling: &mut Scaling,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Begun, Failure> {
    let app_spec = step.app_spec.text(arn);
    let sha256 = body_hash(app_spec.as_bytes());
    let description = description(cx.idempotency_key.as_str(), &cx.requested_by);
    let new = NewDeployment {
        application: &step.names.application,
        group: &step.names.group,
        app_spec: &app_spec,
        sha256: &sha256,
        config: step.names.config.as_deref(),
        description: &description,
    };
    let mut queue = Queue {
        step,
        aws,
        pace: Pace::new(step.rollout.poll),
        waiting: None,
        ended: None,
        sent: false,
        strangers: BTreeSet::new(),
        keys: Keys::default(),
    };
    loop {
        if cx.cancel.is_asked() {
            let begun_none = "cancelled before a deployment was begun; nothing was shifted";
            return Err(match queue.sent {
                true => unsure(Kind::Cancelled),
                false => Failure::new(Reason::Cancelled, begun_none),
            });
        }
        let Looked { active, ours, left } = match queue.look(&marker(cx.idempotency_key.as_str())).await {
            Ok(looked) => {
                queue.keys.work();
                looked
            }
            Err(error) => {
                queue.endure(&error, cx).await?;
                queue.wait(None, cx).await?;
                continue;
            }
        };
        if let Ours::Found(id) = ours {
            queue.over(cx);
            return Ok(Begun { id, replay: !queue.sent, waited: queue.waiting.is_some() });
        }
        match active.first() {
            Some(id) => queue.meet(id, left, cx).await?,
            None if ours == Ours::Unsure => {}
            None => {
                if queue.waiting.is_some() {
                    // The other one may have changed what this plan rests on.
                    as_planned(&step.rollout, aws, &mut cx.events).await?;
                }
                scaling.hold(aws, cx).await?;
                if let Some(id) = queue.create(&new, cx).await? {
                    queue.over(cx);
                    return Ok(Begun { id, replay: false, waited: queue.waiting.is_some() });
                }
            }
        }
        queue.wait(active.first().map(String::as_str), cx).await?;
    }
}

/// Whether one of some deployments is ours.
#[derive(Debug, PartialEq)]
enum Ours {
    Found(String),
    Nothing,
    /// Not all of them were looked at yet.
    Unsure,
}

/// What is under way, whether ours is there, and how many calls are left for this look.
struct Looked {
    active: Vec<String>,
    ours: Ours,
    left: usize,
}

struct Queue<'a> {
    step: &'a CodeDeployRollout,
    aws: &'a Aws,
    pace: Pace,
    /// Since when somebody else's deployment is waited for.
    waiting: Option<Instant>,
    /// The deployment whose wait for its old tasks' removal was ended.
    ended: Option<String>,
    /// Whether a deployment may have been made without an answer.
    sent: bool,
    /// Deployments that are not ours: what describes one never changes.
    strangers: BTreeSet<String>,
    keys: Keys,
}

impl Queue<'_> {
    async fn look(&mut self, marker: &str) -> Result<Looked, AwsError> {
        let names = &self.step.names;
        let active = self.aws.active_deployments(&names.application, &names.group).await?;
        let (candidates, mut left) =
            if self.sent { (self.recent().await?, CALLS - 2) } else { (active.clone(), CALLS - 1) };
        let ours = self.ours(&candidates, marker, &mut left).await?;
        Ok(Looked { active, ours, left })
    }

    /// Trouble that passes does not end a wait, and credentials that ran out in it are searched for anew, once for each time
    /// they do. Before anything was waited for, other trouble ends the run.
    async fn endure(&mut self, error: &AwsError, cx: &mut Context<'_>) -> Result<(), Failure> {
        if self.waiting.is_none() && error.trouble != Trouble::Expired {
            return Err(self.trouble(error));
        }
        match self.keys.trouble(error, self.aws).await.map_err(|failure| self.trouble(error).because(failure))? {
            Hope::Renewed => cx.events.note(RENEWED),
            Hope::Nothing if !error.passes() => return Err(self.trouble(error)),
            Hope::Nothing | Hope::Late => {}
        }
        Ok(())
    }

    /// The newest ones: ours may be over already.
    async fn recent(&self) -> Result<Vec<String>, AwsError> {
        let names = &self.step.names;
        let ids = self.aws.recent_deployments(&names.application, &names.group).await?;
        Ok(ids.into_iter().take(RECENT).collect())
    }

    /// Once a deployment may have been made, no trouble means that nothing happened.
    fn trouble(&self, error: &AwsError) -> Failure {
        if self.sent { unsure(Kind::TimedOut).because(error.clone()) } else { error.to_failure() }
    }

    /// The one that carries our key: an earlier run with it began it, or our own call without an answer. With so many
    /// calls as are `left`.
    async fn ours(&mut self, candidates: &[String], marker: &str, left: &mut usize) -> Result<Ours, AwsError> {
        for id in candidates {
            // What is under way is asked for in each look; of all that was made lately each is asked for once.
            if self.sent && self.strangers.contains(id) {
                continue;
            }
            if *left == 0 {
                return Ok(Ours::Unsure);
            }
            *left -= 1;
            let deployment = self.aws.deployment(id).await?;
            if deployment.description.is_some_and(|description| description.starts_with(marker)) {
                return Ok(Ours::Found(id.clone()));
            }
            self.strangers.insert(id.clone());
        }
        Ok(Ours::Nothing)
    }

    /// Another deployment is under way. Without a call `left` what is to be done about it is left to the next look.
    async fn meet(&mut self, id: &str, left: usize, cx: &mut Context<'_>) -> Result<(), Failure> {
        if self.step.on_active == OnActive::Fail {
            return Err(Failure::new(Reason::Busy, format!("the deployment `{id}` is under way; nothing was shifted"))
                .hint("wait for its end, or set `on_active: wait` or `on_active: supersede` in deploy.yml"));
        }
        if self.waiting.is_none() {
            self.waiting = Some(Instant::now());
            cx.events.tell(DeployEvent::PhaseStarted { phase: Phase::Queue });
            cx.events.note(format!("waiting for the end of deployment `{id}`"));
        }
        if self.step.on_active == OnActive::Supersede && left > 0 {
            let other = match self.aws.deployment(id).await {
                Ok(other) => other,
                Err(error) => return self.endure(&error, cx).await,
            };
            if other.terminating && self.ended.as_deref() != Some(id) {
                self.ended = Some(id.to_owned());
                let ended = self.aws.end_termination_wait(id).await;
                // Its old tasks go already.
                let over = |error: &AwsError| {
                    ["DeploymentAlreadyCompletedException", "InvalidDeploymentStatusException"]
                        .iter()
                        .any(|it| error.is(it))
                };
                match ended {
                    Ok(()) => cx.events.note(format!("deployment `{id}` only kept its old tasks; they go now")),
                    Err(error) if over(&error) => {}
                    Err(error) => {
                        self.ended = None;
                        return self.endure(&error, cx).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes the deployment; `None` where it has to be looked for, or tried again.
    async fn create(&mut self, new: &NewDeployment<'_>, cx: &mut Context<'_>) -> Result<Option<String>, Failure> {
        match self.aws.create_deployment(new).await {
            Ok(id) => Ok(Some(id)),
            // Somebody else was faster.
            Err(error) if error.is("DeploymentLimitExceededException") => Ok(None),
            Err(error) if error.trouble == Trouble::Throttled => Ok(None),
            Err(error) if error.trouble == Trouble::Expired => self.endure(&error, cx).await.map(|()| None),
            Err(error) if error.may_have_worked() => {
                cx.events.note(format!("{error}; looking whether the deployment was made"));
                self.sent = true;
                self.look_for(new, cx).await
            }
            Err(error) => Err(refused(&error)),
        }
    }

    async fn look_for(&mut self, new: &NewDeployment<'_>, cx: &Context<'_>) -> Result<Option<String>, Failure> {
        for _ in 0..LOOKS {
            let mut left = CALLS - 1;
            let found = async {
                let recent = self.recent().await?;
                self.ours(&recent, marker_of(new.description), &mut left).await
            };
            let found = found.await;
            if let Ours::Found(id) = found.map_err(|error| self.trouble(&error))? {
                return Ok(Some(id));
            }
            rest(self.pace.pause(), cx.deadline, &cx.cancel, false).await;
        }
        Ok(None)
    }

    async fn wait(&mut self, other: Option<&str>, cx: &Context<'_>) -> Result<(), Failure> {
        let now = Instant::now();
        let patience = self.waiting.unwrap_or(now) + self.step.active_timeout;
        if now >= patience.min(cx.deadline) {
            if self.sent {
                return Err(unsure(Kind::TimedOut));
            }
            let other = other.map_or("CodeDeploy".to_owned(), |id| format!("the deployment `{id}`"));
            let waited = show_span(self.waiting.map_or_else(Default::default, |since| now - since));
            let message = format!("{other} was waited for for {waited}; nothing was shifted");
            return Err(Failure::new(Reason::Busy, message).kind(Kind::Busy).hint(
                "deploy again after its end; `on_active: supersede` ends one that only keeps its old tasks, and `active_timeout` is how long is waited",
            ));
        }
        rest(self.pace.pause(), cx.deadline.min(patience), &cx.cancel, false).await;
        Ok(())
    }

    fn over(&self, cx: &mut Context<'_>) {
        if let Some(since) = self.waiting {
            let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            cx.events.tell(DeployEvent::PhaseFinished { phase: Phase::Queue, took_ms });
        }
    }
}

/// What our deployments' descriptions begin with: nothing else tells after a lost answer whose they are.
pub(super) fn marker(key: &str) -> String {
    format!("deploy-action {key} ")
}

fn description(key: &str, requested_by: &str) -> String {
    let text = format!("{}for {requested_by}", marker(key));
    one_line(&text, DESCRIPTION)
}

/// The begin of a description, which is its marker: neither word nor key holds a space.
fn marker_of(description: &str) -> &str {
    let spaces: Vec<usize> = description.match_indices(' ').map(|(at, _)| at).take(2).collect();
    spaces.get(1).map_or(description, |at| &description[..=*at])
}

/// A deployment may have been made, and nobody knows.
fn unsure(kind: Kind) -> Failure {
    Failure::new(Reason::Unknown, "the making of a deployment was not answered, and whether one runs is not known")
        .kind(kind)
        .hint("`deploy-action status <environment>` shows whether one runs; the same `--idempotency-key` joins it")
}

fn refused(error: &AwsError) -> Failure {
    let mut failure = error.to_failure();
    if error.trouble == Trouble::Refused {
        let code = error.code.as_deref().unwrap_or("no code");
        failure.message = format!("CodeDeploy did not take the deployment ({code}): {}", error.message);
        failure = failure.hint("nothing was shifted; mend what it names in the deployment group or the service");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_found_again_and_the_description_fits() {
        let key = "k".repeat(200);
        let text = description(&key, &"somebody ".repeat(50));
        assert!(text.chars().count() <= DESCRIPTION, "{}", text.chars().count());
        assert_eq!(marker_of(&text), marker(&key));
    }
}
