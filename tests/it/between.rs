//! Between deployments: the route follows whatever plain compose does, and drift is told.

use std::time::Duration;

use crate::stage::Stage;

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
