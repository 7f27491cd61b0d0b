//! A role that the program takes on itself, with GitHub's word for the job.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::aws::{Breaker, Fault, Shift, World};
use kit::runner::{Job, Told};

use super::IMAGE;
use super::action::Run;
use crate::action::user::PROGRAM;

pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/deploy";

/// Gives tokens for one subject, and remembers what it was asked, until the process ends.
pub(super) struct Issuer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    pub(super) fn start(subject: &str) -> Self {
        Self::troubled(subject, |_| false)
    }

    /// One that has trouble at these times, of all that it is asked.
    fn troubled(subject: &str, trouble: impl Fn(usize) -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ids = r#""repository_owner_id":"7","repository_id":"42""#;
        let claims = format!(r#"{{"sub":"{subject}","aud":"sts.amazonaws.com",{ids}}}"#);
        let token = format!("canary.{}.canary", URL_SAFE_NO_PAD.encode(claims));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                let request: Vec<String> = lines.collect();
                let mut heard = heard.lock().expect("no panic");
                heard.push(request.join("\n"));
                let status = if trouble(heard.len()) { "503 Service Unavailable" } else { "200 OK" };
                let body = format!(r#"{{"count":1,"value":"{token}"}}"#);
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { address, asked }
    }

    /// As a runner names it to the steps of a job that may ask.
    pub(super) fn known_to(&self, job: &mut Job) {
        job.set("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("http://{}/token?api-version=2", self.address));
        job.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary-of-the-runner");
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn step(run: &Run, issuer: Option<&Issuer>) -> Told {
    step_with(run, issuer, &[])
}

fn job(run: &Run, issuer: Option<&Issuer>) -> Job {
    let mut job = run.job();
    if let Some(issuer) = issuer {
        issuer.known_to(&mut job);
    }
    job
}

fn step_with(run: &Run, issuer: Option<&Issuer>, more: &[(&str, &str)]) -> Told {
    let mut job = job(run, issuer);
    let inputs = [&[("image", IMAGE), ("role-to-assume", ROLE)], more].concat();
    let told = job.step(Path::new(PROGRAM), &inputs).expect("the step runs");
    // The masks are the one place that names secrets.
    let log = told.log().lines().filter(|line| !line.starts_with("::add-mask::")).collect::<String>();
    assert!(!log.contains("canary"), "{log}");
    told
}

fn world() -> World {
    World::fargate("badgery", "web").rolling(Breaker::Rollback)
}

#[test]
fn its_keys_are_used_and_asked_for_anew_before_they_run_out() {
    // Keys of two minutes are always about to run out: each call gets new ones.
    for (seconds, few) in [(3600, true), (120, false)] {
        let run = Run::of(world().session_seconds(seconds));
        let issuer = Issuer::start("repo:acme/hello:environment:production");
        let told = step(&run, Some(&issuer));
        assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
        let asked = issuer.asked();
        let first = asked.first().map(String::as_str).unwrap_or_default();
        assert!(first.starts_with("GET /token?api-version=2&audience=sts.amazonaws.com HTTP/1.1"), "{first}");
        assert!(first.contains("authorization: Bearer canary-of-the-runner"), "{first}");
        let said = run.cloud.aws.exchanges();
        let taken = said.iter().filter(|it| it.operation == "AssumeRoleWithWebIdentity").count();
        assert_eq!(taken, asked.len(), "a token is used once");
        assert_eq!(taken == 1, few, "{taken} times");
        let keys = said.iter().filter(|it| it.operation != "AssumeRoleWithWebIdentity");
        let own = keys.filter_map(|it| it.access_key.as_deref()).all(|key| key.starts_with("ASIA"));
        assert!(own, "the keys of the environment are not asked");
    }
}

#[test]
fn trouble_of_github_that_passes_ends_no_deployment() {
    let run = Run::of(world().session_seconds(120));
    // At the begin, and in the middle of the watching.
    let issuer = Issuer::troubled("repo:acme/hello:environment:production", |time| [1, 2, 5, 6, 7].contains(&time));
    let told = step(&run, Some(&issuer));
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    assert!(issuer.asked().len() > 7, "{:?}", issuer.asked().len());

    // For longer than one search for keys takes: the deployment goes on at AWS, and is looked at again later.
    let run = Run::of(world().session_seconds(120));
    let issuer = Issuer::troubled("repo:acme/hello:environment:production", |time| (9..24).contains(&time));
    let told = step(&run, Some(&issuer));
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    assert!(told.log().contains("this run asks for credentials again"), "{}", told.log());
    assert!(told.log().contains("AWS answers again"), "{}", told.log());

    // For good: the run gives up, and says what it left.
    let run = Run::of(world().session_seconds(120));
    let issuer = Issuer::troubled("repo:acme/hello:environment:production", |time| time >= 9);
    let told = step(&run, Some(&issuer));
    assert_eq!((told.code, told.output("outcome")), (32, "unknown"), "{}", told.log());
    assert!(told.log().contains("was left running"), "{}", told.log());

    let run = Run::of(world());
    let issuer = Issuer::troubled("repo:acme/hello:environment:production", |time| time <= 5);
    let told = step(&run, Some(&issuer));
    assert_eq!((told.code, told.output("reason-code")), (13, "aws_credentials"), "{}", told.log());
    assert!(told.log().contains("it answered 503"), "{}", told.log());
}

#[test]
fn the_post_step_takes_the_role_on_too() {
    let run = Run::of(World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).tick(1));
    let before = run.cloud.aws.with(|world| world.deployed());
    let issuer = Issuer::start("repo:acme/hello:environment:production");
    let inputs = [("image", IMAGE), ("role-to-assume", ROLE)];
    run.killed_with(&mut job(&run, Some(&issuer)), &inputs, "new tasks run | Install");
    let asked = run.cloud.aws.exchanges().len();
    let post = run.post_with(&mut job(&run, Some(&issuer)), &inputs);
    assert_eq!(post.code, 0, "{}", post.log());
    assert_eq!(run.cloud.aws.exchanges_of("StopDeployment").len(), 1, "{}", post.log());
    assert_eq!(run.cloud.aws.with(|world| (world.active(), world.deployed())), (None, before), "{}", post.log());
    let said = run.cloud.aws.exchanges().split_off(asked);
    assert!(said.iter().filter_map(|it| it.access_key.as_deref()).all(|key| key.starts_with("ASIA")), "{}", post.log());

    // A job that may not ask for a token is told what it could not do.
    let run = Run::of(World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).tick(1));
    run.killed_with(&mut job(&run, Some(&issuer)), &inputs, "new tasks run | Install");
    let post = run.post_with(&mut job(&run, None), &inputs);
    assert_eq!(post.code, 0, "{}", post.log());
    assert!(post.log().contains("the job may not ask GitHub for a token"), "{}", post.log());
}

#[test]
fn the_token_is_for_whom_the_identity_provider_says() {
    let run = Run::of(world());
    let issuer = Issuer::start("repo:acme/hello:environment:production");
    let told = step_with(&run, Some(&issuer), &[("audience", "https://acme.example/a&b")]);
    assert_eq!(told.code, 0, "{}", told.log());
    let asked = issuer.asked();
    assert!(
        asked[0].starts_with("GET /token?api-version=2&audience=https%3A%2F%2Facme.example%2Fa%26b HTTP/1.1"),
        "{asked:?}"
    );
}

#[test]
fn a_refusal_tells_what_the_token_says_and_which_condition_would_match() {
    for (name, subject) in [
        ("role_denied", "repo:acme/hello:environment:production"),
        ("role_denied_with_ids", "repo:acme@7/hello@42:environment:production"),
    ] {
        let run = Run::of(world().fault(Fault::Denied("sts:AssumeRoleWithWebIdentity")));
        let told = step(&run, Some(&Issuer::start(subject)));
        assert_eq!((told.code, told.output("reason-code")), (13, "aws_credentials"), "{}", told.log());
        assert!(run.cloud.aws.exchanges().iter().all(|it| it.operation == "AssumeRoleWithWebIdentity"));
        let error = told.log().lines().skip_while(|line| !line.starts_with("error:")).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(name, error);
    }
}

#[test]
fn a_job_that_may_not_ask_for_a_token_is_told_which_permission_it_needs() {
    let run = Run::of(world());
    let told = step(&run, None);
    assert_eq!((told.code, told.output("reason-code")), (13, "aws_credentials"), "{}", told.log());
    assert!(told.log().contains("permissions: id-token: write"), "{}", told.log());
    assert!(run.cloud.aws.exchanges().is_empty());
}
