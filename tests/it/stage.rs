//! A bed with version 1 up by plain compose and an agent beside it: where most tests begin.

use std::time::{Duration, Instant};

use kit::bed::{
    AgentOptions, AgentService, AppImage, Bed, BedOptions, ComposeFile, ComposeService, Container, wait_for,
};
use serde_json::Value;

/// The host that routes use.
pub(crate) const HOST: &str = "app.test";
/// Longest wait for anything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a stage differs from the usual one.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The bed.
    pub(crate) bed: BedOptions,
    /// The agent.
    pub(crate) agent: AgentOptions,
    /// Version 1's image.
    pub(crate) first: AppImage,
    /// The compose file, given the name of version 1's image.
    pub(crate) compose: fn(&str) -> ComposeFile,
    /// Whether version 1 is brought up.
    pub(crate) up: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            bed: BedOptions::with(env!("CARGO_BIN_EXE_deploy-action")),
            agent: AgentOptions::default(),
            first: AppImage::version("v1"),
            compose: routed,
            up: true,
        }
    }
}

impl Setting {
    /// With one service in `agent.yml`, changed from the defaults of tests.
    pub(crate) fn service(change: impl FnOnce(&mut AgentService)) -> Self {
        let mut service = AgentService::new("web");
        change(&mut service);
        Self { agent: AgentOptions::service(service), ..Self::default() }
    }

    /// With another compose file.
    pub(crate) fn compose(self, compose: fn(&str) -> ComposeFile) -> Self {
        Self { compose, ..self }
    }
}

/// One routed service `web`.
pub(crate) fn routed(image: &str) -> ComposeFile {
    ComposeFile::of(web(image))
}

/// The service itself.
pub(crate) fn web(image: &str) -> ComposeService {
    ComposeService::new("web", image).routed(&format!("Host(`{HOST}`)"))
}

/// A prepared bed.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The bed.
    pub(crate) bed: Bed,
    /// Version 1, by digest.
    pub(crate) v1: String,
}

/// What a run of `deploy` or `rollback` said, as `--format json` gives it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit code.
    pub(crate) code: i32,
    /// Every line of stdout.
    pub(crate) lines: Vec<Value>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// The last line.
    pub(crate) fn result(&self) -> &Value {
        self.lines.last().unwrap_or(&Value::Null)
    }

    /// The reason's word.
    pub(crate) fn reason(&self) -> &str {
        self.result()["reason"].as_str().unwrap_or_default()
    }

    /// Events of one kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["kind"] == kind).collect()
    }

    /// The whole run for an assertion's message.
    pub(crate) fn shown(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(ToString::to_string).collect();
        format!("exit {}\n{}\n{}", self.code, lines.join("\n"), self.stderr)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.shown());
        self
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::set(Setting::default())
    }

    pub(crate) fn set(setting: Setting) -> Self {
        let mut bed = Bed::start(&setting.bed).expect("the bed starts");
        let v1 = bed.push(&setting.first).expect("version 1 is pushed");
        // Plain compose, by tag, as people start things.
        let tag = format!("{}:{}", bed.registry.repository(&setting.first.repository), setting.first.version);
        let file = (setting.compose)(&tag).render(bed.name());
        bed.project.write("compose.yaml", &file).expect("the compose file is written");
        if setting.up {
            bed.project.up().expect("version 1 is up");
        }
        bed.start_agent(&setting.agent).expect("the agent starts");
        let stage = Self { bed, v1 };
        if setting.up && file.contains("traefik.enable") {
            stage.wait("the labels to route", || stage.status("/") < 404 || stage.status("/") == 401);
        }
        stage
    }

    pub(crate) fn push(&self, image: &AppImage) -> String {
        self.bed.push(image).expect("an image is pushed")
    }

    pub(crate) fn version(&self, version: &str) -> String {
        self.push(&AppImage::version(version))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output = self.bed.deploy_action(arguments).expect("the command runs");
        let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line)));
        Run { code: output.code, lines: lines.collect(), stderr: output.stderr }
    }

    pub(crate) fn deploy(&self, image: &str) -> Run {
        self.run(&["deploy", "production", "--image", image, "--format", "json"])
    }

    pub(crate) fn rollback(&self) -> Run {
        self.run(&["rollback", "production", "--format", "json"])
    }

    /// `status --format json`.
    pub(crate) fn state(&self) -> Value {
        self.asked("status")
    }

    /// The newest entry of `history --format json`.
    pub(crate) fn newest(&self) -> Value {
        self.asked("history")["entries"][0].take()
    }

    fn asked(&self, verb: &str) -> Value {
        let output = self.bed.deploy_action(&[verb, "production", "--format", "json"]).expect("the command runs");
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}{}", output.stdout, output.stderr))
    }

    /// The HTTP status of a GET through Traefik; 0 where there is no answer.
    pub(crate) fn status(&self, path: &str) -> u16 {
        self.bed.get(path, HOST).map_or(0, |answer| answer.status)
    }

    pub(crate) fn containers(&self, service: &str) -> Vec<Container> {
        self.bed.containers_of(service).expect("docker answers")
    }

    /// The ids of a service's containers.
    pub(crate) fn ids(&self, service: &str) -> Vec<String> {
        self.containers(service).into_iter().map(|container| container.id).collect()
    }

    pub(crate) fn serves(&self, version: &str) -> bool {
        self.bed.serves_only(HOST, version)
    }

    #[track_caller]
    pub(crate) fn assert_serves(&self, version: &str) {
        assert!(self.serves(version), "{:?} instead of {version}", self.bed.versions_serving(HOST));
    }

    /// Waits for something, or panics naming it.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, condition: impl FnMut() -> bool) {
        self.wait_within(PATIENCE, what, condition);
    }

    #[track_caller]
    pub(crate) fn wait_within(&self, limit: Duration, what: &str, condition: impl FnMut() -> bool) {
        if let Err(error) = wait_for(what, limit, condition) {
            panic!("{error}\n{:?}\n{}", self.bed.containers_of("web"), self.agent_log());
        }
    }

    /// True throughout this time, looked at again and again.
    #[track_caller]
    pub(crate) fn holds(&self, span: Duration, what: &str, mut condition: impl FnMut() -> bool) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            assert!(condition(), "{what} did not hold\n{}", self.agent_log());
        }
    }

    pub(crate) fn agent_log(&self) -> String {
        std::fs::read_to_string(self.bed.dir().join("agent.log")).unwrap_or_default()
    }
}
