//! Deaths within a verify window of the usual length, and what the matrix does not reach.

use std::process::Stdio;
use std::time::Duration;

use kit::bed::{Output, run};

use crate::client::Client;
use crate::stage::{PATIENCE, Setting, Stage};

/// How long what converged must stay so.
const STAYS: Duration = Duration::from_secs(10);

/// Kills the agent at a point of a swap to `v2`, starts it again, and tells which version serves then.
fn killed_at(point: &str, setting: Setting, expected: &str) {
    let mut stage = Stage::set(setting);
    let v2 = stage.version("v2");
    stage.bed.agent().expect("an agent").restart(&[("DEPLOY_AGENT_KILL_AT", point)]).expect("starts again");
    let child = stage.bed.command(&["deploy", "production", "--image", &v2, "--format", "json"]).expect("a command");
    let child = { child }.stdout(Stdio::piped()).spawn().expect("starts");
    let agent = stage.bed.agent().expect("an agent");
    assert_eq!(
        agent.ended(Duration::from_secs(60)).expect("waits"),
        Some(137),
        "the point is reached: {}",
        agent.log()
    );
    let serving = stage.bed.versions_serving(crate::stage::HOST).expect("someone answers while the agent is dead");
    assert!(serving.keys().all(|version| version.starts_with('v')), "{serving:?}");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    stage.wait("one version to serve and nothing to be left over", || converged(&stage, expected));
    stage.holds(STAYS, "one version", || converged(&stage, expected));
    let output = child.wait_with_output().expect("the command ends");
    let code = if expected == "v2" { 0 } else { 30 };
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    let unchanged = stage.ids("web");
    stage.bed.project.up().expect("a plain up");
    assert_eq!(stage.ids("web"), unchanged, "a plain `docker compose up -d` recreates nothing");
}

fn converged(stage: &Stage, version: &str) -> bool {
    stage.containers("web").len() == 1 && stage.state()["holder"].is_null() && stage.serves(version)
}

#[test]
fn before_retire_with_the_default_window() {
    killed_at("after-retiring", Setting::service(|service| service.verify_for.clear()), "v2");
}

#[test]
fn within_the_window_with_a_recorded_proof() {
    killed_at("after-proven", Setting::service(|service| service.verify_for.clear()), "v2");
}

#[test]
fn a_version_that_ended_while_the_agent_was_dead_is_gone_back_from() {
    let mut stage = Stage::set(Setting::service(|service| service.verify_for.clear()));
    let v2 = stage.version("v2");
    stage.bed.agent().expect("an agent").restart(&[("DEPLOY_AGENT_KILL_AT", "after-proven")]).expect("starts again");
    let child = stage.bed.command(&["deploy", "production", "--image", &v2, "--format", "json"]).expect("a command");
    let child = { child }.stdout(Stdio::piped()).spawn().expect("starts");
    assert_eq!(stage.bed.agent().expect("an agent").ended(Duration::from_secs(60)).expect("waits"), Some(137));
    let new =
        stage.containers("web").into_iter().find(|container| container.name.ends_with("-2")).expect("a new container");
    stage.bed.machine.docker(&["kill", &new.id]).expect("the new version ends");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(30), "{}", String::from_utf8_lossy(&output.stdout));
    stage.wait("version 1 to serve alone", || converged(&stage, "v1"));
}

#[test]
fn a_first_route_is_the_agents_although_it_died_before_it_said_so() {
    let mut stage = Stage::set(Setting { up: false, ..Setting::default() });
    let v2 = stage.version("v2");
    stage.bed.agent().expect("an agent").restart(&[("DEPLOY_AGENT_KILL_AT", "before-adopted")]).expect("starts again");
    let child = stage.bed.command(&["deploy", "production", "--image", &v2, "--format", "json"]).expect("a command");
    let child = { child }.stdout(Stdio::piped()).spawn().expect("starts");
    assert_eq!(stage.bed.agent().expect("an agent").ended(Duration::from_secs(60)).expect("waits"), Some(137));
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    stage.wait("version 2 to serve alone", || converged(&stage, "v2"));
    assert_eq!(stage.state()["routing"], "agent", "the route file is known to be the agent's");
}

#[test]
fn a_second_agent_on_the_same_state_is_refused_and_the_swap_goes_on() {
    let mut stage = Stage::set(Setting::service(|service| service.verify_for = "3s".to_owned()));
    let v2 = stage.version("v2");
    let mut client = Client::start(&stage.bed, &["deploy", "production", "--image", &v2], |_| {}).expect("a command");
    let started = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == "start");
    assert!(started.is_some(), "{}", client.said());
    let agent = stage.bed.agent().expect("an agent");
    let (config, address) = (agent.config(), agent.address().to_string());
    let text = std::fs::read_to_string(config).expect("reads").replace(&address, "127.0.0.1:0");
    let second = stage.bed.dir().join("second.yml");
    std::fs::write(&second, text).expect("writes");
    let mut command = stage.bed.machine.command(env!("CARGO_BIN_EXE_deploy-action"));
    command.args(["agent", "serve", "--config"]).arg(&second);
    let Output { code, stderr: said, .. } = run(&mut command, PATIENCE).expect("it ends by itself");
    assert_eq!(code, 13, "{said}");
    assert!(said.contains("another agent runs on ") && said.contains("`state_dir` of its own"), "{said}");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 0, "{}", client.said());
    stage.wait("version 2 to serve alone", || converged(&stage, "v2"));
}
