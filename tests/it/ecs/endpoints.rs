//! Services that are asked elsewhere than the others, by a variable of their own.

use std::path::Path;

use kit::aws::{Breaker, World};

use super::IMAGE;
use super::action::Run;
use super::role::{Issuer, ROLE};
use crate::action::user::PROGRAM;
use crate::hostile::scripted::{Scripted, whole};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The role comes from the one, the registry's login from the other, before anything of the service is asked.
#[test]
fn the_role_and_the_login_come_from_where_their_own_variables_say() {
    let (_, digest) = IMAGE.split_once('@').expect("a digest");
    let header = format!("Docker-Content-Digest: {digest}\r\n");
    let registry = Scripted::new(move |_| whole("200 OK", &header, ""));
    let repository = format!("{}/web", registry.address);

    let run =
        Run::of(World::fargate("badgery", "web").rolling(Breaker::Rollback).registry(&registry.address.to_string()));
    run.cloud.image(&format!("{{repository: \"{repository}\", ecr: {{region: eu-west-1}}}}"));
    let issuer = Issuer::start("repo:acme/hello:environment:production");
    let mut job = run.job();
    issuer.known_to(&mut job);
    job.set("AWS_ENDPOINT_URL", NOWHERE);
    for service in ["STS", "ECR", "ECS"] {
        job.set(&format!("AWS_ENDPOINT_URL_{service}"), &run.cloud.aws.url());
    }
    let image = format!("{repository}:v2");
    let told = job.step(Path::new(PROGRAM), &[("image", &image), ("role-to-assume", ROLE)]).expect("the step runs");
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    for (operation, times) in [("AssumeRoleWithWebIdentity", 1), ("GetAuthorizationToken", 1), ("UpdateService", 1)] {
        assert_eq!(run.cloud.aws.exchanges_of(operation).len(), times, "{operation}: {}", told.log());
    }
    let definition = run.cloud.aws.with(|world| world.definition(&world.deployed())).expect("it serves");
    assert_eq!(definition["containerDefinitions"][0]["image"], format!("{repository}@{digest}"));

    // Each of them counts: without it the other address is asked, where nobody is.
    for service in ["STS", "ECR"] {
        let before = run.cloud.aws.calls();
        let mut job = run.job();
        issuer.known_to(&mut job);
        job.set(&format!("AWS_ENDPOINT_URL_{service}"), NOWHERE);
        let told = job.step(Path::new(PROGRAM), &[("image", &image), ("role-to-assume", ROLE)]).expect("the step runs");
        assert_eq!(told.output("reason-code"), "aws_unreachable", "{service}: {}", told.log());
        let asked = run.cloud.aws.exchanges().split_off(before);
        assert!(asked.iter().all(|it| it.service != service.to_lowercase()), "{service}: {asked:?}");
    }
}
