//! Runs that ended without a word: killed, and their post step with them. The next run tells GitHub how their deployments
//! ended, as the agent has it.
//!
//! Beside the run's own deployment, and never in its way.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::deploy::telling;
use super::place::{AgentPlace, Connected};
use super::task::{Task, run_of};
use super::telling::hidden;
use crate::clients::github::GitHub;
use crate::domain::Redact;
use crate::execute::{self, Cancel};
use crate::report::{Earlier, Ended, Ending, Late, Story};
use crate::trigger::GitHubContext;

/// How long the end of the run waits for this: who comes next looks again.
const GRACE: Duration = Duration::from_millis(500);

/// Does both, and ends with the work.
pub(super) async fn beside<T>(
    work: impl Future<Output = T>,
    earlier: impl Future<Output = Vec<String>>,
    cancel: &Cancel,
) -> (T, Vec<String>) {
    let (mut work, mut earlier) = (pin!(work), pin!(earlier));
    tokio::select! {
        done = &mut work => {
            let told = tokio::select! {
                told = timeout(GRACE, earlier) => told.unwrap_or_default(),
                () = cancel.first() => Vec::new(),
            };
            (done, told)
        }
        told = &mut earlier => (work.await, told),
    }
}

/// Closes what the runs before left open at GitHub. Gives a sentence for each.
pub(super) async fn close(task: &Task, agent: &Connected, github: Option<GitHub>, redact: &Redact) -> Vec<String> {
    // What AWS did for an earlier run is told by whoever looks at the service.
    let Some(place) = agent.agent() else { return Vec::new() };
    let mut late = Late::new(github, run_of(task));
    let mut told = Vec::new();
    for earlier in late.earlier(&task.story()).await {
        if let Some(story) = ended(task, agent, place, &earlier, redact).await {
            late.close_earlier(&earlier, &story).await;
            let Earlier { run_id, deployment, .. } = &earlier;
            let came = story.conclusion().sentence();
            told.push(format!("run {run_id} had not told how its deployment `{deployment}` ended: {came}"));
        }
    }
    told
}

/// The story of a deployment that ended; `None` where the agent does not confirm that.
async fn ended(
    task: &Task,
    agent: &Connected,
    place: &AgentPlace,
    earlier: &Earlier,
    redact: &Redact,
) -> Option<Story> {
    let known = place.client.deployment(&earlier.deployment).await.ok()?;
    let here = (&known.app, &known.service) == (&agent.app, &place.target.service);
    if !here || known.outcome.is_none() {
        return None;
    }
    let run = GitHubContext { run_id: earlier.run_id, run_attempt: earlier.attempt, ..task.context.clone() };
    let mut story = Story { commit: earlier.commit.clone(), run_url: run.run_url(), ..task.story() };
    let (mut events, mut reader) = execute::event_channel();
    let following = execute::follow(&place.client, &earlier.deployment, &mut events);
    let followed = telling(following, &mut reader, |stamped| story.apply(&hidden(stamped, redact))).await;
    let failure = followed.ok()??.to_failure();
    let changed = story.model.changed();
    story.ended = Some(Ended::of(&Ending { changed, nothing_to_do: false, failure: failure.as_ref() }));
    Some(story)
}
