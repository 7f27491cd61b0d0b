//! What runs, without anything being wanted.

use serde::Serialize;

use super::{EcsObserved, Release, ScalingHold, blockers as problems, container, document, version, was_asked_by};
use crate::agent_api::Blocker;
use crate::aws_api::ecs::Service;
use crate::config::EcsTarget;
use crate::domain::{AppName, Digest, EnvName, ImageRef, TaskDefinitionArn};
use crate::plan::Version;

/// A service of ECS and what it runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EcsStatus {
    /// The region.
    pub region: String,
    /// The cluster.
    pub cluster: String,
    /// The service.
    pub service: String,
    /// Who replaces its tasks: `CODE_DEPLOY` or `ECS`; absent where there is no service.
    pub controller: Option<String>,
    /// How ECS replaces them, where it does.
    pub strategy: Option<String>,
    /// The revision that has the traffic.
    pub revision: Option<TaskDefinitionArn>,
    /// The image in it.
    pub image: Option<String>,
    /// What its tags tell, where this program proved it. Without it somebody else brought it there.
    pub release: Option<Release>,
    /// Tasks that there shall be.
    pub desired: u64,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that start.
    pub pending: u64,
    /// True where this program let the service run the revision, and did not see its end.
    pub begun_here: bool,
    /// Deployments that are under way.
    pub active: Vec<String>,
    /// Whether a run holds the service's scaling: one that is under way, or one that was killed. Absent where that may not
    /// be looked at.
    pub scaling_held: Option<bool>,
    /// Whose tasks there are, where they are of more than one revision, or where it is not settled which one stays.
    pub sides: Vec<Side>,
    /// What makes a deployment impossible.
    pub blockers: Vec<Blocker>,
}

/// The tasks of one revision, while there are others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Whose they are: a deployment of ECS, or a task set.
    pub id: String,
    /// The revision.
    pub revision: String,
    /// Tasks that there shall be.
    pub desired: u64,
    /// Tasks that run.
    pub running: u64,
    /// AWS's word for it.
    pub state: String,
}

fn sides(service: &Service) -> Vec<Side> {
    let short = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let own = service.deployments.iter().map(|it| Side {
        id: it.id.clone(),
        revision: short(&it.task_definition),
        desired: it.desired_count,
        running: it.running_count,
        state: it.rollout_state.clone().unwrap_or_else(|| it.status.clone()),
    });
    let sets = service.task_sets.iter().map(|it| Side {
        id: it.id.clone(),
        revision: short(&it.task_definition),
        desired: it.computed_desired_count,
        running: it.running_count,
        state: it.status.clone(),
    });
    let all: Vec<Side> = own.chain(sets).collect();
    if all.len() > 1 || service.unsettled().is_some() { all } else { Vec::new() }
}

/// What runs; absent where nothing does.
#[must_use]
pub fn running(target: &EcsTarget, observed: &EcsObserved) -> Option<Version> {
    let tasks = observed.service.as_ref().map_or(0, |service| service.running_count);
    let running = observed.running.as_ref()?;
    Some(version(running, container(target, Some(running)).as_deref(), tasks))
}

/// An image as one that would be deployed: of the repository that is deployed from, as far as one is known.
pub(super) fn stand_in(target: &EcsTarget, observed: &EcsObserved) -> Option<ImageRef> {
    let running = running(target, observed).and_then(|version| version.image_id).unwrap_or_default();
    let name = running.split('@').next().unwrap_or_default();
    let digest = Digest::zero();
    [name, "image"].iter().find_map(|name| format!("{name}@{digest}").parse().ok())
}

/// What makes a deployment impossible, whatever image is wanted.
#[must_use]
pub fn blockers(target: &EcsTarget, observed: &EcsObserved) -> Vec<Blocker> {
    let service = observed.service.clone().unwrap_or_default();
    let current = observed.running.as_ref().map(|running| &running.definition);
    let mut found = problems::all(target, observed, &service, current);
    if let Some(image) = stand_in(target, observed) {
        let container = container(target, observed.running.as_ref());
        found.extend(document(&image, target, observed, container.as_deref()).1);
    }
    found
}

/// The deployments that are under way, whoever does them.
pub(super) fn active(observed: &EcsObserved) -> Vec<String> {
    let under_way = |state: &Option<String>| state.as_deref() == Some("IN_PROGRESS");
    let own = observed.service.iter().flat_map(|service| &service.deployments);
    let own = own.filter(|listed| under_way(&listed.rollout_state)).map(|listed| listed.id.clone());
    observed.code_deploy.active.iter().cloned().chain(own).chain(observed.goes_back.clone()).collect()
}

/// All of it.
#[must_use]
pub fn status(app: &AppName, environment: &EnvName, target: &EcsTarget, observed: &EcsObserved) -> EcsStatus {
    let service = observed.service.as_ref();
    EcsStatus {
        region: target.region.to_string(),
        cluster: target.cluster.to_string(),
        service: target.service.to_string(),
        controller: service.map(|service| service.controller().to_owned()),
        strategy: service.filter(|it| it.controller() == "ECS").map(|service| service.strategy().to_owned()),
        revision: observed.running.as_ref().map(|running| running.arn.clone()),
        image: running(target, observed).and_then(|version| version.image_id),
        release: observed.running.as_ref().and_then(|running| Release::of(app, environment, target, running)),
        desired: service.map_or(0, |service| service.desired_count),
        running: service.map_or(0, |service| service.running_count),
        pending: service.map_or(0, |service| service.pending_count),
        begun_here: observed.running.as_ref().is_some_and(|running| was_asked_by(running, "")),
        sides: service.map(sides).unwrap_or_default(),
        active: active(observed),
        scaling_held: match observed.scaling {
            ScalingHold::Unknown => None,
            ScalingHold::Nobody => Some(false),
            ScalingHold::Run(_) => Some(true),
        },
        blockers: blockers(target, observed),
    }
}
