//! Somebody else's deployment is under way, in the states that last but a moment: each with each policy.

use kit::aws::{Breaker, Fault, Shift, Strategy, World};

use super::cloud::stage;
use super::{Cloud, IMAGE, OTHER_IMAGE, Scenario, each};

fn canary() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 5 })
}

/// All the test traffic goes to its tasks, and a function looks at them.
#[test]
fn in_its_test_phase() {
    let world = || canary().test_listener().active_deployment("AfterAllowTestTraffic");
    let scenarios: Vec<Scenario> = vec![
        ("active_in_the_test", world(), "", 0, &[]),
        ("active_in_the_test_superseded", world(), "on_active: supersede", 0, &[]),
        ("active_in_the_test_refused", world(), "on_active: fail", 13, &[]),
    ];
    each(scenarios);
}

/// It undoes another one, and nobody takes that away from whoever asked for it.
#[test]
fn while_it_undoes_another_one() {
    let world = || canary().active_rollback();
    let scenarios: Vec<Scenario> = vec![
        ("active_going_back", world(), "", 0, &[]),
        ("active_going_back_superseded", world(), "on_active: supersede", 0, &[]),
        ("active_going_back_refused", world(), "on_active: fail", 13, &[]),
    ];
    each(scenarios);
}

/// Where ECS itself deploys, it would let the new one take its place; a way back, too.
#[test]
fn of_ecs_itself_in_its_test_phase_or_while_it_goes_back() {
    let native = || World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5);
    let is_tested: fn(&mut World) -> bool = |world| stage(world) == "TEST_TRAFFIC_SHIFT";
    let is_back: fn(&mut World) -> bool = |world| world.deployed().ends_with("web:1");
    let undoes: fn(&mut World) -> bool =
        |world| world.service_deployments().last().is_some_and(|(_, status)| status == "ROLLBACK_IN_PROGRESS");
    let rolling = World::fargate("badgery", "web").rolling(Breaker::Rollback);
    for (name, world, until, code) in [
        ("native_in_the_test", native(), is_tested, 0),
        ("native_going_back", native().fault(Fault::Crash(1)), undoes, 30),
        ("rolling_going_back", rolling.fault(Fault::Crash(1)), is_back, 30),
    ] {
        // No time passes but what is asked for here, until the refusal is over.
        let cloud = Cloud::with(world.tick(0), "on_active: fail");
        let deploy = ["deploy", "production", "--image", IMAGE];
        let (ended, said) = cloud.when_it_says(&deploy, "accepted as deployment", |_| {
            cloud.aws.with(|world| {
                while !until(world) {
                    world.advance(1);
                }
            });
            let refused = cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(13);
            assert_eq!(refused.writes(), Vec::<String>::new(), "{name}: {}", refused.shown());
            insta::assert_snapshot!(format!("active_refused_{name}"), refused.shown());
            let status = cloud.run(&["status", "production"]).shown();
            assert!(status.contains("  running  deployment `"), "{name}: {status}");
            // Nor is it a success to want what it goes back to, or tries.
            let has = cloud.aws.with(|world| world.definition(&world.deployed())).expect("it is there");
            let image = has["containerDefinitions"][0]["image"].as_str().expect("an image").to_owned();
            let again = cloud.run(&["deploy", "production", "--image", &image]).expect(13);
            assert!(again.output.stdout.contains("deployment_unsettled"), "{name}: {}", again.shown());
            cloud.aws.with(|world| world.tick = 15);
        });
        assert_eq!(ended, Some(code), "{name}: {said}");
    }
}

/// ECS lets a new one take the place also of a way back: what is wanted last is what runs, and the run before tells that.
#[test]
fn a_way_back_of_ecs_itself_gives_place_to_a_new_version() {
    let native = || World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5);
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback);
    let is_back: fn(&mut World) -> bool = |world| world.deployed().ends_with("web:1");
    let undoes: fn(&mut World) -> bool =
        |world| world.service_deployments().last().is_some_and(|(_, status)| status == "ROLLBACK_IN_PROGRESS");
    for (name, world, until) in [("native", native(), undoes), ("rolling", rolling(), is_back)] {
        let cloud = Cloud::of(world.tick(0).fault(Fault::Crash(1)));
        let (first, said) =
            cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "accepted as deployment", |_| {
                cloud.aws.with(|world| {
                    while !until(world) {
                        world.advance(1);
                    }
                    world.faults.clear();
                });
                let deploy = ["deploy", "production", "--image", OTHER_IMAGE];
                let (second, said) = cloud.when_it_says(&deploy, "accepted as deployment", |_| {
                    cloud.aws.with(|world| world.tick = 15);
                });
                assert_eq!(second, Some(0), "{name}: {said}");
                assert!(said.contains(" is under way: this one takes its place"), "{name}: {said}");
            });
        let has = cloud.aws.with(|world| world.definition(&world.deployed())).expect("it is there");
        assert_eq!(has["containerDefinitions"][0]["image"], OTHER_IMAGE, "{name}: {said}");
        assert_eq!(first, Some(12), "{name}: {said}");
        // Why it was on its way back is told all the same.
        assert!(said.contains("exit code 1 (the application's general error)"), "{name}: {said}");
        assert!(said.contains("followed: revision `web:3` of `web` serves"), "{name}: {said}");
        assert_eq!(said.contains("before that this one failed: ECS deployment circuit breaker"), name == "rolling");
    }
}
