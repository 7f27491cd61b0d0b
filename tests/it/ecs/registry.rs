//! Images in Amazon ECR: the action logs in by itself, looks whether the repository is there, and makes it where it may.
//! The registry behind is a real one that asks for the login which AWS's double gives out.

use std::fs;
use std::path::Path;
use std::process::Command;

use kit::act::Repository;
use kit::aws::{Breaker, Exchange, Fault, Shift, Simulator, World};
use kit::bed::{AppImage, Machine, Registry};
use kit::github::GitHubDouble;
use kit::runner::{Job, Told};
use serde_json::{Value, json};

use super::cloud::simulator;
use super::others::assert_in_models;
use super::role::Issuer;
use crate::action::user::{PROGRAM, TOKEN, User, push};
use crate::image::shop::forget;

/// The password of every login that the double gives, and what the registry knows it by.
const PASSWORD: &str = "simulated-registry-password";
const BCRYPT: &str = "AWS:$2y$05$abcdefghijklmnopqrstuuISUGt8qGGCsQaQ1N5fw5YIHmPXB1RUK\n";
/// The repository.
const NAME: &str = "team/hello";

/// Somebody whose commits become images in ECR and tasks of a service.
struct Shop {
    machine: Machine,
    registry: Registry,
    aws: Simulator,
    repository: Repository,
    github: GitHubDouble,
    dir: tempfile::TempDir,
    runs: std::cell::Cell<u64>,
}

impl Shop {
    /// `ecr`: what `image.ecr` says beside the region.
    fn open(world: World, ecr: &str) -> Self {
        let machine = Machine::find().expect("a prepared machine");
        let dir = tempfile::tempdir().expect("a folder");
        let registry = Registry::private(&machine, dir.path(), BCRYPT).expect("a registry");
        let aws = simulator(world.registry(&registry.address().to_string()));
        let repository = Repository::create(&machine, &dir.path().join("hello")).expect("a repository");
        let target = "{region: eu-west-1, cluster: badgery, service: web, poll_interval: 1ms, retry_backoff: 1ms}";
        let image = format!("{{repository: \"{}\", ecr: {{region: eu-west-1{ecr}}}}}", registry.repository(NAME));
        let deploy =
            format!("app: shop\nimage: {image}\nenvironments:\n  production:\n    target: {{ecs: {target}}}\n");
        repository.write("deploy.yml", &deploy).expect("writes");
        AppImage::version("v2").write(&machine, repository.dir()).expect("writes");
        let github = GitHubDouble::start().expect("GitHub's double");
        Self { machine, registry, aws, repository, github, dir, runs: std::cell::Cell::new(0) }
    }

    /// Pushes the commit that is checked out.
    fn push(&self, sha: &str, inputs: &[(&str, &str)]) -> (Told, Vec<Exchange>) {
        self.push_with(sha, inputs, |job| to_aws(job, &self.aws))
    }

    /// With what a runner or a workflow says beside the inputs.
    fn push_with(&self, sha: &str, inputs: &[(&str, &str)], more: impl FnOnce(&mut Job)) -> (Told, Vec<Exchange>) {
        self.runs.set(self.runs.get() + 1);
        let dir = self.dir.path().join(format!("run-{}", self.runs.get()));
        let job = Job::new(&self.machine, &dir, self.repository.dir(), &self.github.url(), self.runs.get());
        let mut job = job.expect("a job");
        job.token(TOKEN);
        job.event("push", &push(sha), sha).expect("an event");
        more(&mut job);
        let before = self.aws.exchanges().len();
        let told = job.step(Path::new(PROGRAM), inputs).expect("the step runs");
        assert_hidden(&told);
        (told, self.aws.exchanges().split_off(before))
    }

    fn commit(&self) -> String {
        self.repository.commit("a version").expect("commits")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        forget(&self.machine, &self.registry.repository(NAME));
    }
}

fn to_aws(job: &mut Job, aws: &Simulator) {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", aws.url().as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        job.set(name, value);
    }
}

/// The login is told to the runner, to be hidden, and to nobody else.
#[track_caller]
fn assert_hidden(told: &Told) {
    let mut lines = told.stdout.lines().chain(told.stderr.lines());
    let leak = lines.find(|line| line.contains(PASSWORD) && !line.starts_with("::add-mask::"));
    assert_eq!(leak, None);
}

fn service() -> World {
    World::fargate("badgery", "web").rolling(Breaker::Rollback)
}

fn operations(said: &[Exchange], service: &str) -> Vec<String> {
    said.iter().filter(|it| it.service == service).map(|it| it.operation.clone()).collect()
}

#[test]
fn a_commit_is_pushed_and_deployed_with_credentials_of_aws_alone() {
    let shop =
        Shop::open(service().repository(NAME, true).fault(Fault::ServerErrorOnce("ecr:GetAuthorizationToken")), "");
    let sha = shop.commit();
    let (told, said) = shop.push(&sha, &[]);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    // One login for the whole run; the first try of it failed at AWS.
    let asked = ["GetAuthorizationToken", "GetAuthorizationToken", "DescribeRepositories"];
    assert_eq!(operations(&said, "ecr"), asked);
    let image = format!("{}@{}", shop.registry.repository(NAME), told.output("digest"));
    let runs = shop.aws.with(|world| world.definition(&world.deployed())).expect("a definition");
    assert_eq!(runs["containerDefinitions"][0]["image"], image);
    assert_in_models(&said);

    let (told, said) = shop.push(&sha, &[]);
    assert_eq!((told.code, told.output("changed")), (0, "false"), "{}", told.log());
    assert_eq!(operations(&said, "ecr"), ["GetAuthorizationToken"]);
    assert!(said.len() <= 6 && said.iter().all(|it| !it.is_write), "{said:?}");

    // A tag that stays with its image is not built anew.
    let (told, said) = shop.push(&sha, &[("build", "always")]);
    assert_eq!(told.code, 20, "{}", told.log());
    assert!(told.log().contains("lets no tag be given to another image, and it has"), "{}", told.log());
    assert!(said.iter().all(|it| !it.is_write), "{said:?}");
}

/// The template's own inputs, with the role's keys and no others: build, push to ECR, deploy, and what GitHub shows of it.
#[test]
fn the_template_deploys_with_the_role_alone() {
    let world = World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).repository(NAME, true).scaled(1, 10);
    let shop = Shop::open(world, "");
    let file = shop.repository.dir().join("deploy.yml");
    let holds = fs::read_to_string(&file).expect("reads").replace("cluster:", "auto_scaling: hold, cluster:");
    shop.repository.write("deploy.yml", &holds).expect("writes");
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows-templates/ecs-deploy.yml");
    let template: Value = serde_saphyr::from_str(&fs::read_to_string(template).expect("reads")).expect("YAML");
    let steps = template["jobs"]["deploy"]["steps"].as_array().expect("steps");
    let ours = steps.iter().find(|step| step["uses"] == "badgery/deploy-action@v1").expect("our step");
    let inputs: Vec<(&str, &str)> = ours["with"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")))
        .collect();
    assert!(inputs.iter().any(|(name, _)| *name == "role-to-assume"), "{inputs:?}");
    let issuer = Issuer::start("repo:acme/hello:environment:production");
    let sha = shop.commit();
    let push = || {
        shop.push_with(&sha, &inputs, |job| {
            job.set("AWS_ENDPOINT_URL", &shop.aws.url());
            job.set("AWS_EC2_METADATA_DISABLED", "true");
            issuer.known_to(job);
        })
    };
    let (told, said) = push();
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    let image = format!("{}@{}", shop.registry.repository(NAME), told.output("digest"));
    let runs = shop.aws.with(|world| world.definition(&world.deployed())).expect("a definition");
    assert_eq!(runs["containerDefinitions"][0]["image"], image);
    let keys = said.iter().filter_map(|it| it.access_key.as_deref());
    assert!(
        keys.clone().count() > 0 && keys.clone().all(|key| key.starts_with("ASIA")),
        "{:?}",
        keys.collect::<Vec<_>>()
    );
    assert_eq!(shop.github.deployments().len(), 1);

    // The same commit once more: the calls that a no-op may make, with the role and the registry's login among them.
    let (told, said) = push();
    assert_eq!((told.code, told.output("changed")), (0, "false"), "{}", told.log());
    let calls: Vec<&str> = said.iter().map(|it| it.operation.as_str()).collect();
    assert!(calls.len() <= 6 && said.iter().all(|it| !it.is_write), "{calls:?}");

    // From which commit, without GitHub.
    let mut command = Command::new(PROGRAM);
    command.args(["history", "production"]).current_dir(shop.repository.dir()).env_clear();
    let keys =
        [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let history = command.env("AWS_ENDPOINT_URL", shop.aws.url()).envs(keys).output().expect("it runs");
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(history.contains(&sha[..12]), "{history}");
}

#[test]
fn a_repository_that_is_missing_is_told_before_the_build() {
    let shop = Shop::open(service(), "");
    let (told, said) = shop.push(&shop.commit(), &[]);
    assert_eq!((told.code, told.output("outcome")), (20, "failed"), "{}", told.log());
    let sentence = format!("Amazon ECR has no repository `{NAME}` in eu-west-1");
    assert!(told.log().contains(&sentence), "{}", told.log());
    assert!(!told.log().contains("build context"), "{}", told.log());
    assert!(said.iter().all(|it| !it.is_write), "{said:?}");
}

#[test]
fn a_repository_is_made_where_the_file_says_so() {
    let shop = Shop::open(service(), ", create: true, keep_images: 50");
    let sha = shop.commit();
    let (told, said) = shop.push(&sha, &[]);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    assert!(told.log().contains(&format!("made the repository `{NAME}` in Amazon ECR")), "{}", told.log());
    let made = said.iter().find(|it| it.operation == "CreateRepository").expect("it is made");
    assert_eq!(
        made.input,
        json!({
            "repositoryName": NAME, "imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": true},
        })
    );
    let rule = said.iter().find(|it| it.operation == "PutLifecyclePolicy").expect("a rule");
    assert!(rule.input["lifecyclePolicyText"].as_str().is_some_and(|text| text.contains("50")), "{}", rule.input);
    assert_in_models(&said);

    let (told, said) = shop.push(&sha, &[]);
    assert_eq!((told.code, told.output("changed")), (0, "false"), "{}", told.log());
    assert!(said.iter().all(|it| !it.is_write), "{said:?}");
}

/// What was made gets its rule, whether or not that was answered.
#[test]
fn a_repository_that_is_made_without_an_answer_gets_its_rule() {
    let shop =
        Shop::open(service().fault(Fault::LostReplyOnce("ecr:CreateRepository")), ", create: true, keep_images: 50");
    let (told, said) = shop.push(&shop.commit(), &[]);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    let times = |operation: &str| said.iter().filter(|it| it.operation == operation).count();
    assert_eq!((times("CreateRepository"), times("PutLifecyclePolicy")), (1, 1), "{}", told.log());
}

#[test]
fn a_permission_that_is_missing_is_named() {
    for (denied, code, sentence) in [
        ("ecr:GetAuthorizationToken", 13, "grant `ecr:GetAuthorizationToken`"),
        ("ecr:CreateRepository", 13, "grant `ecr:CreateRepository`"),
    ] {
        let shop = Shop::open(service().fault(Fault::Denied(denied)), ", create: true");
        let (told, said) = shop.push(&shop.commit(), &[]);
        assert_eq!(told.code, code, "{denied}: {}", told.log());
        assert!(told.log().contains(sentence), "{denied}: {}", told.log());
        let written = said.iter().filter(|it| it.is_write && it.error.is_none()).count();
        assert_eq!(written, 0, "{denied}: {said:?}");
    }
    // Who may push need not be allowed to look.
    let shop = Shop::open(service().repository(NAME, false).fault(Fault::Denied("ecr:DescribeRepositories")), "");
    let (told, _) = shop.push(&shop.commit(), &[]);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    assert!(
        told.log().contains(&format!("it was not looked whether the repository `{NAME}` exists")),
        "{}",
        told.log()
    );
}

#[test]
fn a_login_that_is_given_is_used_instead() {
    let shop = Shop::open(service().fault(Fault::Denied("ecr:GetAuthorizationToken")), "");
    let login = [("registry-username", "AWS"), ("registry-password", PASSWORD)];
    let (told, said) = shop.push(&shop.commit(), &login);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    assert_eq!(operations(&said, "ecr"), Vec::<String>::new());
}

#[test]
fn an_agent_pulls_with_the_login_that_the_run_got() {
    let mut user = User::new();
    let bed = &mut user.stage.bed;
    let registry = Registry::private(&bed.machine, bed.dir(), BCRYPT).expect("a registry");
    let (open, private) = (bed.registry.repository("hello"), registry.repository(NAME));
    let agent = bed.agent().expect("an agent");
    let config = fs::read_to_string(agent.config()).expect("reads").replace(&open, &private);
    fs::write(agent.config(), config).expect("writes");
    agent.restart(&[]).expect("starts");
    let deploy = fs::read_to_string(bed.dir().join("client/deploy.yml")).expect("a configuration");
    let deploy = format!("image: {{repository: \"{private}\", ecr: {{region: eu-west-1}}}}\n{deploy}");
    user.repository.write("deploy.yml", &deploy).expect("writes");
    let aws = simulator(service().repository(NAME, true).registry(&registry.address().to_string()));
    let sha = user.version("v2");
    let mut job = user.job("push", &push(&sha), &sha);
    to_aws(&mut job, &aws);
    let told = user.run(&mut job, &[]);
    assert_hidden(&told);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    user.stage.assert_serves("v2");
    assert_eq!(operations(&aws.exchanges(), "ecr"), ["GetAuthorizationToken", "DescribeRepositories"]);
}
