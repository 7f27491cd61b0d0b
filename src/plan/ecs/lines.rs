//! What the plan says to people.

use super::{Chosen, EcsObserved};
use crate::aws_api::codedeploy::Shift;
use crate::aws_api::ecs::{DeploymentConfiguration, Service};
use crate::config::{EcsTarget, OnActive, WaitUntil};
use crate::domain::show_time;
use crate::event::Phase;
use crate::plan::{Action, Downtime, Mark};

pub(super) fn tasks(count: u64) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

fn minutes(count: u64) -> String {
    if count == 1 { "1 minute".to_owned() } else { format!("{count} minutes") }
}

pub(super) fn actions(target: &EcsTarget, observed: &EcsObserved, service: &Service, chosen: &Chosen) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut push = |mark, phase, text: String| actions.push(Action { mark, phase, text });
    match (chosen, &target.task_definition) {
        (Chosen::Release(release, _), _) => {
            let (revision, at) = (release.revision.short(), show_time(release.verified_at));
            push(Mark::Same, Phase::Register, format!("revision `{revision}` is there, and was proven at {at}"));
        }
        (Chosen::Document(_), base) => {
            let base = base.as_ref().map_or("the one that runs".to_owned(), |path| format!("`{}`", path.display()));
            let what = "make a revision of the task definition";
            let names: Vec<String> = target.variables.names().map(|name| format!("`{name}`")).collect();
            let also =
                if names.is_empty() { String::new() } else { format!(", and {} of deploy.yml", names.join(", ")) };
            push(Mark::Add, Phase::Register, format!("{what} from {base} with the wanted image{also}"));
        }
    }
    if let (Chosen::Document(_), Some(before)) = (chosen, &target.before_deploy) {
        let command = before.command.join(" ");
        push(Mark::Same, Phase::BeforeDeploy, format!("run `{command}` as a task of its own; it must end with 0"));
    }
    let beside = format!("start {} beside {} running", tasks(service.desired_count), service.running_count);
    if service.controller() == "CODE_DEPLOY" {
        let group = observed.code_deploy.group.clone().unwrap_or_default();
        push(Mark::Add, Phase::Provision, format!("{beside}; they must be healthy for the load balancer"));
        if group.test_listener {
            push(Mark::Same, Phase::Test, "the test listener sends its requests to them".to_owned());
        }
        if group.action_on_timeout.as_deref() == Some("STOP_DEPLOYMENT") {
            let wait = minutes(group.ready_wait_minutes);
            push(Mark::Same, Phase::Approval, format!("somebody has to let the traffic shift within {wait}"));
        }
        push(Mark::Change, Phase::Shift, shift(observed.code_deploy.configuration.shift()));
        let kept = minutes(group.termination_wait_minutes);
        push(Mark::Same, Phase::Bake, format!("the old tasks are kept for {kept}, and going back takes a moment"));
        push(Mark::Remove, Phase::Retire, format!("the {} of before", tasks(service.running_count)));
    } else if service.strategy() == "ROLLING" {
        push(Mark::Change, Phase::Roll, format!("{beside}, and stop the old ones as the new ones are healthy"));
    } else {
        push(Mark::Add, Phase::Provision, format!("{beside}; they must be healthy for the load balancer"));
        push(Mark::Change, Phase::Shift, native(&service.deployment_configuration, service.strategy()));
        let bake = service.deployment_configuration.bake_time_in_minutes.unwrap_or_default();
        if bake > 0 {
            let kept = minutes(bake);
            push(Mark::Same, Phase::Bake, format!("both versions are kept for {kept}, and going back takes a moment"));
        }
        push(Mark::Remove, Phase::Retire, format!("the {} of before", tasks(service.running_count)));
    }
    actions
}

/// Whether a container of the revision that runs says itself when it is healthy.
fn has_health_check(observed: &EcsObserved) -> bool {
    let running = observed.running.as_ref().and_then(|running| running.definition["containerDefinitions"].as_array());
    running.into_iter().flatten().any(|container| container["healthCheck"].is_object())
}

fn shift(shift: Option<&Shift>) -> String {
    match shift {
        None => "the traffic goes to them".to_owned(),
        Some(Shift::AllAtOnce) => "all traffic goes to them at once".to_owned(),
        Some(Shift::Canary { percent, minutes: wait }) => {
            format!("{percent} % of the traffic goes to them, the rest after {}", minutes(*wait))
        }
        Some(all @ Shift::Linear { percent, minutes: wait }) => {
            format!(
                "{percent} % of the traffic goes to them every {}, all of it after {}",
                minutes(*wait),
                minutes(all.minutes())
            )
        }
    }
}

fn native(configuration: &DeploymentConfiguration, strategy: &str) -> String {
    match (&configuration.canary_configuration, &configuration.linear_configuration) {
        (Some(canary), _) => format!(
            "{} % of the traffic goes to them, the rest after {}",
            canary.canary_percent,
            minutes(canary.canary_bake_time_in_minutes)
        ),
        (None, Some(linear)) => {
            format!(
                "{} % of the traffic goes to them every {}",
                linear.step_percent,
                minutes(linear.step_bake_time_in_minutes)
            )
        }
        (None, None) if strategy == "BLUE_GREEN" => "all traffic goes to them at once".to_owned(),
        (None, None) => "the traffic goes to them in steps".to_owned(),
    }
}

pub(super) fn downtime(service: &Service) -> Downtime {
    let why = if service.controller() == "ECS" && service.strategy() == "ROLLING" {
        "old tasks go only as new ones are healthy, within the service's minimum"
    } else {
        "the new tasks get traffic once they are healthy, and the old ones stay until after that"
    };
    Downtime { expected: false, why: why.to_owned() }
}

/// `changed`: whether there is something to deploy, and so something to say about what is in its way. `short`: there is not, and
/// tasks are missing.
pub(super) fn notes(
    target: &EcsTarget,
    observed: &EcsObserved,
    service: &Service,
    changed: bool,
    short: bool,
) -> Vec<String> {
    let mut notes = Vec::new();
    let balanced =
        !service.load_balancers.is_empty() || service.task_sets.iter().any(|set| !set.load_balancers.is_empty());
    if observed.service.is_some() && !balanced && !has_health_check(observed) {
        notes.push(
            "the service has no load balancer and its containers no health check: for ECS a task that has started is healthy, even one that ends a moment later"
                .to_owned(),
        );
    }
    if short {
        notes.push(format!(
            "{} of {} tasks run: what is wanted is deployed, and ECS does not get it to run",
            service.running_count, service.desired_count
        ));
    }
    if service.controller() == "CODE_DEPLOY" {
        let group = observed.code_deploy.group.as_ref();
        if group.is_some_and(|group| group.auto_rollback_events.is_empty()) {
            notes.push(format!(
                "the deployment group `{}` does not go back by itself: a failure after the shift leaves the new version serving; switch on its automatic rollback",
                target.code_deploy.group
            ));
        }
        for active in observed.code_deploy.active.iter().filter(|_| changed) {
            let what = match target.on_active {
                OnActive::Wait => "its end is waited for",
                OnActive::Supersede => {
                    "if only its old tasks are left to go, they go at once; else its end is waited for"
                }
                OnActive::Fail => continue,
            };
            notes.push(format!("the deployment `{active}` is under way: {what}"));
        }
        if target.wait_until == WaitUntil::TrafficShifted {
            notes.push(
                "the run ends with the shift: what CodeDeploy does after that, also going back, is seen by `status` only"
                    .to_owned(),
            );
        }
    }
    if service.controller() == "ECS"
        && changed
        && target.on_active != OnActive::Fail
        && let Some(active) = observed.under_way()
    {
        notes.push(format!("the deployment `{active}` is under way: this one takes its place"));
    }
    if observed.service.is_some() && service.controller() == "ECS" && service.strategy() == "ROLLING" {
        let breaker = service.deployment_configuration.deployment_circuit_breaker.clone().unwrap_or_default();
        if !(breaker.enable && breaker.rollback) {
            notes.push(
                "the service has no circuit breaker that goes back: tasks that keep failing end this run by its timeout only"
                    .to_owned(),
            );
        }
    }
    notes
}
