//! Rolling deployments.

use serde_json::{Value, json};

use super::{ecs, refusal, register, service, update, world};
use crate::aws::{Breaker, Fault, Service, Shift, World};

/// Registers and rolls out a definition; the id of its deployment.
fn roll_out(world: &mut World) -> String {
    let definition = register(world);
    let shown = update(world, &definition);
    assert_eq!(shown["deployments"][0]["status"], "PRIMARY");
    shown["deployments"][0]["id"].as_str().unwrap().to_owned()
}

/// Polls so often; the last answer.
fn poll(world: &mut World, times: usize) -> Value {
    (0..times).map(|_| service(world)).last().unwrap()
}

fn deployment<'a>(service: &'a Value, id: &str) -> &'a Value {
    let known = service["deployments"].as_array().unwrap();
    known.iter().find(|one| one["id"] == id).unwrap_or(&Value::Null)
}

#[test]
fn new_tasks_come_and_old_ones_go() {
    let mut world = world().desired(3);
    let id = roll_out(&mut world);
    let mut seen = Vec::new();
    for _ in 0..10 {
        let shown = service(&mut world);
        let counts: Vec<String> = shown["deployments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!("{} {}+{}", one["rolloutState"].as_str().unwrap(), one["runningCount"], one["pendingCount"])
            })
            .collect();
        let row = counts.join(", ");
        if seen.last() != Some(&row) {
            seen.push(row);
        }
    }
    let expected = [
        "IN_PROGRESS 0+3, COMPLETED 3+0",
        "IN_PROGRESS 3+0, COMPLETED 3+0",
        "IN_PROGRESS 3+0, COMPLETED 2+0",
        "IN_PROGRESS 3+0, COMPLETED 1+0",
        "IN_PROGRESS 3+0, COMPLETED 0+0",
        "COMPLETED 3+0",
    ];
    assert_eq!(seen, expected);
    let shown = service(&mut world);
    assert_eq!(shown["deployments"][0]["id"], id);
    assert!(shown["events"][0]["message"].as_str().unwrap().contains("has reached a steady state"));
    let before = world.now;
    service(&mut world);
    assert_eq!(world.now, before, "time stands still once nothing is under way");
}

#[test]
fn a_breaker_that_rolls_back_leaves_a_green_service() {
    let mut world = world().rolling(Breaker::Rollback).fault(Fault::Crash(1));
    let id = roll_out(&mut world);
    let shown = poll(&mut world, 5);
    let failed = deployment(&shown, &id);
    assert_eq!((&failed["rolloutState"], &failed["status"]), (&json!("FAILED"), &json!("ACTIVE")));
    assert!(failed["failedTasks"].as_u64().unwrap() >= 3);
    assert!(failed["rolloutStateReason"].as_str().unwrap().contains("tasks failed to start"));
    let primary = &shown["deployments"][0];
    assert_eq!(primary["taskDefinition"], world.definitions()[0]);
    assert!(primary["rolloutStateReason"].as_str().unwrap().contains("rolling back to deploymentId"));
    let shown = poll(&mut world, 6);
    assert_eq!(shown["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(deployment(&shown, &id)["rolloutState"], "FAILED", "the failed one is still listed");
    assert_eq!(poll(&mut world, 10)["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(world.deployed(), world.definitions()[0]);
}

#[test]
fn a_breaker_alone_stops() {
    let mut world = world().rolling(Breaker::Stop).threshold("COUNT", 4).fault(Fault::ImageMissing);
    let id = roll_out(&mut world);
    let shown = poll(&mut world, 20);
    let failed = deployment(&shown, &id);
    assert_eq!((&failed["rolloutState"], &failed["status"]), (&json!("FAILED"), &json!("PRIMARY")));
    assert_eq!(failed["failedTasks"], 4);
    assert_eq!(world.running(&world.definitions()[0]), 2);
}

#[test]
fn without_a_breaker_it_goes_on_for_ever() {
    for fault in [Fault::Crash(137), Fault::NeverStable, Fault::NoRoom, Fault::TargetTimesOut] {
        let mut world = world().ec2().rolling(Breaker::Off).fault(fault);
        let id = roll_out(&mut world);
        let shown = poll(&mut world, 200);
        assert_eq!(deployment(&shown, &id)["rolloutState"], "IN_PROGRESS");
        assert_eq!(world.running(&world.definitions()[0]), 2);
    }
}

#[test]
fn a_rollback_may_fail() {
    let mut world = world().rolling(Breaker::Rollback).fault(Fault::Crash(1)).fault(Fault::RollbackFails);
    roll_out(&mut world);
    let shown = poll(&mut world, 20);
    let states: Vec<&Value> = shown["deployments"].as_array().unwrap().iter().map(|one| &one["rolloutState"]).collect();
    assert_eq!(states, [&json!("FAILED"), &json!("FAILED"), &json!("COMPLETED")]);
}

#[test]
fn an_alarm_ends_it_too() {
    let mut world = world().rolling(Breaker::Off).fault(Fault::AlarmAt(100));
    let id = roll_out(&mut world);
    let shown = poll(&mut world, 5);
    assert_eq!(deployment(&shown, &id)["rolloutState"], "FAILED");
}

#[test]
fn a_newer_deployment_takes_over() {
    let mut world = world();
    let first = roll_out(&mut world);
    service(&mut world);
    let second = roll_out(&mut world);
    let shown = service(&mut world);
    assert_eq!(deployment(&shown, &first)["status"], "ACTIVE");
    assert_eq!(shown["deployments"][0]["id"], second);
    let shown = poll(&mut world, 20);
    assert_eq!(shown["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(shown["deployments"][0]["id"], second);
}

#[test]
fn a_deleted_service_is_inactive() {
    let mut world = world().fault(Fault::ServiceDeleted(30));
    roll_out(&mut world);
    assert_eq!(poll(&mut world, 3)["status"], "INACTIVE");
    let input = json!({"cluster": "badgery", "service": "web", "desiredCount": 1});
    assert_eq!(refusal(&mut world, Service::Ecs, "UpdateService", input), "ServiceNotActiveException");
}

#[test]
fn an_update_deploys_only_what_changes() {
    let mut world = world();
    let first = world.definitions()[0].clone();
    let shown = update(&mut world, &first);
    assert_eq!(shown["deployments"].as_array().unwrap().len(), 1);
    let shown = ecs(&mut world, "UpdateService", json!({"cluster": "badgery", "service": "web", "desiredCount": 4}));
    assert_eq!(shown["service"]["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(shown["service"]["pendingCount"], 2);
    let forced = json!({"cluster": "badgery", "service": "web", "forceNewDeployment": true});
    let shown = ecs(&mut world, "UpdateService", forced);
    assert_eq!(shown["service"]["deployments"].as_array().unwrap().len(), 2);
}

#[test]
fn what_an_update_of_a_service_of_code_deploy_may_hold() {
    let cases = [
        (json!({"desiredCount": 3}), true),
        (json!({"healthCheckGracePeriodSeconds": 10, "propagateTags": "SERVICE"}), true),
        (json!({"taskDefinition": "web:1"}), false),
        (json!({"forceNewDeployment": true}), false),
        (json!({"networkConfiguration": {}}), false),
        (json!({"platformVersion": "LATEST"}), false),
        (json!({"loadBalancers": []}), false),
    ];
    for (members, allowed) in cases {
        let mut world = world().code_deploy(Shift::AllAtOnce);
        let mut input = json!({"cluster": "badgery", "service": "web"});
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let answer = super::ask(&mut world, Service::Ecs, "UpdateService", input);
        match answer {
            Ok(_) => assert!(allowed, "{members}"),
            Err(fault) => {
                assert!(!allowed, "{members}");
                assert_eq!(fault.code, "InvalidParameterException");
                assert!(fault.message.contains("Use AWS CodeDeploy"), "{}", fault.message);
            }
        }
    }
}
