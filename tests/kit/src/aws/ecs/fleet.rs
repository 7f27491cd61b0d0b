//! A fleet: the tasks of one task set, deployment or revision, kept at a number by the scheduler.

use serde_json::json;

use super::fate::{self, Fate};
use super::task::Task;
use crate::aws::names;
use crate::aws::world::World;

/// How long the scheduler waits before it replaces failed tasks; longer with each time, up to the most.
const REPLACE: u64 = 5;
const REPLACE_MOST: u64 = 60;
/// How long it waits before it looks for room again.
const PLACE: u64 = 60;

/// A fleet.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    /// The id of what it belongs to.
    pub(crate) id: String,
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) definition: String,
    pub(crate) target_group: Option<String>,
    pub(crate) desired: u64,
    /// Tasks that failed so far.
    pub(crate) failed: u64,
    /// Rounds of replacement so far.
    rounds: u64,
    /// Before this moment nothing is started.
    pub(crate) ready_at: u64,
}

/// Running and pending tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) running: u64,
    pub(crate) pending: u64,
}

/// Makes a fleet; its tasks come as time goes on.
pub(crate) fn create(world: &mut World, fleet: NewFleet<'_>) {
    let now = world.now;
    world.ecs.fleets.push(Fleet {
        id: fleet.id.to_owned(),
        cluster: fleet.cluster.to_owned(),
        service: fleet.service.to_owned(),
        definition: fleet.definition.to_owned(),
        target_group: fleet.target_group.map(ToOwned::to_owned),
        desired: fleet.desired,
        failed: 0,
        rounds: 0,
        ready_at: now,
    });
}

/// What a fleet is made of.
pub(crate) struct NewFleet<'a> {
    pub(crate) id: &'a str,
    pub(crate) cluster: &'a str,
    pub(crate) service: &'a str,
    pub(crate) definition: &'a str,
    pub(crate) target_group: Option<&'a str>,
    pub(crate) desired: u64,
}

/// The fleet of a task set, deployment or revision.
pub(crate) fn get<'a>(world: &'a World, id: &str) -> Option<&'a Fleet> {
    world.ecs.fleets.iter().find(|fleet| fleet.id == id)
}

/// Says how many tasks there should be.
pub(crate) fn resize(world: &mut World, id: &str, desired: u64) {
    let fleet = world.ecs.fleets.iter_mut().find(|fleet| fleet.id == id);
    if let Some(fleet) = fleet {
        fleet.desired = desired;
    }
}

/// Counts its tasks.
pub(crate) fn counts(world: &World, id: &str) -> Counts {
    let mut counts = Counts { running: 0, pending: 0 };
    for task in tasks(world, id) {
        match task.status(world.now) {
            "RUNNING" => counts.running += 1,
            "STOPPED" => {}
            _ => counts.pending += 1,
        }
    }
    counts
}

/// Its tasks, with those that are over.
pub(crate) fn tasks<'a>(world: &'a World, id: &str) -> impl Iterator<Item = &'a Task> {
    world.ecs.tasks.iter().filter(move |task| task.fleet.as_deref() == Some(id))
}

/// Whether all the tasks there should be are healthy.
pub(crate) fn is_steady(world: &World, id: &str) -> bool {
    let desired = get(world, id).map_or(0, |fleet| fleet.desired);
    let healthy = tasks(world, id).filter(|task| task.is_healthy(world.now)).count() as u64;
    let counts = counts(world, id);
    healthy == desired && counts.running == desired && counts.pending == 0
}

/// Lets every fleet count its failures and start or stop tasks.
pub(crate) fn run(world: &mut World) {
    for at in 0..world.ecs.fleets.len() {
        count_failures(world, at);
        let fleet = world.ecs.fleets[at].clone();
        let now = world.now;
        let alive = tasks(world, &fleet.id).filter(|task| task.stopped(now).is_none()).count() as u64;
        if alive > fleet.desired {
            shrink(world, &fleet, alive - fleet.desired);
        } else if alive < fleet.desired && fleet.ready_at <= now {
            grow(world, at, fleet.desired - alive);
        }
    }
}

/// The moments at which fleets may start tasks.
pub(crate) fn moments(world: &World) -> impl Iterator<Item = u64> {
    world.ecs.fleets.iter().map(|fleet| fleet.ready_at)
}

fn count_failures(world: &mut World, at: usize) {
    let now = world.now;
    let World { ecs, .. } = world;
    let fleet = &mut ecs.fleets[at];
    let of_fleet = ecs.tasks.iter_mut().filter(|task| task.fleet.as_deref() == Some(fleet.id.as_str()));
    let failed = of_fleet.filter(|task| !task.counted && task.halt.is_none() && task.stopped(now).is_some());
    let failed: Vec<String> = failed
        .map(|task| {
            task.counted = true;
            task.id.clone()
        })
        .collect();
    if failed.is_empty() {
        return;
    }
    fleet.failed += failed.len() as u64;
    fleet.rounds += 1;
    fleet.ready_at = now + (REPLACE * fleet.rounds).min(REPLACE_MOST);
    let (fleet, rounds) = (fleet.clone(), fleet.rounds);
    explain(world, &fleet, &failed);
    if rounds == 3 {
        tell(
            world,
            &fleet,
            "is unable to consistently start tasks successfully. \
             For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.",
        );
    }
}

/// What the service's events say about tasks that the load balancer found unhealthy.
fn explain(world: &mut World, fleet: &Fleet, failed: &[String]) {
    let group = fleet.target_group.as_deref().map(names::target_group).unwrap_or_default();
    for id in failed {
        let fate = world.ecs.tasks.iter().find(|task| task.id == *id).map(|task| task.fate.clone());
        if let Some(Fate::Unhealthy(why)) = fate {
            let text = format!("is unhealthy in (target-group {group}) due to (reason {})", why.text());
            tell(world, fleet, &format!("(port 8080) {text}"));
            tell(world, fleet, &format!("has stopped 1 running tasks: (task {id})."));
        }
    }
}

fn grow(world: &mut World, at: usize, count: u64) {
    let fleet = world.ecs.fleets[at].clone();
    let Some(fate) = fate::of_service_task(world, &fleet.definition) else {
        world.ecs.fleets[at].ready_at = world.now + PLACE;
        let instance = world.ids.hex();
        tell(
            world,
            &fleet,
            &format!(
                "was unable to place a task because no container instance met all of its requirements. The closest \
                 matching (container-instance {instance}) has insufficient memory available. \
                 For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
            ),
        );
        return;
    };
    let launch = world.ecs.service(&fleet.cluster, &fleet.service).map_or("FARGATE", |service| service.launch.name());
    let tags = json!([]);
    let mut started = Vec::new();
    for _ in 0..count {
        let id = world.ids.hex();
        started.push(format!("(task {id})"));
        let number = world.ecs.tasks.len() as u64;
        world.ecs.tasks.push(Task {
            id,
            cluster: fleet.cluster.clone(),
            group: format!("service:{}", fleet.service),
            started_by: Some(fleet.id.clone()),
            fleet: Some(fleet.id.clone()),
            token: None,
            definition: fleet.definition.clone(),
            target_group: fleet.target_group.clone(),
            created: world.now,
            fate: fate.clone(),
            counted: false,
            halt: None,
            overrides: json!({}),
            tags: tags.clone(),
            launch,
            number,
        });
    }
    tell(world, &fleet, &format!("has started {count} tasks: {}.", started.join(" ")));
}

fn shrink(world: &mut World, fleet: &Fleet, count: u64) {
    let now = world.now;
    let reason = format!("Scaling activity initiated by (deployment {})", fleet.id);
    let of_fleet = world.ecs.tasks.iter_mut().filter(|task| task.fleet.as_deref() == Some(fleet.id.as_str()));
    let alive = of_fleet.filter(|task| task.stopped(now).is_none());
    let mut stopped = Vec::new();
    for task in alive.take(usize::try_from(count).unwrap_or(usize::MAX)) {
        task.halt(now, "ServiceSchedulerInitiated", reason.clone());
        stopped.push(format!("(task {})", task.id));
    }
    tell(world, fleet, &format!("has stopped {count} running tasks: {}.", stopped.join(" ")));
}

fn tell(world: &mut World, fleet: &Fleet, text: &str) {
    let message = format!("(service {}) {text}", fleet.service);
    super::service::tell(world, &fleet.cluster, &fleet.service, message);
}
