//! How the targets of a group are.

use serde_json::{Value, json};

use crate::aws::ecs::Task;
use crate::aws::ecs::fate::Fate;
use crate::aws::ecs::task::HEALTHY;
use crate::aws::ecs::task_view::address;
use crate::aws::input::{list, text};
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// How long a target takes to leave, in seconds; and how long it takes the balancer to know a new one.
const DRAINING: u64 = 30;
const REGISTERED: u64 = 30;

const PORT: u16 = 8080;

pub(super) fn describe(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let group = super::group(world, text(input, "TargetGroupArn").unwrap_or_default())?;
    let asked: Vec<&str> = list(input, "Targets").iter().filter_map(|target| text(target, "Id")).collect();
    let of_group = world.ecs.tasks.iter().filter(|task| task.target_group.as_ref() == Some(group));
    let of_group = of_group.filter(|task| asked.is_empty() || asked.contains(&address(task).as_str()));
    let shown: Vec<Value> = of_group.filter_map(|task| show(world, task)).collect();
    Ok(json!({"TargetHealthDescriptions": shown}))
}

/// A target; none where the task has none yet, or any more.
fn show(world: &World, task: &Task) -> Option<Value> {
    let now = world.now;
    let started = task.started(now)?;
    let health = match task.stopped(now) {
        Some(stop) if stop.at + DRAINING > now => {
            let text = "Target deregistration is in progress";
            health("draining", "Target.DeregistrationInProgress", text)
        }
        Some(_) => return None,
        None if now < started + REGISTERED => {
            health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
        }
        None => match &task.fate {
            Fate::Unhealthy(why) => health("unhealthy", why.code(), &why.text()),
            _ if now >= task.created + HEALTHY => json!({"State": "healthy"}),
            _ => health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress"),
        },
    };
    Some(json!({
        "Target": {"Id": address(task), "Port": PORT, "AvailabilityZone": "eu-west-1a"},
        "HealthCheckPort": PORT.to_string(),
        "TargetHealth": health,
    }))
}

fn health(state: &str, reason: &str, description: &str) -> Value {
    json!({"State": state, "Reason": reason, "Description": description})
}
