//! What goes wrong with calls, whatever they ask for.

use serde_json::{Value, json};

use super::{ask, deploy, follow, look, refusal, register, service, world};
use crate::aws::{AwsFault, Fault, Request, Service, Shift, World};

fn all_at_once() -> World {
    world().code_deploy(Shift::AllAtOnce)
}

/// A harmless call with a key.
fn call_with(world: &mut World, key: &str) -> Result<Value, AwsFault> {
    world.call(&Request::new(Service::Ecs, "ListTasks", json!({"cluster": "badgery"})).signed(key))
}

#[test]
fn every_so_many_th_call_is_throttled() {
    let mut world = all_at_once().fault(Fault::ThrottleEvery(3));
    let codes: Vec<String> =
        (0..6).map(|_| call_with(&mut world, "AKIAFIRST").err().map_or(String::new(), |fault| fault.code)).collect();
    assert_eq!(codes, ["", "", "ThrottlingException", "", "", "ThrottlingException"]);
}

#[test]
fn a_server_error_happens_once_and_has_no_effect() {
    let mut world = all_at_once().fault(Fault::ServerErrorOnce("ecs:RegisterTaskDefinition"));
    let definition = super::next_definition(&mut world);
    let fault = ask(&mut world, Service::Ecs, "RegisterTaskDefinition", definition.clone()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.status), ("ServerException", 500));
    assert_eq!(world.definitions().len(), 1);
    ask(&mut world, Service::Ecs, "RegisterTaskDefinition", definition).unwrap();
}

#[test]
fn a_lost_reply_has_its_effect() {
    let mut world = all_at_once().fault(Fault::LostReplyOnce("codedeploy:CreateDeployment"));
    let definition = register(&mut world);
    let fault =
        ask(&mut world, Service::CodeDeploy, "CreateDeployment", super::deployment_of(&definition)).unwrap_err();
    assert_eq!(fault.status, 0);
    assert_eq!(world.deployments().len(), 1);
}

#[test]
fn what_is_denied_says_which_permission_is_missing() {
    let mut world = all_at_once().fault(Fault::Denied("ecs:DescribeServices"));
    let input = json!({"cluster": "badgery", "services": ["web"]});
    let fault = ask(&mut world, Service::Ecs, "DescribeServices", input).unwrap_err();
    assert_eq!(fault.code, "AccessDeniedException");
    assert_eq!(
        fault.message,
        "User: arn:aws:sts::111122223333:assumed-role/deploy/ci is not authorized to perform: ecs:DescribeServices on \
         resource: * because no identity-based policy allows the ecs:DescribeServices action"
    );
    let mut world = all_at_once().fault(Fault::Denied("iam:PassRole"));
    let definition = super::next_definition(&mut world);
    let fault = ask(&mut world, Service::Ecs, "RegisterTaskDefinition", definition).unwrap_err();
    assert!(fault.message.contains("iam:PassRole on resource: arn:aws:iam::111122223333:role/"), "{}", fault.message);
    let mut world = all_at_once().fault(Fault::Denied("sts:AssumeRoleWithWebIdentity"));
    let fault = ask(&mut world, Service::Sts, "AssumeRoleWithWebIdentity", json!({})).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.status), ("AccessDenied", 403));
}

#[test]
fn keys_expire_and_new_ones_do_not() {
    let mut world = all_at_once().fault(Fault::ExpiresAfterCalls(2));
    assert!(call_with(&mut world, "AKIAFIRST").is_ok() && call_with(&mut world, "AKIAFIRST").is_ok());
    assert_eq!(call_with(&mut world, "AKIAFIRST").unwrap_err().code, "ExpiredTokenException");
    assert!(call_with(&mut world, "AKIASECOND").is_ok());
    assert_eq!(call_with(&mut world, "AKIAFIRST").unwrap_err().code, "ExpiredTokenException");

    let mut world = all_at_once().fault(Fault::ExpiresAt(100));
    let id = deploy(&mut world);
    let code = loop {
        let input = json!({"deploymentId": id});
        if let Err(fault) = ask(&mut world, Service::CodeDeploy, "GetDeployment", input) {
            break fault.code;
        }
    };
    assert_eq!(code, "ExpiredTokenException");
    assert!(call_with(&mut world, "AKIASECOND").is_ok());
}

#[test]
fn keys_for_a_web_identity() {
    let mut world = all_at_once().session_seconds(20);
    let input = json!({
        "RoleArn": "arn:aws:iam::111122223333:role/deploy",
        "RoleSessionName": "ci",
        "WebIdentityToken": "head.body.signature",
        "DurationSeconds": 3600,
    });
    let first =
        ask(&mut world, Service::Sts, "AssumeRoleWithWebIdentity", input.clone()).unwrap()["Credentials"].clone();
    let second = ask(&mut world, Service::Sts, "AssumeRoleWithWebIdentity", input).unwrap()["Credentials"].clone();
    assert_ne!(first["AccessKeyId"], second["AccessKeyId"]);
    assert_eq!(first["Expiration"], crate::aws::EPOCH + 20);
    let input =
        json!({"RoleArn": "arn:aws:iam::111122223333:role/deploy", "RoleSessionName": "ci", "WebIdentityToken": "x"});
    assert_eq!(refusal(&mut world, Service::Sts, "AssumeRoleWithWebIdentity", input), "InvalidIdentityToken");
}

#[test]
fn stale_reads_are_one_poll_behind() {
    let mut world = all_at_once().tick(20).fault(Fault::StaleReads);
    let id = deploy(&mut world);
    let first = look(&mut world, &id);
    assert_eq!(first["status"], "InProgress");
    world.advance(1000);
    assert_eq!(look(&mut world, &id), first);
    assert_eq!(look(&mut world, &id)["status"], "Succeeded");
    let shown = service(&mut world);
    assert_eq!(service(&mut world), shown);
}

#[test]
fn the_first_look_may_find_nothing() {
    let mut world = all_at_once().fault(Fault::NotFoundOnce);
    let id = deploy(&mut world);
    let code = refusal(&mut world, Service::CodeDeploy, "GetDeployment", json!({"deploymentId": id}));
    assert_eq!(code, "DeploymentDoesNotExistException");
    assert_eq!(follow(&mut world, &id)["status"], "Succeeded");
}

#[test]
fn the_same_calls_have_the_same_answers() {
    let run = || {
        let mut world = all_at_once();
        let id = deploy(&mut world);
        (follow(&mut world, &id), service(&mut world))
    };
    assert_eq!(run(), run());
}
