//! A command that runs before the deployment, as a task of its own: nothing shifts unless it ends with 0.

use kit::aws::{Breaker, Fault, Shift, Strategy, World};

use super::{Cloud, EXPIRES, Ended, IMAGE, interrupt, outline};

pub(super) const BEFORE: &str =
    "    before_deploy:\n      command: [bin/migrate, --all, \"$(rm -rf /)\"]\n      timeout: 5s\n";

/// With the command in its `deploy.yml`.
fn cloud(world: World) -> Cloud {
    let cloud = Cloud::of(world);
    let file = cloud.folder().join("deploy.yml");
    let text = std::fs::read_to_string(file).expect("reads").replace("    target:", &format!("{BEFORE}    target:"));
    cloud.file("deploy.yml", &text);
    cloud
}

fn rolling() -> World {
    World::fargate("badgery", "web").rolling(Breaker::Rollback)
}

#[track_caller]
fn nothing_shifted(cloud: &Cloud, ended: &Ended) {
    assert!(cloud.aws.with(|world| world.deployed()).ends_with("web:1"), "{}", ended.shown());
    let begins = ["UpdateService", "CreateDeployment"];
    assert!(ended.said.iter().all(|it| !begins.contains(&it.operation.as_str())), "{}", ended.shown());
}

#[test]
fn it_runs_once_where_the_service_runs_and_the_deployment_follows() {
    let worlds = [
        rolling(),
        World::fargate("badgery", "web").native(Strategy::BlueGreen),
        World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce),
    ];
    for (number, world) in worlds.into_iter().enumerate() {
        let cloud = cloud(world.log_lines(&["3 tables changed"]));
        let ended = cloud.deploy(&[]).expect(0);
        let asked = ended.inputs("RunTask");
        assert_eq!(asked.len(), 1, "{}", ended.shown());
        let over = &asked[0]["overrides"]["containerOverrides"][0];
        assert_eq!(over["command"], serde_json::json!(["bin/migrate", "--all", "$(rm -rf /)"]));
        assert_eq!(over["name"], "web");
        assert!(asked[0]["networkConfiguration"]["awsvpcConfiguration"]["subnets"].is_array(), "{asked:?}");
        insta::assert_snapshot!(format!("before_deploy_{number}"), ended.shown());
        // What runs already needs no migration.
        assert!(cloud.deploy(&[]).expect(0).inputs("RunTask").is_empty());
    }
}

#[test]
fn a_failing_one_is_told_with_its_code_and_its_last_lines_and_nothing_shifts() {
    for (name, world) in [
        ("exits_3", rolling().log_lines(&["no such column"]).fault(Fault::OneOffExits(3))),
        ("code_deploy", World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).fault(Fault::OneOffExits(137))),
        ("image_missing", rolling().fault(Fault::ImageMissing)),
        ("no_room", rolling().ec2().fault(Fault::NoRoom)),
    ] {
        let cloud = cloud(world);
        let ended = cloud.deploy(&[]).expect(21);
        nothing_shifted(&cloud, &ended);
        insta::assert_snapshot!(format!("before_deploy_{name}"), ended.shown());
    }
    for operation in ["ecs:RunTask", "ecs:DescribeTasks"] {
        let cloud = cloud(rolling().fault(Fault::Denied(operation)));
        let ended = cloud.deploy(&[]);
        assert_eq!(ended.output.code, if operation == "ecs:RunTask" { 13 } else { 32 }, "{}", ended.shown());
        nothing_shifted(&cloud, &ended);
        insta::assert_snapshot!(format!("before_deploy_denied_{}", operation.replace(':', "_")), ended.shown());
    }
}

#[test]
fn a_lost_reply_makes_no_second_one() {
    let cloud = cloud(rolling().fault(Fault::LostReplyOnce("ecs:RunTask")));
    let ended = cloud.deploy(&[]).expect(0);
    let tokens: Vec<String> = ended.inputs("RunTask").iter().map(|input| input["clientToken"].to_string()).collect();
    assert!(tokens.len() == 2 && tokens[0] == tokens[1], "{tokens:?}");
}

#[test]
fn one_that_does_not_end_or_is_not_wanted_any_more_is_stopped() {
    let cloud = cloud(rolling().fault(Fault::OneOffHangs));
    let ended = cloud.deploy(&["--timeout", "1m"]).expect(21);
    assert_eq!(ended.inputs("StopTask").len(), 1, "{}", ended.shown());
    nothing_shifted(&cloud, &ended);
    assert!(ended.shown().contains("did not end within 5.0 s: task `"), "{}", ended.shown());
    let ended = cloud.deploy(&["--timeout", EXPIRES]).expect(32);
    assert_eq!(ended.inputs("StopTask").len(), 1, "{}", ended.shown());

    let arguments = ["deploy", "production", "--image", IMAGE];
    let (code, said) = cloud.when_it_says(&arguments, "` runs `bin/migrate", interrupt);
    assert_eq!(code, Some(40), "{said}");
    assert!(said.contains("cancelled while the command before the deployment ran: task `"), "{said}");
    insta::assert_snapshot!("before_deploy_cancelled", outline(code, &said));
    assert_eq!(cloud.aws.exchanges_of("StopTask").len(), 3, "{said}");
}
