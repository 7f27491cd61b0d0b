//! What is deployed already is deployed with no write and few calls.

use kit::aws::{Breaker, IMAGE_DIGEST, Shift, Strategy, World};

use super::Cloud;
use super::before_deploy::BEFORE;

fn same() -> String {
    format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@{IMAGE_DIGEST}")
}

#[test]
fn nothing_is_written_and_six_calls_are_enough() {
    let worlds = [
        ("code_deploy", World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce)),
        ("rolling", World::fargate("badgery", "web").rolling(Breaker::Rollback)),
        ("blue_green", World::fargate("badgery", "web").native(Strategy::BlueGreen)),
        ("canary", World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5)),
    ];
    for (name, world) in worlds {
        let cloud = Cloud::of(world);
        let ended = cloud.run(&["deploy", "production", "--image", &same()]).expect(0);
        assert!(ended.output.stdout.contains("Nothing to do"), "{}", ended.shown());
        assert_eq!(ended.writes(), Vec::<String>::new(), "{name}");
        assert!(ended.said.len() <= 6, "{name}: {}", ended.said.len());
        insta::assert_snapshot!(format!("nothing_to_do_{name}"), ended.shown());
    }
}

/// Nor does the question who holds its scaling make them more.
#[test]
fn a_service_whose_scaling_may_be_held_takes_no_more_calls() {
    for world in [
        World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).scaled(1, 10),
        World::fargate("badgery", "web").rolling(Breaker::Rollback).scaled(1, 10),
    ] {
        let ended =
            Cloud::with(world, "auto_scaling: hold").run(&["deploy", "production", "--image", &same()]).expect(0);
        assert_eq!(ended.writes(), Vec::<String>::new());
        let calls: Vec<&str> = ended.said.iter().map(|it| it.operation.as_str()).collect();
        assert!(calls.len() <= 6, "{calls:?}");
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let cloud = Cloud::of(World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce));
    cloud.deploy(&[]).expect(0);
    let again = cloud.deploy(&[]).expect(0);
    assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
}

#[test]
fn a_plan_and_a_status_write_nothing() {
    let cloud = Cloud::of(World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce));
    let other = same().replace("1111111111111111111", "3333333333333333333");
    for arguments in [
        vec!["plan", "production", "--image", other.as_str()],
        vec!["deploy", "production", "--image", other.as_str(), "--dry-run"],
        vec!["status", "production"],
        vec!["verify", "production"],
    ] {
        let ended = cloud.run(&arguments).expect(0);
        assert_eq!(ended.writes(), Vec::<String>::new());
        insta::assert_snapshot!(
            arguments[0..1].concat() + if arguments.len() > 4 { "_dry_run" } else { "" },
            ended.shown()
        );
    }
}

#[test]
fn the_least_policy_is_printed_for_each_controller() {
    let worlds = [
        ("policy_code_deploy", World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce)),
        ("policy_rolling", World::fargate("badgery", "web").rolling(Breaker::Rollback)),
        ("policy_blue_green", World::fargate("badgery", "web").native(Strategy::BlueGreen)),
    ];
    for (name, world) in worlds {
        let ended = Cloud::of(world).run(&["iam-policy", "production", "--repository", "acme/shop"]).expect(0);
        assert_eq!(ended.writes(), Vec::<String>::new(), "{name}");
        insta::assert_snapshot!(name, ended.shown());
    }
    let world = World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce);
    let more = "auto_scaling: hold\nsecrets: {DB: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db\", TOKEN: /prod/token}";
    let cloud = Cloud::with(world, more);
    let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
    cloud.file("deploy.yml", &file.replace("    target:", &format!("{BEFORE}    target:")));
    cloud.image("{repository: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/new, ecr: {create: true}}");
    let ended = cloud.run(&["iam-policy", "production", "--repository", "acme/shop"]).expect(0);
    insta::assert_snapshot!("policy_registry_and_scaling", ended.shown());
    let ended = cloud.run(&["iam-policy", "production", "--repository", "acme@7/shop@42"]).expect(0);
    let printed: serde_json::Value = serde_json::from_str(&ended.output.stdout).expect("JSON");
    let condition = &printed["trust"]["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(condition["token.actions.githubusercontent.com:sub"], "repo:acme@7/shop@42:environment:production");
}

/// A task that runs before the deployment is one of the family that is deployed, not of the one that runs.
#[test]
fn the_policy_lets_the_family_of_the_file_run() {
    let cloud = Cloud::with(World::fargate("badgery", "web").rolling(Breaker::Rollback), "task_definition: task.json");
    cloud.file("task.json", r#"{"family": "renamed", "containerDefinitions": []}"#);
    let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
    cloud.file("deploy.yml", &file.replace("    target:", &format!("{BEFORE}    target:")));
    let ended = cloud.run(&["iam-policy", "production", "--repository", "acme/shop"]).expect(0);
    let printed: serde_json::Value = serde_json::from_str(&ended.output.stdout).expect("JSON");
    let statements = printed["policy"]["Statement"].as_array().expect("statements");
    let one_off = statements.iter().find(|it| it["Sid"] == "OneOff").expect("one for the task");
    assert!(one_off["Resource"].to_string().contains(":task-definition/renamed:*"), "{one_off}");
}

#[test]
fn members_of_a_task_definition_that_nobody_has_heard_of_reach_ecs() {
    let cloud =
        Cloud::with(World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce), "task_definition: task.json");
    cloud.file(
        "task.json",
        r#"{"family": "web", "networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"],
 "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
            "inventedLater": {"deep": [1.5, "x"]},
            "containerDefinitions": [{"name": "web", "image": "any", "portMappings": [{"containerPort": 8080}],
                "alsoNew": {"a": null}, "environment": [{"name": "EMPTY", "value": ""}]}]}"#,
    );
    let ended = cloud.deploy(&[]).expect(0);
    let [registered] = ended.inputs("RegisterTaskDefinition").try_into().expect("one registration");
    assert_eq!(registered["inventedLater"]["deep"][0], 1.5);
    assert_eq!(registered["containerDefinitions"][0]["environment"][0]["value"], "");
    assert!(registered["containerDefinitions"][0].get("alsoNew").is_some());
    let again = cloud.deploy(&[]).expect(0);
    assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
}
