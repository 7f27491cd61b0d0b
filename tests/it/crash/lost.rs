//! What a damaged journal no longer tells, and the way back needs.

use std::io::{Read, Write};
use std::net::TcpStream;

use kit::bed::AppImage;

use crate::client::Client;
use crate::stage::{HOST, PATIENCE, Stage};

/// What a stream sends in 4 s.
const BYTES: usize = 100_000;

/// The route is known from its file alone, and leads back before anything is stopped.
#[test]
fn what_the_new_version_is_asked_already_is_finished_although_its_route_is_lost() {
    let mut stage = Stage::new();
    let v2 = stage.push(&AppImage::version("v2").mode("abrupt"));
    let agent = stage.bed.agent().expect("an agent");
    agent.restart(&[("DEPLOY_AGENT_KILL_AT", "after-switched")]).expect("starts again");
    let mut client = Client::start(&stage.bed, &["deploy", "production", "--image", &v2], |_| {}).expect("starts");
    let agent = stage.bed.agent().expect("an agent");
    assert_eq!(agent.ended(PATIENCE).expect("waits"), Some(137), "the point is reached: {}", agent.log());
    damage_the_second_line(&stage);
    stage.assert_serves("v2");
    let mut stream = TcpStream::connect(stage.bed.proxy.web()).expect("Traefik");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    // By HTTP/1.0 the body comes as it is.
    let asked = format!("GET /stream?bytes={BYTES}&over=4000 HTTP/1.0\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("asked");
    let mut answer = vec![0; 512];
    // The new version has begun to answer.
    stream.read_exact(&mut answer).expect("the answer begins");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    stream.read_to_end(&mut answer).expect("the answer ends");
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    assert_eq!(answer.len() - head, BYTES, "{}", stage.agent_log());
    assert_eq!(client.end(PATIENCE).expect("it ends"), 30, "{}", client.said());
    stage.assert_serves("v1");
}

fn damage_the_second_line(stage: &Stage) {
    let journal = stage.bed.dir().join("state").join(stage.bed.name()).join("journal");
    let mut bytes = std::fs::read(&journal).expect("a journal");
    let second = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    bytes[second + 12] ^= 1;
    std::fs::write(journal, bytes).expect("writes");
}
