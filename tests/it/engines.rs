//! The usual day on engines of every age: a commit is built, pushed, swapped in and rolled back; on the newest, in a network
//! that sets addresses aside.

use std::fs;
use std::time::Duration;

use kit::bed::{BedOptions, EngineOptions, Machine};
use kit::load::{Load, LoadConfig};
use kit::runner::Told;
use serde_json::json;

use crate::action::user::{PROGRAM, User};
use crate::stage::{HOST, Setting, Stage};

/// Requests per second, beside all else that happens on the machine.
const RATE: u32 = 100;

fn user(engine: EngineOptions) -> User {
    let spare_addresses = engine.newest;
    let bed = BedOptions { engine: Some(engine), spare_addresses, ..BedOptions::with(PROGRAM) };
    User::with(Setting { bed, ..Setting::default() })
}

#[track_caller]
fn deployed(told: &Told) {
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
}

/// Builds, pushes, swaps and goes back, and drops no request.
fn usual_day(engine: EngineOptions) {
    let user = user(engine);
    let stage = &user.stage;
    let file = stage.bed.project.read("compose.yaml").expect("reads");
    let file = file.replace("    labels:", "    env_file: [app.env]\n    labels:");
    stage.bed.project.write("app.env", "GREETING='a $$ sign'\n").expect("writes");
    stage.bed.project.write("compose.yaml", &file).expect("writes");
    let load = Load::start(LoadConfig::new(stage.bed.proxy.web_for_load().expect("an address"), HOST, RATE));
    assert!(load.wait_until_ok(u64::from(RATE), Duration::from_secs(20)), "the load begins");
    for version in ["v2", "v3"] {
        deployed(&user.push(&user.version(version), &[]));
        stage.assert_serves(version);
    }
    let sha = user.repository.commit("back").expect("commits");
    let image = user.image();
    let mut job = user.job("workflow_dispatch", &json!({"inputs": null}), &sha);
    deployed(&user.run(&mut job, &[("image", &image), ("command", "rollback")]));
    stage.assert_serves("v2");
    assert!(load.wait_until_only("v2", Duration::from_secs(1), Duration::from_secs(20)));
    let report = load.stop();
    report.check_books().expect("every request is accounted for");
    assert_eq!(report.failed, 0, "{:?} {:?}\n{}", report.failures, report.samples, stage.agent_log());
    stage.wait("the old containers to be gone", || stage.containers("web").len() == 1);
    let status = stage.state();
    assert_eq!(status["drift"], json!([]), "{status}");
    let before = stage.ids("web");
    stage.bed.project.up().expect("a plain up");
    assert_eq!(stage.ids("web"), before, "a plain up recreates nothing");
}

/// Version and store of an engine, as it tells them.
fn told_by(machine: &Machine) -> (Vec<u64>, bool) {
    let told = machine.docker(&["info", "--format", "{{.ServerVersion}} {{json .DriverStatus}}"]).expect("an engine");
    let version = told.split(['.', '+', '-', ' ']).map_while(|part| part.parse().ok()).take(2).collect();
    (version, told.contains("io.containerd.snapshotter"))
}

/// What the others run on is what they are named after.
#[test]
fn the_engines_are_those_that_are_meant() {
    let of = |engine| {
        told_by(
            &Stage::set(Setting {
                bed: BedOptions { engine: Some(engine), ..BedOptions::with(PROGRAM) },
                ..Setting::default()
            })
            .bed
            .machine,
        )
    };
    let machine = Machine::find().expect("an engine");
    let (machines, _) = told_by(&machine);
    // The oldest that is promised is Debian 12's: there it is what the other tests run on.
    if fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("VERSION_ID=\"12\"")) {
        let compose = machine.docker(&["compose", "version", "--short"]).expect("compose");
        assert_eq!(machines, [20, 10], "Docker Engine");
        assert!(compose.trim_start_matches('v').starts_with("2.26."), "compose {compose}");
    }
    let (newest, contained) = of(EngineOptions { newest: true, ..EngineOptions::default() });
    assert!(newest >= vec![28] && newest >= machines, "{newest:?}, and the machine's is {machines:?}");
    assert!(!contained, "the classic store");
    assert!(of(containerds()).1, "containerd's store");
}

#[test]
fn on_the_machines_engine() {
    usual_day(EngineOptions::default());
}

#[test]
fn on_the_newest_engine() {
    usual_day(EngineOptions { newest: true, ..EngineOptions::default() });
}

/// As Engine 29 is without a word in its configuration.
fn containerds() -> EngineOptions {
    EngineOptions { newest: true, containerd_store: true, oldest_api: Some("1.44"), ..EngineOptions::default() }
}

#[test]
fn on_the_newest_engine_with_containerds_image_store() {
    usual_day(containerds());
}

#[test]
fn an_image_index_is_deployed_and_gone_back_to_by_its_own_digest() {
    for engine in [None, Some(containerds())] {
        let bed = BedOptions { engine, ..BedOptions::with(PROGRAM) };
        let stage = Stage::set(Setting { bed, ..Setting::default() });
        let v2 = stage.version("v2");
        let (name, image) = v2.split_once('@').expect("a digest");
        let registry = &stage.bed.registry;
        let index = registry.index(&stage.bed.machine, "hello", image, stage.bed.dir()).expect("an index");
        assert_ne!(index, image);
        let index = format!("{name}@{index}");
        assert_eq!(stage.deploy(&index).expect(0).result()["image"], index);
        stage.assert_serves("v2");
        assert_eq!(stage.deploy(&index).expect(0).result()["changed"], false);
        stage.deploy(&stage.version("v3")).expect(0);
        stage.rollback().expect(0);
        stage.assert_serves("v2");
        assert_eq!(stage.state()["drift"], json!([]));
    }
}
