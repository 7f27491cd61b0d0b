//! Planted secrets: whatever becomes of a run, none of them is in anything that it says, sends or leaves behind. The same
//! runs are full of text that would like to be a workflow command.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kit::bed::{AppImage, ComposeFile, Registry};
use kit::runner::{ActionImage, Job, Running, Told};
use kit::scan::Canaries;
use serde_json::json;

use super::bare::assert_no_foreign_command;
use super::user::{User, push};
use crate::image::shop::{BASE, base};
use crate::stage::{PATIENCE, Setting, web};

/// The password that the registry takes, and as it keeps it.
const PASSWORD: &str = "canary-pull-5f1c9a77e0b2";
const BCRYPT: &str = "robot:$2y$05$abcdefghijklmnopqrstuu.989sFuawQT371d1nOr1g4WQR0X2UGm\n";
const TOKEN: &str = "canary-token-9be04c11";
const BUILD: &str = "canary-build \"7d20\" %0A\\e8";
const UNUSED: &str = "canary-unused-1f6e55a2";
const WRONG: &str = "canary-wrong-40cc7d1b";
const CONFIG: &str = "canary-config-b3a9902e";
/// What a runner and a job leave in the environment of a step, whether it is asked for or not.
const RUNNERS: [(&str, &str); 3] = [
    ("ACTIONS_RUNTIME_TOKEN", "canary-runner-66f0d7c4"),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary-identity-0b7e41d9"),
    ("AWS_SECRET_ACCESS_KEY", "canary-aws-c58d2f13"),
];
/// A value in the environment of the application, in its compose file.
const APP: &str = "canary-environment-83d1c6f4";
/// A docker config, in the bed's folder.
const DOCKER_CONFIG: &str = "user/docker-config/config.json";
/// What hides a text from a runner's log.
const MASK: &str = "::add-mask::";

/// Lines in a build's log that would like to be commands.
const HOSTILE: &str = "printf '::error title=pwned::x\\n  ::add-mask::x\\r::stop-commands::x\\n##[error]x \\033[2J\\n'";

/// A branch, a person and a file that would like to be commands.
const NAME: &str = "x\r\n::error title=pwned::x ##[error]x";

struct Planted {
    user: User,
    canaries: Canaries,
    /// Asks for a login.
    private: Registry,
}

impl Planted {
    fn new() -> Self {
        let setting =
            Setting::default().compose(|image| ComposeFile::of(web(image).env("API_TOKEN", APP).env("CANARY", APP)));
        let mut user = User::with(setting);
        base(&user.stage.bed.machine);
        user.repository.write(NAME, "").expect("writes");
        let private = Registry::private(&user.stage.bed.machine, user.stage.bed.dir(), BCRYPT).expect("a registry");
        let (from, to) = (user.image(), private.repository("hello"));
        let agent = user.stage.bed.agent().expect("an agent");
        let config = fs::read_to_string(agent.config()).expect("reads").replace(&from, &to);
        fs::write(agent.config(), config).expect("writes");
        agent.restart(&[("DEPLOY_LOG", "trace")]).expect("starts");
        let seed = user.key.rsplit(':').next().expect("a seed").to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(&seed).expect("base64url");
        let canaries = Canaries::of(&[
            ("the agent's key", seed.as_str()),
            ("the registry's password", PASSWORD),
            ("the job's token", TOKEN),
            ("a build's secret", BUILD),
            ("a secret that no step asks for", UNUSED),
            ("a wrong password", WRONG),
            ("a docker config's password", CONFIG),
            ("the environment", APP),
            RUNNERS[0],
            RUNNERS[1],
            RUNNERS[2],
        ]);
        let escaped = json!(BUILD).to_string();
        let escaped = escaped.trim_matches('"').as_bytes();
        let canaries = canaries.and("the agent's key as bytes", &bytes).and("a build's secret in JSON", escaped);
        Self { canaries, user, private }
    }

    /// Commits a version whose build has a secret and runs `line`.
    fn version(&self, app: &AppImage, line: &str) -> String {
        app.write(&self.user.stage.bed.machine, self.user.repository.dir()).expect("writes");
        let file = self.user.repository.dir().join("Dockerfile");
        let text = fs::read_to_string(&file).expect("reads").replace("FROM scratch", &format!("FROM {BASE}"));
        let step = format!("RUN --mount=type=secret,id=npm,required cat /run/secrets/npm >/dev/null && {line}\n");
        fs::write(&file, text.replace("ENTRYPOINT", &format!("{step}ENTRYPOINT"))).expect("writes");
        self.user.repository.commit(&app.version).expect("commits")
    }

    /// A run about a commit of pull request 7, with everything logged and a secret in every place that can hold one.
    fn job(&self, sha: &str) -> Job {
        self.user.github.pull_requests(sha, &[7]);
        let mut job = self.user.job("push", &push(sha), sha);
        job.token(TOKEN);
        let docker = self.user.stage.bed.dir().join(DOCKER_CONFIG);
        let folder = docker.parent().expect("a folder");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(&docker, docker_config()).expect("writes");
        let temporary = self.user.stage.bed.dir().join("user/tmp");
        fs::create_dir_all(&temporary).expect("a folder");
        job.set("DOCKER_CONFIG", &folder.to_string_lossy());
        job.set("TMPDIR", &temporary.to_string_lossy());
        job.set("DEPLOY_LOG", "trace");
        job.set("GITHUB_ACTOR", NAME);
        job.set("GITHUB_REF_NAME", NAME);
        for (name, value) in RUNNERS {
            job.set(name, value);
        }
        job
    }

    fn run(&self, sha: &str, password: &str, code: i32) -> Told {
        let image = self.private.repository("hello");
        let told = self.user.run(&mut self.job(sha), &inputs(&image, password));
        self.assert_silent(&told, password, code);
        told
    }

    #[track_caller]
    fn nowhere(&self, place: &str, text: &str) {
        assert_eq!(self.canaries.find(text.as_bytes()), None, "in {place}");
    }

    /// That the look at files can find something: the compose file holds one.
    #[track_caller]
    fn assert_looks(&self) {
        let found = self.canaries.below(self.user.stage.bed.dir(), &["client/agent.key", DOCKER_CONFIG]);
        assert!(found.expect("looks").is_some_and(|found| found.starts_with("project/compose.yaml: the environment")));
    }

    /// Looks at all that the run said and sent, and at every file of its machine and of the agent's host.
    #[track_caller]
    fn assert_silent(&self, told: &Told, password: &str, code: i32) {
        let masks: Vec<&str> = told.stdout.lines().filter(|line| line.starts_with(MASK)).collect();
        for secret in [self.user.key.as_str(), password, TOKEN, BUILD, UNUSED, CONFIG] {
            let mask = format!("{MASK}{}", secret.replace('%', "%25"));
            assert!(masks.contains(&mask.as_str()), "{secret} is not masked: {masks:?}");
        }
        self.assert_clean(told, code);
    }

    #[track_caller]
    fn assert_clean(&self, told: &Told, code: i32) {
        let log = told.log();
        let first = log.lines().find(|line| ![" TRACE ", " DEBUG "].iter().any(|level| line.contains(level)));
        assert!(first.is_some_and(|line| line.starts_with(MASK)), "masks come first: {first:?}");
        let said: Vec<&str> = log.lines().filter(|line| !line.starts_with(MASK)).collect();
        let said = said.join("\n");
        self.nowhere("the log", &said);
        assert_eq!(told.code, code, "{said}");
        assert_no_foreign_command(&said);
        self.nowhere("the summary", &told.summary);
        self.nowhere("the outputs", &format!("{:?}", told.outputs));
        self.nowhere("the state", &format!("{:?}", told.state));
        for call in self.user.github.calls() {
            self.nowhere("a call to GitHub", &format!("{} {} {}", call.method, call.path, call.body));
        }
        self.nowhere("the comments", &format!("{:?}", self.user.github.comments(7)));
        self.nowhere("the deployments", &format!("{:?}", self.user.github.deployments()));
        // The registry's blobs among them: every layer, configuration, history and label.
        let allowed = ["project/compose.yaml", "client/agent.key", DOCKER_CONFIG];
        let found = self.canaries.below(self.user.stage.bed.dir(), &allowed).expect("looks");
        assert_eq!(found, None);
    }
}

fn docker_config() -> String {
    let auth = STANDARD.encode(format!("bob:{CONFIG}"));
    json!({"auths": {"registry.example.com": {"auth": auth}}}).to_string()
}

fn inputs<'a>(image: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("image", image), ("secrets", SECRETS), ("registry-username", "robot"), ("registry-password", password)]
}

const SECRETS: &str = "npm=canary-build \"7d20\" %0A\\e8\r\nunused=canary-unused-1f6e55a2\r\n";

#[test]
fn no_canary_leaves_a_run() {
    let planted = Planted::new();
    let user = &planted.user;
    planted.assert_looks();
    let docker = |arguments: &[&str]| user.stage.bed.machine.docker(arguments).expect("docker");

    let good = planted.run(&planted.version(&AppImage::version("v2"), HOSTILE), PASSWORD, 0);
    user.stage.assert_serves("v2");
    assert!(good.stderr.contains("TRACE"), "everything was logged");
    assert!(good.stdout.contains("title=pwned"), "the build's lines were printed");
    assert_eq!(user.github.comments(7).len(), 1, "there was a comment to look at");
    let image = good.output("image").to_owned();
    for command in [
        &["image", "inspect", &image][..],
        &["history", "--no-trunc", &image],
        &["system", "df", "--verbose", "--format", "{{json .}}"],
    ] {
        planted.nowhere(&format!("what docker says to {command:?}"), &docker(command));
    }

    let broken = planted.version(&AppImage::version("v3"), &format!("{HOSTILE} && exit 3"));
    let failed = planted.run(&broken, PASSWORD, 20);
    assert_eq!(failed.output("reason-code"), "build_failed", "{}", failed.stdout);

    let unpushed = planted.run(&planted.version(&AppImage::version("v4"), "true"), WRONG, 20);
    assert_eq!(unpushed.output("reason-code"), "registry_failed", "{}", unpushed.stdout);

    // It prints a variable of its environment and ends: the last lines of its log are shown.
    let crashing = planted.version(&AppImage::version("v5").mode("crash,log-canary"), "true");
    let undone = planted.run(&crashing, PASSWORD, 30);
    assert!(undone.stdout.contains("canary: "), "the last lines of the log are shown: {}", undone.stdout);
    user.stage.assert_serves("v2");

    let image = planted.private.repository("hello");
    let slow = planted.version(&AppImage::version("v6"), "echo waiting && sleep 60");
    let program = Path::new(env!("CARGO_BIN_EXE_deploy-action"));
    let inputs = user.inputs(&inputs(&image, PASSWORD));
    let cancelled = planted.job(&slow).interrupted(program, &inputs, "| waiting").expect("is interrupted");
    planted.assert_silent(&cancelled, PASSWORD, 40);
    user.stage.assert_serves("v2");
    assert!(user.stage.agent_log().contains("TRACE"), "everything was logged");
}

#[test]
fn no_canary_leaves_a_runners_container() {
    let planted = Planted::new();
    let user = &planted.user;
    let bed = &user.stage.bed;
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_deploy-action"));
    let action = ActionImage::build(&bed.machine, &bed.registry, program, folder.path()).expect("the action's image");
    let mut job = planted.job(&planted.version(&AppImage::version("v2"), HOSTILE));
    // The paths that a container has.
    job.set("DOCKER_CONFIG", "/github/home");
    job.set("TMPDIR", "/github/runner_temp");
    let home = job.home();
    fs::write(home.join("config.json"), docker_config()).expect("writes");
    let image = planted.private.repository("hello");
    let inputs = user.inputs(&inputs(&image, PASSWORD));
    let ended = |running: Running| {
        let mut running = running;
        running.told(PATIENCE).expect("tells").expect("ends")
    };
    let step = ended(job.start(&action, bed.name(), &inputs).expect("starts"));
    let post = ended(job.start_post(&action, bed.name(), &inputs, &step.state).expect("starts"));
    fs::remove_file(home.join("config.json")).expect("removes");
    planted.assert_silent(&step, PASSWORD, 0);
    planted.assert_clean(&post, 0);
    user.stage.assert_serves("v2");
}
