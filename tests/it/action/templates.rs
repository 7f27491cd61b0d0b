//! The templates of workflows, as people copy them, under `act` and with a registry that wants a login.

use std::fs;
use std::path::Path;

use kit::act::Act;
use kit::bed::{Output, Registry};

use super::agree::agree_in_act;
use super::user::{TOKEN, User, pull_request};

/// Whom `github.actor` and `github.token` of a run name, as htpasswd has them.
const LOGIN: &str = "eve:$2y$05$abcdefghijklmnopqrstuuBSje/wEL2vtpGTNgvnEzHW9fjBMkBva\n";

/// A user who has copied both.
struct Copied {
    user: User,
    act: Act,
    /// Where those who log in push to and pull from.
    _registry: Registry,
}

impl Copied {
    fn new() -> Self {
        let mut user = User::new();
        let bed = &mut user.stage.bed;
        let private = Registry::private(&bed.machine, bed.dir(), LOGIN).expect("a registry");
        let (open, repository) = (bed.registry.repository("hello"), private.repository("hello"));
        let agent = bed.agent().expect("an agent");
        let config = fs::read_to_string(agent.config()).expect("reads").replace(&open, &repository);
        fs::write(agent.config(), config).expect("writes");
        agent.restart(&[]).expect("starts");

        let program = Path::new(env!("CARGO_BIN_EXE_deploy-action"));
        let act = Act::prepare(&bed.machine, &bed.registry, program, &bed.dir().join("act")).expect("act is prepared");
        let deploy = fs::read_to_string(bed.dir().join("client/deploy.yml")).expect("a configuration");
        let deploy = format!("image: {{repository: \"{repository}\"}}\n{deploy}");
        user.repository.write("deploy.yml", &deploy).expect("writes");
        for file in ["deploy-on-push.yml", "pr-plan.yml"] {
            let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows-templates").join(file);
            let text = fs::read_to_string(template).expect("the template");
            let named = format!("\nname: {}-", user.stage.bed.name());
            // act names containers after the workflow: they are the only thing that differs.
            assert_eq!(text.matches("\nname: ").count(), 1, "{file}");
            let text = text.replacen("\nname: ", &named, 1);
            user.repository.write(&format!(".github/workflows/{file}"), &text).expect("writes");
        }
        Self { user, act, _registry: private }
    }

    fn event(&self, name: &str, arguments: &[&str]) -> Output {
        let secrets = [("DEPLOY_AGENT_KEY", self.user.key.as_str()), ("GITHUB_TOKEN", TOKEN)];
        let url = self.user.github.url();
        let arguments = [&["--actor", "eve"], arguments].concat();
        let variables = [("GITHUB_API_URL", url.as_str())];
        let ran = self.act.run(name, &arguments, &self.user.repository, &secrets, &variables).expect("act runs");
        agree_in_act(&ran, &self.user.github, Some(7));
        ran
    }

    fn pull_request(&self, head: &str) -> String {
        let file = self.user.stage.bed.dir().join("act/event.json");
        fs::write(&file, pull_request(head).to_string()).expect("writes");
        said(self.event("pull_request", &["--eventpath", &file.to_string_lossy()]))
    }
}

#[track_caller]
fn said(run: Output) -> String {
    let log = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(run.code, 0, "{log}");
    // A job that is left out is no failure either.
    assert_eq!(log.matches("Success - Main badgery/deploy-action@v1").count(), 1, "{log}");
    log
}

#[test]
fn the_templates_work_as_they_are() {
    let copied = Copied::new();
    let user = &copied.user;
    let commit = user.version("v2");
    user.github.pull_requests(&commit, &[7]);
    let planned = copied.pull_request(&commit);
    assert!(planned.contains("is not built yet"), "{planned}");
    assert!(user.github.deployments().is_empty(), "a plan is no deployment");
    user.stage.assert_serves("v1");

    let deployed = said(copied.event("push", &[]));
    assert!(deployed.contains("release 2 of web serves"), "{deployed}");
    user.stage.assert_serves("v2");
    assert_eq!(user.github.deployments().len(), 1);

    user.stage.wait("the old container to be gone", || user.stage.ids("web").len() == 1);
    let before = user.stage.ids("web");
    let again = said(copied.event("push", &[]));
    assert!(again.contains("result: unchanged, release 2, "), "{again}");
    assert!(!again.contains("build context"), "a commit is built once: {again}");
    assert_eq!(user.stage.ids("web"), before);
    let planned = copied.pull_request(&commit);
    assert!(planned.contains("Nothing to do: what is wanted runs."), "{planned}");
    let comments = user.github.comments(7);
    assert_eq!(comments.len(), 1, "made once, edited after: {comments:?}");
    assert_eq!(user.github.deployments().len(), 1);
}
