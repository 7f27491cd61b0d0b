//! What `verify` looks for besides the service: log groups, secrets, parameters and roles that tasks start with.

use kit::aws::{Fault, Shift, World};

use super::Cloud;
use super::others::assert_in_models;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf";

fn cloud(world: World) -> Cloud {
    let more = format!("secrets: {{DB: \"{SECRET}:password::\", TOKEN: /prod/token}}");
    Cloud::with(world.code_deploy(Shift::AllAtOnce), &more)
}

fn world() -> World {
    World::fargate("badgery", "web")
}

#[test]
fn what_is_there_is_found() {
    let ended = cloud(world().secret(SECRET).parameter("/prod/token")).run(&["verify", "production"]).expect(0);
    let asked = |operation: &str| ended.said.iter().filter(|it| it.operation == operation).count();
    assert_eq!((asked("DescribeLogGroups"), asked("GetRole")), (1, 2));
    assert_eq!(ended.writes(), Vec::<String>::new());
    assert_in_models(&ended.said);
}

#[test]
fn what_is_missing_is_told_by_name() {
    let cloud = cloud(world().no_role("ecsTaskExecutionRole"));
    cloud.file("task.json", "{}");
    insta::assert_snapshot!("needs_missing", cloud.run(&["verify", "production"]).expect(13).shown());
    let text = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
    std::fs::write(cloud.folder().join("deploy.yml"), format!("{text}        task_definition: task.json\n"))
        .expect("writes");
    let definition = r#"{"family": "web", "networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"],
 "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
 "containerDefinitions": [{"name": "web", "image": "any", "portMappings": [{"containerPort": 8080}],
   "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/elsewhere", "awslogs-region": "eu-west-1"}}}]}"#;
    cloud.file("task.json", definition);
    insta::assert_snapshot!("needs_missing_of_a_file", cloud.run(&["verify", "production"]).expect(13).shown());
}

#[test]
fn a_role_of_the_same_name_with_another_path_is_another_role() {
    let ended = cloud(world().secret(SECRET).parameter("/prod/token").role("web-task", "/team/"));
    let ended = ended.run(&["verify", "production"]).expect(13);
    let told = "there is no role `arn:aws:iam::111122223333:role/web-task`";
    assert!(ended.output.stdout.contains(told), "{}", ended.shown());
}

#[test]
fn who_stumbles_is_asked_again() {
    let world = || world().secret(SECRET).parameter("/prod/token");
    for (fault, tries) in [
        (Fault::ServerErrorOnce("iam:GetRole"), 3),
        (Fault::LostReplyOnce("iam:GetRole"), 3),
        (Fault::ThrottleEvery(9), 3),
    ] {
        let ended = cloud(world().fault(fault.clone())).run(&["verify", "production"]).expect(0);
        assert_eq!(ended.inputs("GetRole").len(), tries, "{fault:?}: {}", ended.shown());
    }
}

#[test]
fn an_iam_that_is_not_reached_is_said_and_costs_no_more() {
    let cloud = cloud(world().secret(SECRET).parameter("/prod/token"));
    let mut command = cloud.command(&["verify", "production"]);
    let ended = cloud.ended(command.env("AWS_ENDPOINT_URL_IAM", "http://127.0.0.1:1")).expect(0);
    assert!(ended.output.stdout.contains("role/web-task` was not looked for: iam:GetRole: "), "{}", ended.shown());
}

#[test]
fn what_may_not_be_looked_for_is_said() {
    let world = ["logs:DescribeLogGroups", "secretsmanager:DescribeSecret", "ssm:DescribeParameters", "iam:GetRole"]
        .into_iter()
        .fold(world(), |world, operation| world.fault(Fault::Denied(operation)));
    insta::assert_snapshot!("needs_denied", cloud(world).run(&["verify", "production"]).expect(0).shown());
}
