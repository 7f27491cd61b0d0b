//! One run after the other against one AWS, and what it leaves behind.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kit::aws::{Exchange, Request, Service, Simulator, World};
use kit::bed::{Output, run};
use serde_json::{Value, json};

use super::action::commented;

/// Longest run: they take less than a second.
const LIMIT: Duration = Duration::from_secs(60);
/// The image that is deployed.
pub(crate) const IMAGE: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:\
                     2222222222222222222222222222222222222222222222222222222222222222";
/// Another one.
pub(crate) const OTHER_IMAGE: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:\
                     3333333333333333333333333333333333333333333333333333333333333333";
/// How long a run gets that is meant to run out of time.
pub(crate) const EXPIRES: &str = "3s";

/// AWS, and a folder with a `deploy.yml`.
pub(crate) struct Cloud {
    pub(crate) aws: Simulator,
    folder: tempfile::TempDir,
    /// The revision that served before.
    before: String,
}

/// A name, AWS, what is configured beside the usual, the exit code, and what is asked of the run.
pub(crate) type Scenario = (&'static str, World, &'static str, i32, &'static [&'static str]);

/// Sends a process SIGINT, as Ctrl-C does.
pub(crate) fn interrupt(id: u32) {
    assert!(Command::new("/bin/kill").args(["-INT", &id.to_string()]).status().expect("kills").success());
}

/// Runs each from a shell and as a step for a pull request, and says of all of them at once which ended otherwise.
#[track_caller]
pub(crate) fn each(scenarios: Vec<Scenario>) {
    let mut wrong = String::new();
    for (name, world, more, code, arguments) in scenarios {
        let cloud = Cloud::with(world.clone(), more);
        let ended = cloud.deploy_unjudged(arguments);
        let false_green = ended.output.code == 0 && !cloud.new_serves();
        if ended.output.code != code || false_green {
            let serves = cloud.aws.with(|world| world.serving());
            wrong.push_str(&format!("--- {name}: expected {code}, {serves:?} serves\n{}", ended.shown()));
            continue;
        }
        // The same once more is no success either, unless it deploys, or a deployment that was left running ended well.
        if code != 0 {
            let again = cloud.deploy_unjudged(arguments);
            let settled = cloud.aws.with(|world| world.active().is_none());
            let deployed = code == 32 || !again.writes().is_empty();
            if again.output.code == 0 && !(cloud.new_serves() && settled && deployed) {
                wrong.push_str(&format!("--- {name}, once more\n{}", again.shown()));
            }
        }
        let (told, comment) = commented(world, more, arguments);
        if told.code != code {
            wrong.push_str(&format!("--- {name}, as a step: expected {code}\n{}", told.log()));
        }
        // How many looks fit into a span differs from run to run, and with them what a task is called.
        let (transcript, comment) = match code {
            32 => {
                let said = outline(Some(code), &(ended.output.stdout.clone() + &ended.output.stderr));
                let lines = said.split_inclusive('\n').filter(|line| !line.contains(" stopped like that"));
                (without_a_moment(&lines.collect::<String>()), without_a_moment(&without_ids(&comment)))
            }
            _ => (ended.shown(), comment),
        };
        insta::assert_snapshot!(name, without_waits(&format!("{transcript}--- comment\n{comment}")));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A run that ended.
pub(crate) struct Ended {
    pub(crate) output: Output,
    /// All that was said between it and AWS.
    pub(crate) said: Vec<Exchange>,
}

impl Cloud {
    /// With the usual configuration.
    pub(crate) fn of(world: World) -> Self {
        Self::with(world, "")
    }

    /// With more lines for the target, each `key: value`.
    pub(crate) fn with(world: World, more: &str) -> Self {
        let aws = simulator(world);
        let folder = tempfile::tempdir().expect("a folder");
        let more: String = more.lines().map(|line| format!("        {}\n", line.trim_start())).collect();
        let text = format!(
            "app: shop\nenvironments:\n  production:\n    target:\n      ecs:\n        region: eu-west-1\n        \
             cluster: badgery\n        service: web\n        poll_interval: 1ms\n        retry_backoff: 1ms\n{more}"
        );
        std::fs::write(folder.path().join("deploy.yml"), text).expect("writes");
        let before = aws.with(|world| world.deployed());
        Self { aws, folder, before }
    }

    /// Another file beside it.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("writes");
    }

    /// Says in `deploy.yml` where the images are.
    pub(crate) fn image(&self, image: &str) {
        let path = self.folder.path().join("deploy.yml");
        let text = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(&path, format!("image: {image}\n{text}")).expect("writes");
    }

    /// The folder of `deploy.yml`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What leads the program to this AWS.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.aws.url()),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "canary-secret".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// The program in an environment that holds what a user's would.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-action"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("USER", "eve")
            .envs(self.variables())
            .current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.ended(&mut self.command(arguments))
    }

    /// Runs a command that a test changed.
    pub(crate) fn ended(&self, command: &mut Command) -> Ended {
        let before = self.aws.exchanges().len();
        let output = run(command, LIMIT).expect("the command ends");
        assert!(!format!("{output:?}").contains("canary"), "a secret is told: {output:?}");
        Ended { output, said: self.aws.exchanges().split_off(before) }
    }

    /// Starts a run, acts once it says a word, with its process id, and gives its exit code with all it said.
    #[track_caller]
    pub(crate) fn when_it_says(&self, arguments: &[&str], word: &str, act: impl FnOnce(u32)) -> (Option<i32>, String) {
        let (code, said) = self.it_says(&mut self.command(arguments), word, act);
        self.assert_no_false_green(code == Some(0) && arguments.contains(&IMAGE), &said);
        (code, said)
    }

    /// The same of any command, unjudged.
    #[track_caller]
    pub(crate) fn it_says(&self, command: &mut Command, word: &str, act: impl FnOnce(u32)) -> (Option<i32>, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let (mut said, mut act) = (String::new(), Some(act));
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            if line.contains(word)
                && let Some(act) = act.take()
            {
                act(child.id());
            }
            said.push_str(&line);
            said.push('\n');
        }
        let output = child.wait_with_output().expect("ends");
        let said = said + &String::from_utf8_lossy(&output.stderr);
        assert!(act.is_none(), "`{word}` is said\n{said}");
        (output.status.code(), said)
    }

    /// Deploys the image, and holds the one property that matters: a run is green only if the new revision serves.
    #[track_caller]
    pub(crate) fn deploy(&self, more: &[&str]) -> Ended {
        let ended = self.deploy_unjudged(more);
        self.assert_no_false_green(ended.output.code == 0, &ended.shown());
        ended
    }

    /// A run that deploys the image and is green leaves it with all the traffic.
    #[track_caller]
    pub(crate) fn assert_no_false_green(&self, is_green: bool, said: &str) {
        assert!(!is_green || self.new_serves(), "a false green: {said}");
    }

    fn deploy_unjudged(&self, more: &[&str]) -> Ended {
        let arguments = ["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"];
        self.run(&[&arguments, more].concat())
    }

    /// Whether the deployed image has all the traffic: the service asks for it, and as many tasks of it run as it wants, and
    /// no others that traffic goes to.
    fn new_serves(&self) -> bool {
        self.aws.with(|world| {
            let asked_for = world.deployed();
            let definition = world.definition(&asked_for).unwrap_or_default();
            asked_for != self.before
                && definition["containerDefinitions"][0]["image"] == IMAGE
                && world.serving() == BTreeSet::from([asked_for.clone()])
                && world.running(&asked_for) as u64 >= world.desired_count()
        })
    }
}

impl Ended {
    /// With the exit code that is expected.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.output.code, code, "{}", self.shown());
        self
    }

    /// Exit code and both streams, without what differs from run to run.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!("exit {}\n{}", self.output.code, self.output.stdout);
        if !self.output.stderr.is_empty() {
            text.push_str(&format!("--- stderr\n{}", self.output.stderr));
        }
        text.lines().map(tidy).collect()
    }

    /// The names of the calls that change something, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.said.iter().filter(|it| it.is_write).map(|it| it.operation.clone()).collect()
    }

    /// The inputs of all calls of an operation.
    pub(crate) fn inputs(&self, operation: &str) -> Vec<Value> {
        self.said.iter().filter(|it| it.operation == operation).map(|it| it.input.clone()).collect()
    }
}

/// The stage that ECS's own newest deployment is in, by its own word. The clock has to stand still.
pub(super) fn stage(world: &mut World) -> String {
    let Some((arn, _)) = world.service_deployments().pop() else { return String::new() };
    let input = json!({"serviceDeploymentArns": [arn]});
    let seen = world.call(&Request::new(Service::Ecs, "DescribeServiceDeployments", input)).expect("it is shown");
    seen["serviceDeployments"][0]["lifecycleStage"].as_str().unwrap_or_default().to_owned()
}

/// How a run ended and what it said, without the looks, whose number differs from run to run, and without what only the
/// runner reads.
pub(crate) fn outline(code: Option<i32>, said: &str) -> String {
    let told = said.lines().filter(|line| !line.contains(" % of the traffic | ") && !line.contains(" new tasks run"));
    let told = told.filter(|line| !line.starts_with("::add-mask::")).map(tidy).collect::<String>();
    format!("exit {}\n{}", code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string()), without_ids(&told))
}

/// Without who had the traffic: whether a look met one of the tasks that end a moment after they began.
fn without_a_moment(text: &str) -> String {
    let said = ["old and new tasks both have traffic", "the old version has the traffic"];
    said.iter().fold(text.to_owned(), |text, said| text.replace(said, "<who has the traffic>"))
}

/// Without the names of tasks and container instances.
fn without_ids(text: &str) -> String {
    let id = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| match word.split_at_checked(32) {
            Some((name, rest)) if id(name) => format!("<id>{rest}"),
            _ => word.to_owned(),
        })
        .collect()
}

/// Without clock and spans.
fn tidy(line: &str) -> String {
    let clock = line.len() > 10 && line.as_bytes()[2] == b':' && line.as_bytes()[5] == b':' && &line[8..10] == "  ";
    let line = if clock { &line[10..] } else { line };
    match line.find("done in ") {
        Some(at) => format!("{}done in <span>\n", &line[..at]),
        None => format!("{line}\n"),
    }
}

/// Without how long another deployment was waited for: a look more or less on a busy machine.
fn without_waits(text: &str) -> String {
    let wait = |line: &'_ str| {
        let (what, rest) = line.split_once(" was waited for for ")?;
        Some(format!("{what} was waited for for <span>; {}", rest.split_once("; ")?.1))
    };
    text.split_inclusive('\n').map(|line| wait(line).unwrap_or_else(|| line.to_owned())).collect()
}

/// Serves a world. Where `script/test` asks for it, what is said goes to a file, and is held against the service models once
/// all tests are over.
pub(crate) fn simulator(world: World) -> Simulator {
    #[expect(clippy::disallowed_methods, reason = "a switch of script/test")]
    let log = std::env::var_os("AWS_EXCHANGES");
    let started = match log {
        Some(file) => Simulator::start_logged(world, Path::new(&file)),
        None => Simulator::start(world),
    };
    started.expect("AWS starts")
}
