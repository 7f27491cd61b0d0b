//! What runs in a service of Amazon ECS, for people.

use super::LINE;
use crate::domain::{AppName, EnvName, one_line, show_time};
use crate::plan::ecs::EcsStatus;

/// Renders a service's status.
#[must_use]
pub fn ecs_status(environment: &EnvName, app: &AppName, status: &EcsStatus) -> String {
    let EcsStatus { region, cluster, service, .. } = status;
    let mut out = format!("{environment}: {app}/{service} at cluster {cluster} in {region}\n");
    let mut line = |text: String| {
        out.push_str(&one_line(&text, LINE));
        out.push('\n');
    };
    match &status.revision {
        Some(revision) if status.sides.is_empty() => line(format!("  revision {}", revision.short())),
        Some(revision) => line(format!("  revision {} (asked for; whether it stays is not settled)", revision.short())),
        None => line("  revision none".to_owned()),
    }
    if let Some(image) = &status.image {
        line(format!("  image    {image}"));
    }
    match &status.release {
        Some(release) => {
            let by = release.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let commit = release.commit.as_ref().map(|commit| format!(", from commit {commit}")).unwrap_or_default();
            line(format!("  proven   {}{by}{commit}", show_time(release.verified_at)));
        }
        None if status.begun_here => {
            line("  unproven this program began its deployment, and did not see a good end of it".to_owned());
        }
        None if status.revision.is_some() => {
            line("  drift    this revision was not proven by this program for this environment: somebody else brought it there".to_owned());
        }
        None => {}
    }
    let starting = if status.pending == 0 { String::new() } else { format!(", {} starting", status.pending) };
    line(format!("  tasks    {} of {} running{starting}", status.running, status.desired));
    for side in &status.sides {
        let (revision, running, desired) = (&side.revision, side.running, side.desired);
        line(format!("  of which {running} of {desired} run {revision} | {} | {}", side.state, side.id));
    }
    if let Some(controller) = &status.controller {
        let strategy = status.strategy.as_ref().map(|strategy| format!(", {strategy}")).unwrap_or_default();
        line(format!("  replaced by {controller}{strategy}"));
    }
    match status.scaling_held {
        Some(true) => {
            line("  scaling  held by a run that is under way, or was killed: the next run sets it back".to_owned())
        }
        Some(false) => {}
        None => line("  scaling  whether a run holds it may not be looked at".to_owned()),
    }
    for deployment in &status.active {
        line(format!("  running  deployment `{deployment}`"));
    }
    for blocker in &status.blockers {
        line(format!("  blocker  {}: {}", blocker.code, blocker.message));
        line(format!("    hint: {}", blocker.hint));
    }
    out
}
