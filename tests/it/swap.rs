//! What a swap makes of a service. How it does under load is in `swaps`.

use std::time::{Duration, Instant};

use kit::bed::{AppImage, BedOptions, ComposeFile, ComposeService, EngineOptions};

use crate::stage::{Setting, Stage, web};
use crate::swaps::UnderLoad;

/// Longest way back without a network.
const OFFLINE: Duration = Duration::from_secs(30);

#[test]
fn rollback_needs_no_registry() {
    let stage = Stage::new();
    let v2 = stage.version("v2");
    stage.deploy(&v2).expect(0);
    for image in [&stage.v1, &v2] {
        let (_, digest) = image.split_once('@').expect("a digest");
        stage.bed.registry.delete("hello", digest).expect("deletes");
    }
    stage.rollback().expect(0);
    stage.assert_serves("v1");
}

/// Within the time that the product promises for it.
#[test]
fn rollback_needs_no_network() {
    let bed = BedOptions { engine: Some(EngineOptions::default()), ..Setting::default().bed };
    let stage = Stage::set(Setting { bed, ..Setting::default() });
    stage.deploy(&stage.version("v2")).expect(0);
    // An engine of its own has a network without a way out: what else there is to reach is the registry.
    let routes = std::fs::read_to_string("/proc/thread-self/net/route").expect("the kernel tells");
    assert!(routes.lines().all(|line| line.split_whitespace().nth(1) != Some("00000000")), "{routes}");
    stage.bed.registry.signal("KILL").expect("it runs");
    let begun = Instant::now();
    stage.rollback().expect(0);
    assert!(begun.elapsed() <= OFFLINE, "{:?}", begun.elapsed());
    stage.assert_serves("v1");
}

#[test]
fn a_plain_recreate_fails_requests_and_the_generator_says_so() {
    let stage = Stage::new();
    let load = UnderLoad::begin(&stage);
    stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("compose recreates");
    let report = load.finish();
    assert!(report.failed > 0, "{:?}", report.by_version);
}

#[test]
fn nothing_to_do_is_said_and_does_nothing() {
    let stage = Stage::new();
    let v2 = stage.version("v2");
    stage.deploy(&v2).expect(0);
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    let before = stage.ids("web");
    let run = stage.deploy(&v2).expect(0);
    assert_eq!(run.result()["changed"], false);
    assert_eq!(stage.ids("web"), before);
}

#[test]
fn a_config_only_change_is_a_change() {
    let stage = Stage::new();
    let v2 = stage.version("v2");
    stage.deploy(&v2).expect(0);
    let file = stage.bed.project.read("compose.yaml").expect("reads");
    stage
        .bed
        .project
        .write("compose.yaml", &file.replace("    labels:", "    stop_grace_period: 7s\n    labels:"))
        .expect("writes");
    let run = stage.deploy(&v2).expect(0);
    assert_eq!(run.result()["changed"], true);
    assert_eq!(run.result()["release"], 3);
}

/// Compose's own `config --hash` leaves such a file out.
#[test]
fn what_an_env_file_says_is_part_of_the_configuration() {
    let stage = Stage::new();
    let write = |name: &str, text: &str| stage.bed.project.write(name, text).expect("writes");
    let file = stage.bed.project.read("compose.yaml").expect("reads");
    write("compose.yaml", &file.replace("    labels:", "    env_file: [app.env]\n    labels:"));
    let v2 = stage.version("v2");
    for said in ["GREETING=one", "GREETING=a $ sign"] {
        write("app.env", &format!("# For everybody.\n{}'\n", said.replacen('=', "='", 1)));
        let run = stage.deploy(&v2).expect(0);
        assert_eq!(run.result()["changed"], true, "{said}");
        stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
        let before = stage.ids("web");
        let env = stage.bed.machine.docker(&["inspect", "--format", "{{json .Config.Env}}", &before[0]]);
        assert!(env.expect("a container").contains(&format!("{said:?}")), "{said}");
        assert_eq!(stage.state()["drift"], serde_json::json!([]), "{said}");
        stage.bed.project.up().expect("a plain up");
        assert_eq!(stage.ids("web"), before, "{said}: a plain up recreates nothing");
    }
    assert_eq!(stage.deploy(&v2).expect(0).result()["changed"], false);
    write("app.env", "GREETING=another\n");
    assert_eq!(stage.state()["drift"][0]["code"], "config_changed");
}

#[test]
fn a_first_deployment_without_a_container() {
    let stage = Stage::set(Setting { up: false, ..Setting::default() });
    let v2 = stage.version("v2");
    let run = stage.deploy(&v2).expect(0);
    assert_eq!(run.result()["release"], 1);
    stage.assert_serves("v2");
    assert_eq!(stage.state()["routing"], "agent");
    stage.deploy(&stage.v1).expect(0);
    stage.assert_serves("v1");
}

#[test]
fn a_worker_has_no_route() {
    let stage = Stage::set(Setting {
        first: AppImage::version("v1").mode("worker"),
        ..Setting::service(|service| service.probe.clear())
            .compose(|image| ComposeFile::of(ComposeService::new("web", image)))
    });
    let v2 = stage.push(&AppImage::version("v2").mode("worker"));
    stage.deploy(&v2).expect(0);
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    let run = stage.deploy(&stage.push(&AppImage::version("v3").mode("worker-fail"))).expect(30);
    assert_eq!(run.reason(), "container_exited");
    assert_eq!(run.events("diagnosis")[0]["container"]["exit_code"], 1);
    assert_eq!(stage.containers("web").len(), 1);
    stage.rollback().expect(0);
}

#[test]
fn a_first_deployment_that_fails_leaves_nothing() {
    let stage = Stage::set(Setting { up: false, ..Setting::default() });
    let run = stage.deploy(&stage.push(&AppImage::version("v2").mode("error-500-host"))).expect(30);
    assert_eq!(run.reason(), "proof_failed");
    assert_eq!(stage.ids("web"), Vec::<String>::new());
    assert_eq!(stage.bed.proxy.servers("web@file"), Vec::<String>::new());
    stage.deploy(&stage.version("v3")).expect(0);
    stage.assert_serves("v3");
}

#[test]
fn an_image_that_no_registry_has_is_gone_back_to() {
    let stage = Stage::set(Setting { up: false, ..Setting::default() });
    let local = format!("{}-local:v1", stage.bed.name());
    // The same content under a name of its own: an image without a digest.
    let context = stage.bed.dir().join("local");
    std::fs::create_dir_all(&context).expect("a folder");
    let (name, _) = stage.v1.split_once('@').expect("a digest");
    let dockerfile = format!("FROM {name}:v1\nENV LOCAL=1\n");
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("writes");
    stage.bed.machine.docker(&["build", "-q", "-t", &local, &context.to_string_lossy()]).expect("builds");
    stage.bed.project.write("compose.yaml", &ComposeFile::of(web(&local)).render(stage.bed.name())).expect("writes");
    stage.bed.project.up().expect("up");
    stage.wait("version 1", || stage.serves("v1"));
    stage.deploy(&stage.version("v2")).expect(0);
    stage.rollback().expect(0);
    stage.assert_serves("v1");
    stage.wait("the old container to be gone", || stage.ids("web").len() == 1);
    let before = stage.ids("web");
    stage.bed.project.up().expect("up");
    assert_eq!(stage.ids("web"), before, "a plain up recreates nothing");
    stage.bed.project.compose(&["down"]).expect("down");
    stage.bed.machine.docker(&["rmi", &local]).expect("cleans up");
}
