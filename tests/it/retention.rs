//! Which images stay on the host, and which leave it.

use kit::bed::{AppImage, Container};

use crate::stage::{Setting, Stage};

/// An image of this stage alone: what beds share keeps a name for good, and with it its place on the host.
fn own(stage: &Stage, version: &str, mode: &str) -> String {
    let name = stage.push(&AppImage::version(version).mode(mode).env("BED", stage.bed.name()));
    let shared = docker(stage, &["images", "--format", "{{.Repository}}:{{.Tag}}", "deploy-action-bed/app"]);
    let (_, digest) = name.split_once('@').expect("a digest");
    for tag in shared.lines() {
        let digests = docker(stage, &["image", "inspect", "--format", "{{json .Config.Env}}", tag]);
        if digests.contains(&format!("BED={}\"", stage.bed.name())) {
            docker(stage, &["rmi", tag]);
        }
    }
    assert!(!here(stage, &name), "{digest} has to be fetched");
    name
}

fn docker(stage: &Stage, arguments: &[&str]) -> String {
    stage.bed.machine.docker(arguments).expect("docker answers")
}

fn here(stage: &Stage, image: &str) -> bool {
    stage.bed.machine.docker_output(&["image", "inspect", image]).expect("docker answers").code == 0
}

/// The numbers of the releases whose images have a name of ours.
fn retained(stage: &Stage) -> Vec<u64> {
    let repository = format!("deploy-agent/{}-web", stage.bed.name());
    let tags = docker(stage, &["images", "--format", "{{.Tag}}", &repository]);
    let mut numbers: Vec<u64> = tags.lines().map(|tag| tag.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_newest_releases_stay_and_what_only_the_agent_needed_goes() {
    let stage = Stage::set(Setting::service(|service| {
        service.verify_for = "0".to_owned();
        service.keep_releases = "2".to_owned();
        service.gate_timeout = "2s".to_owned();
    }));
    let [v2, v3, v4, v5] = ["v2", "v3", "v4", "v5"].map(|version| own(&stage, version, ""));
    let broken = own(&stage, "v9", "unhealthy");

    stage.deploy(&v2).expect(0);
    stage.deploy(&broken).expect(30);
    assert!(here(&stage, &broken), "the newest attempt may be made again without fetching");
    stage.deploy(&v3).expect(0);
    stage.wait("what failed to leave with the next release", || !here(&stage, &broken));
    stage.wait("two releases to be kept", || retained(&stage) == [2, 3]);
    assert!(here(&stage, &stage.v1), "the first version has the name that compose uses");

    // Somebody uses what is about to be dropped: a container that is stopped, and a name.
    docker(&stage, &["create", "--name", &format!("{}-aside", stage.bed.name()), "--network", stage.bed.name(), &v2]);
    let named = format!("deploy-agent/{}-named:mine", stage.bed.name());
    docker(&stage, &["tag", &v3, &named]);
    stage.deploy(&v4).expect(0);
    stage.deploy(&v5).expect(0);
    stage.wait("two releases to be kept", || retained(&stage) == [4, 5]);
    assert!(here(&stage, &v2) && here(&stage, &v3), "used by a container, and named by somebody");

    docker(&stage, &["rm", &format!("{}-aside", stage.bed.name())]);
    docker(&stage, &["rmi", &named]);
    // The same image again and again: the release before is still the one with another image.
    for _ in 0..2 {
        stage.run(&["deploy", "production", "--image", &v5]).expect(0);
        stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("recreates");
    }
    stage.rollback().expect(0);
    stage.assert_serves("v4");
    stage.wait("what nobody needs any more to be gone", || !here(&stage, &v2) && !here(&stage, &v3));
    assert!(here(&stage, &v4) && here(&stage, &v5));
    // A rollback fetches nothing, so what is kept is all that it needs.
    for image in [&v4, &v5] {
        let (_, digest) = image.split_once('@').expect("a digest");
        stage.bed.registry.delete("hello", digest).expect("deletes");
    }
    stage.rollback().expect(0);
    stage.assert_serves("v5");
    let running = |container: &Container| container.state == "running";
    stage.wait("one container to run", || stage.containers("web").iter().filter(|c| running(c)).count() == 1);
}
