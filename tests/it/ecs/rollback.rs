//! Going back to the release from before, which is found by the tags of the revisions that were proven.

use kit::aws::{Breaker, Fault, Request, Service, Shift, Strategy, World};
use serde_json::{Value, json};

use super::{Cloud, IMAGE, OTHER_IMAGE};

fn each_controller() -> [World; 3] {
    [
        World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce),
        World::fargate("badgery", "web").native(Strategy::BlueGreen),
        World::fargate("badgery", "web").rolling(Breaker::Rollback),
    ]
}

#[track_caller]
fn deploy(cloud: &Cloud, image: &str) {
    let ended = cloud.run(&["deploy", "production", "--image", image]).expect(0);
    for input in ended.inputs("RegisterTaskDefinition") {
        assert!(!input["tags"].to_string().contains("deploy-action:"), "a new revision is not proven: {input}");
    }
}

fn serves(cloud: &Cloud) -> String {
    let arn = cloud.aws.with(|world| world.deployed());
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn it_goes_to_the_release_that_was_proven_last_and_there_and_back_again() {
    for (number, world) in each_controller().into_iter().enumerate() {
        let cloud = Cloud::of(world);
        deploy(&cloud, IMAGE);
        deploy(&cloud, OTHER_IMAGE);
        assert_eq!(serves(&cloud), "web:3");
        let ended = cloud.run(&["rollback", "production", "--idempotency-key", "run:1:web"]).expect(0);
        assert_eq!(serves(&cloud), "web:2", "{}", ended.shown());
        assert!(ended.inputs("RegisterTaskDefinition").is_empty(), "the revision is there already");
        insta::assert_snapshot!(format!("rollback_{number}"), without_times(&ended.shown()));
        cloud.run(&["rollback", "production"]).expect(0);
        assert_eq!(serves(&cloud), "web:3", "the one from before is the one that was proven last");
    }
}

#[test]
fn history_and_status_tell_what_was_proven_and_what_somebody_else_brought() {
    let cloud = Cloud::of(World::fargate("badgery", "web").rolling(Breaker::Rollback));
    let unknown = cloud.run(&["status", "production"]).expect(0).output.stdout;
    assert!(unknown.contains("drift    this revision was not proven by this program"), "{unknown}");
    let none = cloud.run(&["history", "production"]).expect(0).output.stdout;
    assert_eq!(none, "production: none of the newest revisions was proven by this program\n");
    deploy(&cloud, IMAGE);
    deploy(&cloud, OTHER_IMAGE);
    let known = cloud.run(&["status", "production"]).expect(0).output.stdout;
    assert!(known.contains("  proven   20") && known.contains(" by eve\n") && !known.contains("drift"), "{known}");
    let table = cloud.run(&["history", "production"]).expect(0).output.stdout;
    insta::assert_snapshot!("history", without_times(&table));
    let document = cloud.run(&["history", "production", "--format", "json"]).expect(0).output.stdout;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let revisions: Vec<&str> = document["releases"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|release| release["revision"].as_str()?.rsplit('/').next())
        .collect();
    assert_eq!(revisions, ["web:3", "web:2"]);
}

#[test]
fn one_that_fails_ends_as_any_deployment_that_fails() {
    for (number, world) in each_controller().into_iter().enumerate() {
        let cloud = Cloud::of(world.auto_rollback(true).install_limit(120));
        deploy(&cloud, IMAGE);
        // What the world began with runs well, whatever is wrong; here it was proven once.
        cloud.aws.with(|world| {
            let tags = [("app", "shop"), ("environment", "production"), ("verified-at", "2026-01-01T00:00:00Z")];
            let tags: Vec<Value> = tags
                .iter()
                .map(|(key, value)| json!({"key": format!("deploy-action:{key}"), "value": value}))
                .collect();
            let input = json!({"resourceArn": world.definitions()[0], "tags": tags});
            world.call(&Request::new(Service::Ecs, "TagResource", input)).expect("it is taken");
        });
        cloud.run(&["rollback", "production"]).expect(0);
        assert_eq!(serves(&cloud), "web:1");
        cloud.aws.with(|world| world.faults.push(Fault::Crash(1)));
        let ended = cloud.run(&["rollback", "production"]).expect(30);
        assert_eq!(serves(&cloud), "web:1", "{number}: {}", ended.shown());
        assert!(ended.output.stdout.contains("exit code 1"), "{number}: {}", ended.shown());
        cloud.aws.with(|world| world.faults.clear());
        cloud.run(&["rollback", "production"]).expect(0);
        assert_eq!(serves(&cloud), "web:2", "what failed now was proven before");
    }
}

/// Its run ended with the shift: whether it was good the next deployment sees.
#[test]
fn a_release_that_nobody_saw_end_is_gone_back_to_where_it_ended_well() {
    let bakes = || {
        let shift =
            World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).auto_rollback(true).termination_wait(60);
        [shift, World::fargate("badgery", "web").native(Strategy::BlueGreen).bake(60)]
    };
    for world in bakes() {
        let cloud = Cloud::with(world, "wait_until: traffic-shifted");
        cloud.run(&["deploy", "production", "--image", IMAGE]).expect(0);
        let status = cloud.run(&["status", "production"]).expect(0).output.stdout;
        assert!(status.contains("unproven"), "{status}");
        let history = cloud.run(&["history", "production"]).expect(0).output.stdout;
        assert!(history.contains("none of the newest revisions was proven"), "{history}");
        cloud.aws.with(|world| world.advance(2 * 3600));
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(0);
        cloud.aws.with(|world| world.advance(2 * 3600));
        let ended = cloud.run(&["rollback", "production"]).expect(0);
        assert_eq!(serves(&cloud), "web:2", "{}", ended.shown());
    }
    // Also where the next one waits for its end.
    for on_active in ["wait", "supersede"] {
        let world = World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).termination_wait(60);
        let cloud = Cloud::with(world, &format!("wait_until: traffic-shifted\non_active: {on_active}"));
        cloud.run(&["deploy", "production", "--image", IMAGE]).expect(0);
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(0);
        let ended = cloud.run(&["rollback", "production"]).expect(0);
        assert_eq!(serves(&cloud), "web:2", "{on_active}: {}", ended.shown());
    }
    for world in bakes() {
        let cloud = Cloud::with(world.alarm(), "wait_until: traffic-shifted");
        cloud.run(&["deploy", "production", "--image", IMAGE]).expect(0);
        cloud.aws.with(|world| {
            world.faults.push(Fault::AlarmAt(100));
            world.advance(2 * 3600);
        });
        assert_eq!(serves(&cloud), "web:1", "it went back");
        cloud.aws.with(|world| world.faults.clear());
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(0);
        cloud.aws.with(|world| world.advance(2 * 3600));
        let ended = cloud.run(&["rollback", "production"]).expect(13);
        assert!(ended.output.stdout.contains("no_earlier_release"), "{}", ended.shown());
    }
}

#[test]
fn many_failures_do_not_hide_what_was_proven() {
    let cloud = Cloud::of(World::fargate("badgery", "web").rolling(Breaker::Rollback));
    deploy(&cloud, IMAGE);
    deploy(&cloud, OTHER_IMAGE);
    // Each leaves a revision that nobody proved.
    let registered = |count: usize| {
        cloud.aws.with(|world| {
            let described = world.definition(&world.deployed()).expect("it serves");
            for number in 0..count {
                let mut containers = described["containerDefinitions"].clone();
                containers[0]["environment"] = json!([{"name": "TRY", "value": number.to_string()}]);
                let input = json!({"family": "web", "containerDefinitions": containers});
                world.call(&Request::new(Service::Ecs, "RegisterTaskDefinition", input)).expect("it is taken");
            }
        });
    };
    registered(45);
    let history = cloud.run(&["history", "production"]).expect(0).output.stdout;
    assert!(history.contains("web:3") && history.contains("web:2"), "{history}");
    let ended = cloud.run(&["rollback", "production"]).expect(0);
    assert_eq!(serves(&cloud), "web:2", "{}", ended.shown());
    registered(100);
    let ended = cloud.run(&["rollback", "production"]).expect(13);
    assert!(ended.output.stdout.contains("no_earlier_release"), "{}", ended.shown());
    let looks = ended.said.iter().filter(|it| it.operation == "DescribeTaskDefinition").count();
    assert_eq!(looks, 101, "the one that runs, and the newest hundred");
}

#[test]
fn without_a_release_it_says_what_to_do() {
    // What failed was never proven.
    let cloud = Cloud::of(World::fargate("badgery", "web").rolling(Breaker::Rollback).fault(Fault::Crash(1)));
    cloud.deploy(&[]).expect(30);
    let ended = cloud.run(&["rollback", "production"]).expect(13);
    assert_eq!(ended.writes(), Vec::<String>::new());
    insta::assert_snapshot!("rollback_to_nothing", ended.shown());
}

#[test]
fn a_missing_permission_costs_the_way_back_and_not_the_deployment() {
    let world = || World::fargate("badgery", "web").rolling(Breaker::Rollback);
    let cloud = Cloud::of(world().fault(Fault::Denied("ecs:TagResource")));
    let ended = cloud.deploy(&[]).expect(0);
    assert!(ended.output.stdout.contains("the revision is not marked as proven"), "{}", ended.shown());
    let cloud = Cloud::of(world().fault(Fault::Denied("ecs:ListTaskDefinitions")));
    let ended = cloud.run(&["rollback", "production"]).expect(13);
    assert_eq!(ended.writes(), Vec::<String>::new());
    insta::assert_snapshot!("rollback_denied", ended.shown());
}

/// With letters in place of every time: `2026-11-30 11:42:39`.
fn without_times(text: &str) -> String {
    let digits: Vec<char> = text.chars().collect();
    let shape = "dddd-dd-dd dd:dd:dd";
    let fits = |at: usize| {
        shape.chars().enumerate().all(|(offset, form)| {
            let Some(c) = digits.get(at + offset) else { return false };
            if form == 'd' { c.is_ascii_digit() } else { *c == form }
        })
    };
    let (mut out, mut at) = (String::new(), 0);
    while at < digits.len() {
        if fits(at) {
            out.push_str("<time>");
            at += shape.len();
        } else {
            out.push(digits[at]);
            at += 1;
        }
    }
    out
}
