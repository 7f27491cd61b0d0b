//! What runs, for people.

use super::LINE;
use crate::agent_api::{Gate, Routing, ServiceStatus};
use crate::domain::{EnvName, one_line, show_time};

/// Renders a service's status.
#[must_use]
pub fn status(environment: &EnvName, status: &ServiceStatus) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&one_line(&text, LINE));
        out.push('\n');
    };
    line(format!(
        "{environment}: {}/{} on agent `{}` (version {})",
        status.app, status.service, status.agent_id, status.agent_version
    ));
    match &status.release {
        Some(release) => {
            let image =
                release.image.as_ref().map_or_else(|| format!("image {}", release.image_id), ToString::to_string);
            let rollback = if release.rollback { " by a rollback" } else { "" };
            line(format!("  release  {} since {}{rollback}", release.number, show_time(release.proven_at)));
            line(format!("  image    {image}"));
        }
        None => line("  release  none: nothing was deployed by the agent yet".to_owned()),
    }
    if let Some(previous) = &status.previous {
        let image = previous.image.as_ref().map_or(previous.image_id.as_str(), |image| image.digest().short());
        line(format!("  rollback would go to release {} ({image})", previous.number));
    }
    let running = status.replicas.iter().filter(|replica| replica.state == "running").fold(0_u64, |sum, _| sum + 1);
    line(format!("  replicas {running} of {} running", status.wanted_replicas));
    for replica in &status.replicas {
        let health = replica.health.as_deref().map(|health| format!(", {health}")).unwrap_or_default();
        let since = replica.started_at.as_deref().map(|at| format!(" since {at}")).unwrap_or_default();
        let image = replica.image.as_ref().map_or(replica.image_id.as_str(), |image| image.digest().short());
        line(format!("    `{}` ({}) {}{health}{since}, {image}", replica.name, replica.id, replica.state));
    }
    line(format!(
        "  gate     {}",
        match &status.gate {
            Gate::Probe(probe) => format!("probe {probe}"),
            Gate::DockerHealth => "Docker's health check".to_owned(),
            Gate::None => "none".to_owned(),
        }
    ));
    line(format!(
        "  routing  {}",
        match status.routing {
            Routing::None => "none: a worker",
            Routing::Labels => "the labels of the containers; the first deployment takes it over",
            Routing::Agent => "the agent",
        }
    ));
    for route in &status.routes {
        line(format!(
            "    `{}` {} on {}, priority {}",
            route.router,
            route.rule,
            route.entry_points.join(", "),
            route.priority
        ));
    }
    for drift in &status.drift {
        line(format!("  drift    {}: {}", drift.code, drift.message));
    }
    for blocker in &status.blockers {
        line(format!("  blocker  {}: {}", blocker.code, blocker.message));
        line(format!("    hint: {}", blocker.hint));
    }
    for name in &status.retiring {
        line(format!("  leaving  `{name}`: use no compose command until it is gone"));
    }
    if let Some(holder) = &status.holder {
        line(format!("  running  {}; use no compose command until it ended", holder.told()));
    }
    out
}
