//! Two containers of a service: a version that fails, and an agent that dies, leave two of one version.

use kit::bed::{AppImage, ComposeFile};
use kit::load::{Load, LoadConfig};

use super::tidy::complaints_of;
use crate::client::Client;
use crate::stage::{HOST, PATIENCE, Setting, Stage, web};

const REPLICAS: usize = 2;

fn doubled() -> Stage {
    let mut setting = Setting::service(|service| {
        service.gate_timeout = "5s".to_owned();
        service.verify_for = "4s".to_owned();
    });
    // Each gets an address of its own.
    setting.bed.spare_addresses = true;
    Stage::set(setting.compose(|image| ComposeFile::of(web(image).replicas(2))))
}

/// What happens while requests come in; none of them fails.
#[track_caller]
fn under_load(stage: &mut Stage, what: &str, happens: impl FnOnce(&mut Stage)) {
    let target = stage.bed.proxy.web_for_load().expect("an address");
    let load = Load::start(LoadConfig::new(target, HOST, 100));
    assert!(load.wait_until_ok(50, PATIENCE), "{what}: the load begins");
    happens(stage);
    let report = load.stop();
    report.check_books().expect("every request is accounted for");
    assert_eq!(report.failed, 0, "{what}: {:?} {:?}", report.failures, report.samples);
}

#[track_caller]
fn both_serve(stage: &Stage, what: &str, version: &str) {
    stage.wait(what, || {
        let state = stage.state();
        let tidy = complaints_of(REPLICAS, &stage.bed, &state).is_ok_and(|complaints| complaints.is_empty());
        tidy && state["holder"].is_null() && stage.serves(version)
    });
}

#[test]
fn a_version_that_fails_leaves_the_two_from_before() {
    let mut stage = doubled();
    stage.deploy(&stage.version("v2")).expect(0);
    for (mode, reason) in [("crash", "container_exited"), ("error-500-host", "proof_failed")] {
        let image = stage.push(&AppImage::version("v9").mode(mode));
        under_load(&mut stage, mode, |stage| {
            let run = stage.deploy(&image).expect(30);
            assert_eq!(run.reason(), reason, "{mode}: {}", run.shown());
            both_serve(stage, mode, "v2");
        });
    }
    // One of the two ends in the window: the requests that it had are lost with it, the others are not.
    let v3 = stage.version("v3");
    let mut client = Client::start(&stage.bed, &["deploy", "production", "--image", &v3], |_| {}).expect("starts");
    let reached = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == "verify");
    assert!(reached.is_some(), "{}", client.said());
    let new = stage.containers("web").into_iter().max_by_key(|container| container.name.clone()).expect("a container");
    stage.bed.machine.docker(&["kill", &new.id]).expect("docker obeys");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 30, "{}", client.said());
    both_serve(&stage, "one of two ended", "v2");
}

#[test]
fn wherever_the_agent_is_killed_two_of_one_version_serve() {
    let mut stage = doubled();
    let mut serving = "v1";
    let points = ["after-created", "after-gated", "before-switched", "after-switched"];
    for (point, version) in points.into_iter().zip(["v2", "v3"].into_iter().cycle()) {
        let image = stage.version(version);
        let survives = point == "after-switched";
        under_load(&mut stage, point, |stage| {
            let agent = stage.bed.agent().expect("an agent");
            agent.restart(&[("DEPLOY_AGENT_KILL_AT", point)]).expect("starts again");
            let line = ["deploy", "production", "--image", &image];
            let mut client = Client::start(&stage.bed, &line, |_| {}).expect("starts");
            let agent = stage.bed.agent().expect("an agent");
            assert_eq!(agent.ended(PATIENCE).expect("waits"), Some(137), "{point}: {}", agent.log());
            agent.start(&[]).expect("starts after the crash");
            let code = client.end(PATIENCE).expect("it ends");
            assert_eq!(code, if survives { 0 } else { 30 }, "{point}: {}", client.said());
            serving = if survives { version } else { serving };
            both_serve(stage, point, serving);
        });
    }
}
