//! Payloads as large as any that is read, and larger: neither memory nor time goes with what is in them.

use std::path::Path;
use std::time::Duration;

use kit::bed::Machine;
use kit::runner::Job;

use super::watched::Watched;

const SHA: &str = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";
/// A little less than the largest payload that is read, in bytes.
const LARGE: usize = 31 << 20;
/// Most memory in MiB: the payload itself, once more where a value of it is taken out, and the program.
const MEMORY: u64 = 96;
/// Longest that it may take here, not optimised and on two cores that many tests share.
const TIME: Duration = Duration::from_secs(40);

/// Runs the step with this payload and no key: one that is read to its end ends there.
#[track_caller]
fn told(what: &str, code: i32, sentence: &str, payload: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    let machine = Machine::find().expect("a machine");
    // Nothing is asked of GitHub before there is a key.
    let mut job = Job::new(&machine, &dir.path().join("run"), dir.path(), "http://127.0.0.1:9", 1).expect("a job");
    job.raw_event("push", payload, SHA).expect("an event");
    let inputs = [
        ("environment", "production"),
        ("agent-url", "http://127.0.0.1:9"),
        ("service", "web"),
        ("image", "127.0.0.1:9/hello"),
    ];
    let (mut command, _files) = job.prepare(Path::new(env!("CARGO_BIN_EXE_deploy-action")), &inputs).expect("a step");
    let watched = Watched::run(&mut command, TIME * 2);
    watched.assert_within(what, code, MEMORY, TIME);
    assert!(watched.said().contains(sentence), "{what}: {}", watched.said());
    for line in watched.said().lines() {
        assert!(line.chars().count() < 2_000, "{what}: a line of {} characters", line.chars().count());
    }
}

/// A payload of this size, whose last member is full of this.
fn full_of(piece: &str) -> Vec<u8> {
    let begin = format!("{{\"after\": \"{SHA}\", \"commits\": [{piece}");
    let rest = (LARGE - begin.len()) / (piece.len() + 1);
    format!("{begin}{}]}}", format!(",{piece}").repeat(rest)).into_bytes()
}

#[test]
fn a_large_payload_takes_no_more_than_itself() {
    let no_key = "there is no agent key";
    told("numbers", 13, no_key, &full_of("0"));
    told("texts", 13, no_key, &full_of("\"\\u0041\""));
    told("objects", 13, no_key, &full_of("{\"a\":{\"b\":[]}}"));
    told("one text", 13, no_key, &full_of(&format!("\"{}\"", "x".repeat(LARGE - 200))));
    let value = format!("{{\"after\": \"{}\"}}", "x".repeat(LARGE));
    told("a wanted value", 2, "the payload of the event `push` cannot be read", value.as_bytes());
    let key = format!("{{\"{}\": 1}}", "\\u0041".repeat(LARGE / 6));
    told("a name", 13, no_key, key.as_bytes());
    let nested = format!("{{\"x\": {}", "[".repeat(LARGE));
    told("depth", 2, "the payload of the event `push` cannot be read", nested.as_bytes());
    told("larger than any", 2, "it is larger than 32 MiB", &vec![b' '; 200 << 20]);
}
