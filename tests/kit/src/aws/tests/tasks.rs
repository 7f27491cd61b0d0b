//! Tasks: how they end, what is said about them, and one-off tasks.

use serde_json::{Value, json};

use super::{ask, ecs, register, service, update, world};
use crate::aws::{Breaker, Fault, Service, World};

/// Rolls a definition out and returns a task of it that has stopped.
fn stopped_task(world: &mut World) -> Value {
    let definition = register(world);
    update(world, &definition);
    for _ in 0..10 {
        service(world);
    }
    let input = json!({"cluster": "badgery", "serviceName": "web", "desiredStatus": "STOPPED"});
    let listed = ecs(world, "ListTasks", input);
    ecs(world, "DescribeTasks", json!({"cluster": "badgery", "tasks": [listed["taskArns"][0]]}))["tasks"][0].clone()
}

#[test]
fn every_end_has_its_codes() {
    let cases = [
        (Fault::Crash(1), "EssentialContainerExited", "Essential container", json!(1), Value::Null),
        (Fault::Crash(137), "EssentialContainerExited", "Essential container", json!(137), json!("OutOfMemoryError")),
        (Fault::Crash(139), "EssentialContainerExited", "Essential container", json!(139), Value::Null),
        (
            Fault::ImageMissing,
            "TaskFailedToStart",
            "CannotPullContainerError",
            Value::Null,
            json!("CannotPullContainerError"),
        ),
        (Fault::SecretDenied, "TaskFailedToStart", "ResourceInitializationError", Value::Null, Value::Null),
        (
            Fault::TargetAnswers(404),
            "ServiceSchedulerInitiated",
            "Task failed ELB health checks",
            json!(143),
            Value::Null,
        ),
    ];
    for (fault, code, reason, exit, container) in cases {
        let mut world = world().rolling(Breaker::Off).fault(fault.clone());
        let task = stopped_task(&mut world);
        assert_eq!((&task["lastStatus"], &task["stopCode"]), (&json!("STOPPED"), &json!(code)), "{fault:?}");
        assert!(task["stoppedReason"].as_str().unwrap().starts_with(reason), "{fault:?}");
        assert_eq!(task["containers"][0]["exitCode"], exit, "{fault:?}");
        let said = task["containers"][0]["reason"].as_str().unwrap_or_default();
        assert!(said.starts_with(container.as_str().unwrap_or_default()), "{fault:?}: {said}");
        assert_eq!(said.is_empty(), container.is_null(), "{fault:?}: {said}");
    }
}

#[test]
fn the_load_balancer_says_why() {
    for (fault, reason) in
        [(Fault::TargetAnswers(503), "Target.ResponseCodeMismatch"), (Fault::TargetTimesOut, "Target.Timeout")]
    {
        let mut world = world().rolling(Breaker::Off).fault(fault);
        let definition = register(&mut world);
        update(&mut world, &definition);
        for _ in 0..5 {
            service(&mut world);
        }
        let groups = ask(&mut world, Service::LoadBalancing, "DescribeTargetGroups", json!({})).unwrap();
        let group = groups["TargetGroups"][0]["TargetGroupArn"].clone();
        let health =
            ask(&mut world, Service::LoadBalancing, "DescribeTargetHealth", json!({"TargetGroupArn": group})).unwrap();
        let states: Vec<&Value> = health["TargetHealthDescriptions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["TargetHealth"]["State"])
            .collect();
        assert_eq!(states, ["healthy", "healthy", "unhealthy", "unhealthy"]);
        assert_eq!(health["TargetHealthDescriptions"][2]["TargetHealth"]["Reason"], reason);
    }
}

#[test]
fn a_container_that_started_has_written_something() {
    let mut world = world().rolling(Breaker::Off).log_lines(&["boot", "panic: no database"]).fault(Fault::Crash(1));
    let task = stopped_task(&mut world);
    let id = task["taskArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut input = json!({"logGroupName": "/ecs/web", "logStreamName": format!("web/web/{id}"), "limit": 1});
    let events = ask(&mut world, Service::Logs, "GetLogEvents", input.clone()).unwrap();
    assert_eq!(events["events"][0]["message"], "panic: no database");
    input["nextToken"] = events["nextForwardToken"].clone();
    assert_eq!(ask(&mut world, Service::Logs, "GetLogEvents", input.clone()).unwrap()["events"], json!([]));
    input["logStreamName"] = json!("web/web/none");
    assert_eq!(ask(&mut world, Service::Logs, "GetLogEvents", input).unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn no_room_is_an_event() {
    let mut world = world().ec2().rolling(Breaker::Off).fault(Fault::NoRoom);
    let definition = register(&mut world);
    update(&mut world, &definition);
    let shown = service(&mut world);
    assert!(shown["events"][0]["message"].as_str().unwrap().contains("was unable to place a task"));
    assert_eq!(shown["deployments"][0]["pendingCount"], 0);
}

/// Starts a one-off task.
fn run(world: &mut World) -> String {
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-1"]}});
    let input = json!({
        "cluster": "badgery",
        "taskDefinition": "web",
        "launchType": "FARGATE",
        "startedBy": "migration",
        "networkConfiguration": network,
    });
    ecs(world, "RunTask", input)["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
}

#[test]
fn a_one_off_task_says_what_it_runs_on() {
    let ask_with = |world: &mut World, more: Value| {
        let mut input = json!({
            "cluster": "badgery", "taskDefinition": "web",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        ask(world, Service::Ecs, "RunTask", input)
    };
    let spot = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let refused = ask_with(&mut world(), json!({})).unwrap_err();
    assert_eq!(refused.message, "No Container Instances were found in your cluster.");
    let both = json!({"launchType": "FARGATE", "capacityProviderStrategy": spot});
    assert_eq!(ask_with(&mut world(), both).unwrap_err().code, "InvalidParameterException");
    let taken = ask_with(&mut world(), json!({"capacityProviderStrategy": spot})).unwrap();
    assert_eq!(taken["tasks"][0]["launchType"], "FARGATE");
    assert_eq!(ask_with(&mut world().ec2(), json!({})).unwrap()["tasks"][0]["launchType"], "EC2");
}

#[test]
fn a_one_off_task_runs_while_somebody_looks() {
    for (faults, exit) in [(vec![], 0), (vec![Fault::OneOffExits(3)], 3)] {
        let mut world = faults.into_iter().fold(world(), World::fault);
        let arn = run(&mut world);
        let mut seen = Vec::new();
        let task = loop {
            let task =
                ecs(&mut world, "DescribeTasks", json!({"cluster": "badgery", "tasks": [arn]}))["tasks"][0].clone();
            seen.push(task["lastStatus"].as_str().unwrap().to_owned());
            if seen.last().is_some_and(|status| status == "STOPPED") {
                break task;
            }
        };
        seen.dedup();
        assert_eq!(seen, ["PENDING", "RUNNING", "STOPPED"]);
        assert_eq!(task["containers"][0]["exitCode"], exit);
        let before = world.now;
        ecs(&mut world, "DescribeTasks", json!({"cluster": "badgery", "tasks": [arn]}));
        assert_eq!(world.now, before);
    }
}

#[test]
fn a_one_off_task_can_be_found_and_stopped() {
    let mut world = world();
    let arn = run(&mut world);
    let listed = ecs(&mut world, "ListTasks", json!({"cluster": "badgery", "startedBy": "migration"}));
    assert_eq!(listed["taskArns"], json!([arn]));
    let stopped = ecs(&mut world, "StopTask", json!({"cluster": "badgery", "task": arn, "reason": "enough"}));
    assert_eq!(
        (&stopped["task"]["stopCode"], &stopped["task"]["stoppedReason"]),
        (&json!("UserInitiated"), &json!("enough"))
    );
    let missing = ecs(&mut world, "DescribeTasks", json!({"cluster": "badgery", "tasks": ["none"]}));
    assert_eq!(missing["failures"][0]["reason"], "MISSING");
}
