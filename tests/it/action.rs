//! The action as its users meet it: a workflow under `act`, a real engine, registry and agent, GitHub's double.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kit::act::{Act, Repository};
use kit::bed::{AppImage, Output, run};
use kit::github::GitHubDouble;
use serde_json::json;

use crate::stage::Stage;

/// A workflow whose name is the bed's: act names containers after it.
fn workflow(name: &str, repository: &str) -> String {
    format!(
        "name: {name}\non: [push, pull_request]\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      \
         - uses: actions/checkout@v4\n      \
         - id: deploy\n        uses: badgery/deploy-action@v1\n        with:\n          image: {repository}\n          \
         agent-key: ${{{{ secrets.DEPLOY_AGENT_KEY }}}}\n      \
         - run: echo \"told outcome=${{{{ steps.deploy.outputs.outcome }}}} changed=${{{{ steps.deploy.outputs.changed }}}} release=${{{{ steps.deploy.outputs.release }}}}\"\n"
    )
}

struct User {
    stage: Stage,
    act: Act,
    github: GitHubDouble,
    repository: Repository,
    key: String,
}

impl User {
    fn new() -> Self {
        let mut stage = Stage::new();
        let dir = stage.bed.dir().join("act");
        let machine = stage.bed.machine.clone();
        let program = Path::new(env!("CARGO_BIN_EXE_deploy-action"));
        let act = Act::prepare(&machine, &stage.bed.registry, program, &dir).expect("act is prepared");
        let repository = Repository::create(&machine, &dir.join("hello")).expect("a repository");
        let deploy = fs::read_to_string(stage.bed.dir().join("client/deploy.yml")).expect("a configuration");
        repository.write("deploy.yml", &deploy).expect("writes");
        let text = workflow(stage.bed.name(), &stage.bed.registry.repository("hello"));
        repository.write(".github/workflows/deploy.yml", &text).expect("writes");
        let key = stage.bed.agent().expect("an agent").key().to_owned();
        Self { stage, act, github: GitHubDouble::start().expect("GitHub's double"), repository, key }
    }

    fn version(&self, version: &str) -> String {
        let image = AppImage::version(version);
        image.write(&self.stage.bed.machine, self.repository.dir()).expect("writes");
        self.repository.commit(version).expect("commits")
    }

    fn push(&self) -> Output {
        self.event("push", &[])
    }

    /// The opening of pull request 7 with this head, from a branch of the repository itself.
    fn pull_request(&self, head: &str) -> Output {
        let repo = json!({"full_name": "acme/hello"});
        let payload = json!({
            "action": "opened",
            "pull_request": {"number": 7, "head": {"sha": head, "repo": repo}, "base": {"sha": head, "repo": repo}},
        });
        let file = self.stage.bed.dir().join("act/event.json");
        fs::write(&file, payload.to_string()).expect("writes");
        self.event("pull_request", &["--eventpath", &file.to_string_lossy()])
    }

    fn event(&self, name: &str, arguments: &[&str]) -> Output {
        let secrets = [("DEPLOY_AGENT_KEY", self.key.as_str()), ("GITHUB_TOKEN", "canary-token")];
        let url = self.github.url();
        let variables = [("GITHUB_API_URL", url.as_str())];
        self.act.run(name, arguments, &self.repository, &secrets, &variables).expect("act runs")
    }
}

#[test]
fn a_push_is_built_deployed_and_told_once() {
    let user = User::new();
    let sha = user.version("v2");
    let first = user.push();
    let shown = format!("{}{}", first.stdout, first.stderr);
    assert_eq!(first.code, 0, "{shown}");
    user.stage.assert_serves("v2");
    assert!(shown.contains("told outcome=deployed changed=true release=2"), "{shown}");
    let deployments = user.github.deployments();
    assert_eq!(deployments.len(), 1, "{deployments:?}");
    assert_eq!(deployments[0].0["ref"], sha.as_str());

    user.stage.wait("the old container to be gone", || user.stage.ids("web").len() == 1);
    let before = user.stage.ids("web");
    let second = user.push();
    let again = format!("{}{}", second.stdout, second.stderr);
    assert_eq!(second.code, 0, "{again}");
    assert!(again.contains("told outcome=unchanged changed=false"), "{again}");
    assert!(!again.contains("build context"), "a commit is built once: {again}");
    assert_eq!(user.stage.ids("web"), before);
    for secret in [user.key.as_str(), "canary-token"] {
        assert!(!shown.contains(secret) && !again.contains(secret), "a secret is in the log");
    }
}

#[test]
fn a_pull_request_is_planned_in_one_comment() {
    let user = User::new();
    let sha = user.version("v2");
    assert_eq!(user.push().code, 0);
    user.stage.wait("the old container to be gone", || user.stage.ids("web").len() == 1);
    let before = user.stage.ids("web");
    for _ in 0..2 {
        let run = user.pull_request(&sha);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, 0, "{shown}");
        assert_eq!(user.github.comments(7).len(), 1, "{shown}");
    }
    // Of a commit that nobody built, a plan can only say so: it builds nothing.
    let unbuilt = user.pull_request(&user.version("v3"));
    let shown = format!("{}{}", unbuilt.stdout, unbuilt.stderr);
    assert_eq!(unbuilt.code, 0, "{shown}");
    assert!(shown.contains("is not built yet"), "{shown}");
    assert_eq!(user.stage.ids("web"), before);
    user.stage.assert_serves("v2");
    assert_eq!(user.github.deployments().len(), 1, "a plan is no deployment");
}

/// The program as a runner starts it, with inputs and with files in the checkout, and no network.
fn started(files: &[(&str, &str)], given: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = folder.path().join("workspace");
    fs::create_dir(&workspace).expect("a folder");
    for (name, text) in files {
        fs::write(workspace.join(name), text).expect("writes");
    }
    let event = folder.path().join("event.json");
    fs::write(&event, "{}").expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-action"));
    command.env_clear().current_dir(&workspace).envs([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/hello"),
        ("GITHUB_RUN_ID", "42"),
        ("GITHUB_SHA", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"),
        ("GITHUB_API_URL", "http://127.0.0.1:9"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_EVENT_NAME", "push"),
    ]);
    command.env("GITHUB_WORKSPACE", &workspace).env("GITHUB_EVENT_PATH", &event).envs(given.iter().copied());
    let output = run(&mut command, Duration::from_secs(60)).expect("it runs");
    format!("exit {}\n{}--\n{}", output.code, output.stdout, output.stderr)
}

#[test]
fn mistakes_are_told_before_anything_is_touched() {
    let broken = "app: hello\nenvironments:\n  production:\n    target:\n      vps: {agent: nowhere, servce: web}\n";
    let good = broken.replace("nowhere", "https://example.com").replace("servce", "service");
    let mut all = String::new();
    for (what, files, given) in [
        ("a misspelt input", vec![], vec![("INPUT_ENVIROMENT", "staging"), ("INPUT_AGENT-KEY", "canary")]),
        ("a broken configuration", vec![("deploy.yml", broken)], vec![]),
        ("a configuration that is not there", vec![], vec![("INPUT_CONFIG", "ops/deploy.yml")]),
        ("no configuration", vec![], vec![("INPUT_ENVIRONMENT", "production")]),
        ("no key", vec![("deploy.yml", good.as_str())], vec![]),
        ("a bad key", vec![("deploy.yml", good.as_str())], vec![("INPUT_AGENT-KEY", "canary")]),
        ("another event", vec![], vec![("GITHUB_EVENT_NAME", "issue_comment")]),
        ("no run", vec![], vec![("GITHUB_RUN_ID", "")]),
    ] {
        all.push_str(&format!("=== {what}\n{}", started(&files, &given)));
    }
    let unmasked: Vec<&str> =
        all.lines().filter(|line| line.contains("canary") && *line != "::add-mask::canary").collect();
    assert_eq!(unmasked, Vec::<&str>::new());
    insta::assert_snapshot!(all);
}
