//! Runs that are gone without a word: the agent ends their deployments by its own deadlines, and the next run tells how.

use kit::bed::{AppImage, BedOptions, EngineOptions};
use serde_json::Value;

use super::{PULL, Scene, ended};
use crate::action::user::PROGRAM;
use crate::stage::Setting;

/// The states of all deployments at GitHub, oldest first.
fn all_states(scene: &Scene) -> Vec<Vec<String>> {
    let state = |status: &Value| status["state"].as_str().unwrap_or_default().to_owned();
    let all = scene.user.github.deployments();
    all.iter().map(|(_, statuses)| statuses.iter().map(state).collect()).collect()
}

#[test]
fn killed_without_a_post_step_each_is_told_by_the_next_run() {
    let scene = Scene::new(Setting::service(|service| {
        service.gate_timeout = "20s".to_owned();
        service.verify_for = "3s".to_owned();
    }));
    // Before the switch.
    let mut first = scene.start(&AppImage::version("v2").env("BOOT_MS", "100000"));
    first.says(&scene, "gate    …");
    scene.stage().wait("the deployment at GitHub", || scene.states() == ["in_progress"]);
    let killed = first.dies();
    let kept = &killed.state["deployment"];
    let refused = scene.user.push(&scene.user.version("v3"), &[]);
    assert_eq!((refused.code, refused.output("reason-code")), (12, "busy"), "{}", refused.log());
    assert!(refused.log().contains(&format!("deployment `{kept}` of `web` by eve by run ")), "{}", refused.log());
    assert_eq!(scene.states(), ["in_progress"], "it still runs");
    scene.agent_ends();
    scene.stage().assert_serves("v1");
    scene.assert_comment("Deploying to");
    assert_eq!(scene.stage().containers("web").len(), 1);

    // After the switch; this run tells the end of the first one.
    let mut second = scene.start_at(&scene.user.version("v3"));
    second.says(&scene, "traffic goes to the new version");
    scene.stage().wait("the second deployment at GitHub", || all_states(&scene).len() == 2);
    scene.stage().wait("the first one's end", || all_states(&scene)[0] == ["in_progress", "failure"]);
    second.dies();
    scene.agent_ends();
    scene.stage().assert_serves("v3");
    assert_eq!(all_states(&scene)[1], ["in_progress"]);

    // Of another pull request, which is told nothing of the other runs.
    let sha = scene.user.version("v4");
    scene.user.github.pull_requests(&sha, &[PULL + 1]);
    let third = scene.user.push(&sha, &[]);
    assert_eq!((third.code, third.output("outcome")), (0, "deployed"), "{}", third.log());
    assert!(third.log().contains("had not told how its deployment `d-"), "{}", third.log());
    // The second run was gone before it could write its own.
    scene.assert_comment("failed: the version from before serves");
    assert_eq!(
        all_states(&scene),
        [["in_progress", "failure"], ["in_progress", "success"], ["in_progress", "success"]]
    );
    scene.stage().assert_serves("v4");

    // Everything is told: the next one finds nothing to say.
    let fourth = scene.user.push(&scene.user.version("v5"), &[]);
    assert_eq!(fourth.code, 0, "{}", fourth.log());
    assert!(!fourth.log().contains("had not told how"), "{}", fourth.log());
}

#[test]
fn without_a_network_the_agent_goes_back_by_itself_and_the_post_step_tells_it() {
    let mut setting = Setting::service(|service| service.gate_timeout = "10s".to_owned());
    // A network of its own, in which packets may be dropped.
    setting.bed = BedOptions { engine: Some(EngineOptions::default()), ..BedOptions::with(PROGRAM) };
    let mut scene = Scene::new(setting);
    let port = scene.user.stage.bed.agent().expect("an agent").address().port().to_string();
    let dropped = |change: &str| {
        for direction in ["--dport", "--sport"] {
            let mut iptables = scene.user.stage.bed.machine.command("iptables");
            iptables.args(["-w", change, "INPUT", "-p", "tcp", direction, &port, "-j", "DROP"]);
            assert!(iptables.status().expect("iptables runs").success());
        }
    };
    let image = scene.stage().push(&AppImage::version("v2").env("BOOT_MS", "100000"));
    let sha = scene.user.repository.commit("v2").expect("commits");
    scene.user.github.pull_requests(&sha, &[PULL]);
    let mut job = scene.user.job("push", &crate::action::user::push(&sha), &sha);
    let inputs = scene.user.inputs(&[("image", image.as_str()), ("timeout", "20s")]);
    let mut step = job.start(&scene.image, scene.stage().bed.name(), &inputs).expect("the step starts");
    scene.stage().wait("the gate", || step.said().contains("gate    …"));
    scene.stage().wait("the deployment at GitHub", || scene.states() == ["in_progress"]);
    dropped("-I");
    let told = ended(&mut step);
    assert_eq!(told.code, 32, "{}", told.stdout);
    assert!(told.stdout.contains("the agent finishes it or goes back by itself"), "{}", told.stdout);
    assert!(!told.stdout.contains("back    …"), "nothing comes through: {}", told.stdout);
    dropped("-D");
    let post = scene.post(&mut job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.assert_comment("failed: the version from before serves");
    // The step did not know, and the post step does.
    assert_eq!(scene.states(), ["in_progress", "error", "failure"], "{}", post.stdout);
    scene.agent_ends();
    scene.stage().assert_serves("v1");
    assert_eq!(scene.stage().containers("web").len(), 1);
}

#[test]
fn as_the_first_process_it_takes_orphans_in_and_hears_signals() {
    let (scene, slow) = Scene::held_before_the_switch();
    let sha = scene.user.app(&slow);
    // Beside the sources, where the step finds them.
    std::fs::copy("/bin/busybox", scene.user.repository.dir().join("busybox")).expect("busybox");
    let mut step = scene.start_at(&sha);
    step.says(&scene, "gate    …");
    // A hundred children whose parent ends before them.
    let orphans = "b=/github/workspace/busybox; for i in $($b seq 100); do ($b usleep 100000 &); done";
    let made = step.step.exec(&["/github/workspace/busybox", "sh", "-c", orphans]).expect("it runs");
    assert_eq!(made.code, 0, "{}{}", made.stdout, made.stderr);
    let alone = || step.step.processes().is_ok_and(|states| states.len() == 1);
    scene.stage().wait("the orphans to be gone", alone);
    let told = step.ends_by(&scene, "INT");
    assert_eq!((told.code, told.output("outcome")), (40, "cancelled"), "{}", told.stdout);
    scene.agent_ends();
}
