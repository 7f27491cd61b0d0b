//! What is wrong before anything was written: the exact sentences, and no write.

use kit::aws::{Breaker, Fault, Shift, Strategy, World};
use serde_json::json;

use super::{Cloud, IMAGE};

fn code_deploy() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce)
}

#[test]
fn each_missing_permission_is_named_before_anything_is_written() {
    let native = || World::fargate("badgery", "web").native(Strategy::BlueGreen);
    let ready = || code_deploy().tick(1).ready_wait(60).active_deployment("Ready");
    let deploy = &["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"][..];
    for (number, (operation, world, arguments)) in [
        ("ecs:DescribeServices", code_deploy(), deploy),
        ("ecs:DescribeServices", native(), deploy),
        ("ecs:DescribeTaskDefinition", code_deploy(), deploy),
        ("codedeploy:GetDeploymentGroup", code_deploy(), deploy),
        ("codedeploy:ListDeployments", code_deploy(), deploy),
        ("ecs:RegisterTaskDefinition", code_deploy(), deploy),
        ("iam:PassRole", code_deploy(), deploy),
        ("ecs:ListTaskDefinitions", code_deploy(), &["rollback", "production"]),
        ("codedeploy:ContinueDeployment", ready(), &["approve", "production"]),
        ("codedeploy:StopDeployment", ready(), &["approve", "production", "--reject"]),
        ("application-autoscaling:DescribeScalableTargets", code_deploy().scaled(1, 8), deploy),
    ]
    .into_iter()
    .enumerate()
    {
        // Only who holds scaling still has to see it.
        let more = if operation.contains("autoscaling") { "auto_scaling: hold" } else { "" };
        let ended = Cloud::with(world.fault(Fault::Denied(operation)), more).run(arguments).expect(13);
        let written = ended.said.iter().filter(|it| it.is_write && it.error.is_none()).count();
        assert_eq!(written, 0, "{operation}: {}", ended.shown());
        insta::assert_snapshot!(format!("denied_{number}_{}", operation.replace(':', "_")), ended.shown());
    }
}

#[test]
fn what_only_the_begin_shows_leaves_a_revision_that_nobody_uses() {
    for (number, (operation, world)) in [
        ("codedeploy:CreateDeployment", code_deploy()),
        ("ecs:UpdateService", World::fargate("badgery", "web").rolling(Breaker::Rollback)),
        ("ecs:UpdateService", World::fargate("badgery", "web").native(Strategy::BlueGreen)),
    ]
    .into_iter()
    .enumerate()
    {
        let cloud = Cloud::of(world.fault(Fault::Denied(operation)));
        let before = cloud.aws.with(|world| world.deployed());
        let ended = cloud.deploy(&[]).expect(13);
        // Its key is a tag of it where ECS itself replaces the tasks.
        let written = ended.said.iter().filter(|it| it.is_write && it.error.is_none());
        let others: Vec<&str> = written
            .filter(|it| it.operation != "RegisterTaskDefinition")
            .filter(|it| it.operation != "TagResource" || it.input["tags"][0]["key"] != "deploy-action:key")
            .map(|it| it.operation.as_str())
            .collect();
        assert_eq!((others, cloud.aws.with(|world| world.deployed())), (Vec::new(), before), "{operation}");
        insta::assert_snapshot!(format!("denied_late_{number}_{}", operation.replace(':', "_")), ended.shown());
    }
}

#[test]
fn a_diagnosis_without_permissions_is_a_shorter_one() {
    let world = code_deploy().auto_rollback(true).fault(Fault::Crash(1));
    let world = ["ecs:ListTasks", "logs:GetLogEvents", "codedeploy:GetDeploymentTarget"]
        .into_iter()
        .fold(world, |world, operation| world.fault(Fault::Denied(operation)));
    insta::assert_snapshot!("diagnosis_denied", Cloud::of(world).deploy(&[]).expect(30).shown());
}

#[test]
fn a_part_of_a_diagnosis_that_aws_does_not_give_is_named() {
    let fails = Fault::FailsAfter("codedeploy:CreateDeployment", "ecs:ListTasks");
    let world = code_deploy().auto_rollback(true).fault(Fault::Crash(1)).fault(fails);
    let told = Cloud::of(world).deploy(&[]).expect(30).shown();
    assert_eq!(told.matches("part of the diagnosis is missing: ecs:ListTasks: ").count(), 1, "{told}");
}

/// Each part by itself: what else is known is told, and what is missing is named once.
#[test]
fn each_part_of_a_diagnosis_may_be_missing() {
    for (operation, fault, still_told) in [
        ("ecs:ListTasks", Fault::TargetAnswers(404), "is unhealthy"),
        ("ecs:DescribeTasks", Fault::TargetAnswers(404), "is unhealthy"),
        ("logs:GetLogEvents", Fault::Crash(1), "exit code 1"),
        ("elasticloadbalancing:DescribeTargetHealth", Fault::Crash(1), "exit code 1"),
    ] {
        let world = World::fargate("badgery", "web").rolling(Breaker::Rollback).log_lines(&["panic: no database"]);
        let ended = Cloud::of(world.fault(fault).fault(Fault::Denied(operation))).deploy(&[]).expect(30);
        let (told, notice) = (&ended.output.stdout, format!("grant {operation} to see them"));
        assert!(told.contains(still_told), "{operation}: {}", ended.shown());
        assert_eq!(told.matches(&notice).count(), 1, "{operation}: {}", ended.shown());
    }
}

/// CodeDeploy itself would say so only when the revision is registered.
#[test]
fn a_deployment_configuration_that_does_not_fit_is_refused_before_anything_is_written() {
    for (name, sentence) in [
        ("CodeDeployDefault.ECSCanary", "CodeDeploy has no deployment configuration `CodeDeployDefault.ECSCanary`"),
        ("CodeDeployDefault.OneAtATime", "`CodeDeployDefault.OneAtATime` is for the platform Server, not for ECS"),
    ] {
        let more = format!("code_deploy: {{deployment_config: {name}}}");
        let cloud = Cloud::with(code_deploy(), &more);
        for ended in [cloud.deploy(&[]), cloud.run(&["verify", "production"])] {
            let ended = ended.expect(13);
            assert!(!ended.said.iter().any(|it| it.is_write), "{name}: {}", ended.shown());
            assert!(ended.shown().contains(sentence), "{name}: {}", ended.shown());
        }
    }
    // Who may not ask finds out as before.
    let denied = code_deploy().fault(Fault::Denied("codedeploy:GetDeploymentConfig"));
    Cloud::of(denied).deploy(&[]).expect(0);
}

/// Good as it stands: what each case changes is what is wrong with it.
const APP_SPEC: &str = "version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: <TASK_DEFINITION>
        LoadBalancerInfo:
          ContainerName: web
          ContainerPort: 8080
        PlatformVersion: LATEST
        NetworkConfiguration:
          AwsvpcConfiguration:
            Subnets: [subnet-1, subnet-2]
            SecurityGroups: [sg-1]
            AssignPublicIp: DISABLED
Hooks:
  - BeforeInstall: check-before
  - AfterAllowTraffic: check-after
";

#[test]
fn each_bad_app_spec_is_refused_at_its_line() {
    let changed = |from: &str, to: &str| {
        assert!(APP_SPEC.contains(from), "{from}");
        APP_SPEC.replace(from, to)
    };
    for (name, text) in [
        ("no_yaml", changed("Resources:", "Resources: [")),
        ("unknown_key", changed("PlatformVersion", "PlattformVersion")),
        ("other_version", changed("version: 0.0", "version: 1")),
        ("no_placeholder", changed("        TaskDefinition: <TASK_DEFINITION>\n", "")),
        ("no_load_balancer", changed("LoadBalancerInfo", "PlatformVersion").replacen("PlatformVersion: LATEST", "", 1)),
        ("other_type", changed("AWS::ECS::Service", "AWS::Lambda::Function")),
        ("other_container", changed("ContainerName: web", "ContainerName: api")),
        ("other_port", changed("8080", "80")),
        ("port_no_number", changed("8080", "http")),
        ("network_in_part", changed("            SecurityGroups: [sg-1]\n", "")),
        ("unknown_hook", changed("BeforeInstall", "BeforeInstal")),
        ("hook_twice", changed("AfterAllowTraffic", "BeforeInstall")),
        ("two_resources", changed("Hooks:", "  - Other: {Type: x, Properties: {}}\nHooks:")),
        ("twice_in_other_case", changed("version: 0.0", "version: 0.0\nVersion: 0.0")),
    ] {
        let cloud = Cloud::with(code_deploy(), "code_deploy: {app_spec: appspec.yml}");
        cloud.file("appspec.yml", &text);
        let ended = cloud.deploy(&[]).expect(13);
        assert_eq!(ended.writes(), Vec::<String>::new(), "{name}");
        insta::assert_snapshot!(format!("app_spec_{name}"), ended.shown());
    }
    let cloud = Cloud::with(code_deploy(), "code_deploy: {app_spec: appspec.yml}");
    let ended = cloud.deploy(&[]).expect(13);
    assert_eq!(ended.writes(), Vec::<String>::new());
    insta::assert_snapshot!("app_spec_missing", ended.shown());
}

#[test]
fn an_app_spec_of_the_users_own_is_sent_with_the_new_revision_in_it() {
    let spec = r#"{"version": 0.0, "resources": [{"web": {"type": "AWS::ECS::Service", "properties": {
        "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:1",
        "loadBalancerInfo": {"containerName": "web", "containerPort": 8080},
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "base": 1, "weight": 2}]}}}]}"#;
    let balancer = json!({"ContainerName": "web", "ContainerPort": 8080});
    let network = json!({"AwsvpcConfiguration": {
        "Subnets": ["subnet-1", "subnet-2"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "DISABLED",
    }});
    let provider = json!({"CapacityProvider": "FARGATE_SPOT", "Base": 1, "Weight": 2});
    for (text, properties, hooks) in [
        (
            APP_SPEC,
            json!({"LoadBalancerInfo": balancer, "PlatformVersion": "LATEST", "NetworkConfiguration": network}),
            Some(json!([{"BeforeInstall": "check-before"}, {"AfterAllowTraffic": "check-after"}])),
        ),
        (spec, json!({"LoadBalancerInfo": balancer, "CapacityProviderStrategy": [provider]}), None),
    ] {
        let cloud = Cloud::with(code_deploy(), "code_deploy: {app_spec: appspec.yml}");
        cloud.file("appspec.yml", text);
        let ended = cloud.deploy(&[]).expect(0);
        let sent = &ended.inputs("CreateDeployment")[0]["revision"]["appSpecContent"]["content"];
        let sent: serde_json::Value = serde_json::from_str(sent.as_str().expect("a text")).expect("JSON");
        let mut properties = properties;
        properties["TaskDefinition"] = cloud.aws.with(|world| world.deployed()).into();
        let service = json!({"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}});
        let mut whole = json!({"version": 0.0, "Resources": [service]});
        if let Some(hooks) = hooks {
            whole["Hooks"] = hooks;
        }
        assert_eq!(sent, whole, "nothing of the file is lost");
    }
}

#[test]
fn an_option_that_the_controller_would_ignore_is_refused() {
    for (name, world, options) in [
        (
            "rolling",
            World::fargate("badgery", "web").rolling(Breaker::Rollback),
            "wait_until: traffic-shifted\non_active: wait\nactive_timeout: 5m\ncode_deploy: {application: x}",
        ),
        (
            "blue_green",
            World::fargate("badgery", "web").native(Strategy::BlueGreen),
            "on_active: wait\ncode_deploy: {application: x}",
        ),
    ] {
        let ended = Cloud::with(world, options).deploy(&[]).expect(13);
        assert_eq!(ended.writes(), Vec::<String>::new(), "{name}");
        insta::assert_snapshot!(format!("ignored_{name}"), ended.shown());
    }
}

#[test]
fn each_bad_task_definition_is_refused_with_what_to_write() {
    let good = r#"{"family": "web", "networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"],
 "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
 "containerDefinitions": [{"name": "web", "image": "any", "portMappings": [{"containerPort": 8080}]}]}"#;
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    for (name, text) in [
        ("not_json", changed("\"family\":", "family:")),
        ("a_list", format!("[{good}]")),
        ("no_family", changed("\"family\": \"web\", ", "")),
        ("no_containers", changed("containerDefinitions", "containers")),
        ("no_name", changed("\"name\": \"web\", ", "")),
        ("other_name", changed("\"name\": \"web\"", "\"name\": \"api\"")),
        ("twice", changed("[{\"name\"", "[{\"name\": \"web\", \"image\": \"x\"}, {\"name\"")),
        ("sidecar_without_image", changed("[{\"name\"", "[{\"name\": \"proxy\"}, {\"name\"")),
        ("other_port", changed("8080", "80")),
        ("no_size", changed("\"cpu\": \"256\", ", "")),
        ("odd_size", changed("\"512\"", "\"much\"")),
        ("wrong_pair", changed("\"512\"", "\"8192\"")),
        ("odd_cpu", changed("\"256\"", "\"300\"")),
        ("bridge", changed("awsvpc", "bridge")),
        ("no_role", changed("executionRoleArn", "taskRoleArn")),
        ("role_of_another_account", changed("111122223333:role", "444455556666:role")),
        ("nothing_essential", changed("\"image\": \"any\"", "\"image\": \"any\", \"essential\": false")),
        (
            "environment_twice",
            changed(
                "\"image\": \"any\"",
                "\"image\": \"any\", \"environment\": [{\"name\": \"A\", \"value\": \"1\"}, {\"name\": \"A\", \"value\": \"2\"}]",
            ),
        ),
    ] {
        let cloud = Cloud::with(code_deploy(), "task_definition: task.json\ncontainer: web");
        cloud.file("task.json", &text);
        let ended = cloud.run(&["deploy", "production", "--image", IMAGE]).expect(13);
        assert_eq!(ended.writes(), Vec::<String>::new(), "{name}");
        insta::assert_snapshot!(format!("task_definition_{name}"), ended.shown());
    }
}
