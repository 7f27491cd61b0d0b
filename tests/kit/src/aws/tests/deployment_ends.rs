//! Deployments of CodeDeploy that end badly, and what becomes of them.

use serde_json::json;

use super::{code_deploy, deploy, events, follow, look, reach, target, task_sets, world};
use crate::aws::{Fault, Service, Shift, World};

fn linear() -> World {
    world().code_deploy(Shift::Linear { percent: 10, minutes: 1 })
}

#[test]
fn every_bad_end_has_its_code_and_its_event() {
    let cases = [
        (Fault::Crash(1), "Failed", "TIMEOUT", "Install"),
        (Fault::ImageMissing, "Failed", "TIMEOUT", "Install"),
        (Fault::SecretDenied, "Failed", "TIMEOUT", "Install"),
        (Fault::TargetTimesOut, "Failed", "TIMEOUT", "Install"),
        (Fault::NeverStable, "Failed", "TIMEOUT", "Install"),
        (Fault::ServiceRoleDenied, "Failed", "IAM_ROLE_PERMISSIONS", "Install"),
        (Fault::HookFails("BeforeInstall"), "Failed", "HOOK_EXECUTION_FAILURE", "BeforeInstall"),
        (Fault::HookFails("AfterAllowTestTraffic"), "Failed", "HOOK_EXECUTION_FAILURE", "AfterAllowTestTraffic"),
        (Fault::HookSilent("AfterInstall"), "Failed", "HOOK_EXECUTION_FAILURE", "AfterInstall"),
        (Fault::HookFails("AfterAllowTraffic"), "Failed", "HOOK_EXECUTION_FAILURE", "AfterAllowTraffic"),
        (Fault::ScalingMidShift, "Failed", "ECS_UPDATE_ERROR", "AllowTraffic"),
        (Fault::ServiceDeleted(200), "Failed", "INVALID_ECS_SERVICE", "AllowTraffic"),
        (Fault::AlarmAt(30), "Stopped", "ALARM_ACTIVE", "AllowTraffic"),
        (Fault::AlarmAt(0), "Stopped", "ALARM_ACTIVE", "BeforeInstall"),
        (Fault::ConsoleStop("AllowTraffic"), "Stopped", "MANUAL_STOP", "AllowTraffic"),
    ];
    for (fault, status, code, event) in cases {
        let mut world = linear().install_limit(600).fault(fault.clone());
        let id = deploy(&mut world);
        let info = follow(&mut world, &id);
        assert_eq!((&info["status"], &info["errorInformation"]["code"]), (&json!(status), &json!(code)), "{fault:?}");
        assert!(info["rollbackInfo"].is_null(), "{fault:?}");
        let target = target(&mut world, &id);
        let events = events(&target);
        let at = events.iter().position(|(name, _)| *name == event).unwrap();
        assert_eq!(events[at], (event, "Failed"), "{fault:?}");
        assert!(events[..at].iter().all(|(_, status)| *status == "Succeeded"), "{fault:?}: {events:?}");
        assert!(events[at + 1..].iter().all(|(_, status)| *status == "Skipped"), "{fault:?}: {events:?}");
        assert!(target["lifecycleEvents"][at]["diagnostics"]["message"].is_string(), "{fault:?}");
    }
}

#[test]
fn a_rollback_is_a_deployment_of_its_own() {
    for fault in [Fault::HookFails("AfterAllowTraffic"), Fault::AlarmAt(50), Fault::ConsoleStop("AllowTraffic")] {
        let mut world = linear().auto_rollback(true).fault(fault);
        let id = deploy(&mut world);
        let failed = follow(&mut world, &id);
        let undoing = failed["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap().to_owned();
        let info = look(&mut world, &undoing);
        assert_eq!(info["creator"], "codeDeployRollback");
        assert_eq!(info["rollbackInfo"]["rollbackTriggeringDeploymentId"], id);
        assert_eq!(follow(&mut world, &undoing)["status"], "Succeeded");
        assert_eq!(task_sets(&target(&mut world, &undoing)), [("Blue", "PRIMARY", 100.0)]);
        assert_eq!(world.deployed(), world.definitions()[0]);
        assert_eq!(world.traffic()[0], ("badgery-web-blue".to_owned(), 100));
        assert_eq!((world.running(&world.definitions()[0]), world.running(&world.definitions()[1])), (2, 0));
    }
}

#[test]
fn a_rollback_may_fail_or_come_late() {
    let mut world = linear().auto_rollback(true).fault(Fault::HookFails("AfterInstall")).fault(Fault::RollbackFails);
    let id = deploy(&mut world);
    let failed = follow(&mut world, &id);
    let undoing = failed["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap().to_owned();
    let end = follow(&mut world, &undoing);
    assert_eq!((&end["status"], &end["errorInformation"]["code"]), (&json!("Failed"), &json!("ECS_UPDATE_ERROR")));
    assert!(end["rollbackInfo"]["rollbackDeploymentId"].is_null());

    let mut world = linear().auto_rollback(true).fault(Fault::HookFails("AfterInstall")).fault(Fault::RollbackLate(40));
    let id = deploy(&mut world);
    assert!(follow(&mut world, &id)["rollbackInfo"].is_null());
    world.advance(40);
    assert!(look(&mut world, &id)["rollbackInfo"]["rollbackDeploymentId"].is_string());
}

#[test]
fn what_is_rolled_back_is_what_was_asked_for() {
    // The group's events, what the caller of StopDeployment says, whether there is a rollback.
    let stop = "DEPLOYMENT_STOP_ON_REQUEST";
    let cases: [(&[&str], Option<bool>, bool); 5] = [
        (&[], None, false),
        (&[], Some(true), true),
        (&[stop], None, true),
        (&[stop], Some(false), false),
        (&["DEPLOYMENT_FAILURE"], None, false),
    ];
    for (configured, asked, expected) in cases {
        let mut world = linear().rollback_events(configured);
        let id = deploy(&mut world);
        while look(&mut world, &id)["status"] != "InProgress" {}
        reach(&mut world, &id, "AllowTraffic");
        let mut input = json!({"deploymentId": id});
        if let Some(asked) = asked {
            input["autoRollbackEnabled"] = json!(asked);
        }
        assert_eq!(code_deploy(&mut world, "StopDeployment", input.clone())["status"], "Pending");
        let info = follow(&mut world, &id);
        assert_eq!(info["status"], "Stopped");
        assert_eq!(info["rollbackInfo"].is_object(), expected, "{configured:?} {asked:?}");
        let code = super::refusal(&mut world, Service::CodeDeploy, "StopDeployment", input);
        assert_eq!(code, "DeploymentAlreadyCompletedException");
    }
}

#[test]
fn there_is_no_rollback_before_there_are_new_tasks() {
    let mut world = linear().auto_rollback(true).fault(Fault::HookFails("BeforeInstall"));
    let id = deploy(&mut world);
    assert!(follow(&mut world, &id)["rollbackInfo"].is_null());
}

#[test]
fn a_stop_in_the_termination_wait_goes_back() {
    let mut world = linear().termination_wait(30);
    let id = deploy(&mut world);
    while look(&mut world, &id)["instanceTerminationWaitTimeStarted"] == false {}
    code_deploy(&mut world, "StopDeployment", json!({"deploymentId": id, "autoRollbackEnabled": true}));
    let info = follow(&mut world, &id);
    let undoing = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap().to_owned();
    follow(&mut world, &undoing);
    assert_eq!(world.deployed(), world.definitions()[0]);
    assert_eq!(target(&mut world, &id)["status"], "Succeeded");
}

#[test]
fn the_wait_for_a_person_ends_in_a_stop() {
    let mut world = linear().ready_wait(10);
    let id = deploy(&mut world);
    assert_eq!(follow(&mut world, &id)["status"], "Stopped");
}

#[test]
fn an_alarm_that_is_overridden_lets_a_fix_through() {
    let mut world = linear().fault(Fault::AlarmAt(0));
    let definition = super::register(&mut world);
    let mut input = super::deployment_of(&definition);
    input["overrideAlarmConfiguration"] = json!({"enabled": false});
    let created = code_deploy(&mut world, "CreateDeployment", input);
    let id = created["deploymentId"].as_str().unwrap().to_owned();
    assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
}

#[test]
fn what_a_failure_leaves_is_gone_at_the_next_deployment() {
    let mut world = linear().fault(Fault::HookFails("AfterAllowTraffic"));
    let id = deploy(&mut world);
    follow(&mut world, &id);
    assert_eq!(world.traffic()[1], ("badgery-web-green".to_owned(), 100));
    world.faults.clear();
    let id = deploy(&mut world);
    assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
    assert_eq!(super::service(&mut world)["taskSets"].as_array().unwrap().len(), 1);
    assert_eq!(super::service(&mut world)["runningCount"], 2);
}

#[test]
fn suspended_scaling_does_no_harm() {
    let mut world = linear().scaled(1, 8).fault(Fault::ScalingMidShift);
    let input = json!({
        "ServiceNamespace": "ecs",
        "ResourceId": "service/badgery/web",
        "ScalableDimension": "ecs:service:DesiredCount",
        "SuspendedState": {"DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": true},
    });
    super::ask(&mut world, Service::AutoScaling, "RegisterScalableTarget", input).unwrap();
    let id = deploy(&mut world);
    assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
    assert_eq!(world.desired_count(), 2);
    assert_eq!(world.suspended().unwrap()["ScheduledScalingSuspended"], false);
}
