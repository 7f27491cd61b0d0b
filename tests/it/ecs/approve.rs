//! A deployment that waits for somebody's word, and gets it.

use kit::aws::{Breaker, Fault, Shift, Strategy, World};

use super::{Cloud, IMAGE, outline};

/// CodeDeploy waits until somebody lets the traffic shift.
fn ready() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).ready_wait(60)
}

/// A hook of ECS pauses the deployment.
fn pause() -> World {
    World::fargate("badgery", "web").native(Strategy::BlueGreen).pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 60, "ROLLBACK")
}

/// Deploys, and answers once the run says that it waits: no time passes until that is done. Gives the run's exit code and
/// words, and the answer's.
fn answered(cloud: &Cloud, more: &[&str]) -> (Option<i32>, String, String) {
    let mut answer = String::new();
    let (code, said) = cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "  approval …", |_| {
        let tick = cloud.aws.with(|world| std::mem::take(&mut world.tick));
        answer = cloud.run(&[&["approve", "production"], more].concat()).expect(0).shown();
        cloud.aws.with(|world| world.tick = tick);
    });
    (code, answer, said)
}

#[test]
fn it_goes_on_or_back_as_it_is_told() {
    for (name, world, reject) in [
        ("CodeDeploy goes on", ready(), false),
        ("CodeDeploy goes back", ready(), true),
        ("ECS goes on", pause(), false),
        ("ECS goes back", pause(), true),
    ] {
        let cloud = Cloud::of(world.tick(1));
        let before = cloud.aws.with(|world| world.deployed());
        let (code, answer, said) = answered(&cloud, if reject { &["--reject"] } else { &[] });
        assert_eq!(code, Some(if reject { 30 } else { 0 }), "{name}\n{said}");
        let words = if reject { "is stopped and goes back" } else { "goes on" };
        assert!(answer.contains("production: deployment `") && answer.contains(words), "{name}: {answer}");
        assert_eq!(cloud.aws.with(|world| world.deployed()) == before, reject, "{name}\n{said}");
        insta::assert_snapshot!(name.replace(' ', "_"), format!("{answer}--- the run\n{}", outline(code, &said)));
    }
}

/// The answer is sent twice then, and mostly refused the second time.
#[test]
fn an_answer_whose_answer_is_lost_is_given() {
    for (world, call, reject) in [
        (ready(), "codedeploy:ContinueDeployment", false),
        (ready(), "codedeploy:StopDeployment", true),
        (pause(), "ecs:ContinueServiceDeployment", false),
        (pause(), "ecs:ContinueServiceDeployment", true),
    ] {
        let cloud = Cloud::of(world.tick(1).fault(Fault::LostReplyOnce(call)));
        let (code, answer, said) = answered(&cloud, if reject { &["--reject"] } else { &[] });
        assert_eq!(code, Some(if reject { 30 } else { 0 }), "{call}\n{said}");
        assert!(answer.starts_with("exit 0\nproduction: deployment `"), "{call}: {answer}");
        let (_, operation) = call.split_once(':').expect("a service");
        assert_eq!(cloud.aws.exchanges_of(operation).len(), 2, "{call}: {answer}");
    }
}

/// Neither sending is answered: a look tells whether one arrived.
#[test]
fn an_answer_that_nobody_confirms_is_looked_for() {
    for (name, call, reject) in [
        ("unconfirmed_go_on", "codedeploy:ContinueDeployment", false),
        ("unconfirmed_stop", "codedeploy:StopDeployment", true),
    ] {
        // Nobody else lets time pass: the look is the first one to do so, and finds it stopped.
        let lost = ready().active_deployment("Ready").fault(Fault::LostReplyOnce(call));
        let cloud = Cloud::of(lost.fault(Fault::FailsAfter(call, call)));
        let more: &[&str] = if reject { &["--reject"] } else { &[] };
        let ended = cloud.run(&[&["approve", "production"], more].concat()).expect(0);
        let asked: Vec<&str> = ended.said.iter().map(|it| it.operation.as_str()).collect();
        let (_, operation) = call.split_once(':').expect("a service");
        assert!(asked.iter().filter(|asked| **asked == operation).count() > 1, "{asked:?}");
        assert_eq!(asked.last(), Some(&"GetDeployment"), "{asked:?}");
        insta::assert_snapshot!(name, ended.shown());
    }
}

/// What did not arrive is not told as done.
#[test]
fn an_answer_that_did_not_arrive_is_told() {
    for (name, world, look, call, reject) in [
        ("unheard_go_on", ready(), "codedeploy:GetDeployment", "codedeploy:ContinueDeployment", false),
        ("unheard_stop", ready(), "codedeploy:GetDeployment", "codedeploy:StopDeployment", true),
    ] {
        let cloud = Cloud::of(world.active_deployment("Ready").fault(Fault::FailsAfter(look, call)));
        let more: &[&str] = if reject { &["--reject"] } else { &[] };
        let ended = cloud.run(&[&["approve", "production"], more].concat());
        assert_ne!(ended.output.code, 0, "{}", ended.shown());
        insta::assert_snapshot!(name, ended.shown());
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
