//! Planted secrets: whatever is run, however much is logged, none of them is found in anything that is said or kept.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kit::bed::{AppImage, ComposeFile, run};

use crate::stage::{Setting, Stage, web};

/// The password for pulls.
const PULL: &str = "canary-pull-5f1c9a77e0b2";
/// A value in the environment of the application, in its compose file.
const ENVIRONMENT: &str = "canary-environment-83d1c6f4";
/// Where the application's own secret may be: what its owner wrote.
const ALLOWED: [&str; 1] = ["project/compose.yaml"];

/// The spellings in which a secret could get out: itself, in hexadecimal, and in base64 at any position of a longer text.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let mut found = vec![secret.to_owned(), secret.bytes().map(|byte| format!("{byte:02x}")).collect()];
    for before in 0..3 {
        let text = STANDARD.encode([&vec![b'x'; before], secret.as_bytes()].concat());
        // The first and the last characters hold bits of the neighbours.
        let inside = text.trim_end_matches('=');
        let inside = &inside[if before == 0 { 0 } else { 4 }..inside.len() - 1];
        found.extend([inside.to_owned(), inside.replace('+', "-").replace('/', "_")]);
    }
    found.into_iter().map(String::into_bytes).collect()
}

struct Canaries(Vec<(&'static str, Vec<Vec<u8>>)>);

impl Canaries {
    fn of(stage: &mut Stage) -> Self {
        let key = stage.bed.agent().expect("an agent").key().to_owned();
        let seed = key.rsplit(':').next().expect("a seed").to_owned();
        let secrets =
            [("the agent's key", seed), ("the pull credential", PULL.into()), ("the environment", ENVIRONMENT.into())];
        Self(secrets.map(|(name, secret)| (name, spellings(&secret))).into())
    }

    #[track_caller]
    fn not_in(&self, place: &str, bytes: &[u8]) {
        for (name, spellings) in &self.0 {
            for spelling in spellings {
                let at = bytes.windows(spelling.len()).position(|window| window == spelling);
                if let Some(at) = at {
                    let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 100)];
                    panic!("{name} is in {place}: {}", String::from_utf8_lossy(around));
                }
            }
        }
    }

    /// Looks at every byte below a bed's folder but the registry's blobs and the built programs.
    #[track_caller]
    fn not_below(&self, bed: &Path) {
        let mut left = vec![bed.to_owned()];
        let mut seen = 0;
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                let name = path.strip_prefix(bed).expect("below").to_string_lossy().into_owned();
                if path.is_dir() && name != "registry" {
                    left.push(path);
                } else if path.is_file() && !ALLOWED.contains(&name.as_str()) {
                    seen += 1;
                    self.not_in(&name, &fs::read(&path).expect("reads"));
                }
            }
        }
        assert!(seen > 5, "logs, state, routes and project are looked at: {seen}");
    }
}

/// Runs the command with the credential and everything logged; looks at all it says.
#[track_caller]
fn silent(stage: &Stage, canaries: &Canaries, level: &str, line: &[&str], code: i32) -> String {
    let mut command = stage.bed.command(line).expect("a command");
    command.env("DEPLOY_LOG", level).env("DEPLOY_REGISTRY_USERNAME", "robot").env("DEPLOY_REGISTRY_PASSWORD", PULL);
    let output = run(&mut command, Duration::from_secs(120)).expect("runs");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, code, "{line:?}: {said}");
    canaries.not_in(&format!("what {line:?} says"), said.as_bytes());
    said
}

#[test]
fn no_canary_is_ever_found() {
    let setting = Setting::default()
        .compose(|image| ComposeFile::of(web(image).env("API_TOKEN", ENVIRONMENT).env("CANARY", ENVIRONMENT)));
    let mut stage = Stage::set(setting);
    let canaries = Canaries::of(&mut stage);
    stage.bed.agent().expect("an agent").restart(&[("DEPLOY_LOG", "trace")]).expect("starts");
    let v2 = stage.version("v2");
    // It prints a variable of its environment and ends: the last lines of its log are shown.
    let v3 = stage.push(&AppImage::version("v3").mode("crash,log-canary"));

    for format in ["text", "markdown", "json"] {
        silent(&stage, &canaries, "trace", &["plan", "production", "--image", &v2, "--format", format], 0);
    }
    silent(&stage, &canaries, "trace", &["deploy", "production", "--image", &v2], 0);
    let said = silent(&stage, &canaries, "debug", &["deploy", "production", "--image", &v3, "--format", "json"], 30);
    assert!(said.contains("canary: "), "the last lines of the log are shown: {said}");
    silent(&stage, &canaries, "debug", &["deploy", "production", "--image", &v3], 30);
    silent(&stage, &canaries, "trace", &["rollback", "production", "--format", "json"], 0);
    for format in ["text", "json"] {
        silent(&stage, &canaries, "trace", &["status", "production", "--format", format], 0);
        silent(&stage, &canaries, "trace", &["history", "production", "--format", format], 0);
    }
    silent(&stage, &canaries, "trace", &["verify"], 0);
    let config = stage.bed.agent().expect("an agent").config();
    let mut doctor = stage.bed.machine.command(env!("CARGO_BIN_EXE_deploy-action"));
    doctor.args(["agent", "doctor", "--config"]).arg(&config).env("DEPLOY_LOG", "trace");
    let output = run(&mut doctor, Duration::from_secs(60)).expect("runs");
    canaries.not_in("what doctor says", format!("{}{}", output.stdout, output.stderr).as_bytes());

    // In the middle of a pull the journal is as full as it gets.
    let env = [("DEPLOY_LOG", "trace"), ("DEPLOY_AGENT_KILL_AT", "after-pulling")];
    stage.bed.agent().expect("an agent").restart(&env).expect("starts");
    let v4 = stage.version("v4");
    let mut command = stage.bed.command(&["deploy", "production", "--image", &v4]).expect("a command");
    command.env("DEPLOY_REGISTRY_USERNAME", "robot").env("DEPLOY_REGISTRY_PASSWORD", PULL).env("DEPLOY_LOG", "trace");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let agent = stage.bed.agent().expect("an agent");
    assert_eq!(agent.ended(Duration::from_secs(60)).expect("waits"), Some(137), "{}", agent.log());
    let journal = fs::read_to_string(agent.state_dir().join(stage.bed.name()).join("journal")).expect("a journal");
    assert!(journal.contains("pulling"), "{journal}");
    canaries.not_below(stage.bed.dir());
    stage.bed.agent().expect("an agent").start(&[("DEPLOY_LOG", "trace")]).expect("starts");
    let output = child.wait_with_output().expect("ends");
    canaries.not_in("what the interrupted command says", &[output.stdout, output.stderr].concat());
    stage.wait("the interrupted deployment to end", || stage.state()["holder"].is_null());
    canaries.not_below(stage.bed.dir());
    canaries.not_in("Traefik's log", stage.bed.proxy.log().expect("a log").as_bytes());
    assert!(stage.agent_log().contains("TRACE"), "everything was logged");
}
