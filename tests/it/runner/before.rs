//! Signals before the switch: the deployment is given up, the old version serves.

use std::time::{Duration, Instant};

use kit::github::Fault;

use super::{Scene, ended};

const AT_THE_GATE: &str = "gate    …";
/// After one signal the step would watch for so long.
const PATIENT: Duration = Duration::from_secs(4);

#[test]
fn each_signal_before_the_switch_gives_the_deployment_up() {
    let (scene, slow) = Scene::held_before_the_switch();
    let sha = scene.user.app(&slow);
    for signal in ["INT", "TERM", "HUP"] {
        let mut step = scene.start_at(&sha);
        step.says(&scene, AT_THE_GATE);
        let told = step.ends_by(&scene, signal);
        assert_eq!(told.code, 40, "SIG{signal}: {}", told.stdout);
        assert_eq!(told.output("outcome"), "cancelled", "{}", told.stdout);
        scene.assert_comment("cancelled: the version from before serves");
        assert_eq!(scene.states(), ["in_progress", "inactive"], "SIG{signal}");
        scene.agent_ends();
        scene.stage().assert_serves("v1");

        assert_eq!(told.state.get("closed").map(String::as_str), Some("true"), "{:?}", told.state);
        let (comment, calls) = (scene.comment(), scene.calls());
        let post = scene.post(&mut step.job, &told.state);
        assert_eq!((post.code, post.stdout.as_str()), (0, with_masks(&post.stdout, "nothing is open\n").as_str()));
        assert_eq!(scene.calls(), calls, "nothing is open, so nothing is asked");
        assert_eq!(scene.comment(), comment);
    }
    assert_eq!(scene.stage().containers("web").len(), 1);
}

/// The masks are the first thing printed.
fn with_masks(said: &str, rest: &str) -> String {
    let masks: String = said.split_inclusive('\n').filter(|line| line.starts_with("::add-mask::")).collect();
    format!("{masks}{rest}")
}

#[test]
fn a_hanging_github_holds_nobody_back_and_the_post_step_tells_it() {
    let (scene, slow) = Scene::held_before_the_switch();
    let mut step = scene.start(&slow);
    step.says(&scene, AT_THE_GATE);
    scene.stage().wait("the deployment at GitHub", || scene.states() == ["in_progress"]);
    for method in ["GET", "POST", "PATCH"] {
        scene.user.github.fail(method, "", Fault::Hanging, 100);
    }
    let told = step.ends_by(&scene, "INT");
    assert_eq!(told.code, 40, "{}", told.stdout);
    assert_eq!(told.output("outcome"), "cancelled", "{}", told.stdout);
    assert!(told.stdout.contains("not reported: "), "{}", told.stdout);
    assert_eq!((told.state.get("closed"), told.state.contains_key("settled")), (None, true));
    scene.stage().assert_serves("v1");

    scene.user.github.heal();
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.assert_comment("cancelled: the version from before serves");
    assert_eq!(scene.states(), ["in_progress", "inactive"], "{}", post.stdout);
    assert_eq!(post.summary, "", "the step's own summary tells it");
}

#[test]
fn a_hanging_agent_holds_nobody_back_and_the_post_step_gives_up_for_it() {
    let (mut scene, slow) = Scene::held_before_the_switch();
    let mut step = scene.start(&slow);
    step.says(&scene, AT_THE_GATE);
    scene.stage().wait("the deployment at GitHub", || scene.states() == ["in_progress"]);
    scene.user.stage.bed.agent().expect("an agent").signal("STOP").expect("it runs");
    let told = step.ends_by(&scene, "TERM");
    assert_eq!(told.code, 40, "{}", told.stdout);
    scene.assert_comment("Run cancelled: the deployment to");
    assert_eq!(told.state.get("closed"), None, "{:?}", told.state);

    scene.user.stage.bed.agent().expect("an agent").signal("CONT").expect("it stands");
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.assert_comment("cancelled: the version from before serves");
    assert_eq!(scene.states().last().map(String::as_str), Some("inactive"), "{}", post.stdout);
    scene.agent_ends();
    scene.stage().assert_serves("v1");
}

#[test]
fn a_second_signal_leaves_at_once_and_the_post_step_gives_up_for_it() {
    let (mut scene, slow) = Scene::held_before_the_switch();
    let mut step = scene.start(&slow);
    step.says(&scene, AT_THE_GATE);
    scene.stage().wait("the deployment at GitHub", || scene.states() == ["in_progress"]);
    // The agent would be waited for.
    scene.user.stage.bed.agent().expect("an agent").signal("STOP").expect("it runs");
    let begun = Instant::now();
    step.step.signal("INT").expect("a signal");
    // Two of a kind that wait at once are one.
    step.says(&scene, "cancelling: the agent is asked to abandon the deployment");
    let told = step.ends_by(&scene, "INT");
    assert!(begun.elapsed() < PATIENT, "{:?}: {}", begun.elapsed(), told.stdout);
    assert_eq!(told.code, 40, "{}", told.stdout);
    assert!(told.stdout.contains("left deployment"), "{}", told.stdout);
    scene.assert_comment("Run cancelled: the deployment to");

    scene.user.stage.bed.agent().expect("an agent").signal("CONT").expect("it stands");
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.assert_comment("cancelled: the version from before serves");
    assert_eq!(scene.states().last().map(String::as_str), Some("inactive"), "{}", post.stdout);
    scene.agent_ends();
    scene.stage().assert_serves("v1");
}

#[test]
fn left_alone_before_the_switch_the_old_version_serves() {
    let (scene, slow) = Scene::held_before_the_switch();
    let mut step = scene.start(&slow);
    step.says(&scene, AT_THE_GATE);
    let told = step.is_left_alone();
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.stage().wait("the step's container to end", || !step.step.goes_on());
    scene.agent_ends();
    scene.stage().assert_serves("v1");
    scene.assert_comment("cancelled: the version from before serves");
    assert_eq!(scene.states().last().map(String::as_str), Some("inactive"), "{:?}\n{}", scene.states(), post.stdout);
    assert_eq!(scene.user.github.deployments().len(), 1);
    assert!(!ended(&mut step.step).stdout.contains("panicked"));
}
