//! What the engine makes only after the agent that asked for it died, while the next one is already on the way back.

use super::tidy::complaints;
use crate::client::Client;
use crate::stage::{PATIENCE, Setting, Stage};

/// Kills the agent at a point of a swap to `v2`, and lets compose make something while the next agent goes back.
fn made_late(point: &str, make: impl FnOnce(&Stage, &str)) {
    let mut stage = Stage::set(Setting::service(|service| service.before_deploy = "allowed".to_owned()));
    let path = stage.bed.dir().join("client/deploy.yml");
    let text = std::fs::read_to_string(path).expect("a configuration");
    let before = "    before_deploy: {command: [once, \"0\"], timeout: 30s}\n";
    stage.bed.write_deploy_yml(&format!("{text}{before}")).expect("writes");
    let v2 = stage.version("v2");
    stage.bed.agent().expect("an agent").restart(&[("DEPLOY_AGENT_KILL_AT", point)]).expect("starts again");
    let mut client = Client::start(&stage.bed, &["deploy", "production", "--image", &v2], |_| {}).expect("starts");
    let agent = stage.bed.agent().expect("an agent");
    assert_eq!(agent.ended(PATIENCE).expect("waits"), Some(137), "the point is reached: {}", agent.log());
    agent.start(&[]).expect("starts after the crash");
    let back = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == "back");
    assert!(back.is_some(), "{}", client.said());
    let accepted = client.seen.iter().find(|line| line["kind"] == "accepted").cloned().unwrap_or_default();
    make(&stage, accepted["deployment"].as_str().expect("the deployment has a name"));
    assert_eq!(client.end(PATIENCE).expect("it ends"), 30, "{}", client.said());
    assert_eq!(complaints(&stage.bed, &stage.state()).expect("a look"), Vec::<String>::new(), "{}", stage.agent_log());
    stage.assert_serves("v1");
}

#[test]
fn a_container_of_the_new_version_is_removed() {
    made_late("after-creating", |stage, _| {
        stage.bed.project.compose(&["up", "--no-start", "--no-recreate", "--scale", "web=2"]).expect("compose creates");
    });
}

#[test]
fn the_container_of_a_command_is_removed() {
    made_late("after-preparing", |stage, deployment| {
        let name = format!("{}-web-before-{deployment}", stage.bed.name());
        let run = ["run", "--detach", "--no-deps", "--name", &name, "web", "once", "0"];
        // The agent may remove it before compose could start it.
        let _ = stage.bed.project.compose(&run);
    });
}
