//! ECS itself: rolling, blue/green, linear, canary.

use kit::aws::{Breaker, Fault, Request, Service, Shift, Strategy, World};
use serde_json::json;

use super::{Cloud, EXPIRES, IMAGE, OTHER_IMAGE, Scenario, each, outline};

fn rolling(breaker: Breaker) -> World {
    World::fargate("badgery", "web").rolling(breaker)
}

fn native(strategy: Strategy) -> World {
    World::fargate("badgery", "web").native(strategy)
}

#[test]
fn each_rolling_deployment_ends_as_it_ended_at_aws() {
    let log = ["listening on 8080", "panic: no database"];
    let scenarios: Vec<Scenario> = vec![
        ("rolling", rolling(Breaker::Rollback), "", 0, &[]),
        ("rolling_without_breaker", rolling(Breaker::Off), "", 0, &[]),
        ("rolling_stale_reads", rolling(Breaker::Rollback).fault(Fault::StaleReads), "", 0, &[]),
        ("rolling_breaker", rolling(Breaker::Rollback).log_lines(&log).fault(Fault::Crash(1)), "", 30, &[]),
        ("rolling_breaker_137", rolling(Breaker::Rollback).log_lines(&log).fault(Fault::Crash(137)), "", 30, &[]),
        ("rolling_breaker_139", rolling(Breaker::Rollback).log_lines(&log).fault(Fault::Crash(139)), "", 30, &[]),
        (
            "rolling_breaker_stale",
            rolling(Breaker::Rollback).fault(Fault::StaleReads).fault(Fault::Crash(1)),
            "",
            30,
            &[],
        ),
        (
            "rolling_goes_back_late",
            rolling(Breaker::Rollback).fault(Fault::Crash(1)).fault(Fault::RollbackLate(30)),
            "",
            30,
            &[],
        ),
        (
            "rolling_alarm",
            rolling(Breaker::Off).alarm().fault(Fault::AlarmAt(100)).fault(Fault::RollbackLate(30)),
            "",
            30,
            &[],
        ),
        (
            "rolling_crash_without_breaker",
            rolling(Breaker::Off).log_lines(&log).fault(Fault::Crash(1)),
            "",
            32,
            &["--timeout", EXPIRES],
        ),
        (
            "rolling_server_errors",
            rolling(Breaker::Rollback)
                .fault(Fault::ServerErrorOnce("ecs:RegisterTaskDefinition"))
                .fault(Fault::ServerErrorOnce("ecs:UpdateService")),
            "",
            0,
            &[],
        ),
        ("rolling_breaker_stops_only", rolling(Breaker::Stop).fault(Fault::Crash(1)), "", 31, &[]),
        ("rolling_image_missing", rolling(Breaker::Rollback).fault(Fault::ImageMissing), "", 30, &[]),
        ("rolling_secret_denied", rolling(Breaker::Rollback).fault(Fault::SecretDenied), "", 30, &[]),
        ("rolling_target_404", rolling(Breaker::Rollback).fault(Fault::TargetAnswers(404)), "", 30, &[]),
        ("rolling_target_times_out", rolling(Breaker::Rollback).fault(Fault::TargetTimesOut), "", 30, &[]),
        ("rolling_no_room", rolling(Breaker::Rollback).ec2().fault(Fault::NoRoom), "", 32, &["--timeout", EXPIRES]),
        ("rolling_never_stable", rolling(Breaker::Off).fault(Fault::NeverStable), "", 32, &["--timeout", EXPIRES]),
        ("rolling_lost_reply", rolling(Breaker::Rollback).fault(Fault::LostReplyOnce("ecs:UpdateService")), "", 0, &[]),
        ("rolling_service_deleted", rolling(Breaker::Rollback).fault(Fault::ServiceDeleted(30)), "", 31, &[]),
        ("rolling_throttled", rolling(Breaker::Rollback).fault(Fault::ThrottleEvery(3)), "", 0, &[]),
    ];
    each(scenarios);
}

/// One that arrived is not sent again, one that did not is sent once more.
#[test]
fn the_service_is_told_as_often_as_it_takes() {
    const TELL: &str = "ecs:UpdateService";
    for (fault, times) in [(Fault::LostReplyOnce(TELL), 1), (Fault::ServerErrorOnce(TELL), 2)] {
        for world in [rolling(Breaker::Rollback), native(Strategy::BlueGreen)] {
            let cloud = Cloud::of(world.fault(fault.clone()));
            let ended = cloud.deploy(&[]).expect(0);
            assert_eq!(ended.inputs("UpdateService").len(), times, "{fault:?}: {}", ended.shown());
            assert!(ended.output.stdout.contains("looking whether ECS took it"), "{fault:?}: {}", ended.shown());
            assert_eq!(cloud.aws.with(|world| world.definitions().len()), 2, "{fault:?}: {}", ended.shown());
        }
    }
}

#[test]
fn each_shift_of_ecs_ends_as_it_ended_at_aws() {
    let canary = || native(Strategy::Canary).step(10, 5).bake(5);
    let scenarios: Vec<Scenario> = vec![
        ("blue_green", native(Strategy::BlueGreen).bake(10), "", 0, &[]),
        ("native_canary", canary(), "", 0, &[]),
        ("native_linear", native(Strategy::Linear).step(25, 2), "", 0, &[]),
        ("native_until_the_shift", canary(), "wait_until: traffic-shifted", 0, &[]),
        ("native_alarm", canary().alarm().fault(Fault::AlarmAt(10)), "", 30, &[]),
        ("native_rollback_fails", canary().alarm().fault(Fault::AlarmAt(10)).fault(Fault::RollbackFails), "", 31, &[]),
        ("native_tasks_crash", canary().fault(Fault::Crash(1)), "", 30, &[]),
        ("native_hook_fails", canary().fault(Fault::HookFails("POST_TEST_TRAFFIC_SHIFT")), "", 30, &[]),
        (
            "native_hook_never_answers",
            canary().tick(300).fault(Fault::HookSilent("POST_TEST_TRAFFIC_SHIFT")),
            "",
            30,
            &[],
        ),
        ("native_pause_goes_on", canary().tick(120).pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "CONTINUE"), "", 0, &[]),
        (
            "native_pause_goes_back",
            canary().tick(120).pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "ROLLBACK"),
            "",
            30,
            &[],
        ),
        (
            "native_pause_goes_on_and_is_stopped",
            canary()
                .tick(120)
                .pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "CONTINUE")
                .fault(Fault::ConsoleStop("BAKE_TIME")),
            "",
            30,
            &[],
        ),
        ("native_stopped_from_the_console", canary().fault(Fault::ConsoleStop("BAKE_TIME")), "", 30, &[]),
        ("native_service_deleted", canary().fault(Fault::ServiceDeleted(100)), "", 31, &[]),
        ("native_stale_reads", canary().fault(Fault::StaleReads), "", 0, &[]),
    ];
    each(scenarios);
}

/// ECS would let the new deployment take the place of the one that is under way.
#[test]
fn where_that_is_asked_for_one_that_is_under_way_is_a_reason_to_stop() {
    for (name, world) in [("rolling", rolling(Breaker::Rollback)), ("native", native(Strategy::Canary).step(10, 5))] {
        let cloud = Cloud::with(world.tick(1), "on_active: fail");
        cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "accepted as deployment", |_| {
            let ended = cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(13);
            assert_eq!(ended.writes(), Vec::<String>::new(), "{}", ended.shown());
            assert!(ended.output.stdout.contains("is under way in the service `web`"), "{}", ended.shown());
            // How many tasks run by then differs.
            let shown = ended.shown();
            let told: Vec<&str> = shown.lines().filter(|line| !line.starts_with("  running")).collect();
            insta::assert_snapshot!(format!("active_refused_{name}"), told.join("\n"));
        });
    }
}

#[test]
fn else_the_plan_says_whose_place_it_takes() {
    for world in [rolling(Breaker::Rollback), native(Strategy::Canary).step(10, 5)] {
        let cloud = Cloud::of(world.tick(1));
        cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "accepted as deployment", |_| {
            let planned = cloud.run(&["plan", "production", "--image", OTHER_IMAGE]).expect(0);
            assert!(planned.output.stdout.contains("is under way: this one takes its place"), "{}", planned.shown());
        });
    }
}

/// From the console one may end a deployment without going back: the service goes on asking for the new revision.
#[test]
fn one_that_somebody_aborts_is_told_as_not_undone() {
    for word in [" | SCALE_UP", " 10 % of the traffic |"] {
        let cloud = Cloud::of(native(Strategy::Canary).step(10, 5).tick(1));
        let (code, said) = cloud.when_it_says(&["deploy", "production", "--image", IMAGE], word, |_| {
            cloud.aws.with(|world| {
                let arn = world.service_deployments().last().expect("it was begun").0.clone();
                let input = json!({"serviceDeploymentArn": arn, "stopType": "ABORT"});
                world.call(&Request::new(Service::Ecs, "StopServiceDeployment", input)).expect("it is taken");
            });
        });
        assert_eq!(code, Some(31), "{word}: {said}");
        assert!(said.contains("somebody stopped the deployment"), "{word}: {said}");
        assert!(said.contains("--task-definition web:1"), "how to go back: {said}");
    }
}

/// Nor is a failure told as undone, or as not.
#[test]
fn a_failure_whose_end_cannot_be_looked_at_is_told_as_that() {
    let shift = Shift::Canary { percent: 10, minutes: 5 };
    let code_deploy = World::fargate("badgery", "web").code_deploy(shift).auto_rollback(true);
    let canary = native(Strategy::Canary).step(10, 5).bake(5);
    for (name, world) in [("unseen_failure_CodeDeploy", code_deploy), ("unseen_failure_ECS", canary)] {
        let cloud = Cloud::of(world.alarm().tick(1));
        let arguments = ["deploy", "production", "--image", IMAGE];
        let (code, said) = cloud.when_it_says(&arguments, " 10 % of the traffic |", |_| {
            cloud.aws.with(|world| world.faults.extend([Fault::AlarmAt(10), Fault::Denied("ecs:DescribeServices")]));
        });
        assert_eq!(code, Some(32), "{name}\n{said}");
        insta::assert_snapshot!(name, outline(code, &said));
    }
}

/// Whoever says so: a success that nobody saw is none.
#[test]
fn an_end_that_cannot_be_looked_at_is_not_a_success() {
    let code_deploy = World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).termination_wait(1);
    for (name, world) in [("unseen_CodeDeploy", code_deploy), ("unseen_ECS", native(Strategy::BlueGreen).bake(5))] {
        let cloud = Cloud::of(world.tick(1));
        let arguments = ["deploy", "production", "--image", IMAGE];
        let (code, said) = cloud.when_it_says(&arguments, "bake    …", |_| {
            cloud.aws.with(|world| world.faults.push(Fault::Denied("ecs:DescribeServices")));
        });
        assert_eq!(code, Some(32), "{name}\n{said}");
        insta::assert_snapshot!(name, outline(code, &said));
    }
}
