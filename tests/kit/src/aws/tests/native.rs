//! The strategies that ECS runs by itself.

use serde_json::{Value, json};

use super::{ecs, refusal, register, service, update, world};
use crate::aws::{Breaker, Fault, Service, Strategy, World};

const STAGES: [&str; 10] = [
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
];

/// Registers a definition and deploys it; the name of the service deployment.
fn deploy(world: &mut World) -> String {
    let definition = register(world);
    update(world, &definition)["currentServiceDeployment"].as_str().unwrap().to_owned()
}

fn look(world: &mut World, arn: &str) -> Value {
    let input = json!({"serviceDeploymentArns": [arn]});
    ecs(world, "DescribeServiceDeployments", input)["serviceDeployments"][0].clone()
}

/// Everything that is seen until the end, without repetitions: status, stage, production weight of the target.
fn follow(world: &mut World, arn: &str) -> Vec<(String, String, u32)> {
    let mut seen = Vec::new();
    for _ in 0..3000 {
        let shown = look(world, arn);
        let text = |name: &str| shown[name].as_str().unwrap_or("").to_owned();
        let weight = shown["targetServiceRevision"]["requestedProductionTrafficWeight"].as_f64().unwrap() as u32;
        let row = (text("status"), text("lifecycleStage"), weight);
        if seen.last() != Some(&row) {
            seen.push(row);
        }
        if shown["finishedAt"].is_u64() {
            return seen;
        }
    }
    panic!("{arn} does not end: {seen:?}");
}

fn end(world: &mut World, arn: &str) -> String {
    follow(world, arn).pop().unwrap().0
}

#[test]
fn the_stages_come_in_order() {
    let mut world = world().native(Strategy::BlueGreen).test_listener().bake(2).tick(1);
    let arn = deploy(&mut world);
    let seen = follow(&mut world, &arn);
    assert_eq!(seen[0].0, "PENDING");
    let mut stages: Vec<&str> = seen.iter().map(|row| row.1.as_str()).filter(|stage| !stage.is_empty()).collect();
    stages.dedup();
    assert_eq!(stages, STAGES);
    assert_eq!(seen.last().unwrap().0, "SUCCESSFUL");
    assert_eq!(world.deployed(), world.definitions()[1]);
    assert_eq!(world.traffic()[1], ("badgery-web-green".to_owned(), 100));
    assert_eq!((world.running(&world.definitions()[0]), world.running(&world.definitions()[1])), (0, 2));
    assert_eq!(service(&mut world)["deployments"][0]["rolloutState"], "COMPLETED");
}

#[test]
fn the_traffic_moves_in_the_steps_of_the_strategy() {
    let cases = [
        (world().native(Strategy::BlueGreen), vec![0, 100]),
        (world().native(Strategy::Canary), vec![0, 5, 100]),
        (world().native(Strategy::Canary).step(20, 3), vec![0, 20, 100]),
        (world().native(Strategy::Linear).step(30, 1), vec![0, 30, 60, 90, 100]),
    ];
    for (world, expected) in cases {
        let mut world = world.tick(5);
        let arn = deploy(&mut world);
        let mut weights: Vec<u32> = follow(&mut world, &arn).into_iter().map(|row| row.2).collect();
        weights.dedup();
        assert_eq!(weights, expected);
    }
}

#[test]
fn bad_ends() {
    let green = || world().native(Strategy::Canary);
    let cases = [
        (green().fault(Fault::Crash(1)), "ROLLBACK_SUCCESSFUL"),
        (green().rolling(Breaker::Stop).native_again().fault(Fault::Crash(1)), "STOPPED"),
        (green().fault(Fault::AlarmAt(5)), "ROLLBACK_SUCCESSFUL"),
        (green().fault(Fault::HookFails("PRE_SCALE_UP")), "ROLLBACK_SUCCESSFUL"),
        (green().fault(Fault::HookSilent("POST_SCALE_UP")), "ROLLBACK_SUCCESSFUL"),
        (green().fault(Fault::HookFails("PRE_PRODUCTION_TRAFFIC_SHIFT")), "ROLLBACK_SUCCESSFUL"),
        (green().fault(Fault::AlarmAt(100)).fault(Fault::RollbackFails), "ROLLBACK_FAILED"),
        (green().fault(Fault::ConsoleStop("PRODUCTION_TRAFFIC_SHIFT")), "ROLLBACK_SUCCESSFUL"),
        (green().pause("POST_SCALE_UP", 5, "ROLLBACK"), "ROLLBACK_SUCCESSFUL"),
        (green().pause("POST_SCALE_UP", 5, "CONTINUE"), "SUCCESSFUL"),
        (green().fault(Fault::ServiceDeleted(100)), "STOPPED"),
    ];
    for (number, (world, expected)) in cases.into_iter().enumerate() {
        let mut world = world;
        let arn = deploy(&mut world);
        assert_eq!(end(&mut world, &arn), expected, "case {number}");
        let shown = look(&mut world, &arn);
        if expected == "ROLLBACK_SUCCESSFUL" {
            assert_eq!(world.deployed(), world.definitions()[0], "case {number}");
            assert_eq!(world.running(&world.definitions()[1]), 0, "case {number}");
            assert!(shown["rollback"]["reason"].is_string(), "case {number}");
            assert!(world.traffic().contains(&("badgery-web-blue".to_owned(), 100)), "case {number}");
        }
    }
}

impl World {
    /// Back from a rolling strategy, with the breaker that was set.
    fn native_again(mut self) -> Self {
        self.configure("strategy", json!("CANARY"));
        self
    }
}

#[test]
fn what_tripped_is_shown() {
    let mut world = world().native(Strategy::BlueGreen).fault(Fault::Crash(1));
    let arn = deploy(&mut world);
    end(&mut world, &arn);
    let shown = look(&mut world, &arn);
    let breaker = &shown["deploymentCircuitBreaker"];
    assert_eq!((&breaker["status"], &breaker["threshold"]), (&json!("TRIGGERED"), &json!(3)));
    let mut world = super::world().native(Strategy::BlueGreen).fault(Fault::AlarmAt(100));
    let arn = deploy(&mut world);
    end(&mut world, &arn);
    let shown = look(&mut world, &arn);
    assert_eq!(shown["alarms"]["status"], "TRIGGERED");
    assert_eq!(shown["alarms"]["triggeredAlarmNames"], json!(["web-errors"]));
}

#[test]
fn a_pause_waits_for_its_answer() {
    for (action, expected) in [("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")] {
        let mut world = world().native(Strategy::BlueGreen).pause("POST_TEST_TRAFFIC_SHIFT", 600, "ROLLBACK");
        let arn = deploy(&mut world);
        let hook = loop {
            let shown = look(&mut world, &arn);
            if shown["lifecycleHookDetails"][0]["status"] == "AWAITING_ACTION" {
                break shown["lifecycleHookDetails"][0].clone();
            }
        };
        assert!(hook["expiresAt"].as_u64().unwrap() > world.now);
        world.advance(3600);
        assert_eq!(look(&mut world, &arn)["lifecycleStage"], "POST_TEST_TRAFFIC_SHIFT");
        let input = json!({"serviceDeploymentArn": arn, "hookId": hook["hookId"], "action": action});
        ecs(&mut world, "ContinueServiceDeployment", input.clone());
        assert_eq!(end(&mut world, &arn), expected);
        let code = refusal(&mut world, Service::Ecs, "ContinueServiceDeployment", input);
        assert_eq!(code, "InvalidParameterException");
    }
}

#[test]
fn a_deployment_can_be_stopped() {
    let cases = [
        ("ROLLBACK", ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"].as_slice()),
        ("ABORT", ["STOP_REQUESTED", "STOPPED"].as_slice()),
    ];
    for (kind, expected) in cases {
        let mut world = world().native(Strategy::Linear).tick(1);
        let arn = deploy(&mut world);
        while look(&mut world, &arn)["lifecycleStage"] != "PRODUCTION_TRAFFIC_SHIFT" {}
        let input = json!({"serviceDeploymentArn": arn, "stopType": kind});
        ecs(&mut world, "StopServiceDeployment", input.clone());
        let mut statuses: Vec<String> = follow(&mut world, &arn).into_iter().map(|row| row.0).collect();
        statuses.dedup();
        assert_eq!(statuses, expected);
        assert_eq!(refusal(&mut world, Service::Ecs, "StopServiceDeployment", input), "ConflictException");
    }
}

#[test]
fn a_newer_deployment_replaces_an_older_one() {
    let mut world = world().native(Strategy::Linear);
    let first = deploy(&mut world);
    look(&mut world, &first);
    let second = deploy(&mut world);
    assert_eq!(look(&mut world, &first)["status"], "STOPPED");
    assert_eq!(end(&mut world, &second), "SUCCESSFUL");
    let listed = ecs(&mut world, "ListServiceDeployments", json!({"cluster": "badgery", "service": "web"}));
    let names: Vec<&Value> =
        listed["serviceDeployments"].as_array().unwrap().iter().map(|one| &one["serviceDeploymentArn"]).collect();
    assert_eq!(names, [&json!(second), &json!(first)]);
    assert_eq!(world.deployed(), world.definitions()[2]);
}
