//! Registration and `verify` against somebody else's emulator: what the double answers is held against that.

use std::time::Duration;

use kit::bed::{Machine, Output, run};
use serde_json::{Value, json};

use super::IMAGE;
use super::emulator::Emulator;
use crate::action::user::PROGRAM;

/// Longest run.
const LIMIT: Duration = Duration::from_secs(60);
/// Members of the first revision that a deployment has nothing to do with.
const KEPT: [&str; 4] = ["networkMode", "volumes", "placementConstraints", "requiresCompatibilities"];

/// A service that runs revision 1, and a folder with a `deploy.yml`.
struct Scene {
    emulator: Emulator,
    machine: Machine,
    dir: tempfile::TempDir,
}

impl Scene {
    fn open() -> Self {
        let machine = Machine::find().expect("a prepared machine");
        let dir = tempfile::tempdir().expect("a folder");
        let emulator = Emulator::start(&machine, dir.path(), "moto_server", |command, port| {
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        });
        let secret = emulator.aws(&["secretsmanager", "create-secret", "--name", "prod/db", "--secret-string", "x"]);
        let secret = secret["ARN"].as_str().expect("a secret has an ARN").to_owned();
        emulator.aws(&["ssm", "put-parameter", "--name", "/prod/token", "--type", "SecureString", "--value", "x"]);
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole",
        }]});
        let role = ["iam", "create-role", "--path", "/team/", "--role-name", "starts", "--assume-role-policy-document"];
        let role = emulator.aws(&[&role[..], &[&trust.to_string()]].concat());
        let role = role["Role"]["Arn"].as_str().expect("a role has an ARN").to_owned();
        emulator.aws(&["logs", "create-log-group", "--log-group-name", "/web"]);
        emulator.aws(&["ecs", "create-cluster", "--cluster-name", "badgery"]);
        let definition = json!({
            "family": "web", "executionRoleArn": role, "networkMode": "bridge", "requiresCompatibilities": ["EC2"],
            "volumes": [{"name": "data", "host": {"sourcePath": "/data"}}],
            "placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}],
            "containerDefinitions": [{
                "name": "web", "image": "web:1", "memory": 64, "essential": true,
                "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
                "secrets": [{"name": "DB", "valueFrom": format!("{secret}:password::")}, {"name": "TOKEN", "valueFrom": "/prod/token"}],
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": "/web", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "web",
                }},
            }],
        });
        emulator.aws(&["ecs", "register-task-definition", "--cli-input-json", &definition.to_string()]);
        let service = json!({
            "cluster": "badgery", "serviceName": "web", "taskDefinition": "web:1", "desiredCount": 1, "launchType": "EC2",
        });
        emulator.aws(&["ecs", "create-service", "--cli-input-json", &service.to_string()]);
        let file = "app: shop\nenvironments:\n  production:\n    target:\n      ecs:\n        region: eu-west-1\n        \
             cluster: badgery\n        service: web\n        environment: {MODE: blue}\n";
        std::fs::write(dir.path().join("deploy.yml"), file).expect("writes");
        Self { emulator, machine, dir }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.machine.command(PROGRAM);
        command.args(arguments).current_dir(self.dir.path()).env("HOME", self.dir.path()).env("USER", "eve");
        run(command.envs(self.emulator.variables()), LIMIT).expect("it ends")
    }

    fn revision(&self, name: &str) -> Value {
        let words = ["ecs", "describe-task-definition", "--include", "TAGS", "--task-definition", name];
        self.emulator.aws(&words)
    }
}

#[test]
fn what_is_registered_and_what_is_looked_for_is_there_for_others() {
    let scene = Scene::open();
    let verified = scene.run(&["verify", "production"]);
    assert_eq!(verified.code, 0, "{verified:?}{}", scene.emulator.log());

    // Its services keep their first deployment, whatever they are told.
    let deployed = scene.run(&["deploy", "production", "--image", IMAGE]);
    assert_eq!(deployed.code, 12, "{deployed:?}{}", scene.emulator.log());
    let (first, second) = (scene.revision("web:1"), scene.revision("web:2"));
    let (first, second) = (&first["taskDefinition"], &second["taskDefinition"]);
    for member in KEPT {
        assert!(first[member].is_array() || first[member].is_string(), "{member}: {first}");
        assert_eq!(first[member], second[member], "{member}");
    }
    let mut wanted = first["containerDefinitions"][0].clone();
    wanted["image"] = IMAGE.into();
    wanted["environment"] = json!([{"name": "MODE", "value": "blue"}]);
    assert_eq!(second["containerDefinitions"], json!([wanted]));

    let delete = |words: &str| drop(scene.emulator.aws(&words.split(' ').collect::<Vec<_>>()));
    delete("secretsmanager delete-secret --force-delete-without-recovery --secret-id prod/db");
    delete("ssm delete-parameter --name /prod/token");
    delete("logs delete-log-group --log-group-name /web");
    delete("iam delete-role --role-name starts");
    let verified = scene.run(&["verify", "production"]);
    assert_eq!(verified.code, 13, "{verified:?}");
    for name in ["prod/db", "/prod/token", "`/web`", "role/team/starts`"] {
        assert!(verified.stdout.contains(name), "{name}: {verified:?}");
    }
}
