//! SIGINT in every phase of a swap: the step ends in time and tells what became of it, and nothing is left open.
//!
//! A phase is held by what holds one on a host: a proxy that takes changes over slowly, an app that answers, boots or ends
//! slowly, a registry that hangs.

use kit::bed::{AppImage, BedOptions, ProxyOptions};

use super::{Scene, Step};
use crate::before_deploy::one_offs;
use crate::stage::{HOST, Setting};

/// The signal meets the step in this phase.
#[track_caller]
fn interrupted(scene: &Scene, step: &mut Step, phase: &str) -> kit::runner::Told {
    step.says(scene, &format!("{phase:<7} …"));
    let told = step.ends_by(scene, "INT");
    assert!(!told.stdout.contains("panicked"), "{}", told.stdout);
    told
}

/// Who answers: asked once, for an app that takes its time.
#[track_caller]
fn assert_answers(scene: &Scene, version: &str) {
    let answer = scene.stage().bed.get("/", HOST).expect("an answer");
    assert_eq!(answer.header("x-version"), Some(version));
}

fn slow_proxy(setting: Setting, throttle: &str) -> Setting {
    let proxy = ProxyOptions { throttle: throttle.to_owned(), ..ProxyOptions::default() };
    Setting { bed: BedOptions { proxy, ..setting.bed }, ..setting }
}

#[test]
fn before_the_switch_the_old_version_serves_and_nothing_is_left() {
    let setting = Setting::service(|service| {
        service.gate_timeout = "120s".to_owned();
        service.proof = format!("http://{HOST}/");
    });
    let scene = Scene::new(slow_proxy(setting, "3s"));
    let never_ready = scene.user.app(&AppImage::version("v2").env("BOOT_MS", "100000"));
    // A rehearsal asks it more than once, so that one lasts however late the signal comes.
    let slow = scene.stage().push(&AppImage::version("v3").env("WORK_MS", "2000"));
    for phase in ["adopt", "pull", "create", "start", "gate", "rehearse"] {
        let pulls = phase == "pull";
        let hung = pulls.then(|| scene.stage().bed.registry.signal("STOP").expect("it runs"));
        let mut step = match phase {
            "pull" | "rehearse" => scene.start_with(&never_ready, &slow),
            _ => scene.start_at(&never_ready),
        };
        let told = interrupted(&scene, &mut step, phase);
        if hung.is_some() {
            scene.stage().bed.registry.signal("CONT").expect("it stands");
        }
        assert_eq!((told.code, told.output("outcome")), (40, "cancelled"), "{phase}: {}", told.stdout);
        assert_eq!(told.state.get("closed").map(String::as_str), Some("true"), "{phase}: {:?}", told.state);
        scene.agent_ends();
        assert_answers(&scene, "v1");
        assert_eq!(scene.stage().containers("web").len(), 1, "{phase}");
        assert_eq!(scene.states().last().map(String::as_str), Some("inactive"), "{phase}");
        scene.assert_comment("cancelled: the version from before serves");
        let candidate = scene.stage().bed.project.dir().join("compose.deploy-agent.candidate.yaml");
        assert!(!candidate.exists(), "{phase}");
    }
    // The same image, undisturbed.
    let mut step = scene.start_with(&never_ready, &slow);
    let told = super::ended(&mut step.step);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.stdout);
    assert_answers(&scene, "v3");
}

#[test]
fn after_the_switch_the_agent_finishes_and_the_post_step_tells_it() {
    let setting = Setting::service(|service| {
        service.verify_for = "6s".to_owned();
        service.proof = format!("http://{HOST}/");
    });
    let scene = Scene::new(slow_proxy(setting, "2s"));
    for (phase, version) in [("switch", "v2"), ("prove", "v3")] {
        let mut step = scene.start(&AppImage::version(version).env("WORK_MS", "300"));
        let told = interrupted(&scene, &mut step, phase);
        assert_eq!(told.code, 40, "{phase}: {}", told.stdout);
        assert!(told.stdout.contains("the agent is finishing deployment"), "{phase}: {}", told.stdout);
        scene.assert_comment("Run cancelled: the deployment to");
        let post = scene.post(&mut step.job, &told.state);
        assert_eq!(post.code, 0, "{phase}: {}", post.stdout);
        scene.assert_comment("Deployed to");
        assert_eq!(scene.states().last().map(String::as_str), Some("success"), "{phase}: {}", post.stdout);
        scene.agent_ends();
        assert_answers(&scene, version);
        scene.stage().wait("the old container to be gone", || scene.stage().containers("web").len() == 1);
    }
}

/// Killed, with the post step after it: nothing is left open, and what happened is told.
#[test]
fn a_step_that_is_killed_in_any_phase_is_closed_by_its_post_step() {
    let setting = Setting::service(|service| {
        service.gate_timeout = "120s".to_owned();
        service.verify_for = "4s".to_owned();
        service.proof = format!("http://{HOST}/");
    });
    let scene = Scene::new(slow_proxy(setting, "2s"));
    let killed = |step: &mut Step, phase: &str| {
        step.says(&scene, &format!("{phase:<7} …"));
        let told = step.dies();
        let post = scene.post(&mut step.job, &told.state);
        assert_eq!(post.code, 0, "{phase}: {}", post.stdout);
        scene.agent_ends();
        post
    };
    let never_ready = scene.user.app(&AppImage::version("v2").env("BOOT_MS", "100000"));
    // A rehearsal asks it more than once: it lasts until the post step has asked the agent to cancel.
    let slow = scene.stage().push(&AppImage::version("v3").env("WORK_MS", "4000"));
    for phase in ["adopt", "pull", "create", "start", "gate", "rehearse"] {
        let hung = (phase == "pull").then(|| scene.stage().bed.registry.signal("STOP").expect("it runs"));
        let mut step = match phase {
            "pull" | "rehearse" => scene.start_with(&never_ready, &slow),
            _ => scene.start_at(&never_ready),
        };
        let post = killed(&mut step, phase);
        if hung.is_some() {
            scene.stage().bed.registry.signal("CONT").expect("it stands");
        }
        assert_answers(&scene, "v1");
        assert_eq!(scene.stage().containers("web").len(), 1, "{phase}");
        // Of a step that died before it told GitHub anything nothing is made.
        let states = scene.states();
        assert!(states.last().is_none_or(|state| state == "inactive"), "{phase}: {states:?}\n{}", post.stdout);
        if !scene.user.github.comments(super::PULL).is_empty() {
            scene.assert_comment("cancelled: the version from before serves");
        }
    }
    for (phase, version) in [("switch", "v4"), ("prove", "v5"), ("verify", "v6")] {
        let mut step = scene.start(&AppImage::version(version).env("WORK_MS", "300"));
        let post = killed(&mut step, phase);
        assert_answers(&scene, version);
        scene.assert_comment("Deployed to");
        assert_eq!(scene.states().last().map(String::as_str), Some("success"), "{phase}: {}", post.stdout);
        scene.stage().wait("the old container to be gone", || scene.stage().containers("web").len() == 1);
    }
}

/// Interrupted or killed: the command is ended, and nothing of it is left.
#[test]
fn while_a_command_runs_nothing_is_changed() {
    let scene = Scene::new(Setting::service(|service| service.before_deploy = "allowed".to_owned()));
    let repository = &scene.user.repository;
    let file = std::fs::read_to_string(repository.dir().join("deploy.yml")).expect("reads");
    let before = "    before_deploy: {command: [once, \"0\", \"200000\"], timeout: 10m}\n";
    repository.write("deploy.yml", &format!("{file}{before}")).expect("writes");
    for dies in [false, true] {
        let mut step = scene.start(&AppImage::version("v2"));
        scene.stage().wait("the command to run", || one_offs(scene.stage()).len() == 1);
        // It gets its time to stop, for which the step does not wait.
        let told = if dies { step.dies() } else { step.ends_by(&scene, "INT") };
        assert!(dies || told.code == 40, "{}", told.stdout);
        let post = scene.post(&mut step.job, &told.state);
        assert_eq!(post.code, 0, "{}", post.stdout);
        scene.agent_ends();
        assert_eq!((one_offs(scene.stage()), scene.stage().containers("web").len()), (Vec::new(), 1), "{dies}");
        assert_answers(&scene, "v1");
        assert_eq!(scene.states().last().map(String::as_str), Some("inactive"), "{dies}");
        scene.assert_comment("cancelled: the version from before serves");
    }
}

#[test]
fn a_step_that_is_killed_on_the_way_back_is_told_as_gone_back() {
    // With the traffic at the new version, the way back lasts as long as the engine waits for a container that does not
    // end: 10 s. Before the switch it would be removed at once.
    let scene = Scene::new(Setting::service(|service| service.verify_for = "60s".to_owned()));
    let mut step = scene.start(&AppImage::version("v2").mode("fragile,ignore-term"));
    step.says(&scene, "verify  …");
    scene.stage().bed.get("/sick", HOST).expect("an answer");
    step.says(&scene, "back    …");
    let told = step.dies();
    let post = scene.post(&mut step.job, &told.state);
    assert_eq!(post.code, 0, "{}", post.stdout);
    scene.agent_ends();
    assert_eq!(scene.states().last().map(String::as_str), Some("failure"), "{}", post.stdout);
    scene.assert_comment("the version from before serves");
    scene.stage().assert_serves("v1");
}

#[test]
fn on_the_way_back_the_reason_stays_what_it_was() {
    let scene = Scene::new(slow_proxy(Setting::default(), "3s"));
    let mut step = scene.start(&AppImage::version("v2").mode("error-500-host"));
    let told = interrupted(&scene, &mut step, "back");
    assert_eq!((told.code, told.output("outcome")), (30, "rolled_back"), "{}", told.stdout);
    assert_eq!(told.output("reason-code"), "proof_failed", "{}", told.stdout);
    assert_eq!(scene.states().last().map(String::as_str), Some("failure"));
    scene.agent_ends();
    scene.stage().assert_serves("v1");
}

#[test]
fn a_registry_that_hangs_holds_nobody_back() {
    let scene = Scene::new(Setting::default());
    let sha = scene.user.version("v2");
    scene.stage().bed.registry.signal("STOP").expect("it runs");
    // It is asked whether it has the commit's image.
    let mut step = scene.start_at(&sha);
    scene.stage().wait("the comment", || scene.user.github.comments(super::PULL).len() == 1);
    let told = step.ends_by(&scene, "INT");
    assert_eq!((told.code, told.output("outcome")), (40, "cancelled"), "{}", told.stdout);
    // It is pushed to.
    scene.stage().bed.registry.signal("CONT").expect("it stands");
    let mut step = scene.start_at(&sha);
    step.says(&scene, "build | ");
    scene.stage().bed.registry.signal("STOP").expect("it runs");
    step.says(&scene, "built sha256:");
    let told = step.ends_by(&scene, "INT");
    assert_eq!((told.code, told.output("outcome")), (40, "cancelled"), "{}", told.stdout);
    scene.stage().bed.registry.signal("CONT").expect("it stands");
    assert_eq!(scene.states(), [] as [&str; 0], "no deployment without the agent");
    scene.stage().assert_serves("v1");
}
