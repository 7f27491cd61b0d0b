//! What clients of others make of the same deployments, and why ours says something else where it does; and whether the
//! double of AWS says nothing that the service models do not know.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use kit::aws::{Breaker, Exchange, Fault, Shift, Strategy, World};
use kit::bed::{Machine, run};
use serde_json::Value;

use super::before_deploy::BEFORE;
use super::{Cloud, EXPIRES, IMAGE, OTHER_IMAGE, interrupt};

/// Longest run of a client.
const LIMIT: Duration = Duration::from_secs(120);

/// The interpreter that `script/bootstrap` gave these clients.
fn python(arguments: &[&str]) -> Command {
    let machine = Machine::find().expect("a machine");
    let mut command = machine.command("python3");
    command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What somebody else's client says of a deployment: its verdict and its words.
fn said_by(kind: &str, world: World) -> (&'static str, String) {
    let cloud = Cloud::of(world);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/ecs/others.py");
    let mut command = python(&[script, kind, IMAGE]);
    command.current_dir(cloud.folder()).envs(cloud.variables()).env("AWS_DEFAULT_REGION", "eu-west-1");
    let output = run(&mut command, LIMIT).expect("the client ends");
    match output.stdout.split([':', '\n']).next() {
        Some("green") => ("green", output.stdout),
        Some("red") => ("red", output.stdout),
        _ => panic!("{kind}: {output:?}"),
    }
}

fn verdict(kind: &str, world: World) -> &'static str {
    said_by(kind, world).0
}

fn ours(world: World) -> &'static str {
    // What never ends at AWS ends by our own deadline.
    if Cloud::of(world).deploy(&["--timeout", "20s"]).output.code == 0 { "green" } else { "red" }
}

fn all_at_once() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).auto_rollback(true)
}

/// One whose alarm fires at once: it is gone back from.
fn alarm() -> World {
    all_at_once().alarm().fault(Fault::AlarmAt(10))
}

#[test]
fn clients_of_others_agree_but_for_what_they_cannot_see() {
    let shift = |shift| World::fargate("badgery", "web").code_deploy(shift).auto_rollback(true);
    let canary = || shift(Shift::Canary { percent: 10, minutes: 5 });
    let fails_at = |hook| all_at_once().fault(Fault::HookFails(hook));
    let (green, red) = (["green"; 3], ["red"; 3]);
    // Name, world; ours, `aws ecs deploy`, boto3's waiter.
    for (name, world, expected) in [
        ("all at once", all_at_once(), green),
        ("canary", canary(), green),
        ("linear", shift(Shift::Linear { percent: 25, minutes: 3 }), green),
        ("test listener", canary().test_listener(), green),
        ("throttled", all_at_once().fault(Fault::ThrottleEvery(7)), green),
        ("rolled back", alarm(), red),
        ("rollback failed", alarm().fault(Fault::RollbackFails), red),
        ("hook fails", fails_at("AfterAllowTestTraffic").test_listener(), red),
        ("hook fails after the shift", fails_at("AfterAllowTraffic"), red),
        ("hook never answers", all_at_once().tick(300).fault(Fault::HookSilent("BeforeAllowTraffic")), red),
        ("nobody lets it shift", all_at_once().tick(120).ready_wait(5), red),
        ("stopped from the console", canary().fault(Fault::ConsoleStop("AllowTraffic")), red),
        ("tasks crash", all_at_once().install_limit(300).fault(Fault::Crash(1)), red),
        ("scaling event", canary().scaled(1, 10).fault(Fault::ScalingMidShift), red),
        // They give up at the first look that finds nothing.
        ("not found at first", all_at_once().fault(Fault::NotFoundOnce), ["green", "red", "red"]),
        ("another one under way", all_at_once().active_deployment("AllowTraffic"), ["green", "red", "red"]),
    ] {
        let said = [ours(world.clone()), verdict("aws", world.clone()), verdict("code-deploy", world)];
        assert_eq!(said, expected, "{name}");
    }
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback);
    // Name, world; ours, boto3's waiter. It waits for one deployment with all its tasks, whichever that is: where ECS went
    // back, its green is a false one.
    for (name, world, expected) in [
        ("rolling", rolling(), ["green", "green"]),
        ("rolled back by the breaker", rolling().fault(Fault::Crash(1)), ["red", "green"]),
        ("never stable", rolling().fault(Fault::NeverStable), ["red", "red"]),
    ] {
        assert_eq!([ours(world.clone()), verdict("rolling", world)], expected, "{name}");
    }
}

/// Whether the old version came back is the first thing that a person asks, and they do not tell.
#[test]
fn a_rollback_that_failed_is_told_from_one_that_did_not_by_ours_alone() {
    for kind in ["aws", "code-deploy"] {
        let [back, failed] = [alarm(), alarm().fault(Fault::RollbackFails)].map(|world| said_by(kind, world));
        assert_eq!(back, failed, "{kind}");
    }
    let codes = [alarm(), alarm().fault(Fault::RollbackFails)].map(|world| Cloud::of(world).deploy(&[]).output.code);
    assert_eq!(codes, [30, 31]);
}

#[test]
fn clients_of_others_read_the_query_wire_as_ours_does() {
    let world = World::fargate("badgery", "web").rolling(Breaker::Rollback).role("web-task", "/team/");
    assert_eq!(verdict("query", world), "green");
}

/// Every operation that the program asks of AWS, but for the registry's and the security tokens'.
const OPERATIONS: &[&str] = &[
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:ListTagsForResource",
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:TagResource",
    "application-autoscaling:UntagResource",
    "codedeploy:ContinueDeployment",
    "codedeploy:CreateDeployment",
    "codedeploy:GetDeployment",
    "codedeploy:GetApplicationRevision",
    "codedeploy:GetDeploymentConfig",
    "codedeploy:GetDeploymentGroup",
    "codedeploy:GetDeploymentTarget",
    "codedeploy:ListDeployments",
    "codedeploy:StopDeployment",
    "ecs:ContinueServiceDeployment",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "ecs:RunTask",
    "ecs:StopServiceDeployment",
    "ecs:StopTask",
    "ecs:TagResource",
    "ecs:UpdateService",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:GetRole",
    "logs:DescribeLogGroups",
    "logs:GetLogEvents",
    "secretsmanager:DescribeSecret",
    "ssm:DescribeParameters",
];

/// With the command before the deployment in its `deploy.yml`.
fn with_command(cloud: Cloud) -> Cloud {
    let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
    cloud.file("deploy.yml", &file.replace("    target:", &format!("{BEFORE}    target:")));
    cloud
}

/// All that one run each of everything that is done at AWS says, with the policy that `iam-policy` prints for it.
fn all_that_is_asked() -> Vec<(&'static str, Vec<Exchange>, Value)> {
    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf";
    let fargate = || World::fargate("badgery", "web");
    let canary = || fargate().code_deploy(Shift::Canary { percent: 10, minutes: 5 });
    let native = || fargate().native(Strategy::Canary).step(10, 5);
    let deploy = ["deploy", "production", "--image", IMAGE];
    let secrets = format!("secrets: {{DB: \"{SECRET}:password::\", TOKEN: /prod/token}}");
    let cloud = |world: World, more: &str| Cloud::with(world, more);
    let plain = |cloud: &Cloud| drop(cloud.run(&deploy));
    let verified = |cloud: &Cloud| drop(cloud.run(&["verify", "production"]).expect(0));
    let back = |cloud: &Cloud| {
        cloud.run(&deploy).expect(0);
        cloud.run(&["deploy", "production", "--image", OTHER_IMAGE]).expect(0);
        cloud.run(&["rollback", "production"]).expect(0);
        cloud.run(&["history", "production"]).expect(0);
    };
    let stopped_at = |word: &'static str| move |cloud: &Cloud| drop(cloud.when_it_says(&deploy, word, interrupt));
    let late = |cloud: &Cloud| {
        cloud.deploy(&["--timeout", EXPIRES]).expect(32);
        cloud.aws.with(|world| world.advance(75));
        cloud.deploy(&["--timeout", EXPIRES]).expect(32);
    };
    let answered = |cloud: &Cloud| {
        let answer = |_| drop(cloud.run(&["approve", "production"]).expect(0));
        drop(cloud.when_it_says(&deploy, "  approval …", answer));
    };
    type Act<'a> = Box<dyn Fn(&Cloud) + 'a>;
    let runs: Vec<(&'static str, Cloud, Act<'_>)> = vec![
        ("verify", cloud(fargate().secret(SECRET).parameter("/prod/token"), &secrets), Box::new(verified)),
        ("CodeDeploy, there and back", cloud(canary(), ""), Box::new(back)),
        (
            "CodeDeploy, unhealthy",
            cloud(canary().install_limit(120).fault(Fault::TargetAnswers(404)), ""),
            Box::new(plain),
        ),
        ("CodeDeploy, stopped", cloud(canary().tick(1), ""), Box::new(stopped_at("Install"))),
        ("CodeDeploy, answered", cloud(canary().ready_wait(60).tick(1), ""), Box::new(answered)),
        (
            "CodeDeploy, superseding",
            cloud(canary().termination_wait(60).active_deployment("TerminationWait"), "on_active: supersede"),
            Box::new(plain),
        ),
        ("CodeDeploy, scaled", cloud(canary().scaled(1, 8), "auto_scaling: hold"), Box::new(plain)),
        ("ECS's own, there and back", cloud(native(), ""), Box::new(back)),
        ("ECS's own, crashing", cloud(native().fault(Fault::Crash(1)), ""), Box::new(plain)),
        ("ECS's own, stopped", cloud(native().tick(1), ""), Box::new(stopped_at("SCALE_UP"))),
        (
            "ECS's own, answered",
            cloud(native().tick(1).pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 60, "ROLLBACK"), ""),
            Box::new(answered),
        ),
        ("rolling, there and back", cloud(fargate().rolling(Breaker::Rollback), ""), Box::new(back)),
        (
            "rolling, scaled",
            cloud(fargate().rolling(Breaker::Rollback).scaled(1, 8), "auto_scaling: hold"),
            Box::new(plain),
        ),
        (
            "rolling, crashing",
            cloud(fargate().rolling(Breaker::Rollback).fault(Fault::Crash(137)), ""),
            Box::new(plain),
        ),
        (
            "CodeDeploy, unhealthy for long",
            cloud(canary().tick(0).fault(Fault::TargetAnswers(404)), ""),
            Box::new(late),
        ),
        ("a command", with_command(cloud(fargate().rolling(Breaker::Rollback), "")), Box::new(plain)),
        (
            "a command that hangs",
            with_command(cloud(fargate().rolling(Breaker::Rollback).fault(Fault::OneOffHangs), "")),
            Box::new(plain),
        ),
    ];
    let mut asked = Vec::new();
    for (name, cloud, act) in runs {
        let policy = cloud.run(&["iam-policy", "production", "--repository", "acme/shop"]).expect(0).output.stdout;
        let policy = serde_json::from_str(&policy).expect("JSON");
        let before = cloud.aws.exchanges().len();
        act(&cloud);
        asked.push((name, cloud.aws.exchanges().split_off(before), policy));
    }
    asked
}

#[test]
fn what_is_asked_is_in_the_models_and_in_the_policy_that_is_printed() {
    let asked = all_that_is_asked();
    let mut seen = BTreeSet::new();
    for (name, said, policy) in &asked {
        let granted: BTreeSet<&str> = policy["policy"]["Statement"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|statement| match &statement["Action"] {
                Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect(),
                action => action.as_str().into_iter().collect::<Vec<_>>(),
            })
            .collect();
        let used: BTreeSet<String> = said.iter().map(Exchange::action).collect();
        let missing: Vec<&String> = used.iter().filter(|action| !granted.contains(action.as_str())).collect();
        assert!(missing.is_empty(), "{name}: the policy lacks {missing:?}");
        seen.extend(used);
    }
    let known: BTreeSet<String> = OPERATIONS.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(seen, known, "a run above asks everything, and nothing else");
    assert_in_models(&asked.into_iter().flat_map(|(_, said, _)| said).collect::<Vec<_>>());
}

#[test]
fn the_double_says_nothing_that_the_models_do_not_know() {
    let canary = || World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 5 });
    let mut said = Vec::new();
    for world in [
        canary().test_listener(),
        canary().auto_rollback(true).alarm().fault(Fault::AlarmAt(10)),
        canary().install_limit(120).fault(Fault::TargetAnswers(404)),
        canary().fault(Fault::ThrottleEvery(3)),
        canary().fault(Fault::Denied("ecs:RegisterTaskDefinition")),
        World::fargate("badgery", "web").rolling(Breaker::Rollback).fault(Fault::Crash(137)),
        World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5).bake(5),
        World::fargate("badgery", "web").native(Strategy::BlueGreen).fault(Fault::Crash(1)),
    ] {
        said.extend(Cloud::of(world).deploy(&[]).said);
    }
    assert_in_models(&said);
}

/// Holds what was asked and answered against the service models.
#[track_caller]
pub(super) fn assert_in_models(said: &[Exchange]) {
    let lines: String = said.iter().map(|exchange| format!("{}\n", exchange.json())).collect();
    let mut check = python(&[concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/ecs/shapes.py")]);
    let mut child = check.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("writes");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
