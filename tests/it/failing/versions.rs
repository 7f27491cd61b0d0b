//! What can be wrong with a version.

use std::fs;
use std::time::Duration;

use kit::bed::{AppImage, ComposeFile};
use kit::load::{Load, LoadConfig};

use super::Scene;
use crate::stage::{HOST, PATIENCE, Setting, Stage, web};

/// Requests per second while they fail.
const RATE: u32 = 50;

/// Where an ELF header names the machine that its code is for, and the number of AArch64.
const MACHINE: usize = 18;
const AARCH64: [u8; 2] = [0xb7, 0];

/// An image of these files, built and pushed; gives it by digest.
fn odd_image(stage: &Stage, name: &str, dockerfile: &str, program: &[u8], build: &[&str]) -> String {
    let context = stage.bed.dir().join(name);
    fs::create_dir_all(&context).expect("a folder");
    fs::write(context.join("Dockerfile"), dockerfile).expect("writes");
    fs::write(context.join("program"), program).expect("writes");
    let tag = format!("{}:{name}", stage.bed.registry.repository("hello"));
    let machine = &stage.bed.machine;
    let folder = context.to_string_lossy();
    machine.docker(&[&["build", "-q", "-t", &tag], build, &[&folder]].concat()).expect("builds");
    machine.docker(&["push", "--quiet", &tag]).expect("pushes");
    machine.docker(&["rmi", &tag]).expect("forgets");
    let digest = stage.bed.registry.digest("hello", name).expect("a digest");
    format!("{}@{digest}", stage.bed.registry.repository("hello"))
}

/// As if the engine had heard why a container was killed. On a busy machine it misses the kernel's word now and then; then
/// the hint names both who may have done it.
fn heard(told: &str) -> String {
    told.replace(
        "(killed (SIGKILL))\n  somebody killed it, or the kernel, for lack of memory: compare its memory limit with what it takes",
        "(killed by the kernel: out of memory)\n  raise its memory limit in the compose file, or find out what takes the memory",
    )
}

#[test]
fn a_version_that_cannot_work_is_not_deployed() {
    let setting = Setting::service(|service| {
        service.gate_timeout = "3s".to_owned();
        service.verify_for = "5s".to_owned();
        service.proof = format!("http://{HOST}/");
    });
    let limited = |image: &str| ComposeFile::of(web(image).with("mem_limit: 48m"));
    let mut scene = Scene::set(setting.compose(limited));
    let stage = &scene.stage;
    let mode = |mode: &str| stage.push(&AppImage::version("v9").mode(mode));
    let source = stage.bed.dir().join("source");
    fs::create_dir_all(&source).expect("a folder");
    AppImage::version("v9").write(&stage.bed.machine, &source).expect("the sample app");
    let program = fs::read(source.join("kit-app")).expect("reads");
    let mut foreign = program.clone();
    foreign[MACHINE..MACHINE + 2].copy_from_slice(&AARCH64);
    let entry = "FROM scratch\nCOPY --chmod=755 program /program\nENTRYPOINT [\"/program\"]\n";
    let no_entry = entry.replace("ENTRYPOINT [\"/program\"]", "ENTRYPOINT [\"/bin/serve\"]");
    let not_executable = entry.replace("755", "644");
    let (name, digest) = stage.v1.split_once('@').expect("a digest");
    let unknown = format!("{name}@sha256:{}", digest.trim_start_matches("sha256:").chars().rev().collect::<String>());
    let cases = [
        ("never healthy", mode("unhealthy"), "never_healthy"),
        ("health that comes and goes", mode("flap"), "never_healthy"),
        ("the port is not listened on", mode("no-listen"), "never_healthy"),
        ("ends at once", mode("crash"), "container_exited"),
        ("out of memory", mode("eat-memory"), "container_exited"),
        ("healthy, then dies", mode("exit-after=3000"), "verify_failed"),
        ("500 on the route", mode("error-500"), "proof_failed"),
        ("500 behind the proxy only", mode("error-500-host"), "proof_failed"),
        ("a program for another architecture", odd_image(stage, "foreign", entry, &foreign, &[]), "container_exited"),
        (
            "an image for another platform",
            odd_image(stage, "platform", entry, &foreign, &["--platform", "linux/arm64"]),
            "container_exited",
        ),
        ("the command is missing", odd_image(stage, "missing", &no_entry, &program, &[]), "start_failed"),
        ("the command may not be run", odd_image(stage, "unrunnable", &not_executable, &program, &[]), "start_failed"),
        ("the registry does not have it", unknown, "pull_failed"),
    ];
    for (case, image, reason) in cases {
        let target = scene.stage.bed.proxy.web_for_load().expect("an address");
        let load = Load::start(LoadConfig { workers: 32, ..LoadConfig::new(target, HOST, RATE) });
        assert!(load.wait_until_ok(u64::from(RATE), PATIENCE), "{case}: the load begins");
        let run = scene.stage.deploy(&image);
        scene.failed(case, &run, 30, reason);
        assert!(load.wait_until_only("v1", Duration::from_secs(1), PATIENCE), "{case}");
        let report = load.stop();
        report.check_books().expect("every request is accounted for");
        // Only one that was proven before it died was asked by users, and did not answer the last of them.
        assert!(report.failed == 0 || reason == "verify_failed", "{case}: {:?} {:?}", report.failures, report.samples);
        assert!(report.count_version("v9") == 0 || reason == "verify_failed", "{case}: {:?}", report.by_version);
    }
    insta::assert_snapshot!(heard(&scene.told));
}
