//! Runs that are killed where AWS would not wait for a signal: between a registration and what begins, and on the way back.

use std::thread;
use std::time::Duration;

use kit::aws::{Breaker, Fault, Shift, Strategy, World};
use kit::bed::wait_for;

use super::Cloud;
use super::action::{Moment, closed};

/// How long an answer takes that comes too late for a run.
const TOO_LATE: u64 = 60_000;

/// A world of each kind, and the call that begins a deployment there.
fn each() -> [(&'static str, World, &'static str); 3] {
    let fargate = || World::fargate("badgery", "web");
    let canary = Shift::Canary { percent: 10, minutes: 5 };
    [
        ("code_deploy", fargate().code_deploy(canary).auto_rollback(true), "codedeploy:CreateDeployment"),
        ("native", fargate().native(Strategy::Canary).step(10, 5).bake(5), "ecs:UpdateService"),
        ("rolling", fargate().rolling(Breaker::Rollback), "ecs:UpdateService"),
    ]
}

/// Side by side: a post step waits for seconds.
fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, each: impl Fn(T) + Sync) {
    let each = &each;
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || each(case));
        }
    });
}

#[test]
fn with_a_revision_and_nothing_begun_there_is_nothing_to_close() {
    side_by_side(each(), |(name, world, _)| {
        // What the run looks at next keeps it from beginning anything.
        let look = Fault::SlowOnce("ecs:DescribeServices", TOO_LATE);
        let world = world.fault(Fault::After("ecs:RegisterTaskDefinition", Box::new(look)));
        let registered = |cloud: &Cloud| {
            cloud.aws.with(|world| {
                assert_eq!(world.active(), None, "{name}");
                world.faults.clear();
            });
        };
        let told = closed(world, &[("registered revision", &registered)], false);
        insta::assert_snapshot!(format!("registered_{name}"), told);
    });
}

/// The run never learned which deployment it began, so it told nobody: the post step finds it all the same.
#[test]
fn what_was_begun_without_an_answer_is_found_and_given_up() {
    side_by_side(each(), |(name, world, begins)| {
        let asked = |cloud: &Cloud| {
            let begun = || cloud.aws.with(|world| world.active().is_some());
            wait_for("the call that begins it", Duration::from_secs(30), begun).expect("it is asked");
        };
        let world = world.tick(5).fault(Fault::SlowOnce(begins, TOO_LATE));
        let told = closed(world, &[("registered revision", &asked)], false);
        insta::assert_snapshot!(format!("begun_{name}"), told);
    });
}

/// With a clock that stands still from its begin on, so that it is the same moment in each run.
#[test]
fn a_way_back_goes_on_to_its_end() {
    let fails = [Fault::AlarmAt(10), Fault::Crash(1), Fault::Crash(1)];
    side_by_side(each().into_iter().zip(fails), |((name, world, _), fails)| {
        let goes_back = |world: &World| match name {
            "code_deploy" => world.deployments().len() == 2,
            "native" => world.service_deployments().last().is_some_and(|(_, status)| status == "ROLLBACK_IN_PROGRESS"),
            _ => world.deployed().ends_with("web:1"),
        };
        let accepted = |cloud: &Cloud| {
            cloud.aws.with(|world| {
                while !goes_back(world) {
                    world.advance(1);
                }
            });
        };
        let moments: [Moment<'_>; 2] = [("accepted as deployment", &accepted), ("back    …", &|_| {})];
        let told = closed(world.alarm().tick(0).fault(fails), &moments, false);
        insta::assert_snapshot!(format!("back_{name}"), told);
    });
}
