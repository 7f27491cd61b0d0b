//! Two callers at once, and one caller twice.

use std::process::Stdio;

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
