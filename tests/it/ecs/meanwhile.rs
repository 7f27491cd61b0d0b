//! What somebody else does while a deployment is under way, and two services beside each other.

use kit::aws::{Breaker, Fault, Request, Service, Shift, Strategy, World};
use serde_json::{Value, json};

use super::{Cloud, IMAGE, OTHER_IMAGE};

/// Deploys the usual image, and another one as soon as the first run says a word. Gives the first one's exit code and words.
fn overtaken(cloud: &Cloud, word: &str) -> (Option<i32>, String) {
    cloud.when_it_says(&["deploy", "production", "--image", IMAGE], word, |_| {
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(0);
    })
}

/// What ECS said of the service before ours began, also while another one was waited for.
#[test]
fn what_happened_to_others_is_not_told_as_ours() {
    let queued = World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).active_deployment("AllowTraffic");
    let cloud = Cloud::of(queued.tick(0).fault(Fault::HookFails("AfterAllowTestTraffic")));
    let sick = |number: u32| format!("(service web) was unable to place a task, {number}");
    cloud.aws.with(|world| world.say(&sick(1)));
    let arguments = ["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"];
    let (code, said) = cloud.when_it_says(&arguments, "waiting for the end of deployment", |_| {
        cloud.aws.with(|world| {
            world.say(&sick(2));
            world.tick = 15;
        });
    });
    assert_eq!(code, Some(30), "{said}");
    assert!(!said.contains("unable to place"), "{said}");
}

#[test]
fn a_deployment_that_another_one_takes_the_place_of_is_superseded() {
    for (name, world, word) in [
        ("rolling", World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(1), "0 of 2 new tasks run"),
        (
            "rolling_without_breaker",
            World::fargate("badgery", "web").rolling(Breaker::Off).tick(1),
            "0 of 2 new tasks run",
        ),
        ("blue_green", World::fargate("badgery", "web").native(Strategy::BlueGreen).bake(5).tick(1), "SCALE_UP"),
        (
            "canary",
            World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5).tick(1),
            " 10 % of the traffic |",
        ),
    ] {
        let cloud = Cloud::of(world);
        let (code, said) = overtaken(&cloud, word);
        assert_eq!(code, Some(12), "{name}\n{said}");
        assert!(said.contains("somebody else's deployment followed"), "{name}\n{said}");
        let serves = cloud.aws.with(|world| world.deployed());
        assert!(serves.ends_with("web:3"), "{name}: {serves}\n{said}");
    }
}

/// Lets AWS finish what is under way, and somebody else deploy another image by CodeDeploy after it, between two looks of ours.
fn finished_and_followed(world: &mut World) {
    world.advance(7200);
    let call = |world: &mut World, service, operation: &str, input: Value| {
        world.call(&Request::new(service, operation, input)).unwrap_or_else(|fault| panic!("{operation}: {fault:?}"))
    };
    let serving = world.deployed();
    let described = call(world, Service::Ecs, "DescribeTaskDefinition", json!({"taskDefinition": serving}));
    let known = &described["taskDefinition"];
    let mut containers = known["containerDefinitions"].clone();
    containers[0]["image"] = json!(OTHER_IMAGE);
    let mut definition = json!({"family": "web", "containerDefinitions": containers});
    for member in ["networkMode", "cpu", "memory", "requiresCompatibilities", "executionRoleArn"] {
        definition[member] = known[member].clone();
    }
    let registered = call(world, Service::Ecs, "RegisterTaskDefinition", definition);
    let arn = registered["taskDefinition"]["taskDefinitionArn"].as_str().expect("a name");
    let deployment = json!({
        "applicationName": "AppECS-badgery-web",
        "deploymentGroupName": "DgpECS-badgery-web",
        "revision": World::revision(arn, "web", 8080),
    });
    world.faults.clear();
    call(world, Service::CodeDeploy, "CreateDeployment", deployment);
    world.advance(7200);
    assert_eq!(world.deployed(), arn);
}

#[test]
fn a_deployment_of_codedeploy_that_another_one_followed_is_superseded_however_it_ended() {
    let world = || World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).auto_rollback(true).tick(0);
    for (name, world, word) in [
        ("succeeded", world(), "accepted as deployment"),
        ("rolled back", world().fault(Fault::HookFails("AfterAllowTestTraffic")), "accepted as deployment"),
    ] {
        let cloud = Cloud::of(world);
        let (code, said) = cloud.when_it_says(&["deploy", "production", "--image", IMAGE], word, |_| {
            cloud.aws.with(finished_and_followed);
        });
        assert_eq!(code, Some(12), "{name}\n{said}");
        assert!(said.contains("somebody else's deployment followed"), "{name}\n{said}");
    }
}

/// AWS shows it for an hour more, with the revision that it ran.
#[test]
fn a_service_that_somebody_deletes_serves_nothing_whatever_the_deployment_says() {
    let fargate = || World::fargate("badgery", "web").tick(0);
    for (name, world) in
        [("CodeDeploy", fargate().code_deploy(Shift::AllAtOnce)), ("ECS", fargate().native(Strategy::BlueGreen))]
    {
        let cloud = Cloud::of(world);
        let (code, said) =
            cloud.when_it_says(&["deploy", "production", "--image", IMAGE], "accepted as deploy", |_| {
                cloud.aws.with(|world| {
                    world.advance(7200);
                    world.delete_service();
                });
            });
        assert_eq!(code, Some(31), "{name}\n{said}");
        assert!(said.contains("says that revision `web:2` took over; the cluster `badgery` has no"), "{name}\n{said}");
        assert!(said.contains("create it again with the revision `web:1`"), "{name}\n{said}");
        let again = cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(13);
        assert!(again.shown().contains("service_inactive: the service `web` is INACTIVE"), "{}", again.shown());
        assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
        let status = cloud.run(&["status", "production"]);
        assert!(status.shown().contains("the service `web` is INACTIVE"), "{}", status.shown());
    }
}

#[test]
fn two_services_of_one_cluster_are_deployed_without_touching_each_other() {
    let cloud = Cloud::of(World::fargate("badgery", "web").rolling(Breaker::Rollback).other_service("worker"));
    let target = |service: &str| {
        format!("{{region: eu-west-1, cluster: badgery, service: {service}, poll_interval: 1ms, retry_backoff: 1ms}}")
    };
    let text = format!(
        "app: shop\nenvironments:\n  production:\n    target: {{ecs: {}}}\n  worker:\n    target: {{ecs: {}}}\n",
        target("web"),
        target("worker")
    );
    cloud.file("deploy.yml", &text);
    let of = |environment: &str| cloud.run(&["status", environment, "--format", "json"]).expect(0).output.stdout;
    let before = of("production");
    cloud.run(&["deploy", "worker", "--image", IMAGE]).expect(0);
    assert_eq!(of("production"), before);
    cloud.run(&["deploy", "production", "--image", IMAGE]).expect(0);
    assert!(of("production").contains(IMAGE) && of("worker").contains(IMAGE));
    // Both took a revision of the same family, and each has its own release to go back to: none.
    cloud.run(&["rollback", "worker"]).expect(13);
}
