//! The action as its users meet it: a workflow under `act`, a real engine, registry and agent, GitHub's double.

use std::fs;
use std::path::Path;

use kit::act::{Act, Repository};
use kit::bed::{AppImage, Output};
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
