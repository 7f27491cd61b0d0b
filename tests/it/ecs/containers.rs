//! A service of ECS whose tasks are real containers, by somebody else's emulator: what the double makes up is held against
//! that. The image is built, pushed to a registry and deployed by the action.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kit::act::Repository;
use kit::bed::{AppImage, Machine, Registry, wait_for};
use kit::github::GitHubDouble;
use kit::runner::{Job, Told};
use serde_json::json;

use super::emulator::Emulator;
use crate::action::user::{PROGRAM, TOKEN, push};
use crate::image::shop::forget;

/// What a task is given, and nobody else sees.
const SECRET: &str = "canary-of-the-tasks";
/// Longest wait for a container.
const LIMIT: Duration = Duration::from_secs(60);

/// The emulator whose tasks are containers.
fn start(machine: &Machine, dir: &Path) -> Emulator {
    Emulator::start(machine, dir, "ministack", |command, port| {
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .env("DOCKER_HOST", format!("unix://{}", machine.socket()));
    })
}

/// Whether the emulator runs one container, and that of this image.
fn runs_only(machine: &Machine, image: &str) -> bool {
    let running = running(machine);
    running.len() == 1 && running[0].contains(image)
}

/// The names with digests of the images of the containers that the emulator runs.
fn running(machine: &Machine) -> Vec<String> {
    let docker = |words: &[&str]| machine.docker(words).unwrap_or_default();
    let listed = docker(&["ps", "--quiet", "--filter", "name=ministack-ecs-"]);
    let image = |container: &str| docker(&["inspect", "--format", "{{.Image}}", container]).trim().to_owned();
    let names = |image: String| docker(&["image", "inspect", "--format", "{{json .RepoDigests}}", &image]);
    listed.lines().map(|container| names(image(container))).collect()
}

/// Somebody's repository whose image is deployed to the service.
struct Shop {
    machine: Machine,
    registry: Registry,
    emulator: Emulator,
    repository: Repository,
    github: GitHubDouble,
    dir: tempfile::TempDir,
}

impl Shop {
    /// With a service that runs version 1.
    fn open() -> Self {
        let machine = Machine::find().expect("a prepared machine");
        let dir = tempfile::tempdir().expect("a folder");
        let registry = Registry::open(&machine, dir.path()).expect("a registry");
        let emulator = start(&machine, dir.path());
        let first = registry.push(&machine, &AppImage::version("v1"), dir.path()).expect("an image");
        let trust = json!({"Version": "2012-10-17", "Statement": []}).to_string();
        let role = ["iam", "create-role", "--role-name", "execution", "--assume-role-policy-document", &trust];
        let role = emulator.aws(&role);
        let definition = json!({
            "family": "web", "networkMode": "bridge", "executionRoleArn": role["Role"]["Arn"],
            "containerDefinitions": [{
                "name": "web", "image": first, "memory": 64, "essential": true,
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": "/web", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "web",
                }},
            }],
        });
        emulator.aws(&["logs", "create-log-group", "--log-group-name", "/web"]);
        emulator.aws(&["ecs", "create-cluster", "--cluster-name", "badgery"]);
        emulator.aws(&["ecs", "register-task-definition", "--cli-input-json", &definition.to_string()]);
        let breaker =
            "deploymentCircuitBreaker={enable=true,rollback=true},maximumPercent=200,minimumHealthyPercent=100";
        emulator.aws(
            &[
                &[
                    "ecs",
                    "create-service",
                    "--cluster",
                    "badgery",
                    "--service-name",
                    "web",
                    "--task-definition",
                    "web:1",
                ][..],
                &["--desired-count", "1", "--launch-type", "EC2", "--deployment-configuration", breaker],
            ]
            .concat(),
        );
        // Without a certain library it tells of deployments that make no container: then nothing here proves anything.
        wait_for("a container of our digest", LIMIT, || runs_only(&machine, &first))
            .unwrap_or_else(|error| panic!("{error}: {:?} runs\n{}", running(&machine), emulator.log()));
        let repository = Repository::create(&machine, &dir.path().join("hello")).expect("a repository");
        let secret = ["secretsmanager", "create-secret", "--name", "prod/token", "--secret-string", SECRET];
        let secret = emulator.aws(&secret);
        let secret = secret["ARN"].as_str().expect("a name");
        let target = format!(
            "{{region: eu-west-1, cluster: badgery, service: web, poll_interval: 200ms, secrets: {{TOKEN: \"{secret}\"}}}}"
        );
        let deploy = format!(
            "app: shop\nimage: {{repository: \"{}\", ecr: {{region: eu-west-1, create: true, keep_images: 50}}}}\n\
             environments:\n  production:\n    target: {{ecs: {target}}}\n",
            registry.repository("hello")
        );
        repository.write("deploy.yml", &deploy).expect("writes");
        let github = GitHubDouble::start().expect("GitHub's double");
        Self { machine, registry, emulator, repository, github, dir }
    }

    /// Commits a version of the app and pushes it to GitHub.
    fn push(&self, number: u64, app: &AppImage) -> Told {
        app.write(&self.machine, self.repository.dir()).expect("writes");
        let sha = self.repository.commit(&app.version).expect("commits");
        self.github.pull_requests(&sha, &[7]);
        let dir = self.dir.path().join(format!("run-{number}"));
        let mut job = Job::new(&self.machine, &dir, self.repository.dir(), &self.github.url(), number).expect("a job");
        job.token(TOKEN);
        job.event("push", &push(&sha), &sha).expect("an event");
        for (name, value) in self.emulator.variables() {
            job.set(name, &value);
        }
        job.step(Path::new(PROGRAM), &[]).expect("the step runs")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        forget(&self.machine, &self.registry.repository("hello"));
    }
}

#[test]
fn a_real_task_is_replaced_and_one_that_dies_is_told_and_gone_back_from() {
    let shop = Shop::open();
    let told = shop.push(101, &AppImage::version("v2"));
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    let second = format!("{}@{}", shop.registry.repository("hello"), told.output("digest"));
    let only = |image: &str| {
        let what = format!("{image} alone");
        wait_for(&what, LIMIT, || runs_only(&shop.machine, image))
            .unwrap_or_else(|error| panic!("{error}: {:?} runs\n{}", running(&shop.machine), shop.emulator.log()));
    };
    only(&second);
    let given = shop.machine.docker(&["ps", "--quiet", "--filter", "name=ministack-ecs-"]).expect("one runs");
    let given = shop.machine.docker(&["inspect", "--format", "{{json .Config.Env}}", given.trim()]).expect("inspects");
    assert!(given.contains(&format!("\"TOKEN={SECRET}\"")), "the task has its secret: {given}");
    assert!(!told.log().contains(SECRET), "{}", told.log());
    // The repository is made as it is for the double.
    let made = shop.emulator.aws(&["ecr", "describe-repositories", "--repository-names", "hello"]);
    let made = &made["repositories"][0];
    assert_eq!(
        (&made["imageTagMutability"], &made["imageScanningConfiguration"]["scanOnPush"]),
        (&json!("IMMUTABLE"), &json!(true)),
        "{made}"
    );
    let rule = shop.emulator.aws(&["ecr", "get-lifecycle-policy", "--repository-name", "hello"]);
    assert!(rule["lifecyclePolicyText"].as_str().is_some_and(|text| text.contains("50")), "{rule}");

    let told = shop.push(102, &AppImage::version("v3").mode("crash").without_healthcheck());
    assert_eq!((told.code, told.output("outcome")), (30, "rolled_back"), "{}", told.log());
    assert!(told.log().contains("exit code 3"), "{}", told.log());
    assert!(told.log().contains("crash: leaving with exit code 3"), "its last words are told: {}", told.log());
    only(&second);

    let gone = ["secretsmanager", "delete-secret", "--secret-id", "prod/token", "--force-delete-without-recovery"];
    shop.emulator.aws(&gone);
    let told = shop.push(103, &AppImage::version("v4"));
    assert_eq!((told.code, told.output("outcome")), (30, "rolled_back"), "{}", told.log());
    assert!(told.log().contains("advice: the execution role may not read a secret"), "{}", told.log());
    only(&second);
    let mut verify = Command::new(PROGRAM);
    verify.args(["verify", "production"]).current_dir(shop.repository.dir()).env_clear();
    let verify = verify.envs(shop.emulator.variables()).output().expect("it runs");
    let said = String::from_utf8_lossy(&verify.stdout);
    assert!(verify.status.code() == Some(13) && said.contains("secret_missing"), "{verify:?}");
}
