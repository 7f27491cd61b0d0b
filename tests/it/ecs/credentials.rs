//! Credentials: none, wrong ones, ones that run out in the middle, and a profile whose process gives new ones.

use std::collections::BTreeSet;
use std::process::Command;

use kit::aws::{Breaker, EPOCH, Fault, Shift, Strategy, World};

use super::action::Run;
use super::before_deploy::BEFORE;
use super::{Cloud, Ended, IMAGE, interrupt, outline};
use crate::hostile::scripted::{Scripted, whole};

fn canary() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 5 })
}

#[test]
fn each_service_is_asked_where_its_own_variable_says() {
    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf";
    let fargate = || World::fargate("badgery", "web").secret(SECRET).parameter("/prod/token");
    let secrets = format!("secrets: {{DB: \"{SECRET}\", TOKEN: /prod/token}}\nauto_scaling: hold");
    let deploy = ["deploy", "production", "--image", IMAGE];
    for (world, arguments, code, own) in [
        (
            fargate().code_deploy(Shift::AllAtOnce),
            &["verify", "production"][..],
            0,
            &["ECS", "CODEDEPLOY", "CLOUDWATCH_LOGS", "SECRETS_MANAGER", "SSM", "IAM"][..],
        ),
        (
            fargate().rolling(Breaker::Rollback).scaled(1, 8).fault(Fault::TargetAnswers(404)),
            &deploy,
            30,
            &["ECS", "APPLICATION_AUTO_SCALING", "ELASTIC_LOAD_BALANCING_V2"],
        ),
    ] {
        let cloud = Cloud::with(world, &secrets);
        let mut command = cloud.command(arguments);
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        for service in own {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), cloud.aws.url());
        }
        let ended = cloud.ended(&mut command).expect(code);
        let asked: BTreeSet<&str> = ended.said.iter().map(|it| it.service.as_str()).collect();
        assert_eq!(asked.len(), own.len(), "{asked:?}: {}", ended.shown());
    }
}

#[test]
fn static_ones_that_run_out_leave_the_deployment_running_and_say_so() {
    let cloud = Cloud::of(canary().fault(Fault::ExpiresAfterCalls(14)));
    let ended = cloud.deploy(&[]).expect(32);
    assert!(ended.output.stderr.contains("was left running"), "{}", ended.shown());
    assert!(ended.output.stderr.contains("aws_credentials"), "{}", ended.shown());
    assert!(cloud.aws.with(|world| world.active()).is_some(), "{}", ended.shown());
    insta::assert_snapshot!(
        "expired",
        outline(Some(ended.output.code), &(ended.output.stdout.clone() + &ended.output.stderr))
    );
}

#[test]
fn ones_that_run_out_in_a_queue_are_searched_for_anew() {
    let waiting = || canary().active_deployment("AllowTraffic");
    let ended = from_a_process(&Cloud::of(waiting().fault(Fault::ExpiresAfterCalls(10)))).expect(0);
    let (queue, _) = ended.output.stdout.split_once("accepted as deployment").expect("it is begun");
    assert!(queue.contains("searched for anew"), "{}", ended.shown());
    // Nor does trouble that passes end a wait.
    Cloud::of(waiting().fault(Fault::ThrottleEvery(3))).deploy(&[]).expect(0);
}

#[test]
fn ones_that_a_process_gives_are_searched_for_anew() {
    let cloud = Cloud::of(canary().fault(Fault::ExpiresAfterCalls(14)));
    let ended = from_a_process(&cloud).expect(0);
    assert!(ended.output.stdout.contains("searched for anew"), "{}", ended.shown());
    let keys: std::collections::BTreeSet<_> = ended.said.iter().filter_map(|it| it.access_key.clone()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let asked = std::fs::read_to_string(cloud.folder().join("asked")).expect("it was asked");
    assert_eq!(asked.lines().count(), 2, "once before the first call, and once anew: each may ask somebody");
    cloud.assert_no_false_green(true, &ended.shown());
    insta::assert_snapshot!(
        "renewed",
        outline(Some(ended.output.code), &(ended.output.stdout.clone() + &ended.output.stderr))
    );
}

/// The log says so once, and the pull request shows a deployment like any other.
#[test]
fn ones_that_are_renewed_in_mid_wait_change_nothing_about_what_a_pull_request_shows() {
    let fargate = || World::fargate("badgery", "web");
    for (name, world) in [
        ("renewed_code_deploy", canary()),
        ("renewed_native", fargate().native(Strategy::Canary).step(10, 5)),
        ("renewed_rolling", fargate().rolling(Breaker::Rollback)),
    ] {
        let run = Run::of(world.tick(0));
        let mut job = run.job();
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            job.unset(name);
        }
        for (name, value) in process(&run.cloud) {
            job.set(name, &value);
        }
        // By AWS's clock, which stands still until then: between the same two looks in each run.
        let (code, said) = run.during_with(&mut job, "accepted as deployment", |_| {
            run.cloud.aws.with(|world| {
                world.faults.push(Fault::ExpiresAt(world.now - EPOCH + 40));
                world.tick = 15;
            });
        });
        assert_eq!(code, Some(0), "{name}: {said}");
        assert_eq!(said.matches("searched for anew").count(), 1, "{name}: {said}");
        insta::assert_snapshot!(name, format!("{}--- comment\n{}", outline(code, &said), run.comment()));
    }
}

/// Whichever call of a step is the first one that they are too old for.
#[test]
fn ones_that_run_out_before_any_call_of_a_deployment_are_searched_for_anew() {
    let fargate = || World::fargate("badgery", "web");
    let scaled = || fargate().scaled(1, 8);
    for (name, world, more) in [
        ("CodeDeploy", scaled().code_deploy(Shift::AllAtOnce), "auto_scaling: hold"),
        ("supersede", canary().active_deployment("TerminationWait"), "on_active: supersede"),
        ("rolling", scaled().rolling(Breaker::Rollback), "auto_scaling: hold"),
        ("blue/green", fargate().native(Strategy::BlueGreen), ""),
    ] {
        let with_command = |world: World| {
            let cloud = Cloud::with(world, more);
            let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
            cloud.file("deploy.yml", &file.replace("    target:", &format!("{BEFORE}    target:")));
            cloud
        };
        let whole = from_a_process(&with_command(world.clone())).expect(0);
        let begins = whole.said.iter().position(|it| it.operation == "RegisterTaskDefinition").expect("a registration");
        let all = whole.said.len();
        // Once it is under way it is looked at again and again; the last ones set scaling back.
        for calls in (begins..all).filter(|calls| *calls < begins + 14 || *calls + 6 > all) {
            let cloud = with_command(world.clone().fault(Fault::ExpiresAfterCalls(calls as u64)));
            let ended = from_a_process(&cloud);
            let before = &whole.said[calls].operation;
            assert_eq!(ended.output.code, 0, "{name}, before {before}: {}", ended.shown());
            cloud.assert_no_false_green(true, &ended.shown());
            let keys: BTreeSet<_> = ended.said.iter().filter_map(|it| it.access_key.clone()).collect();
            assert!(keys.len() <= 2, "{name}, before {before}: {keys:?}");
            // The last looks, too, and what is told to whoever goes back.
            let whole = !["could not be looked at", "not marked as proven"].iter().any(|it| ended.shown().contains(it));
            assert!(whole, "{name}, before {before}: {}", ended.shown());
            let set_back = ended.output.stdout.contains("automatic scaling goes on\n");
            assert_eq!(set_back, more.contains("hold"), "{name}, before {before}: {}", ended.shown());
        }
    }
}

/// A run that is asked to end has little time, and its last look may be long ago.
#[test]
fn ones_that_run_out_before_a_run_is_cancelled_are_searched_for_anew_to_stop_the_deployment() {
    let fargate = || World::fargate("badgery", "web").scaled(1, 8).tick(5);
    for (word, world) in [
        ("Install", fargate().code_deploy(Shift::AllAtOnce)),
        ("SCALE_UP", fargate().native(Strategy::BlueGreen).bake(5)),
        ("0 of 2 new tasks run", fargate().rolling(Breaker::Rollback)),
    ] {
        let cloud = Cloud::with(world, "auto_scaling: hold");
        // The signal ends the first pause, so that the next call is the first one of a run that is asked to end.
        let file = std::fs::read_to_string(cloud.folder().join("deploy.yml")).expect("reads");
        cloud.file("deploy.yml", &file.replace("poll_interval: 1ms", "poll_interval: 2s"));
        let before = cloud.aws.with(|world| world.deployed());
        let (code, said) = cloud.it_says(&mut given_by_a_process(&cloud), word, |id| {
            cloud.aws.with(|world| world.faults.push(Fault::ExpiresAfterCalls(0)));
            interrupt(id);
        });
        assert_eq!(code, Some(40), "{said}");
        assert!(said.contains("searched for anew"), "{said}");
        assert!(said.contains("before the traffic shift"), "{said}");
        assert!(said.contains("automatic scaling goes on"), "{said}");
        assert_eq!(cloud.aws.with(|world| world.deployed()), before, "{said}");
    }
}

/// Deploys with the keys that a program gives.
fn from_a_process(cloud: &Cloud) -> Ended {
    cloud.ended(&mut given_by_a_process(cloud))
}

/// The command that does.
fn given_by_a_process(cloud: &Cloud) -> Command {
    let mut command = cloud.command(&["deploy", "production", "--image", IMAGE, "--idempotency-key", "run:1:web"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").envs(process(cloud));
    command
}

/// What leads the program to a process that gives keys.
fn process(cloud: &Cloud) -> [(&'static str, String); 3] {
    // Another key each time it is asked.
    cloud.file(
        "keys.sh",
        "cd \"${0%/*}\"\necho x >>asked\nprintf '{\"Version\":1,\"AccessKeyId\":\"AKIA%s\",\"SecretAccessKey\":\"canary\",\"SessionToken\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}' \
         \"$(wc -l <asked | tr -d ' ')\"\n",
    );
    let process = format!("/bin/sh {}/keys.sh", cloud.folder().display());
    cloud.file("aws", &format!("[profile deploy]\ncredential_process = {process}\nregion = eu-west-1\n"));
    [
        ("AWS_PROFILE", "deploy".to_owned()),
        ("AWS_CONFIG_FILE", cloud.folder().join("aws").display().to_string()),
        ("PATH", "/usr/bin:/bin".to_owned()),
    ]
}

#[test]
fn none_at_all_is_told_before_anything_is_asked() {
    let cloud = Cloud::of(canary());
    let mut command = cloud.command(&["deploy", "production", "--image", IMAGE]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let ended = cloud.ended(&mut command).expect(13);
    assert!(ended.said.is_empty(), "{}", ended.shown());
    insta::assert_snapshot!("none", ended.shown());
}

/// Instead of searching on, and ending with the role of the machine.
#[test]
fn a_profile_that_nobody_has_is_told_with_where_it_was_looked_for() {
    let cloud = Cloud::of(canary());
    cloud.file("aws", "[profile laptop]\nregion = eu-west-1\n");
    let mut command = cloud.command(&["status", "production"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_PROFILE", "lapotp");
    let ended = cloud.ended(command.env("AWS_CONFIG_FILE", "aws")).expect(13);
    assert!(ended.said.is_empty(), "{}", ended.shown());
    let said = &ended.output.stderr;
    assert!(said.contains("`AWS_PROFILE` asks for profile `lapotp`, which is not in `aws` nor `"), "{said}");
    // Keys go before it.
    cloud.ended(cloud.command(&["status", "production"]).env("AWS_PROFILE", "lapotp")).expect(0);
}

/// A proxy on the way, or an address that is something else's.
#[test]
fn an_answer_that_is_not_awss_is_told_as_that() {
    for (status, body) in [("403 Forbidden", "<html>no</html>"), ("200 OK", "<html>welcome</html>")] {
        let other = Scripted::new(move |_| whole(status, "Content-Type: text/html\r\n", body));
        let cloud = Cloud::of(canary());
        let mut command = cloud.command(&["status", "production"]);
        let ended = cloud.ended(command.env("AWS_ENDPOINT_URL", format!("http://{}", other.address))).expect(13);
        let number = status.split_once(' ').expect("a number").0;
        let says = format!("status {number}, with an answer that is not one of AWS's");
        assert!(ended.output.stderr.contains(&says), "{}", ended.shown());
    }
}

/// Silence for longer than an answer may be silent: the call is given up, and made again.
#[test]
fn a_service_that_falls_silent_is_asked_again() {
    let cloud = Cloud::of(canary().fault(Fault::SlowOnce("ecs:DescribeServices", 30_000)));
    let ended = cloud.run(&["status", "production"]).expect(0);
    let looks = ended.said.iter().filter(|it| it.operation == "DescribeServices").count();
    assert_eq!(looks, 2, "{}", ended.shown());
}

#[test]
fn without_certificates_of_authorities_nothing_panics() {
    let cloud = Cloud::of(canary());
    let mut command = cloud.command(&["deploy", "production", "--image", IMAGE]);
    command.env("SSL_CERT_FILE", "/nowhere/ca.pem");
    insta::assert_snapshot!("no_authorities", cloud.ended(&mut command).expect(13).shown());
}

#[test]
fn nobody_at_the_address_is_told_with_the_call() {
    let cloud = Cloud::of(canary());
    let mut command = cloud.command(&["deploy", "production", "--image", IMAGE]);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ended = cloud.ended(&mut command).expect(13);
    assert!(ended.output.stderr.contains("ecs:DescribeServices"), "{}", ended.shown());
    assert!(ended.output.stderr.contains("aws_unreachable"), "{}", ended.shown());
}

#[test]
fn a_search_that_fails_on_its_way_is_told_once_and_in_our_words() {
    let cloud = Cloud::of(canary());
    let mut command = cloud.command(&["status", "production"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    // The address that machines of AWS ask: somebody is there, and gives no token.
    command.env_remove("AWS_EC2_METADATA_DISABLED").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.aws.url());
    let ended = cloud.ended(&mut command).expect(13);
    assert!(!ended.output.stderr.contains("WARN"), "{}", ended.shown());
    assert!(ended.output.stderr.starts_with("error: there are no AWS credentials\n"), "{}", ended.shown());
}
