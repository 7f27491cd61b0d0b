//! Automatic scaling that is held while tasks are replaced, and set back however the run ends.

use std::process::Command;

use kit::aws::{Breaker, Fault, Request, Service, Shift, Strategy, World};
use serde_json::{Value, json};

use super::action::Run;
use super::{Cloud, EXPIRES, IMAGE, interrupt};
use crate::ecs::others::assert_in_models;

const HOLD: &str = "auto_scaling: hold";
const DEPLOY: [&str; 6] = ["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"];

fn canary() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 5 }).auto_rollback(true)
}

fn state(scheduled: bool, others: bool) -> Value {
    json!({
        "DynamicScalingInSuspended": others,
        "DynamicScalingOutSuspended": others,
        "ScheduledScalingSuspended": scheduled,
    })
}

/// A scaled service whose schedule stands still: that is as it has to be afterwards, too.
fn scaled(world: World) -> World {
    let mut world = world.scaled(1, 10);
    let input = json!({
        "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": "service/badgery/web", "SuspendedState": state(true, false),
    });
    world.call(&Request::new(Service::AutoScaling, "RegisterScalableTarget", input)).expect("it is taken");
    world
}

#[track_caller]
fn assert_as_before(cloud: &Cloud, what: &str) {
    let (now, tags) = cloud.aws.with(|world| (world.suspended(), world.scaling_tags()));
    assert_eq!((now, tags), (Some(state(true, false)), 0), "{what}");
}

#[test]
fn a_scaling_event_ends_no_deployment() {
    let cloud = Cloud::with(scaled(canary()).fault(Fault::ScalingMidShift), HOLD);
    let ended = cloud.deploy(&[]).expect(0);
    let held = ended.inputs("RegisterScalableTarget");
    assert_eq!(held[0]["SuspendedState"], state(true, true), "{}", ended.shown());
    assert!(ended.output.stdout.contains("automatic scaling stands still until the run ends"), "{}", ended.shown());
    assert_as_before(&cloud, "deployed");
    assert_in_models(&ended.said);
}

#[test]
fn it_is_set_back_however_the_run_ends() {
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback);
    let native = || World::fargate("badgery", "web").native(Strategy::BlueGreen);
    for (name, world, code, more) in [
        ("rolling", rolling(), 0, &[][..]),
        ("native", native(), 0, &[]),
        ("rolled back", canary().fault(Fault::Crash(1)).install_limit(120), 30, &[]),
        ("rolled back by ECS", rolling().fault(Fault::Crash(1)), 30, &[]),
        ("stranded", canary().alarm().fault(Fault::AlarmAt(10)).fault(Fault::RollbackFails), 31, &[]),
        ("out of time", canary().tick(0), 32, &["--timeout", EXPIRES]),
        ("refused", canary().fault(Fault::Denied("codedeploy:CreateDeployment")), 13, &[]),
        ("behind another one", canary().active_deployment("AllowTraffic"), 0, &[]),
    ] {
        let cloud = Cloud::with(scaled(world), HOLD);
        let ended = cloud.deploy(more).expect(code);
        assert!(!ended.inputs("TagResource").is_empty(), "{name}: {}", ended.shown());
        assert_as_before(&cloud, name);
    }
}

#[test]
fn a_service_without_it_is_deployed_and_told() {
    let ended = Cloud::with(canary(), HOLD).deploy(&[]).expect(0);
    assert!(ended.output.stdout.contains("the service has no automatic scaling to hold"), "{}", ended.shown());
    assert!(ended.inputs("RegisterScalableTarget").is_empty());
}

#[test]
fn it_is_set_back_when_the_run_is_cancelled() {
    for word in ["new tasks run | Install", "new tasks run | AllowTraffic"] {
        let cloud = Cloud::with(scaled(canary().tick(1)), HOLD);
        let (code, said) = cloud.when_it_says(&DEPLOY, word, interrupt);
        // In the shift AWS finishes it, mostly before the run lets go.
        assert!(code == Some(40) || (code == Some(0) && word.ends_with("AllowTraffic")), "{code:?}: {said}");
        assert_as_before(&cloud, &said);
    }
    let cloud = Cloud::with(scaled(canary().tick(1)), HOLD);
    let (code, said) = cloud.when_it_says(&DEPLOY, "new tasks run | AllowTraffic", |id| {
        interrupt(id);
        interrupt(id);
    });
    assert_eq!(code, Some(40), "{said}");
    assert_as_before(&cloud, &said);
}

#[test]
fn it_is_set_back_when_somebody_else_deploys_meanwhile() {
    // No time passes until the other one is begun, so that it is in the middle of ours.
    let cloud = Cloud::with(scaled(World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(0)), HOLD);
    let (code, said) = cloud.when_it_says(&DEPLOY, "0 of 2 new tasks run", |_| {
        cloud.aws.with(|world| {
            world.tick = 1;
            let input = json!({"cluster": "badgery", "service": "web", "forceNewDeployment": true});
            world.call(&Request::new(Service::Ecs, "UpdateService", input)).expect("it is taken");
        });
    });
    assert_eq!(code, Some(12), "{said}");
    assert_as_before(&cloud, &said);
}

/// Who has no keys any more sets nothing back; it is said, and the next run does it.
#[test]
fn when_keys_run_out_the_next_run_sets_it_back() {
    let cloud = Cloud::with(scaled(canary()).fault(Fault::ExpiresAfterCalls(22)), HOLD);
    let ended = cloud.deploy(&[]).expect(32);
    assert!(ended.output.stdout.contains("automatic scaling was not set back"), "{}", ended.shown());
    assert_eq!(cloud.aws.with(|world| world.suspended()), Some(state(true, true)), "{}", ended.shown());
    cloud.aws.with(|world| world.advance(7200));
    let mut next = cloud.command(&["deploy", "production", "--image", IMAGE]);
    let ended = cloud.ended(next.env("AWS_ACCESS_KEY_ID", "AKIANEXT")).expect(0);
    assert_as_before(&cloud, &ended.shown());
}

#[test]
fn after_a_killed_run_the_next_one_sets_it_back() {
    let cloud = Cloud::with(scaled(canary().tick(1)), HOLD);
    let (code, said) = cloud.when_it_says(&DEPLOY, "new tasks run | Install", |id| {
        assert!(Command::new("/bin/kill").args(["-KILL", &id.to_string()]).status().expect("kills").success());
    });
    assert_eq!(code, None, "{said}");
    assert_eq!(cloud.aws.with(|world| world.suspended()), Some(state(true, true)), "{said}");
    let status = cloud.run(&["status", "production"]).expect(0);
    assert!(status.output.stdout.contains("scaling  held by a run"), "{}", status.shown());
    let ended = cloud.deploy(&[]).expect(0);
    assert_as_before(&cloud, &ended.shown());
    let status = cloud.run(&["status", "production"]).expect(0);
    assert!(!status.output.stdout.contains("scaling"), "{}", status.shown());
}

#[test]
fn after_a_killed_run_whose_deployment_aws_finished_a_run_with_nothing_to_do_sets_it_back() {
    let cloud = Cloud::with(scaled(canary().tick(1)), HOLD);
    let (code, said) = cloud.when_it_says(&DEPLOY, "new tasks run | Install", |id| {
        assert!(Command::new("/bin/kill").args(["-KILL", &id.to_string()]).status().expect("kills").success());
    });
    assert_eq!(code, None, "{said}");
    let dry = cloud.run(&["deploy", "production", "--image", IMAGE, "--dry-run"]);
    assert_eq!(dry.writes(), Vec::<String>::new(), "{}", dry.shown());
    cloud.aws.with(|world| world.advance(7200));
    let ended = cloud.run(&["deploy", "production", "--image", IMAGE]).expect(0);
    assert!(ended.inputs("CreateDeployment").is_empty(), "{}", ended.shown());
    assert_as_before(&cloud, &ended.shown());
}

#[test]
fn what_another_run_holds_is_left_to_it() {
    let run = Run::with(scaled(canary().tick(5)), HOLD);
    run.killed("new tasks run | Install");
    run.cloud.aws.with(|world| {
        let arn = world.scaling_target();
        let tags = json!({"ResourceARN": arn, "Tags": {"deploy-action:scaling-before": "off off on run:2:web"}});
        world.call(&Request::new(Service::AutoScaling, "TagResource", tags)).expect("it is taken");
    });
    let post = run.post();
    assert_eq!(run.cloud.aws.with(|world| world.suspended()), Some(state(true, true)), "{}", post.log());
}

#[test]
fn after_a_killed_run_its_post_step_sets_it_back() {
    let run = Run::with(scaled(canary().tick(5)), HOLD);
    run.killed("new tasks run | Install");
    let post = run.post();
    assert!(post.log().contains("automatic scaling goes on"), "{}", post.log());
    assert_as_before(&run.cloud, &post.log());
}

#[test]
fn what_may_not_be_held_or_set_back_is_told() {
    let cloud =
        Cloud::with(scaled(canary()).fault(Fault::Denied("application-autoscaling:RegisterScalableTarget")), HOLD);
    let ended = cloud.deploy(&[]).expect(13);
    assert!(
        ended.output.stderr.contains("grant `application-autoscaling:RegisterScalableTarget`"),
        "{}",
        ended.shown()
    );
    assert!(ended.inputs("CreateDeployment").is_empty(), "{}", ended.shown());
    assert!(!ended.shown().contains("was not set back"), "it never stood still: {}", ended.shown());
    let status = cloud.run(&["status", "production"]).expect(0);
    assert!(!status.output.stdout.contains("held"), "{}", status.shown());

    let cloud = Cloud::with(scaled(canary().tick(1)), HOLD);
    let (code, said) = cloud.when_it_says(&DEPLOY, "new tasks run | Install", |_| {
        let denied = Fault::Denied("application-autoscaling:RegisterScalableTarget");
        cloud.aws.with(|world| world.faults.push(denied));
    });
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("automatic scaling was not set back"), "{said}");
    assert!(said.contains("--resource-id service/badgery/web --suspended-state '{"), "{said}");
}
