//! Rolling deployments of the controller ECS: new tasks come, old ones go, and a circuit breaker may end it.

mod breaker;
mod machine;

use serde_json::{Value, json};

use super::fleet;
use super::service::Service;
use crate::aws::input::put;
use crate::aws::world::World;

pub(crate) use breaker::{Alarms, Breaker};
pub(crate) use machine::{delete_service, deleted_after, run, start};

/// A deployment as a service lists it.
#[derive(Debug, Clone)]
pub(crate) struct Rollout {
    /// `ecs-svc/` and digits; its fleet has the same id.
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) definition: String,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) state: &'static str,
    pub(crate) reason: String,
    /// Whether it is a view of a service deployment, whose own machine moves it.
    pub(crate) native: bool,
    /// Whether it undoes another one.
    pub(crate) rollback: bool,
    /// When the next old task goes.
    pub(crate) drain_at: u64,
    /// When it is no longer listed.
    pub(crate) gone_at: Option<u64>,
    /// When the deployment that undoes it is made.
    pub(crate) undo_at: Option<u64>,
}

impl Rollout {
    /// One that has just begun.
    pub(crate) fn new(id: String, definition: &str, now: u64) -> Self {
        let reason = format!("ECS deployment {id} in progress.");
        Self {
            id,
            status: "PRIMARY",
            definition: definition.to_owned(),
            created: now,
            updated: now,
            state: "IN_PROGRESS",
            reason,
            native: false,
            rollback: false,
            drain_at: now,
            gone_at: None,
            undo_at: None,
        }
    }
}

/// Whether a rolling deployment of the service is under way.
pub(crate) fn is_moving(service: &Service) -> bool {
    let moves = |one: &Rollout| {
        one.gone_at.is_some() || one.undo_at.is_some() || one.status == "PRIMARY" && one.state == "IN_PROGRESS"
    };
    service.active && service.rollouts.iter().any(|one| !one.native && moves(one))
}

/// Whether new tasks of the service are still being started; what is left of earlier ones may still be on its way.
pub(crate) fn is_starting(service: &Service) -> bool {
    let starts = |one: &Rollout| !one.native && one.status == "PRIMARY" && one.state == "IN_PROGRESS";
    service.active && service.rollouts.iter().any(starts)
}

/// The moments at which rolling deployments change by themselves.
pub(crate) fn moments(world: &World) -> impl Iterator<Item = u64> {
    let rollouts = world.ecs.services.iter().flat_map(|service| &service.rollouts);
    rollouts.flat_map(|one| {
        let deleted = deleted_after(world).map(|after| one.created + after);
        [Some(one.drain_at), one.gone_at, one.undo_at, deleted].into_iter().flatten()
    })
}

/// A deployment's JSON.
pub(crate) fn show(world: &World, service: &Service, one: &Rollout) -> Value {
    let counts = fleet::counts(world, &one.id);
    let fleet = fleet::get(world, &one.id);
    let mut shown = json!({
        "id": one.id,
        "status": one.status,
        "taskDefinition": one.definition,
        "desiredCount": fleet.map_or(0, |fleet| fleet.desired),
        "pendingCount": counts.pending,
        "runningCount": counts.running,
        "failedTasks": fleet.map_or(0, |fleet| fleet.failed),
        "createdAt": one.created,
        "updatedAt": one.updated,
        "launchType": service.launch.name(),
        "rolloutState": one.state,
        "rolloutStateReason": one.reason,
    });
    for name in ["networkConfiguration", "platformVersion", "platformFamily"] {
        put(&mut shown, name, service.members.get(name).cloned());
    }
    shown
}
