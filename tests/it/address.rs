//! Where the network sets addresses aside, each new container has one for its whole life, and the route needs no name.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use kit::bed::{BedOptions, EngineOptions, request};
use serde_json::Value;

use crate::stage::{HOST, Setting, Stage};

fn spare(engine: Option<EngineOptions>) -> Setting {
    Setting { bed: BedOptions { spare_addresses: true, engine, ..Setting::default().bed }, ..Setting::default() }
}

/// Where Traefik sends.
fn servers(stage: &Stage) -> Vec<String> {
    let urls = stage.bed.proxy.servers("web@file");
    urls.iter().map(|url| url.trim_start_matches("http://").trim_end_matches(":8080").to_owned()).collect()
}

/// The one container's place in the bed's network.
fn place(stage: &Stage) -> Value {
    let [id] = stage.ids("web").try_into().expect("one container");
    let told = stage.bed.machine.docker(&["inspect", "--format", "{{json .NetworkSettings.Networks}}", &id]);
    let mut networks: Value = serde_json::from_str(&told.expect("a container")).expect("JSON");
    networks[stage.bed.name()].take()
}

fn swap(stage: &Stage, version: &str) -> String {
    stage.deploy(&stage.version(version)).expect(0);
    stage.assert_serves(version);
    stage.wait("the old container to be gone", || stage.ids("web").len() == 1);
    let [server] = servers(stage).try_into().expect("one server");
    let last: u8 = server.rsplit('.').next().and_then(|part| part.parse().ok()).expect("an address");
    assert!((2..128).contains(&last), "{server} is one that the network hands out");
    assert_eq!(place(stage)["IPAddress"], *server);
    server
}

#[test]
fn a_container_has_its_address_for_life() {
    let stage = Stage::set(spare(None));
    let first = swap(&stage, "v2");
    let place_now = place(&stage);
    let aliases = place_now["Aliases"].as_array().expect("aliases");
    assert!(aliases.iter().any(|alias| alias == "web"), "others still find it by its service: {aliases:?}");

    let before = stage.ids("web");
    stage.bed.project.up().expect("a plain up");
    assert_eq!(stage.ids("web"), before, "a plain up recreates nothing");
    stage.bed.machine.docker(&["restart", "--time", "1", &before[0]]).expect("restarts");
    stage.wait("the container to serve again", || stage.serves("v2"));
    assert_eq!((place(&stage)["IPAddress"].as_str(), servers(&stage)), (Some(first.as_str()), vec![first.clone()]));
    let state = stage.state();
    assert_eq!(state["drift"].as_array().map(Vec::len), Some(0), "{state}");

    // Somebody who takes it away by hand gets a route to the name, at once.
    for word in ["disconnect", "connect"] {
        stage.bed.machine.docker(&["network", word, stage.bed.name(), &before[0]]).expect("an engine that obeys");
    }
    let name = stage.containers("web")[0].name.clone();
    stage.wait_within(Duration::from_secs(15), "the route to follow", || servers(&stage) == [name.clone()]);
    stage.wait("the container to serve again", || stage.serves("v2"));

    assert_ne!(swap(&stage, "v3"), first);
    stage.run(&["rollback", "production"]).expect(0);
    stage.assert_serves("v2");
}

/// What plain compose makes has no such address, and is routed by its name.
#[test]
fn a_recreated_container_is_routed_by_its_name() {
    let stage = Stage::set(spare(None));
    swap(&stage, "v2");
    stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("recreates");
    stage.wait("the route to follow", || {
        servers(&stage) == stage.containers("web").iter().map(|container| container.name.clone()).collect::<Vec<_>>()
    });
    stage.wait("it to serve", || stage.serves("v2"));
    swap(&stage, "v3");
}

/// A name needs the engine to resolve it. While that is away, the address that it had stands in for it.
#[test]
fn where_an_engine_that_resolves_names_is_away_addresses_stand_in() {
    let engine = EngineOptions { live_restore: true, ..EngineOptions::default() };
    let bed = BedOptions { engine: Some(engine), ..Setting::default().bed };
    let mut stage = Stage::set(Setting { bed, ..Setting::default() });
    stage.deploy(&stage.version("v2")).expect(0);
    stage.wait("the old container to be gone", || stage.ids("web").len() == 1);
    let name = stage.containers("web")[0].name.clone();
    let address = place(&stage)["IPAddress"].as_str().expect("an address").to_owned();
    let route = stage.bed.proxy.folder().join(format!("deploy-agent-{}-web.yml", stage.bed.name()));
    let leads_to = |server: &str| {
        let text = fs::read_to_string(&route).unwrap_or_default();
        text.matches("\"url\"").count() == 1 && text.contains(&format!("//{server}:8080\""))
    };
    // The engine's port forwarder dies with it.
    let door = stage.bed.proxy.web_for_load().expect("Traefik runs");
    let serves = || request(door, "GET", HOST, "/", &[]).is_ok_and(|answer| answer.status == 200);
    assert!(leads_to(&name) && serves());

    stage.bed.engine().expect("an engine of its own").kill9();
    stage.wait("the address to stand in", || leads_to(&address) && serves());
    // Longer than any connection lives that was made by the name.
    stage.holds(Duration::from_secs(2), "service", || leads_to(&address) && serves());
    stage.bed.engine().expect("an engine of its own").start().expect("starts");
    stage.wait("the name to lead there again", || leads_to(&name) && servers(&stage) == [name.clone()]);
    stage.holds(Duration::from_secs(2), "service", serves);

    // A proxy that was started again is found again; and what an agent leaves that dies meanwhile is not for ever.
    stage.bed.proxy.restart().expect("restarts");
    stage.bed.engine().expect("an engine of its own").kill9();
    stage.wait("the address to stand in", || leads_to(&address));
    stage.bed.agent().expect("an agent").kill9();
    stage.bed.engine().expect("an engine of its own").start().expect("starts");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts");
    stage.wait("the name to lead there again", || leads_to(&name) && serves());
}

/// Names are resolved by the engine: a request waits for one that stands still for a moment, as a busy host may.
#[test]
fn a_request_waits_for_an_engine_that_stands_still() {
    let bed = BedOptions { engine: Some(EngineOptions::default()), ..Setting::default().bed };
    let mut stage = Stage::set(Setting { bed, ..Setting::default() });
    stage.deploy(&stage.version("v2")).expect(0);
    stage.wait("the old container to be gone", || stage.ids("web").len() == 1);
    assert_eq!(servers(&stage), [stage.containers("web")[0].name.clone()]);
    let door = stage.bed.proxy.web_for_load().expect("Traefik runs");
    let engine = stage.bed.engine().expect("an engine of its own");
    engine.signal("STOP").expect("it runs");
    // Longer than Traefik keeps a connection that nobody uses: each one is made anew then.
    let (answers, answer) = mpsc::channel();
    answer.recv_timeout(Duration::from_secs(2)).expect_err("nobody asks");
    std::thread::spawn(move || answers.send(request(door, "GET", HOST, "/", &[])));
    answer.recv_timeout(Duration::from_millis(1500)).expect_err("it waits for the name");
    engine.signal("CONT").expect("it stands");
    let answer = answer.recv().expect("no panic").expect("an answer");
    assert_eq!((answer.status, answer.header("x-version")), (200, Some("v2")), "{answer:?}");
}

/// `agent doctor` says where users depend on the engine although their containers do not.
#[test]
fn doctor_tells_of_names_where_containers_outlive_the_engine() {
    let said = |stage: &Stage| {
        let config = stage.bed.dir().join("agent.yml").to_string_lossy().into_owned();
        let mut doctor = stage.bed.command(&["agent", "doctor", "--config", &config]).expect("a command");
        let told =
            doctor.env("DOCKER_HOST", format!("unix://{}", stage.bed.machine.socket())).output().expect("it looks");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        told.lines().find(|line| line.contains("addresses that stay")).unwrap_or_else(|| panic!("{told}")).to_owned()
    };
    let engine = EngineOptions { live_restore: true, ..EngineOptions::default() };
    let stage = Stage::set(spare(Some(engine.clone())));
    let before = said(&stage);
    assert!(before.starts_with("-  ") && before.contains(&stage.containers("web")[0].name), "{before}");
    swap(&stage, "v2");
    let after = said(&stage);
    assert!(after.starts_with("ok") && after.contains("every container has one"), "{after}");
    drop(stage);
    let bed = BedOptions { engine: Some(engine), ..Setting::default().bed };
    let names = said(&Stage::set(Setting { bed, ..Setting::default() }));
    assert!(names.starts_with("-  ") && names.contains("The README"), "{names}");
}
