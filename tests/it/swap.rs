//! Swaps under load: no request fails, and the load generator would say so if one did.

use std::time::Duration;

use kit::bed::{AppImage, ComposeFile, ComposeService};
use kit::load::{Load, LoadConfig, Report, Running};

use crate::stage::{HOST, Run, Setting, Stage, web};

/// Requests per second.
const RATE: u32 = 200;
/// Load before and after what is measured.
const MARGIN: Duration = Duration::from_secs(2);

pub(crate) fn load(stage: &Stage) -> Running {
    let running = Load::start(LoadConfig::new(stage.bed.proxy.web_for_load().expect("an address"), HOST, RATE));
    let begun = u64::from(RATE) * MARGIN.as_secs();
    assert!(running.wait_until_ok(begun, Duration::from_secs(20)), "the load begins");
    running
}

pub(crate) fn finish(running: Running) -> Report {
    let sent = running.sent_so_far() + u64::from(RATE) * MARGIN.as_secs();
    assert!(running.wait_until_ok(sent, Duration::from_secs(20)) || running.failed_so_far() > 0, "the load ends");
    let report = running.stop();
    report.check_books().expect("every request is accounted for");
    report
}

pub(crate) fn under_load(stage: &Stage, act: impl FnOnce() -> Run) -> (Run, Report) {
    let running = load(stage);
    let run = act();
    (run, finish(running))
}

#[track_caller]
pub(crate) fn none_failed(run: &Run, report: &Report) {
    assert_eq!(report.failed, 0, "{:?} {:?}\n{}", report.failures, report.samples, run.shown());
}

#[test]
fn first_swap_broken_version_and_rollback_drop_nothing() {
    let stage = Stage::new();
    let v2 = stage.version("v2");
    let v3 = stage.push(&AppImage::version("v3").mode("error-500-host"));

    let (run, report) = under_load(&stage, || stage.deploy(&v2));
    none_failed(&run, &report);
    let run = run.expect(0);
    assert_eq!(run.result()["outcome"], "deployed");
    assert_eq!(report.only_version_in_last(Duration::from_secs(1)).as_deref(), Some("v2"));
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);

    let (run, report) = under_load(&stage, || stage.deploy(&v3));
    none_failed(&run, &report);
    assert_eq!(run.expect(30).reason(), "proof_failed");
    assert_eq!(report.count_version("v3"), 0, "nobody saw the broken version");
    stage.assert_serves("v2");

    let (run, report) = under_load(&stage, || stage.rollback());
    none_failed(&run, &report);
    let run = run.expect(0);
    assert_eq!(run.result()["release"], 3, "a rollback appends a release");
    stage.assert_serves("v1");
}

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

#[test]
fn a_plain_recreate_fails_requests_and_the_generator_says_so() {
    let stage = Stage::new();
    let (run, report) = under_load(&stage, || {
        stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("compose recreates");
        stage.run(&["verify", "--offline"])
    });
    assert!(report.failed > 0, "{}", run.shown());
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

#[test]
fn two_replicas_swap_without_a_drop() {
    let stage = Stage::set(Setting::default().compose(|image| ComposeFile::of(web(image).replicas(2))));
    let v2 = stage.version("v2");
    let (run, report) = under_load(&stage, || stage.deploy(&v2));
    none_failed(&run, &report);
    run.expect(0);
    stage.wait("the old containers to be gone", || stage.containers("web").len() == 2);
    stage.assert_serves("v2");
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
fn a_version_that_cannot_work_is_removed() {
    let stage = Stage::set(Setting::service(|service| {
        service.gate_timeout = "3s".to_owned();
        service.verify_for = "10s".to_owned();
    }));
    for (mode, reason) in [
        ("unhealthy", "never_healthy"),
        ("crash", "container_exited"),
        ("no-listen", "never_healthy"),
        ("exit-after=4000", "verify_failed"),
    ] {
        let run = stage.deploy(&stage.push(&AppImage::version("v9").mode(mode))).expect(30);
        assert_eq!(run.reason(), reason, "{mode}: {}", run.shown());
        assert!(!run.events("diagnosis").is_empty(), "{mode}: {}", run.shown());
        stage.assert_serves("v1");
        assert_eq!(stage.containers("web").len(), 1, "{mode}");
    }
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

#[test]
fn back_to_back_deployments() {
    let stage = Stage::set(Setting::service(|service| service.verify_for = "0".to_owned()));
    let running = load(&stage);
    for version in ["v2", "v3", "v4", "v5"] {
        stage.deploy(&stage.version(version)).expect(0);
    }
    let report = finish(running);
    assert_eq!(report.failed, 0, "{:?} {:?}", report.failures, report.samples);
    stage.assert_serves("v5");
    stage.wait("the old containers to be gone", || stage.ids("web").len() == 1);
}
