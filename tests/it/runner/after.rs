//! Signals after the switch: the step lets go, the agent finishes, and the post step tells the end.

use kit::bed::AppImage;

use super::{Scene, ended};

const SWITCHED: &str = "traffic goes to the new version";

#[test]
fn each_signal_after_the_switch_lets_go_and_the_post_step_tells_the_end() {
    // Longer than the step watches for the end after a signal.
    let scene = Scene::held_after_the_switch("12s");
    for (signal, version) in [("INT", "v2"), ("TERM", "v3"), ("HUP", "v4")] {
        let mut step = scene.start(&AppImage::version(version));
        step.says(&scene, SWITCHED);
        let told = step.ends_by(&scene, signal);
        assert_eq!(told.code, 40, "SIG{signal}: {}", told.stdout);
        assert!(told.stdout.contains("the agent is finishing deployment"), "{}", told.stdout);
        scene.stage().assert_serves(version);
        scene.assert_comment("Run cancelled: the deployment to");
        assert_eq!(scene.states(), ["in_progress", "in_progress"], "SIG{signal}");
        assert_eq!(told.state.get("closed"), None, "{:?}", told.state);
        assert!(told.state.contains_key("deployment"), "{:?}", told.state);

        let post = scene.post(&mut step.job, &told.state);
        assert_eq!(post.code, 0, "{}", post.stdout);
        scene.assert_comment("Deployed to");
        assert_eq!(scene.states(), ["in_progress", "in_progress", "success"], "{}", post.stdout);
        assert!(post.summary.contains("Deployed to"), "{}", post.summary);
        assert!(scene.comment().contains("<summary>Plan</summary>"), "{}", scene.comment());
        scene.agent_ends();
        scene.stage().assert_serves(version);
    }
    assert_eq!(scene.user.github.deployments().len(), 3);
}

#[test]
fn left_alone_after_the_switch_both_steps_tell_one_end() {
    let scene = Scene::held_after_the_switch("8s");
    let mut step = scene.start(&AppImage::version("v2"));
    step.says(&scene, SWITCHED);
    let told = step.is_left_alone();
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.stage().wait("the step's container to end", || !step.step.goes_on());
    scene.agent_ends();
    scene.stage().assert_serves("v2");
    scene.assert_comment("Deployed to");
    let states = scene.states();
    assert_eq!(states.iter().filter(|state| *state == "success").count(), 1, "{states:?}\n{}", post.stdout);
    assert_eq!(states.last().map(String::as_str), Some("success"), "{states:?}\n{}", post.stdout);
    assert_eq!(scene.user.github.deployments().len(), 1);
}

#[test]
fn beside_a_step_that_goes_on_the_post_step_repeats_nothing() {
    let scene = Scene::held_after_the_switch("4s");
    let mut step = scene.start(&AppImage::version("v2"));
    step.says(&scene, SWITCHED);
    let post = scene.bare_post(&mut step.job);
    assert_eq!(post.code, 0, "{}", post.stdout);
    assert!(post.stdout.contains("the switch began, so the agent finishes the deployment"), "{}", post.stdout);
    let told = ended(&mut step.step);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.stdout);
    scene.assert_comment("Deployed to");
    assert_eq!(scene.states(), ["in_progress", "success"], "{}", post.stdout);
    assert_eq!(post.summary, "", "the step's own summary tells it");
    scene.stage().assert_serves("v2");
}
