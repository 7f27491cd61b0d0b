//! Ends while the image is made: nothing was handed to the agent.

use std::fs;

use super::{Scene, Step};
use crate::stage::Setting;

/// A build that takes longer than any test waits.
fn building(scene: &Scene) -> Step {
    let repository = &scene.user.repository;
    fs::copy("/bin/busybox", repository.dir().join("busybox")).expect("busybox");
    // Of two builds at a time that have a step in common, only one says what it does.
    let own = scene.stage().bed.name();
    let slow =
        format!("FROM scratch\nENV OF={own}\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sleep\", \"300\"]\n");
    repository.write("Dockerfile", &slow).expect("writes");
    let step = scene.start_at(&repository.commit("a slow build").expect("commits"));
    step.says(scene, "sleep");
    scene.stage().wait("the comment", || scene.user.github.comments(super::PULL).len() == 1);
    step
}

#[test]
fn a_signal_ends_the_build() {
    let scene = Scene::new(Setting::default());
    let told = building(&scene).ends_by(&scene, "INT");
    assert_eq!(told.code, 40, "{}", told.stdout);
    scene.assert_comment("cancelled: the version from before serves");
    assert_eq!(scene.states(), [] as [&str; 0], "no deployment without the agent");
    assert_eq!(told.state.get("closed").map(String::as_str), Some("true"));
    scene.stage().assert_serves("v1");
}

#[test]
fn a_step_that_died_while_building_is_closed_by_its_comment() {
    let scene = Scene::new(Setting::default());
    let mut step = building(&scene);
    step.dies();
    scene.assert_comment("Deploying to");
    let post = scene.bare_post(&mut step.job);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.assert_comment("cancelled: the version from before serves");
    assert!(scene.comment().contains("the run ended before anything was changed"), "{}", scene.comment());
    assert_eq!(scene.states(), [] as [&str; 0]);

    // The comment of a run tells only its own end.
    let sha = scene.user.repository.commit("another run").expect("commits");
    let mut other = scene.start_at(&sha);
    other.says(&scene, "sleep");
    scene.stage().wait("the other run's comment", || scene.comment().contains("Deploying to"));
    let before = scene.comment();
    let post = scene.bare_post(&mut step.job);
    assert!(post.stdout.ends_with("nothing is open\n"), "{}", post.stdout);
    assert_eq!(scene.comment(), before);
    assert_eq!(other.ends_by(&scene, "TERM").code, 40);
}
