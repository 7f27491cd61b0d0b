//! A deployment that waits for somebody's word, and gets it.

use kit::aws::{Breaker, Fault, Shift, Strategy, World};

use super::{Cloud, IMAGE};

/// Deploys, and answers once the run says that it waits. Gives the run's exit code and words, and the answer's.
fn answered(cloud: &Cloud, more: &[&str]) -> (Option<i32>, String, String) {
    let mut answer = String::new();
    let (code, said) = cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "  approval …", |_| {
        answer = cloud.run(&[&["approve", "production"], more].concat()).expect(0).output.stdout;
    });
    (code, answer, said)
}

#[test]
fn it_goes_on_or_back_as_it_is_told() {
    let ready = || World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).ready_wait(60).tick(1);
    let pause = || {
        let world = World::fargate("badgery", "web").native(Strategy::BlueGreen);
        world.tick(1).pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 60, "ROLLBACK")
    };
    for (name, world, reject) in [
        ("CodeDeploy goes on", ready(), false),
        ("CodeDeploy goes back", ready(), true),
        ("ECS goes on", pause(), false),
        ("ECS goes back", pause(), true),
    ] {
        let cloud = Cloud::of(world);
        let before = cloud.aws.with(|world| world.deployed());
        let (code, answer, said) = answered(&cloud, if reject { &["--reject"] } else { &[] });
        assert_eq!(code, Some(if reject { 30 } else { 0 }), "{name}\n{said}");
        let words = if reject { "is stopped and goes back" } else { "goes on" };
        assert!(answer.starts_with("production: deployment `") && answer.contains(words), "{name}: {answer}");
        assert_eq!(cloud.aws.with(|world| world.deployed()) == before, reject, "{name}\n{said}");
    }
}

/// The answer is sent twice then, and mostly refused the second time.
#[test]
fn an_answer_whose_answer_is_lost_is_given() {
    let ready = || World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).ready_wait(60).tick(1);
    let pause = || {
        let world = World::fargate("badgery", "web").native(Strategy::BlueGreen);
        world.tick(1).pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 60, "ROLLBACK")
    };
    for (world, call, reject) in [
        (ready(), "codedeploy:ContinueDeployment", false),
        (ready(), "codedeploy:StopDeployment", true),
        (pause(), "ecs:ContinueServiceDeployment", false),
        (pause(), "ecs:ContinueServiceDeployment", true),
    ] {
        let cloud = Cloud::of(world.fault(Fault::LostReplyOnce(call)));
        let (code, answer, said) = answered(&cloud, if reject { &["--reject"] } else { &[] });
        assert_eq!(code, Some(if reject { 30 } else { 0 }), "{call}\n{said}");
        assert!(answer.starts_with("production: deployment `"), "{call}: {answer}");
    }
}

#[test]
fn nobody_is_answered_where_nobody_asks() {
    for world in [
        World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce),
        World::fargate("badgery", "web").native(Strategy::BlueGreen),
        World::fargate("badgery", "web").rolling(Breaker::Rollback),
    ] {
        let ended = Cloud::of(world).run(&["approve", "production"]).expect(13);
        assert!(ended.shown().contains("no deployment of `web` waits for anybody's word"), "{}", ended.shown());
        assert_eq!(ended.writes(), Vec::<String>::new());
    }
}
