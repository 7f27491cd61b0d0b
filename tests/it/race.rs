//! Two callers at once, one caller twice, and a caller that dies.

use std::process::Stdio;

use deploy_action::signing::AgentKey;
use kit::bed::AppImage;
use serde_json::json;

use crate::request::Request;
use crate::stage::{Setting, Stage};

#[test]
fn of_two_at_once_one_wins_and_the_other_is_told_who_holds_it() {
    let stage = Stage::set(Setting::service(|service| service.verify_for = "5s".to_owned()));
    let (v2, v3) = (stage.version("v2"), stage.version("v3"));
    let mut first =
        stage.bed.command(&["deploy", "production", "--image", &v2, "--format", "json"]).expect("a command");
    let first = first.env("DEPLOY_REQUESTED_BY", "the-first").stdout(Stdio::piped()).spawn().expect("starts");
    stage.wait("the first to hold the application", || stage.state()["holder"].is_object());
    let second = stage.deploy(&v3).expect(12);
    assert_eq!(second.reason(), "busy");
    assert!(second.stderr.contains("the-first"), "{}", second.shown());
    let output = first.wait_with_output().expect("ends");
    assert!(output.status.success());
    stage.assert_serves("v2");
}

/// What it holds ends by the agent's clock, whoever is gone; who comes after it has a higher fence, and what was planned
/// before that is refused.
#[test]
fn a_holder_that_died_is_followed_by_a_higher_fence_and_an_old_plan_is_refused() {
    let mut stage = Stage::set(Setting::service(|service| service.gate_timeout = "8s".to_owned()));
    let (slow, v3) = (stage.push(&AppImage::version("v2").env("BOOT_MS", "100000")), stage.version("v3"));
    let planned = stage.state()["revision"].as_str().expect("a revision").to_owned();
    let first = stage.bed.command(&["deploy", "production", "--image", &slow, "--format", "json"]).expect("a command");
    let mut first = { first }.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    stage.wait("the first to hold the application", || stage.state()["holder"].is_object());
    first.kill().expect("it runs");
    first.wait().expect("it is dead");
    let holder = stage.state()["holder"].clone();
    assert_eq!(holder["fence"], 1, "{holder}");
    assert_eq!(stage.deploy(&v3).expect(12).reason(), "busy");

    stage.wait("the agent to go back by itself", || stage.state()["holder"].is_null());
    let second = stage.deploy(&v3).expect(0);
    assert_eq!(second.events("accepted")[0]["fence"], 2, "{}", second.shown());
    let agent = stage.bed.agent().expect("an agent");
    let (to, key) = (agent.address(), AgentKey::parse(agent.key()).expect("a key"));
    let late = json!({
        "api": 1,
        "idempotency_key": "planned-before",
        "want": {"image": stage.v1},
        "expected_revision": planned,
    });
    let path = format!("/v1/apps/{}/services/web/deployments", stage.bed.name());
    let (status, body) = Request::post(&path, &late.to_string()).signed(&key).send(to);
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("changed_underneath"), "{body}");
    stage.assert_serves("v3");
}

#[test]
fn the_same_key_twice_is_one_swap() {
    let stage = Stage::new();
    let v2 = stage.version("v2");
    let arguments = ["deploy", "production", "--image", &v2, "--format", "json", "--idempotency-key", "the-same-key"];
    let other = stage.bed.command(&arguments).expect("a command").stdout(Stdio::piped()).spawn().expect("starts");
    let run = stage.run(&arguments);
    let other = other.wait_with_output().expect("ends");
    assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stdout));
    run.expect(0);
    let again = stage.run(&arguments).expect(0);
    let output = stage.bed.deploy_action(&["history", "production", "--format", "json"]).expect("history");
    let history: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(1), "{history}\n{}", again.shown());
    stage.assert_serves("v2");
}

#[test]
fn interrupted_before_the_switch_abandons() {
    let stage = Stage::set(Setting::service(|service| service.gate_timeout = "60s".to_owned()));
    let slow = stage.push(&kit::bed::AppImage::version("v2").env("BOOT_MS", "30000"));
    let child = stage.bed.command(&["deploy", "production", "--image", &slow, "--format", "json"]).expect("a command");
    let mut child = { child }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    stage.wait("the new container to run", || {
        stage.containers("web").iter().filter(|c| c.state == "running").count() == 2
    });
    interrupt(child.id());
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(40));
    stage.wait("the new container to be gone", || stage.containers("web").len() == 1);
    stage.assert_serves("v1");
    stage.wait("the application to be free", || stage.state()["holder"].is_null());
}

#[test]
fn interrupted_after_the_switch_lets_go_and_the_agent_finishes() {
    let stage = Stage::set(Setting::service(|service| service.verify_for = "8s".to_owned()));
    let v2 = stage.version("v2");
    let child = stage.bed.command(&["deploy", "production", "--image", &v2]).expect("a command");
    let mut child = { child }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    stage.wait("the switch", || stage.serves("v2"));
    interrupt(child.id());
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(40));
    stage.wait("the agent to finish", || stage.state()["holder"].is_null());
    assert_eq!(stage.state()["release"]["number"], 2);
    stage.assert_serves("v2");
}

fn interrupt(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().expect("kill runs");
    assert!(killed.success());
}
