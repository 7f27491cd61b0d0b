//! What can happen to the host meanwhile: its disk is full, or somebody edits the compose file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kit::bed::AppImage;

use super::{Scene, deploy_meanwhile, new_one_runs};
use crate::stage::{Setting, Stage};

/// A file system of 256 KiB, mounted for as long as this lives.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Self {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k,mode=0700", "small"]).arg(at).status();
        assert!(mounted.expect("mount runs").success(), "a file system is mounted: the tests run as root");
        Self(at.to_owned())
    }

    /// Takes all the room that is left, down to the last byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("ballast")).expect("a file");
        while file.write(&[0; 512]).is_ok_and(|written| written > 0) {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).expect("removes");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn booting(stage: &Stage) -> String {
    stage.push(&AppImage::version("v2").env("BOOT_MS", "4000"))
}

#[test]
fn the_disk_of_the_state_is_full_before_the_deployment() {
    let mut scene = Scene::set(Setting::default());
    let v2 = scene.stage.version("v2");
    let agent = scene.stage.bed.agent().expect("an agent");
    agent.stop().expect("stops");
    let state = agent.state_dir();
    let small = Small::mount(&state);
    agent.start(&[]).expect("starts");

    small.fill();
    let run = scene.stage.deploy(&v2);
    scene.failed("full before the deployment", &run, 13, "state_unusable");
    small.free();

    let stage = &scene.stage;
    stage.deploy(&v2).expect(0);
    stage.assert_serves("v2");
    insta::assert_snapshot!(scene.told);
}

#[test]
fn the_compose_file_changes_in_the_middle() {
    let mut scene = Scene::set(Setting::default());
    let v2 = booting(&scene.stage);
    let file = scene.stage.bed.project.read("compose.yaml").expect("reads");
    let changed = file.replace("    labels:", "    stop_grace_period: 7s\n    labels:");
    for (case, text, reason) in [
        ("another configuration", changed.as_str(), "changed_underneath"),
        ("no YAML any more", "services: {", "compose_failed"),
        ("the service is gone", "services: {other: {image: scratch}}\n", "compose_failed"),
    ] {
        let stage = &scene.stage;
        let edit = || stage.bed.project.write("compose.yaml", text).expect("writes");
        let run = deploy_meanwhile(stage, &v2, "the new container to run", || new_one_runs(stage), edit);
        scene.failed(case, &run, 30, reason);
        scene.stage.bed.project.write("compose.yaml", &file).expect("writes");
    }
    insta::assert_snapshot!(scene.told);

    let stage = &scene.stage;
    let edit = || stage.bed.project.write("compose.yaml", &format!("# The shop.\n{file}")).expect("writes");
    let run = deploy_meanwhile(stage, &v2, "the new container to run", || new_one_runs(stage), edit).expect(0);
    assert_eq!(run.result()["outcome"], "deployed", "a remark changes nothing");
    stage.assert_serves("v2");
}
