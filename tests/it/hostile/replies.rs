//! An agent's address at which something else answers: too much, too slowly, something else, or nothing.

use std::fs;
use std::process::Command;
use std::time::Duration;

use deploy_action::signing::AgentKey;

use super::scripted::{Asked, Piece, Scripted, chunked, head, whole};
use super::watched::Watched;

/// Most memory in MiB: an answer has at most 8, and is held once as it came and once as it was read.
const MEMORY: u64 = 96;

/// `deploy-action` with these arguments, whose agent answers so.
#[track_caller]
fn told(arguments: &[&str], limit: Duration, answer: impl Fn(&Asked) -> Vec<Piece> + Send + Sync + 'static) -> Watched {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = Scripted::new(answer);
    let text = format!(
        "app: hello\nenvironments:\n  production: {{target: {{vps: {{agent: 'http://{}', service: web}}}}}}\n",
        agent.address
    );
    fs::write(folder.path().join("deploy.yml"), text).expect("writes");
    let key = AgentKey::generate("vps", "ci").expect("a key");
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-action"));
    command.args(arguments).env_clear().current_dir(folder.path()).env("DEPLOY_AGENT_KEY", key.text().expose());
    Watched::run(&mut command, limit)
}

#[track_caller]
fn status(what: &str, sentence: &str, answer: impl Fn(&Asked) -> Vec<Piece> + Send + Sync + 'static) {
    let limit = Duration::from_secs(60);
    let watched = told(&["status", "production"], limit, answer);
    watched.assert_within(what, 13, MEMORY, limit);
    assert!(watched.said().contains(sentence), "{what}: {}", watched.said());
    for line in watched.said().lines() {
        assert!(!line.contains(char::is_control) && line.chars().count() < 2_000, "{what}: {line:?}");
    }
}

#[test]
fn answers_without_an_end_are_cut() {
    let larger = "answers with more than 8 MiB";
    status("one text", larger, |_| vec![head("200 OK"), Piece::Forever(b"[\"x\",".to_vec())]);
    status("large chunks", larger, |_| {
        let chunk = format!("4000\r\n{}\r\n", "[".repeat(0x4000));
        vec![chunked(), Piece::Forever(chunk.into_bytes())]
    });
    status("small chunks", larger, |_| vec![chunked(), Piece::Forever(b"10\r\n[[[[[[[[[[[[[[[[\r\n".to_vec())]);
    status("a refusal", larger, |_| vec![head("403 Forbidden"), Piece::Forever(b"x".to_vec())]);
    status("headers", "is not reached", |_| {
        vec![Piece::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec()), Piece::Forever(b"x-y: z\r\n".to_vec())]
    });
    status("one header", "is not reached", |_| {
        vec![Piece::Bytes(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), Piece::Forever(b"y".to_vec())]
    });
}

#[test]
fn what_no_agent_says_is_told_as_that() {
    let page = "<!doctype html><title>\u{1b}[31m::error::pwned</title>";
    status("a page", "answers with a web page", move |_| whole("200 OK", "", page));
    status("nothing", "ends in the middle", |_| whole("200 OK", "", ""));
    status("a list", "is not what an agent", |_| whole("200 OK", "", "[1, 2]"));
    status("depth", "does not understand", |_| {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        whole("200 OK", "", &format!("{{\"api\": 1, \"agent_id\": {deep}}}"))
    });
    status("a long text", "is not what an agent", |_| {
        whole("200 OK", "", &format!("{{\"api\": \"{}\"}}", "\u{1b}[2Jx".repeat(100_000)))
    });
    status("no HTTP", "is not reached", |_| vec![Piece::Bytes(b"SSH-2.0-OpenSSH_9.7\r\n".to_vec())]);
    status("a redirect", "redirects to", |_| whole("301 Moved", "Location: http://x/##[error]pwned\r\n", ""));
}

#[test]
fn a_slow_answer_is_waited_for_as_long_as_the_deployment_may_take() {
    let image = format!("docker.io/acme/web@sha256:{}", "1".repeat(64));
    let line = ["deploy", "production", "--image", &image, "--timeout", "3s"];
    let watched = told(&line, Duration::from_secs(60), |_| vec![head("200 OK"), Piece::Drops(b"[".to_vec())]);
    watched.assert_within("a drop a second", 32, MEMORY, Duration::from_secs(30));
    assert!(watched.said().contains("timed_out"), "{}", watched.said());
}
