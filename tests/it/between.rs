//! Between deployments: the route follows whatever plain compose does, and drift is told.

use std::time::Duration;

use kit::bed::{AppImage, ComposeFile};
use kit::load::{Load, LoadConfig};

use crate::stage::{HOST, PATIENCE, Setting, Stage, web};

/// How soon after a container is healthy the route must have followed.
const FOLLOWS: Duration = Duration::from_secs(2);

fn deployed() -> Stage {
    let stage = Stage::new();
    stage.deploy(&stage.version("v2")).expect(0);
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    stage
}

/// The service answers within the limit of its container being healthy, through our route, and drift is told.
fn follows(stage: &Stage) {
    stage.wait("a healthy container", || {
        stage.containers("web").iter().any(|container| container.status.contains("healthy)"))
    });
    stage.wait_within(FOLLOWS, "the route to follow", || stage.serves("v2"));
    let name = stage.containers("web")[0].name.clone();
    stage.wait_within(FOLLOWS, "our file to name it", || {
        stage.bed.proxy.servers("web@file") == [format!("http://{name}:8080")]
    });
    let state = stage.state();
    let codes: Vec<&str> =
        state["drift"].as_array().into_iter().flatten().filter_map(|drift| drift["code"].as_str()).collect();
    assert_eq!(codes, ["containers_replaced"], "{state}");
}

#[test]
fn a_plain_up_after_a_deployment_recreates_nothing() {
    let stage = deployed();
    let before = stage.ids("web");
    stage.bed.project.up().expect("up");
    assert_eq!(stage.ids("web"), before);
    assert_eq!(stage.state()["drift"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_stop_of_the_old_version_delays_nobody() {
    // It would be waited for for ten minutes.
    let compose = |image: &str| ComposeFile::of(web(image).with("stop_grace_period: 10m"));
    let first = AppImage::version("v1").mode("ignore-term");
    let stage = Stage::set(Setting { first, ..Setting::default() }.compose(compose));
    let [old] = stage.ids("web").try_into().expect("one container");
    stage.deploy(&stage.version("v2")).expect(0);
    assert!(stage.ids("web").contains(&old), "the old one is still on its way out");
    let told = stage.run(&["status", "production"]).expect(0).shown();
    let leaving = |line: &str| line.contains("leaving") && line.contains("use no compose command");
    assert_eq!(told.lines().filter(|line| leaving(line)).count(), 1, "{told}");
    stage.bed.machine.docker(&["kill", &old]).expect("kills");
    stage.wait("the old container to be gone", || stage.ids("web").len() == 1);
    stage.wait("nobody to be leaving", || stage.state()["retiring"].is_null());
    stage.assert_serves("v2");
}

#[test]
fn down_and_up() {
    let stage = deployed();
    stage.bed.project.compose(&["down"]).expect("down");
    stage.bed.project.up().expect("up");
    follows(&stage);
}

#[test]
fn a_forced_recreate() {
    let stage = deployed();
    stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("recreates");
    follows(&stage);
}

#[test]
fn down_and_up_while_the_agent_is_stopped() {
    let mut stage = deployed();
    stage.bed.agent().expect("an agent").stop().expect("stops");
    stage.bed.project.compose(&["down"]).expect("down");
    stage.bed.project.up().expect("up");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts");
    follows(&stage);
}

#[test]
fn a_forced_recreate_while_the_agent_is_stopped() {
    let mut stage = deployed();
    stage.bed.agent().expect("an agent").stop().expect("stops");
    stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("recreates");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts");
    follows(&stage);
}

#[test]
fn the_next_deployment_mends_drift() {
    let stage = deployed();
    stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("recreates");
    follows(&stage);
    stage.deploy(&stage.version("v3")).expect(0);
    assert_eq!(stage.state()["drift"].as_array().map(Vec::len), Some(0));
    stage.assert_serves("v3");
}

fn drift(stage: &Stage) -> Vec<String> {
    let state = stage.state();
    let codes = state["drift"].as_array().into_iter().flatten().filter_map(|drift| drift["code"].as_str());
    codes.map(str::to_owned).collect()
}

/// Status and plan tell exactly these.
#[track_caller]
fn assert_drift(stage: &Stage, expected: &[&str]) {
    assert_eq!(drift(stage), expected, "{}", stage.state());
    let plan = stage.run(&["plan", "production", "--image", &stage.v1, "--format", "json"]);
    for code in expected {
        let note = format!("drift ({code}): ");
        assert!(plan.lines.iter().any(|line| line.to_string().contains(&note)), "{}", plan.shown());
    }
}

#[test]
fn each_kind_of_drift_is_told() {
    let stage = deployed();
    assert_drift(&stage, &[]);

    stage.bed.project.compose(&["stop", "web"]).expect("stops");
    assert_drift(&stage, &["not_running"]);
    stage.bed.project.compose(&["start", "web"]).expect("starts");
    stage.wait("the container to serve", || stage.serves("v2"));
    assert_drift(&stage, &[]);

    let file = stage.bed.project.read("compose.yaml").expect("reads");
    let changed = file.replace("    labels:", "    stop_grace_period: 7s\n    labels:");
    stage.bed.project.write("compose.yaml", &changed).expect("writes");
    assert_drift(&stage, &["config_changed"]);
    stage.bed.project.write("compose.yaml", &file).expect("writes");

    let env = stage.bed.project.read(".env").expect("reads");
    stage.bed.project.write(".env", "").expect("writes");
    assert_drift(&stage, &["override_unlisted"]);
    stage.bed.project.write(".env", &env).expect("writes");

    stage.bed.proxy.stop().expect("Traefik stops");
    assert_drift(&stage, &["unrouted"]);
    stage.bed.proxy.restart().expect("Traefik starts");
    stage.wait("Traefik to route", || stage.serves("v2"));

    stage.bed.project.compose(&["-f", "compose.yaml", "up", "-d", "--wait"]).expect("without what was deployed");
    assert_drift(&stage, &["containers_replaced", "image_differs", "config_changed"]);
}

#[test]
fn a_container_of_another_version_gets_no_request_during_a_deployment_either() {
    let stage = deployed();
    // Without the agent's own file compose makes it from what people wrote.
    let more = ["-f", "compose.yaml", "up", "-d", "--no-recreate", "--wait", "--scale", "web=2"];
    stage.bed.project.compose(&more).expect("a stray");
    assert_eq!(stage.containers("web").len(), 2);
    stage.assert_serves("v2");
    let slow = stage.push(&AppImage::version("v3").env("BOOT_MS", "2000"));
    let load = Load::start(LoadConfig::new(stage.bed.proxy.web(), HOST, 50));
    stage.deploy(&slow).expect(0);
    assert!(load.wait_until_only("v3", Duration::from_millis(300), PATIENCE));
    let report = load.stop();
    assert_eq!((report.count_version("v1"), report.failed), (0, 0), "{:?}", report.failures);
    stage.wait("the new version to be alone", || stage.containers("web").len() == 1);
}
