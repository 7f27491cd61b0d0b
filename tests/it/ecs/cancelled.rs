//! A run that is asked to end: before the traffic shifts AWS goes back, after it AWS finishes, and neither is a success.

use std::time::Duration;

use kit::aws::{Breaker, Fault, Shift, Strategy, World};
use kit::bed::wait_for;

use super::{Cloud, IMAGE, interrupt, outline};

/// Deploys, interrupts the run when it says a word, and gives its exit code with all it said.
#[track_caller]
fn interrupted(cloud: &Cloud, word: &str) -> (Option<i32>, String) {
    let arguments = ["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"];
    cloud.when_it_says(&arguments, word, interrupt)
}

/// The same with a clock that stands still from the signal on, once something happened to AWS.
#[track_caller]
fn interrupted_and(cloud: &Cloud, word: &str, then: impl Fn(&mut World)) -> (Option<i32>, String) {
    let arguments = ["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"];
    cloud.when_it_says(&arguments, word, |id| {
        cloud.aws.with(|world| {
            world.tick = 0;
            then(world);
        });
        interrupt(id);
    })
}

/// With pauses between its looks that leave time for a signal.
fn unhurried(world: World) -> Cloud {
    let cloud = Cloud::of(world);
    let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
    cloud.file("deploy.yml", &file.replace("poll_interval: 1ms", "poll_interval: 200ms"));
    cloud
}

/// How far a phase came while the signal was on its way differs from run to run.
fn without_phases(code: Option<i32>, said: &str) -> String {
    let is_phase = |line: &&str| line.ends_with(" …") || line.contains("<span>");
    outline(code, said).lines().filter(|line| !is_phase(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn before_the_shift_the_old_version_goes_on() {
    let worlds = [
        ("Install", World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce)),
        ("SCALE_UP", World::fargate("badgery", "web").native(Strategy::BlueGreen).bake(5)),
    ];
    for (word, world) in worlds {
        // A second at each look, so that the signal is in time.
        let cloud = Cloud::of(world.tick(1));
        let before = cloud.aws.with(|world| world.deployed());
        let (code, said) = interrupted(&cloud, word);
        assert_eq!(code, Some(40), "{said}");
        assert!(said.contains("before the traffic shift"), "{said}");
        assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{said}");
    }
}

#[test]
fn once_the_traffic_shifts_aws_finishes() {
    let canary = Shift::Canary { percent: 10, minutes: 60 };
    let cloud = Cloud::of(World::fargate("badgery", "web").code_deploy(canary).tick(1));
    let (code, said) = interrupted(&cloud, "new tasks run | AllowTraffic");
    assert_eq!(code, Some(40), "{said}");
    assert!(said.contains("CodeDeploy finishes"), "{said}");
    assert!(cloud.aws.exchanges_of("StopDeployment").is_empty(), "{said}");
}

#[test]
fn as_it_is_configured_it_finishes_or_goes_back_whenever_it_comes() {
    let canary = || World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 60 }).tick(1);
    let native = || World::fargate("badgery", "web").native(Strategy::Canary).step(10, 60).tick(1);
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(1);
    for (name, world, word, on_cancel, stops) in [
        ("CodeDeploy, before the shift", canary(), "Install", "finish", false),
        ("CodeDeploy, in the shift", canary(), "new tasks run | AllowTraffic", "roll-back", true),
        ("ECS, before the shift", native(), "SCALE_UP", "finish", false),
        ("ECS, in the shift", native(), " 10 % of the traffic |", "roll-back", true),
        ("rolling, before a new task runs", rolling(), "0 of 2 new tasks run", "finish", false),
        ("rolling, while new tasks run", rolling(), "2 of 2 new tasks run", "roll-back", true),
    ] {
        let cloud = Cloud::with(world, &format!("on_cancel: {on_cancel}"));
        let before = cloud.aws.with(|world| world.deployed());
        let (code, said) = interrupted(&cloud, word);
        // What AWS finishes may end while the run still looks.
        let finished = code == Some(0) && !stops && said.contains("deployed: revision `web:2`");
        assert!(finished || code == Some(40), "{name}: {code:?}\n{said}");
        let asked = ["StopDeployment", "StopServiceDeployment"].iter().any(|it| !cloud.aws.exchanges_of(it).is_empty());
        // ECS itself is told the revision from before.
        let asked = asked || cloud.aws.exchanges_of("UpdateService").len() > 1;
        assert_eq!(asked, stops, "{name}\n{said}");
        if stops {
            assert!(said.contains("stopped while the traffic shifted; revision `web:1` serves"), "{name}\n{said}");
            assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{name}\n{said}");
        } else {
            assert!(said.contains("`on_cancel` is `finish`"), "{name}\n{said}");
        }
    }
}

#[test]
fn a_deployment_whose_begin_is_answered_late_is_stopped_all_the_same() {
    let worlds = [
        (World::fargate("badgery", "web").rolling(Breaker::Rollback), "ecs:UpdateService", "UpdateService"),
        (
            World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce),
            "codedeploy:CreateDeployment",
            "CreateDeployment",
        ),
    ];
    for (world, begin, operation) in worlds {
        // Longer than a cancelled run watches.
        let cloud = Cloud::of(world.tick(1).fault(Fault::SlowOnce(begin, 5_000)));
        let before = cloud.aws.with(|world| world.deployed());
        let arguments = ["deploy", "production", "--image", IMAGE];
        let (code, said) = cloud.when_it_says(&arguments, "register done", |id| {
            let begun = || !cloud.aws.exchanges_of(operation).is_empty();
            wait_for("the call that begins it", Duration::from_secs(30), begun).expect("it is asked");
            interrupt(id);
        });
        assert_eq!(code, Some(40), "{begin}\n{said}");
        assert!(said.contains("stops the deployment before the traffic shifts"), "{begin}\n{said}");
        assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{begin}\n{said}");
    }
}

#[test]
fn a_rolling_deployment_goes_back_before_a_new_task_runs() {
    let cloud = Cloud::of(World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(1));
    let before = cloud.aws.with(|world| world.deployed());
    let (code, said) = interrupted(&cloud, "0 of 2 new tasks run");
    assert_eq!(code, Some(40), "{said}");
    assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{said}");
}

#[test]
fn every_other_phase_is_before_the_shift_or_after_it() {
    let fargate = || World::fargate("badgery", "web").tick(1);
    let all_at_once = || fargate().code_deploy(Shift::AllAtOnce);
    let native = || fargate().native(Strategy::Canary).step(10, 2).bake(60);
    for (name, world, word) in [
        ("approval", all_at_once().ready_wait(60), "approval …"),
        (
            "test of CodeDeploy",
            all_at_once().fault(Fault::HookSilent("AfterAllowTestTraffic")),
            "new tasks run | AfterAllowTestTraffic",
        ),
        ("test", native(), "test    …"),
        ("approval of a hook", native().pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "CONTINUE"), "approval …"),
    ] {
        let cloud = Cloud::of(world);
        let before = cloud.aws.with(|world| world.deployed());
        let (code, said) = interrupted(&cloud, word);
        assert_eq!(code, Some(40), "{name}\n{said}");
        assert!(said.contains("before the traffic shift"), "{name}\n{said}");
        assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{name}\n{said}");
        insta::assert_snapshot!(format!("in {name}").replace(' ', "_"), without_phases(code, &said));
    }
    for (name, world, word) in [
        ("bake of CodeDeploy", all_at_once().termination_wait(60), "bake    …"),
        ("shift of CodeDeploy", fargate().code_deploy(Shift::Canary { percent: 10, minutes: 60 }), "AllowTraffic |"),
        ("shift", native(), " 10 % of the traffic |"),
        ("bake", native(), "bake    …"),
        ("retire", native().bake(0), "retire  …"),
        ("roll", fargate().rolling(Breaker::Rollback), "2 of 2 new tasks run"),
    ] {
        // The real result where it is there within four seconds; else who finishes it.
        for (how, code) in [("in", 40), ("to the end of", 0)] {
            let cloud = unhurried(world.clone().tick(10));
            let before = cloud.aws.with(|world| world.deployed());
            let (ended, said) = interrupted_and(&cloud, word, |aws| {
                if code == 0 {
                    aws.advance(7_200)
                }
            });
            assert_eq!(ended, Some(code), "{how} {name}\n{said}");
            for operation in ["StopDeployment", "StopServiceDeployment"] {
                assert!(cloud.aws.exchanges_of(operation).is_empty(), "{how} {name}\n{said}");
            }
            cloud.aws.with(|world| world.advance(7_200));
            assert_ne!(cloud.aws.with(|world| world.deployed()), before, "{how} {name}\n{said}");
            insta::assert_snapshot!(format!("{how} {name}").replace(' ', "_"), without_phases(ended, &said));
        }
    }
    // Nothing is begun while somebody else's deployment is waited for.
    let cloud = Cloud::of(all_at_once().tick(0).active_deployment("AllowTraffic"));
    let (code, said) = interrupted(&cloud, "waiting for the end of deployment");
    assert_eq!(code, Some(40), "{said}");
    assert!(said.contains("nothing was shifted") && !said.contains("accepted as deployment"), "{said}");
    assert!(cloud.aws.exchanges_of("CreateDeployment").is_empty(), "{said}");
}

#[test]
fn while_a_revision_is_registered_nothing_is_begun() {
    let fargate = || World::fargate("badgery", "web").tick(1);
    for (world, begins) in [
        (fargate().rolling(Breaker::Rollback), "UpdateService"),
        (fargate().code_deploy(Shift::AllAtOnce), "CreateDeployment"),
    ] {
        let cloud = Cloud::of(world.fault(Fault::SlowOnce("ecs:RegisterTaskDefinition", 2_000)));
        let before = cloud.aws.with(|world| world.deployed());
        let (code, said) = cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "register …", |id| {
            let asked = || !cloud.aws.exchanges_of("RegisterTaskDefinition").is_empty();
            wait_for("the registration", Duration::from_secs(30), asked).expect("it is asked");
            interrupt(id);
        });
        assert_eq!(code, Some(40), "{begins}\n{said}");
        assert!(cloud.aws.exchanges_of(begins).is_empty(), "{begins}\n{said}");
        assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{begins}\n{said}");
        insta::assert_snapshot!(format!("before_{begins}"), without_phases(code, &said));
    }
}

/// A signal on the way back changes nothing about it: what failed before is told where it is known in time, and is never a
/// success.
#[test]
fn on_the_way_back_aws_goes_back_all_the_same() {
    let fargate = || World::fargate("badgery", "web").tick(1);
    let canary = || fargate().code_deploy(Shift::Canary { percent: 10, minutes: 5 }).auto_rollback(true).alarm();
    let worlds = [
        ("CodeDeploy", canary().fault(Fault::AlarmAt(10))),
        ("ECS", fargate().native(Strategy::BlueGreen).bake(5).fault(Fault::Crash(1))),
        ("rolling", fargate().rolling(Breaker::Rollback).fault(Fault::Crash(1))),
    ];
    for (name, world) in worlds {
        for on_cancel in ["before-shift", "roll-back"] {
            for (how, code) in [("on the way back of", 40), ("at the end of the way back of", 30)] {
                let cloud = unhurried(world.clone().tick(10));
                let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
                cloud.file("deploy.yml", &format!("{file}        on_cancel: {on_cancel}\n"));
                let before = cloud.aws.with(|world| world.deployed());
                let then = |aws: &mut World| {
                    if code == 30 {
                        aws.advance(7_200)
                    }
                };
                let (ended, said) = interrupted_and(&cloud, "back    …", then);
                let name = format!("{how} {name}");
                assert_eq!(ended, Some(code), "{name}, {on_cancel}\n{said}");
                cloud.aws.with(|world| world.advance(7_200));
                assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{name}, {on_cancel}\n{said}");
                for operation in ["StopDeployment", "StopServiceDeployment"] {
                    assert!(cloud.aws.exchanges_of(operation).is_empty(), "{name}, {on_cancel}\n{said}");
                }
                // The same words, whatever is configured.
                insta::assert_snapshot!(name.replace(' ', "_"), without_phases(ended, &said));
            }
        }
    }
}
