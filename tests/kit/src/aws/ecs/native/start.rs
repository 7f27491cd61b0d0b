//! The beginning of a service deployment.

use super::{Deployment, Revision, ending, plan};
use crate::aws::ecs::fleet::{self, NewFleet};
use crate::aws::ecs::rolling::{Alarms, Breaker, Rollout};
use crate::aws::names;
use crate::aws::world::World;

/// Starts a deployment of a definition in place of whatever is under way.
pub(crate) fn start(world: &mut World, at: usize, definition: &str) {
    replace_older(world, at);
    let now = world.now;
    let service = world.ecs.services[at].clone();
    let current = world.ecs.revisions.iter().rev().find(|known| {
        known.cluster == service.cluster
            && known.service == service.name
            && service.rollouts.iter().any(|one| one.id == known.fleet && one.state == "COMPLETED")
    });
    let source = current.map(|known| (known.arn.clone(), known.target_group.clone())).unwrap_or_default();
    let target_group = source.1.map(|name| world.balancer.other(&name));
    let target = add_revision(world, at, definition, target_group);
    for one in &mut world.ecs.services[at].rollouts {
        one.status = "ACTIVE";
    }
    let mut rollout = Rollout::new(target.fleet.clone(), definition, now);
    rollout.native = true;
    let id: String = world.ids.hex().chars().take(22).collect();
    let arn = names::ecs(&format!("service-deployment/{}/{}/{id}", service.cluster, service.name));
    let service = &mut world.ecs.services[at];
    service.rollouts.insert(0, rollout);
    definition.clone_into(&mut service.definition);
    service.current_deployment = Some(arn.clone());
    let deployment = Deployment {
        arn,
        cluster: service.cluster.clone(),
        service: service.name.clone(),
        source: source.0,
        target: target.arn,
        status: "PENDING",
        reason: None,
        plan: plan::lay_out(service.strategy(), &service.configuration),
        at: 0,
        begun: false,
        until: now,
        created: now,
        started: None,
        finished: None,
        stopped: None,
        updated: now,
        test_weight: 0,
        weight: 0,
        hooks: Vec::new(),
        rollback: None,
        breaker: Breaker::of(&service.configuration, service.desired),
        breaker_tripped: false,
        alarms: Alarms::of(&service.configuration),
        alarm_fired: false,
        configuration: service.configuration.clone(),
    };
    world.ecs.deployments.push(deployment);
}

/// Makes the revision that the service has at the beginning, with its tasks' fleet under the id of its deployment.
pub(crate) fn first_revision(world: &mut World, at: usize, fleet: &str) {
    let service = world.ecs.services[at].clone();
    let arn = revision_arn(world, at);
    world.ecs.revisions.push(Revision {
        arn,
        cluster: service.cluster,
        service: service.name,
        definition: service.definition,
        target_group: service.target_group,
        fleet: fleet.to_owned(),
        created: service.created,
    });
}

fn add_revision(world: &mut World, at: usize, definition: &str, target_group: Option<String>) -> Revision {
    let id = format!("ecs-svc/{}", world.ids.digits());
    let arn = revision_arn(world, at);
    let service = &world.ecs.services[at];
    let revision = Revision {
        arn,
        cluster: service.cluster.clone(),
        service: service.name.clone(),
        definition: definition.to_owned(),
        target_group,
        fleet: id.clone(),
        created: world.now,
    };
    let (cluster, name, target_group) = (&revision.cluster, &revision.service, revision.target_group.as_deref());
    fleet::create(world, NewFleet { id: &id, cluster, service: name, definition, target_group, desired: 0 });
    world.ecs.revisions.push(revision.clone());
    revision
}

fn revision_arn(world: &mut World, at: usize) -> String {
    let digits = world.ids.digits();
    let service = &world.ecs.services[at];
    names::ecs(&format!("service-revision/{}/{}/{digits}", service.cluster, service.name))
}

/// Stops the service's deployment that is under way: the newer one takes its place.
fn replace_older(world: &mut World, at: usize) {
    let (cluster, name) = (world.ecs.services[at].cluster.clone(), world.ecs.services[at].name.clone());
    let is_older = |one: &Deployment| one.cluster == cluster && one.service == name && !one.is_over();
    if let Some(older) = world.ecs.deployments.iter().position(is_older) {
        ending::restore(world, older);
        ending::remove_target(world, older);
        ending::finish(world, older, "STOPPED", Some("Replaced by a new service deployment."));
    }
}
