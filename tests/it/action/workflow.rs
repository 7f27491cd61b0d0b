//! Workflows under `act`: from a commit to what serves, told once.

use std::fs;
use std::path::Path;

use kit::act::Act;
use kit::bed::Output;

use super::agree::agree_in_act;
use super::github::assert_share;
use super::user::User;

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

/// A user whose repository has that workflow.
struct Flow {
    user: User,
    act: Act,
}

impl Flow {
    fn new() -> Self {
        let user = User::new();
        let bed = &user.stage.bed;
        let program = Path::new(env!("CARGO_BIN_EXE_deploy-action"));
        let act = Act::prepare(&bed.machine, &bed.registry, program, &bed.dir().join("act")).expect("act is prepared");
        let text = workflow(bed.name(), &user.image());
        user.repository.write(".github/workflows/deploy.yml", &text).expect("writes");
        Self { user, act }
    }

    fn push(&self) -> Output {
        let ran = self.event("push", &[]);
        agree_in_act(&ran, &self.user.github, None);
        ran
    }

    /// The opening of pull request 7 with this head, from a branch of the repository itself.
    fn pull_request(&self, head: &str) -> Output {
        let file = self.user.stage.bed.dir().join("act/event.json");
        fs::write(&file, super::user::pull_request(head).to_string()).expect("writes");
        let ran = self.event("pull_request", &["--eventpath", &file.to_string_lossy()]);
        agree_in_act(&ran, &self.user.github, Some(7));
        ran
    }

    fn event(&self, name: &str, arguments: &[&str]) -> Output {
        let secrets = [("DEPLOY_AGENT_KEY", self.user.key.as_str()), ("GITHUB_TOKEN", super::user::TOKEN)];
        let url = self.user.github.url();
        let variables = [("GITHUB_API_URL", url.as_str())];
        let before = self.user.github.calls().len();
        let output = self.act.run(name, arguments, &self.user.repository, &secrets, &variables).expect("act runs");
        let outcome = if name == "pull_request" { "planned" } else { "deployed" };
        assert_share(&self.user.github.calls()[before..], outcome);
        output
    }
}

#[test]
fn a_push_is_built_deployed_and_told_once() {
    let flow = Flow::new();
    let user = &flow.user;
    let sha = user.version("v2");
    let first = flow.push();
    let shown = format!("{}{}", first.stdout, first.stderr);
    assert_eq!(first.code, 0, "{shown}");
    user.stage.assert_serves("v2");
    assert!(shown.contains("told outcome=deployed changed=true release=2"), "{shown}");
    let deployments = user.github.deployments();
    assert_eq!(deployments.len(), 1, "{deployments:?}");
    assert_eq!(deployments[0].0["ref"], sha.as_str());

    user.stage.wait("the old container to be gone", || user.stage.ids("web").len() == 1);
    let before = user.stage.ids("web");
    let second = flow.push();
    let again = format!("{}{}", second.stdout, second.stderr);
    assert_eq!(second.code, 0, "{again}");
    assert!(again.contains("told outcome=unchanged changed=false"), "{again}");
    assert!(!again.contains("build context"), "a commit is built once: {again}");
    assert_eq!(user.stage.ids("web"), before);
    for secret in [user.key.as_str(), super::user::TOKEN] {
        assert!(!shown.contains(secret) && !again.contains(secret), "a secret is in the log");
    }
}

#[test]
fn a_pull_request_is_planned_in_one_comment() {
    let flow = Flow::new();
    let user = &flow.user;
    let sha = user.version("v2");
    assert_eq!(flow.push().code, 0);
    user.stage.wait("the old container to be gone", || user.stage.ids("web").len() == 1);
    let before = user.stage.ids("web");
    for _ in 0..2 {
        let run = flow.pull_request(&sha);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, 0, "{shown}");
        assert_eq!(user.github.comments(7).len(), 1, "{shown}");
    }
    // Of a commit that nobody built, a plan can only say so: it builds nothing.
    let unbuilt = flow.pull_request(&user.version("v3"));
    let shown = format!("{}{}", unbuilt.stdout, unbuilt.stderr);
    assert_eq!(unbuilt.code, 0, "{shown}");
    assert!(shown.contains("is not built yet"), "{shown}");
    assert_eq!(user.stage.ids("web"), before);
    user.stage.assert_serves("v2");
    assert_eq!(user.github.deployments().len(), 1, "a plan is no deployment");
}
