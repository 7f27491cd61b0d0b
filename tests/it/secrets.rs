//! Planted secrets: whatever is run, however much is logged, none of them is found in anything that is said or kept.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::bed::{AppImage, ComposeFile, Registry, run};
use kit::scan::Canaries;

use crate::stage::{Setting, Stage, web};

/// The password for pulls.
const PULL: &str = "canary-pull-5f1c9a77e0b2";
/// The same as a registry keeps it.
const PULL_BCRYPT: &str = "robot:$2y$05$abcdefghijklmnopqrstuu.989sFuawQT371d1nOr1g4WQR0X2UGm\n";
/// A value in the environment of the application, in its compose file.
const ENVIRONMENT: &str = "canary-environment-83d1c6f4";
/// Where secrets belong: the compose file of the application's owner, and the caller's key file.
const ALLOWED: [&str; 2] = ["project/compose.yaml", "client/agent.key"];

fn canaries(stage: &mut Stage) -> Canaries {
    let key = stage.bed.agent().expect("an agent").key().to_owned();
    let seed = key.rsplit(':').next().expect("a seed");
    let bytes = URL_SAFE_NO_PAD.decode(seed).expect("base64url");
    Canaries::of(&[("the agent's key", seed), ("the pull credential", PULL), ("the environment", ENVIRONMENT)])
        .and("the agent's key as bytes", &bytes)
}

#[track_caller]
fn assert_not_in(canaries: &Canaries, place: &str, bytes: &[u8]) {
    assert_eq!(canaries.find(bytes), None, "in {place}");
}

/// Looks at every file below a bed's folder.
#[track_caller]
fn assert_not_below(canaries: &Canaries, bed: &Path) {
    assert_eq!(canaries.below(bed, &ALLOWED).expect("looks"), None);
}

/// Runs the command with the credential and everything logged; looks at all it says.
#[track_caller]
fn silent(stage: &Stage, canaries: &Canaries, level: &str, line: &[&str], code: i32) -> String {
    let mut command = stage.bed.command(line).expect("a command");
    command.env("DEPLOY_LOG", level).env("DEPLOY_REGISTRY_USERNAME", "robot").env("DEPLOY_REGISTRY_PASSWORD", PULL);
    let output = run(&mut command, Duration::from_secs(120)).expect("runs");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, code, "{line:?}: {said}");
    assert_not_in(canaries, &format!("what {line:?} says"), said.as_bytes());
    said
}

#[test]
fn no_canary_is_ever_found() {
    let setting = Setting::default()
        .compose(|image| ComposeFile::of(web(image).env("API_TOKEN", ENVIRONMENT).env("CANARY", ENVIRONMENT)));
    let mut stage = Stage::set(setting);
    let canaries = canaries(&mut stage);
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
    assert_not_in(&canaries, "what doctor says", format!("{}{}", output.stdout, output.stderr).as_bytes());

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
    assert_not_below(&canaries, stage.bed.dir());
    stage.bed.agent().expect("an agent").start(&[("DEPLOY_LOG", "trace")]).expect("starts");
    let output = child.wait_with_output().expect("ends");
    assert_not_in(&canaries, "what the interrupted command says", &[output.stdout, output.stderr].concat());
    stage.wait("the interrupted deployment to end", || stage.state()["holder"].is_null());
    assert_not_below(&canaries, stage.bed.dir());
    assert_not_in(&canaries, "Traefik's log", stage.bed.proxy.log().expect("a log").as_bytes());
    assert!(stage.agent_log().contains("TRACE"), "everything was logged");
}

#[test]
fn a_private_registry_asks_for_the_credential() {
    let mut stage = Stage::new();
    let canaries = canaries(&mut stage);
    // An image of no other test: one that the host knows by this name from elsewhere would not be pulled.
    let v2 = stage.version("v2-sealed");
    let private = Registry::private(&stage.bed.machine, stage.bed.dir(), PULL_BCRYPT).expect("a registry");
    let (from, to) = (stage.bed.registry.repository("hello"), private.repository("hello"));
    let agent = stage.bed.agent().expect("an agent");
    let config = fs::read_to_string(agent.config()).expect("reads").replace(&from, &to);
    fs::write(agent.config(), config).expect("writes");
    agent.restart(&[("DEPLOY_LOG", "trace")]).expect("starts");

    let v2 = v2.replace(&from, &to);
    for password in [None, Some("wrong")] {
        let mut command = stage.bed.command(&["deploy", "production", "--image", &v2]).expect("a command");
        if let Some(password) = password {
            command.env("DEPLOY_REGISTRY_USERNAME", "robot").env("DEPLOY_REGISTRY_PASSWORD", password);
        }
        let output = run(&mut command, Duration::from_secs(60)).expect("runs");
        assert_eq!(output.code, 30, "{output:?}");
        assert!(output.stderr.contains("pull_failed"), "{output:?}");
        stage.assert_serves("v1");
    }
    silent(&stage, &canaries, "trace", &["deploy", "production", "--image", &v2], 0);
    stage.assert_serves("v2-sealed");
    assert_not_below(&canaries, stage.bed.dir());
}
