//! The plan for machines: `schema` 1, sorted keys, no clock.

use serde_json::{Value, json};

use crate::agent_api::Gate;
use crate::domain::plain_json;
use crate::plan::{Place, Planned, Step, Version};

/// Renders a plan as one JSON document with a line break at its end.
#[must_use]
pub fn json(planned: &Planned) -> String {
    let report = &planned.report;
    let actions: Vec<Value> = report
        .actions
        .iter()
        .map(|action| json!({"mark": action.mark.sign(), "phase": action.phase.as_str(), "text": action.text}))
        .collect();
    let blockers: Vec<Value> = report
        .blockers
        .iter()
        .map(|blocker| json!({"code": blocker.code, "message": blocker.message, "hint": blocker.hint}))
        .collect();
    let lints: Vec<Value> =
        planned.lints.iter().map(|lint| json!({"code": lint.code, "message": lint.message})).collect();
    let revision = planned.plan.steps.iter().find_map(Step::expects);
    let target = match &report.place {
        Place::Agent(url) => json!({"kind": "vps", "agent": url.as_str()}),
        Place::Ecs { region, cluster } => {
            json!({"kind": "ecs", "region": region.as_str(), "cluster": cluster.as_str()})
        }
    };
    let gate = match &report.gate {
        Some(Gate::Probe(probe)) => json!({"probe": probe}),
        Some(Gate::DockerHealth) => json!("docker_health"),
        Some(Gate::None) | None => Value::Null,
    };
    let document = json!({
        "schema": 1,
        "environment": report.environment.as_str(),
        "app": report.app.as_str(),
        "service": report.service.as_str(),
        "target": target,
        "running": version(report.running.as_ref()),
        "wanted": version(report.wanted.as_ref()),
        "rollback": report.rollback,
        "changed": report.changed,
        "blocked": !report.blockers.is_empty(),
        "gate": gate,
        "actions": actions,
        "downtime": {"expected": report.downtime.expected, "why": report.downtime.why},
        "notes": report.notes,
        "blockers": blockers,
        "lints": lints,
        "expected_revision": revision,
    });
    plain_json(&format!("{document:#}\n"))
}

fn version(version: Option<&Version>) -> Value {
    version.map_or(Value::Null, |version| {
        json!({
            "release": version.release,
            "image": version.image.as_ref().map(ToString::to_string),
            "digest": version.image.as_ref().map(|image| image.digest().as_str()),
            "image_id": version.image_id,
            "containers": version.containers,
        })
    })
}
