//! CodeDeploy: every way in which a deployment goes well, fails, is stopped, or cannot be watched.

use std::collections::BTreeSet;

use kit::aws::{Breaker, Fault, Shift, Strategy, World};

use super::{Cloud, EXPIRES, IMAGE, OTHER_IMAGE, Scenario, each};

fn world(shift: Shift) -> World {
    World::fargate("badgery", "web").code_deploy(shift).auto_rollback(true).install_limit(300)
}

fn all_at_once() -> World {
    world(Shift::AllAtOnce)
}

fn canary() -> World {
    world(Shift::Canary { percent: 10, minutes: 5 })
}

#[test]
fn each_ends_as_it_ended_at_aws() {
    let linear = || world(Shift::Linear { percent: 25, minutes: 3 });
    let log = ["listening on 8080", "panic: no database"];
    let scenarios: Vec<Scenario> = vec![
        ("all_at_once", all_at_once(), "", 0, &[]),
        ("canary", canary(), "", 0, &[]),
        ("linear", linear(), "", 0, &[]),
        ("test_listener", canary().test_listener(), "", 0, &[]),
        ("until_the_shift", canary().termination_wait(60), "wait_until: traffic-shifted", 0, &[]),
        ("hook_fails", all_at_once().test_listener().fault(Fault::HookFails("AfterAllowTestTraffic")), "", 30, &[]),
        ("hook_fails_after_the_shift", all_at_once().fault(Fault::HookFails("AfterAllowTraffic")), "", 30, &[]),
        ("hook_never_answers", all_at_once().tick(300).fault(Fault::HookSilent("BeforeAllowTraffic")), "", 30, &[]),
        ("alarm_during_the_shift", canary().alarm().fault(Fault::AlarmAt(10)), "", 30, &[]),
        ("alarm_without_rollback", canary().alarm().auto_rollback(false).fault(Fault::AlarmAt(10)), "", 31, &[]),
        ("ready_wait_expires", all_at_once().tick(120).ready_wait(5), "", 30, &[]),
        ("stopped_from_the_console", canary().fault(Fault::ConsoleStop("AllowTraffic")), "", 30, &[]),
        (
            "hook_fails_after_the_shift_without_rollback",
            all_at_once().auto_rollback(false).fault(Fault::HookFails("AfterAllowTraffic")),
            "",
            31,
            &[],
        ),
        (
            "rollback_fails_after_the_shift",
            all_at_once().fault(Fault::HookFails("AfterAllowTraffic")).fault(Fault::RollbackFails),
            "",
            31,
            &[],
        ),
        ("rollback_fails", canary().alarm().fault(Fault::AlarmAt(10)).fault(Fault::RollbackFails), "", 31, &[]),
        (
            "rollback_is_named_late",
            canary().alarm().fault(Fault::AlarmAt(10)).fault(Fault::RollbackLate(30)),
            "",
            30,
            &[],
        ),
        ("crash_1", all_at_once().log_lines(&log).fault(Fault::Crash(1)), "", 30, &[]),
        ("crash_137", all_at_once().log_lines(&log).fault(Fault::Crash(137)), "", 30, &[]),
        ("image_missing", all_at_once().fault(Fault::ImageMissing), "", 30, &[]),
        ("secret_denied", all_at_once().fault(Fault::SecretDenied), "", 30, &[]),
        ("target_answers_404", all_at_once().fault(Fault::TargetAnswers(404)), "", 30, &[]),
        ("target_times_out", all_at_once().fault(Fault::TargetTimesOut), "", 30, &[]),
        ("service_role_denied", all_at_once().fault(Fault::ServiceRoleDenied), "", 30, &[]),
        ("scaling_event", canary().scaled(1, 10).fault(Fault::ScalingMidShift), "", 30, &[]),
        ("service_deleted", canary().fault(Fault::ServiceDeleted(200)), "", 31, &[]),
        ("throttled", canary().fault(Fault::ThrottleEvery(3)), "", 0, &[]),
        ("lost_reply", all_at_once().fault(Fault::LostReplyOnce("codedeploy:CreateDeployment")), "", 0, &[]),
        ("lost_registration", all_at_once().fault(Fault::LostReplyOnce("ecs:RegisterTaskDefinition")), "", 0, &[]),
        ("server_error", all_at_once().fault(Fault::ServerErrorOnce("codedeploy:CreateDeployment")), "", 0, &[]),
        ("limit_error", canary().fault(Fault::LimitOnce), "", 0, &[]),
        ("active_queued", canary().active_deployment("Queued"), "", 0, &[]),
        ("active_queued_superseded", canary().active_deployment("Queued"), "on_active: supersede", 0, &[]),
        ("active_queued_refused", canary().active_deployment("Queued"), "on_active: fail", 13, &[]),
        ("not_found_at_first", all_at_once().fault(Fault::NotFoundOnce), "", 0, &[]),
        (
            "stale_reads_and_lost_reply",
            canary().fault(Fault::StaleReads).fault(Fault::LostReplyOnce("codedeploy:CreateDeployment")),
            "",
            0,
            &[],
        ),
        ("stale_reads", canary().fault(Fault::StaleReads), "", 0, &[]),
        ("stale_reads_and_alarm", canary().alarm().fault(Fault::StaleReads).fault(Fault::AlarmAt(10)), "", 30, &[]),
        ("active_waited_for", canary().active_deployment("AllowTraffic"), "", 0, &[]),
        ("active_before_the_shift", canary().active_deployment("Install"), "", 0, &[]),
        ("active_created", canary().active_deployment("Created"), "", 0, &[]),
        ("active_terminating", canary().termination_wait(60).active_deployment("TerminationWait"), "", 0, &[]),
        (
            "active_superseded",
            canary().termination_wait(60).active_deployment("TerminationWait"),
            "on_active: supersede",
            0,
            &[],
        ),
        (
            "active_not_superseded_before_its_end",
            canary().active_deployment("AllowTraffic"),
            "on_active: supersede",
            0,
            &[],
        ),
        ("active_ready", canary().tick(60).ready_wait(5).active_deployment("Ready"), "", 30, &[]),
        ("active_for_too_long", canary().tick(0).active_deployment("AllowTraffic"), "active_timeout: 200ms", 12, &[]),
        ("active_created_superseded", canary().active_deployment("Created"), "on_active: supersede", 0, &[]),
        ("active_before_the_shift_superseded", canary().active_deployment("Install"), "on_active: supersede", 0, &[]),
        (
            "active_ready_superseded",
            canary().tick(60).ready_wait(5).active_deployment("Ready"),
            "on_active: supersede",
            30,
            &[],
        ),
        ("active_created_refused", canary().active_deployment("Created"), "on_active: fail", 13, &[]),
        ("active_before_the_shift_refused", canary().active_deployment("Install"), "on_active: fail", 13, &[]),
        ("active_ready_refused", canary().ready_wait(5).active_deployment("Ready"), "on_active: fail", 13, &[]),
        (
            "active_terminating_refused",
            canary().termination_wait(60).active_deployment("TerminationWait"),
            "on_active: fail",
            13,
            &[],
        ),
        ("active_timeout_without_waiting", canary(), "on_active: fail\nactive_timeout: 5m", 13, &[]),
        ("active_refused", canary().active_deployment("AllowTraffic"), "on_active: fail", 13, &[]),
        ("out_of_time", canary().tick(0), "", 32, &["--timeout", EXPIRES]),
    ];
    each(scenarios);
}

#[test]
fn one_deployment_whatever_is_lost() {
    for operation in ["codedeploy:CreateDeployment", "ecs:RegisterTaskDefinition"] {
        let cloud = Cloud::of(all_at_once().fault(Fault::LostReplyOnce(operation)));
        let ended = cloud.deploy(&[]).expect(0);
        assert_eq!(ended.inputs("CreateDeployment").len(), 1, "{operation}");
        assert_eq!(cloud.aws.with(|world| world.deployments().len()), 1, "{operation}");
        assert_eq!(cloud.aws.with(|world| world.definitions().len()), 2, "{operation}");
    }
}

/// To send it again might make a second revision.
#[test]
fn a_registration_of_which_nobody_knows_is_not_sent_again() {
    let register = "ecs:RegisterTaskDefinition";
    let fails = Fault::FailsAfter(register, "ecs:DescribeTaskDefinition");
    let cloud = Cloud::of(all_at_once().fault(Fault::LostReplyOnce(register)).fault(fails));
    let ended = cloud.deploy(&[]).expect(32);
    assert_eq!(ended.inputs("RegisterTaskDefinition").len(), 1, "{}", ended.shown());
    assert!(ended.inputs("CreateDeployment").is_empty(), "{}", ended.shown());
    insta::assert_snapshot!("registration_unknown", ended.shown());
}

/// Whether it was to be undone or not: the service has it, and what it has failed.
#[test]
fn what_failed_with_all_the_traffic_is_no_success_when_it_is_wanted_again() {
    for rolls_back in [false, true] {
        let world = all_at_once().auto_rollback(rolls_back).alarm().termination_wait(60);
        let cloud = Cloud::with(world.fault(Fault::RollbackFails), "wait_until: traffic-shifted");
        cloud.deploy(&[]).expect(0);
        cloud.aws.with(|world| {
            world.faults.push(Fault::AlarmAt(100));
            world.advance(2 * 3600);
        });
        let again = cloud.deploy(&[]).expect(13);
        assert!(again.output.stdout.contains("deployment_unsettled"), "{}", again.shown());
        assert!(again.output.stdout.contains("it failed"), "{}", again.shown());
        assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
    }
}

/// A deployment that failed says nothing about a version that had the traffic before it, and has it still.
#[test]
fn what_serves_is_settled_whatever_failed_after_it() {
    let install = Fault::ImageMissing;
    for rolls_back in [true, false] {
        let cloud = Cloud::of(all_at_once().auto_rollback(rolls_back));
        cloud.deploy(&[]).expect(0);
        cloud.aws.with(|world| world.faults.push(install.clone()));
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(30);
        let again = cloud.deploy(&[]).expect(0);
        assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
        // The newest that succeeded is one that went back by now, and not the one that made what serves.
        cloud.aws.with(|world| world.faults.push(Fault::ServiceRoleDenied));
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(30);
        let again = cloud.deploy(&[]).expect(0);
        assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
    }
}

#[test]
fn one_that_fails_at_once_is_not_made_again_for_a_lost_reply() {
    let lost = Fault::LostReplyOnce("codedeploy:CreateDeployment");
    let cloud = Cloud::of(all_at_once().fault(lost).fault(Fault::ServiceRoleDenied));
    let ended = cloud.deploy(&[]).expect(30);
    assert_eq!(ended.inputs("CreateDeployment").len(), 1, "{}", ended.shown());
}

#[test]
fn what_is_wanted_is_no_success_while_it_may_still_go_back() {
    for (at, world) in [("TerminationWait", canary().termination_wait(60)), ("AllowTraffic", canary())] {
        let cloud = Cloud::of(world.tick(0).active_deployment(at));
        let serving = cloud.aws.with(|world| world.deployed());
        let definition = cloud.aws.with(|world| world.definition(&serving)).expect("it serves");
        let image = definition["containerDefinitions"][0]["image"].as_str().expect("an image").to_owned();
        let ended = cloud.run(&["deploy", "production", "--image", &image]).expect(13);
        assert!(ended.output.stdout.contains("deployment_unsettled"), "{at}: {}", ended.shown());
        assert_eq!(ended.writes(), Vec::<String>::new(), "{at}");
    }
}

#[test]
fn a_second_run_with_the_same_key_follows_the_first() {
    let cloud = Cloud::of(canary().tick(0));
    cloud.deploy(&["--timeout", EXPIRES]).expect(32);
    cloud.aws.with(|world| world.tick = 15);
    let again = cloud.deploy(&[]).expect(0);
    assert_eq!(again.inputs("CreateDeployment").len(), 0, "{}", again.shown());
    assert!(again.output.stdout.contains("nothing is started anew"), "{}", again.shown());
}

#[test]
fn a_sick_target_is_told_with_what_its_group_asks_for() {
    // Where ECS shifts the traffic itself, the new tasks are in the other one of two groups.
    let native = World::fargate("badgery", "web").native(Strategy::BlueGreen).bake(5);
    for (name, world) in [("sick_target", canary()), ("sick_target_native", native)] {
        let cloud = Cloud::of(world.tick(0).fault(Fault::TargetAnswers(404)));
        let arguments = ["deploy", "production", "--image", IMAGE, "--timeout", EXPIRES];
        let (code, said) = cloud.when_it_says(&arguments, "accepted as deployment", |_| {
            // The new tasks run, and are not replaced yet.
            cloud.aws.with(|world| world.advance(75));
        });
        assert_eq!(code, Some(32), "{name}: {said}");
        assert!(!cloud.aws.exchanges_of("DescribeTargetGroups").is_empty(), "{name}: {said}");
        let why: Vec<&str> = said.lines().filter_map(|line| line.split_once("why: ")).map(|(_, why)| why).collect();
        insta::assert_snapshot!(name, why.join("\n"));
    }
}

#[test]
fn the_last_fifty_lines_of_a_log_are_told() {
    let lines: Vec<String> = (1..=60).map(|number| format!("line {number:02}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let world = World::fargate("badgery", "web").rolling(Breaker::Rollback).log_lines(&lines).fault(Fault::Crash(1));
    let said = Cloud::of(world).deploy(&[]).expect(30).shown();
    assert!(said.contains("| line 11\n") && said.contains("| line 60\n") && !said.contains("| line 10\n"), "{said}");
}

/// What was not answered is looked for among what was made before it, a few calls at a time.
#[test]
fn three_calls_a_look_for_what_was_not_answered() {
    let cloud = Cloud::of(all_at_once());
    for image in [IMAGE, OTHER_IMAGE, IMAGE, OTHER_IMAGE] {
        cloud.run(&["deploy", "production", "--image", image]).expect(0);
    }
    cloud.aws.with(|world| world.faults.push(Fault::ServerErrorOnce("codedeploy:CreateDeployment")));
    let ended = cloud.deploy(&[]).expect(0);
    let made = |at: &usize| ended.said[*at].operation == "CreateDeployment";
    let made: Vec<usize> = (0..ended.said.len()).filter(made).collect();
    let [first, second] = made.as_slice() else { panic!("{}", ended.shown()) };
    // A look begins with one list, or with two.
    let (mut lists, mut asked, mut known) = (0, 0, BTreeSet::new());
    for exchange in &ended.said[first + 1..*second] {
        match exchange.operation.as_str() {
            "ListDeployments" => (lists, asked) = (if asked == 0 { lists + 1 } else { 1 }, 0),
            "GetDeployment" => {
                asked += 1;
                assert!(known.insert(exchange.input["deploymentId"].to_string()), "asked twice: {}", ended.shown());
            }
            _ => continue,
        }
        // Looks that ask for nothing more follow each other.
        assert!(asked == 0 || lists.min(2) + asked <= 3, "{lists} lists, {asked} asked: {}", ended.shown());
    }
    assert_eq!(known.len(), 4, "all of them were looked at: {}", ended.shown());
}

#[test]
fn three_calls_a_look() {
    let native = World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5);
    let rolling = World::fargate("badgery", "web").rolling(Breaker::Rollback);
    for (world, begin, look) in [
        (canary(), "CreateDeployment", "GetDeployment"),
        (native, "UpdateService", "DescribeServiceDeployments"),
        (rolling, "UpdateService", "DescribeServices"),
    ] {
        let ended = Cloud::of(world).deploy(&[]).expect(0);
        let begun = ended.said.iter().position(|it| it.operation == begin).expect("it begins");
        // The marking of the revision at the end is no look.
        let watching = ended.said[begun + 1..].iter().filter(|it| it.operation != "TagResource");
        let (mut calls, mut most, mut looks) = (0, 0, 0);
        for exchange in watching {
            let new = exchange.operation == look;
            looks += usize::from(new);
            calls = if new { 1 } else { calls + 1 };
            most = most.max(calls);
        }
        assert!(looks > 3 && most <= 3, "{begin}: {looks} looks, {most}\n{}", ended.shown());
    }
}
