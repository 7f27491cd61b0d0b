//! The post step after a step that could not say how it ended, and after one that could.

use std::time::Instant;

use kit::bed::AppImage;
use kit::github::Fault;
use serde_json::Value;

use super::{ENDS_WITHIN, Scene, ended};
use crate::action::agree::agree;
use crate::stage::Setting;

#[test]
fn after_a_push_to_its_end_the_post_step_has_nothing_to_do() {
    let scene = Scene::new(Setting::default());
    let mut step = scene.start(&AppImage::version("v2"));
    let told = ended(&mut step.step);
    agree(&told, &scene.user.github);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.stdout);
    scene.stage().assert_serves("v2");
    scene.assert_comment("Deployed to");
    assert_eq!(scene.states(), ["in_progress", "success"]);

    let (comment, calls) = (scene.comment(), scene.calls());
    let post = scene.post(&mut step.job, &told.state);
    assert!(post.code == 0 && post.stdout.ends_with("nothing is open\n"), "{}", post.stdout);
    assert_eq!(scene.calls(), calls);
    // Without state it has to look, and finds the same.
    let bare = scene.bare_post(&mut step.job);
    assert!(bare.code == 0 && bare.stdout.ends_with("nothing is open\n"), "{}", bare.stdout);
    assert_eq!((scene.comment(), scene.states()), (comment, vec!["in_progress".to_owned(), "success".to_owned()]));
    assert_eq!(post.summary, "");
}

#[test]
fn without_state_it_finds_the_deployment_of_a_step_that_died() {
    let (scene, slow) = Scene::held_before_the_switch();
    let sha = scene.user.app(&slow);
    // At GitHub, and where that was never told, at the agent.
    for told_to_github in [true, false] {
        if !told_to_github {
            scene.user.github.fail("POST", "/deployments", Fault::Invalid, 1);
        }
        let mut step = scene.start_at(&sha);
        step.says(&scene, "gate    …");
        scene.stage().wait("GitHub to be told", || match told_to_github {
            true => scene.states() == ["in_progress"],
            false => scene.comment().contains("Deploying to"),
        });
        step.dies();
        assert!(scene.stage().state()["holder"].is_object(), "the agent goes on by itself");
        let post = scene.bare_post(&mut step.job);
        assert_eq!(post.code, 0, "{}", post.stdout);
        scene.agent_ends();
        scene.stage().assert_serves("v1");
        assert_eq!(scene.states(), ["in_progress", "inactive"], "{}", post.stdout);
        scene.assert_comment("cancelled: the version from before serves");
    }
    assert_eq!(scene.user.github.deployments().len(), 1, "the post step makes none");
}

#[test]
fn after_the_switch_it_waits_for_the_end_of_a_step_that_died() {
    let scene = Scene::held_after_the_switch("6s");
    let mut step = scene.start(&AppImage::version("v2"));
    step.says(&scene, "traffic goes to the new version");
    let told = step.dies();
    assert!(told.state.contains_key("deployment"), "kept before the end: {:?}", told.state);
    let post = scene.bare_post(&mut step.job);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.assert_comment("Deployed to");
    assert_eq!(scene.states(), ["in_progress", "success"], "{}", post.stdout);
    let told = scene.user.github.deployments().remove(0).1;
    assert_eq!(told.last().map(|last| &last["environment_url"]), Some(&Value::Null), "it is not https");
    assert!(scene.comment().contains("[Open](http://app.test/)"), "{}", scene.comment());
    scene.stage().assert_serves("v2");
}

#[test]
fn a_signal_ends_a_post_step_that_gets_no_answer() {
    let scene = Scene::held_after_the_switch("120s");
    let mut step = scene.start(&AppImage::version("v2"));
    step.says(&scene, "traffic goes to the new version");
    let state = step.dies().state;
    for method in ["GET", "POST", "PATCH"] {
        scene.user.github.fail(method, "", Fault::Hanging, 100);
    }
    let mut post = scene.start_post(&mut step.job, &state);
    let following = || post.said().contains("the switch began, so the agent finishes the deployment");
    scene.stage().wait("the post step to follow the agent", following);
    let begun = Instant::now();
    post.signal("TERM").expect("a signal");
    let told = ended(&mut post);
    assert!(begun.elapsed() <= ENDS_WITHIN, "{:?}\n{}", begun.elapsed(), told.stdout);
    assert_eq!(told.code, 0, "a post step fails no job: {}", told.stdout);
    assert!(told.stdout.contains("::warning::cancelled while something did not answer"), "{}", told.stdout);
}

#[test]
fn an_agent_that_is_gone_leaves_an_end_that_is_not_known() {
    let (mut scene, slow) = Scene::held_before_the_switch();
    let mut step = scene.start(&slow);
    step.says(&scene, "gate    …");
    scene.stage().wait("the deployment at GitHub", || scene.states() == ["in_progress"]);
    let told = step.dies();
    scene.user.stage.bed.agent().expect("an agent").kill9();
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "a post step fails no job: {}", post.stdout);
    assert!(post.stdout.contains("::warning::how the deployment ended is not known"), "{}", post.stdout);
    scene.assert_comment("how it ended is not known");
    assert!(scene.comment().contains("deploy-action status production"), "{}", scene.comment());
    assert_eq!(scene.states(), ["in_progress", "error"], "{}", post.stdout);
}

#[test]
fn wrong_inputs_fail_no_job() {
    let scene = Scene::new(Setting::default());
    let sha = scene.user.version("v2");
    let mut job = scene.user.job("push", &crate::action::user::push(&sha), &sha);
    let inputs = scene.user.inputs(&[("enviroment", "production")]);
    let bed = scene.stage().bed.name();
    let told = ended(&mut job.start(&scene.image, bed, &inputs).expect("starts"));
    assert_eq!(told.code, 2, "{}", told.stdout);
    let post = scene.post(&mut job, &told.state);
    assert!(post.stdout.ends_with("nothing is open\n"), "{}", post.stdout);
    let bare = ended(&mut job.start_bare_post(&scene.image, bed, &inputs).expect("starts"));
    assert_eq!(bare.code, 0);
    assert!(bare.stdout.contains("::warning::nothing was closed: "), "{}", bare.stdout);
}
