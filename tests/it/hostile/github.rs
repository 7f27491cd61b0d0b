//! GitHub's address at which something answers without an end: the deployment is what it is without.

use std::path::Path;
use std::time::Duration;

use super::scripted::{Asked, Piece, Scripted, chunked, head};
use super::watched::Watched;
use crate::action::user::{PROGRAM, User, push};

/// Most memory in MiB: an answer has at most 32, and is held once as it came and once as it was read.
const MEMORY: u64 = 192;
const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

#[test]
fn answers_without_an_end_are_cut() {
    let user = User::new();
    let images = ["v2", "v3", "v2"].map(|version| (version, user.stage.version(version)));
    let answers: [fn(&Asked) -> Vec<Piece>; 3] = [
        |_| vec![head("200 OK"), Piece::Forever(b"[[],".to_vec())],
        |_| vec![chunked(), Piece::Forever(b"1\r\n[\r\n".to_vec())],
        |_| vec![Piece::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec()), Piece::Forever(b"x-y: z\r\n".to_vec())],
    ];
    for (answer, (version, image)) in answers.into_iter().zip(&images) {
        let github = Scripted::new(answer);
        let mut job = user.job("push", &push(SHA), SHA);
        job.set("GITHUB_API_URL", &format!("http://{}", github.address));
        let inputs = user.inputs(&[("image", image.as_str())]);
        let (mut command, files) = job.prepare(Path::new(PROGRAM), &inputs).expect("a step");
        let watched = Watched::run(&mut command, Duration::from_secs(150));
        watched.assert_within(version, 0, MEMORY, Duration::from_secs(120));
        assert_eq!(files.outputs().expect("outputs")["outcome"], "deployed", "{}", watched.said());
        assert!(watched.output.stdout.contains("not reported: "), "{}", watched.said());
        user.stage.assert_serves(version);
    }
}

#[test]
fn a_thousand_comments_cost_no_more_calls_than_a_run_may_make() {
    let user = User::new();
    let image = user.stage.version("v2");
    user.github.pull_requests(SHA, &[7]);
    for number in 0..1_000 {
        user.github.comment(7, "mallory", &format!("<!-- deploy-action -->\n{number}"));
    }
    let mut job = user.job("push", &push(SHA), SHA);
    // How many calls a run may make is held by the run itself.
    let told = user.run(&mut job, &[("image", &image)]);
    assert_eq!((told.code, told.output("outcome")), (0, "deployed"), "{}", told.log());
    assert_eq!(user.github.comments(7).len(), 1_000, "a second comment of ours may be among those not looked at");
    assert!(told.stdout.contains("not reported: the comment"), "{}", told.log());
    user.stage.assert_serves("v2");
}
