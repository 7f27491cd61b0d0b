//! Deployments of CodeDeploy that go well.

use serde_json::json;

use super::{code_deploy, deploy, events, follow, look, reach, service, target, task_sets, world};
use crate::aws::{Service, Shift, World};

fn canary() -> World {
    world().code_deploy(Shift::Canary { percent: 10, minutes: 5 })
}

#[test]
fn a_deployment_is_created_queued_and_then_has_a_target() {
    let mut world = canary().tick(5);
    let id = deploy(&mut world);
    assert!(id.len() == 11 && id.starts_with("d-"), "{id}");
    for status in ["Created", "Queued", "Queued"] {
        assert_eq!(look(&mut world, &id)["status"], status);
        let input = json!({"deploymentId": id, "targetId": "badgery:web"});
        let code = super::refusal(&mut world, Service::CodeDeploy, "GetDeploymentTarget", input);
        assert_eq!(code, "DeploymentNotStartedException");
    }
    assert_eq!(look(&mut world, &id)["status"], "InProgress");
    let target = target(&mut world, &id);
    assert_eq!(task_sets(&target), [("Blue", "PRIMARY", 100.0), ("Green", "ACTIVE", 0.0)]);
    assert!(target["taskSetsInfo"][0]["identifer"].as_str().unwrap().starts_with("ecs-svc/"));
    assert_eq!(target["taskSetsInfo"][1]["pendingCount"], 2);
}

#[test]
fn events_come_in_order_with_their_times() {
    for (world, count) in [(canary(), 6), (canary().test_listener(), 8)] {
        let mut world = world;
        let id = deploy(&mut world);
        assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
        let target = target(&mut world, &id);
        assert!(events(&target).iter().all(|(_, status)| *status == "Succeeded"));
        let events = target["lifecycleEvents"].as_array().unwrap();
        assert_eq!(events.len(), count);
        let times: Vec<_> = events.iter().flat_map(|event| [&event["startTime"], &event["endTime"]]).collect();
        assert!(times.iter().all(|time| time.is_u64()));
        assert!(times.windows(2).all(|pair| pair[0].as_u64() <= pair[1].as_u64()));
        let install = &events[1];
        assert_eq!(install["endTime"].as_u64().unwrap() - install["startTime"].as_u64().unwrap(), 60);
    }
}

#[test]
fn the_traffic_moves_as_the_configuration_says() {
    let cases = [
        (Shift::AllAtOnce, vec![0, 100]),
        (Shift::Canary { percent: 10, minutes: 5 }, vec![0, 10, 100]),
        (Shift::Canary { percent: 25, minutes: 2 }, vec![0, 25, 100]),
        (Shift::Linear { percent: 10, minutes: 1 }, vec![0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        (Shift::Linear { percent: 30, minutes: 3 }, vec![0, 30, 60, 90, 100]),
    ];
    for (shift, expected) in cases {
        let mut world = world().code_deploy(shift).tick(5);
        let id = deploy(&mut world);
        let mut seen = vec![0];
        while look(&mut world, &id)["instanceTerminationWaitTimeStarted"] == false {
            let green =
                world.traffic().iter().find(|(name, _)| name == "badgery-web-green").map_or(0, |(_, weight)| *weight);
            if seen.last() != Some(&green) {
                seen.push(green);
            }
        }
        if seen.last() != Some(&100) {
            seen.push(100);
        }
        assert_eq!(seen, expected, "{shift:?}");
        assert_eq!(world.traffic(), [("badgery-web-blue".to_owned(), 0), ("badgery-web-green".to_owned(), 100)]);
    }
}

#[test]
fn the_target_is_done_before_the_deployment() {
    let mut world = canary().termination_wait(10);
    let id = deploy(&mut world);
    while target_status(&mut world, &id) != "Succeeded" {}
    let info = look(&mut world, &id);
    assert_eq!((&info["status"], &info["instanceTerminationWaitTimeStarted"]), (&json!("InProgress"), &json!(true)));
    assert_eq!(task_sets(&target(&mut world, &id)), [("Blue", "ACTIVE", 0.0), ("Green", "PRIMARY", 100.0)]);
    let shown = service(&mut world);
    assert_eq!(shown["deployments"], json!([]));
    assert_eq!(shown["taskDefinition"], world.definitions()[1]);
    let began = world.now;
    assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
    assert!((500..700).contains(&(world.now - began)), "{}", world.now - began);
    assert_eq!(task_sets(&target(&mut world, &id)), [("Green", "PRIMARY", 100.0)]);
    assert_eq!(service(&mut world)["runningCount"], 2);
}

fn target_status(world: &mut World, id: &str) -> String {
    look(world, id);
    let input = json!({"deploymentId": id, "targetId": "badgery:web"});
    match super::ask(world, Service::CodeDeploy, "GetDeploymentTarget", input) {
        Ok(target) => target["deploymentTarget"]["ecsTarget"]["status"].as_str().unwrap().to_owned(),
        Err(fault) => fault.code,
    }
}

#[test]
fn the_waits_can_be_cut_short() {
    let mut world = canary().ready_wait(60).termination_wait(60);
    let id = deploy(&mut world);
    while look(&mut world, &id)["status"] != "Ready" {}
    assert_eq!(
        events(&target(&mut world, &id))[2..4],
        [("AfterInstall", "Succeeded"), ("BeforeAllowTraffic", "Pending")]
    );
    let input = json!({"deploymentId": id, "deploymentWaitType": "READY_WAIT"});
    assert_eq!(code_deploy(&mut world, "ContinueDeployment", input.clone()), json!({}));
    let code = super::refusal(&mut world, Service::CodeDeploy, "ContinueDeployment", input);
    assert_eq!(code, "DeploymentIsNotInReadyStateException");
    while look(&mut world, &id)["instanceTerminationWaitTimeStarted"] == false {}
    code_deploy(
        &mut world,
        "ContinueDeployment",
        json!({"deploymentId": id, "deploymentWaitType": "TERMINATION_WAIT"}),
    );
    assert_eq!(look(&mut world, &id)["status"], "Succeeded");
}

#[test]
fn a_function_holds_its_event_and_may_answer() {
    let mut world = canary().tick(1);
    let definition = super::register(&mut world);
    let mut input = super::deployment_of(&definition);
    let content = input["revision"]["appSpecContent"]["content"].as_str().unwrap();
    let content = content.replacen('{', r#"{"Hooks":[{"AfterInstall":"check"}],"#, 1);
    input["revision"]["appSpecContent"] = json!({"content": content});
    let id = code_deploy(&mut world, "CreateDeployment", input)["deploymentId"].as_str().unwrap().to_owned();
    while !matches!(look(&mut world, &id)["status"].as_str(), Some("InProgress")) {}
    reach(&mut world, &id, "AfterInstall");
    let hook = world.hook_execution(&id, "AfterInstall").unwrap();
    let input = json!({"deploymentId": id, "lifecycleEventHookExecutionId": hook, "status": "Succeeded"});
    code_deploy(&mut world, "PutLifecycleEventHookExecutionStatus", input.clone());
    assert_eq!(super::status_of(&target(&mut world, &id), "AfterInstall"), "Succeeded");
    let code = super::refusal(&mut world, Service::CodeDeploy, "PutLifecycleEventHookExecutionStatus", input);
    assert_eq!(code, "LifecycleEventAlreadyCompletedException");
}

#[test]
fn one_deployment_follows_another() {
    let mut world = canary().termination_wait(0);
    for _ in 0..3 {
        let id = deploy(&mut world);
        assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
        assert_eq!(world.deployed(), *world.definitions().last().unwrap());
    }
    assert_eq!(world.traffic()[1], ("badgery-web-green".to_owned(), 100));
}

#[test]
fn one_that_undoes_another_may_be_there_already() {
    let mut world = canary().active_rollback();
    let before = world.deployed();
    let made = world.deployments();
    let [(stopped, status), (undoes, goes)] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!((status.as_str(), goes.as_str()), ("Stopped", "InProgress"));
    let shown = super::code_deploy(&mut world, "GetDeployment", json!({"deploymentId": stopped}));
    assert_eq!(shown["deploymentInfo"]["rollbackInfo"]["rollbackDeploymentId"], *undoes);
    assert_eq!(follow(&mut world, undoes)["status"], "Succeeded");
    assert_eq!(world.deployed(), before);
}

#[test]
fn somebody_else_may_be_there_already() {
    let states = [
        "Created",
        "Queued",
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "AllowTestTraffic",
        "AfterAllowTestTraffic",
        "Ready",
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
        "TerminationWait",
    ];
    for state in states {
        let ready = if state == "Ready" { canary().ready_wait(5) } else { canary() };
        let mut world = ready.test_listener().active_deployment(state);
        let active = world.active().unwrap();
        let code = world.deployments();
        assert_eq!(code.len(), 1, "{state}");
        let definition = super::register(&mut world);
        let fault = super::ask(&mut world, Service::CodeDeploy, "CreateDeployment", super::deployment_of(&definition));
        let fault = fault.unwrap_err();
        assert_eq!(fault.code, "DeploymentLimitExceededException");
        assert!(fault.message.contains(&active), "{}", fault.message);
        if !matches!(state, "Created" | "Queued" | "Ready" | "TerminationWait") {
            assert_eq!(super::status_of(&target(&mut world, &active), state), "InProgress", "{state}");
        }
    }
}
