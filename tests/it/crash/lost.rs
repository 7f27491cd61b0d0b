//! What a damaged journal no longer tells, and the way back needs.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use kit::bed::AppImage;

use super::versions::killed;
use crate::labels;
use crate::stage::{HOST, PATIENCE, Setting, Stage};

/// What a stream sends.
const BYTES: usize = 100_000;

/// The route is known from its file alone, and leads back before anything is stopped.
#[test]
fn what_the_new_version_is_asked_already_is_finished_although_its_route_is_lost() {
    let mut stage = Stage::new();
    let v2 = stage.push(&AppImage::version("v2").mode("abrupt"));
    let mut client = killed(&mut stage, &v2, "after-switched");
    damage(&stage, "adopting");
    stage.assert_serves("v2");
    let stream = Stream::begin(&stage, 4);
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    assert_eq!(stream.end(), BYTES, "{}", stage.agent_log());
    assert_eq!(client.end(PATIENCE).expect("it ends"), 30, "{}", client.said());
    stage.assert_serves("v1");
}

/// The deployment was told to have succeeded, so it is not gone back from: its route is asked for once more.
#[test]
fn a_finished_deployment_keeps_its_route_although_the_line_of_it_is_damaged() {
    let drains = Setting::service(|service| service.drain_timeout = "20s".to_owned());
    let mut stage = Stage::set(Setting { first: AppImage::version("v1").mode("abrupt"), ..drains });
    let v2 = stage.version("v2");
    let mut stream = Stream::begin(&stage, 15);
    let mut client = killed(&mut stage, &v2, "after-finished");
    damage(&stage, "adopting");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    assert!(stream.is_open(), "otherwise the old version is not asked anything when the agent comes to it");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 0, "{}", client.said());
    assert_eq!(stream.end(), BYTES, "the old version's stream ends by itself: {}", stage.agent_log());
    stage.assert_serves("v2");
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    let rule = stored_rule(&stage);
    assert!(rule.contains(HOST), "{rule}");
}

/// A deployment that went back leaves the adoption to the next one.
#[test]
fn an_end_that_went_back_keeps_the_adopted_route_although_its_line_is_damaged() {
    let mut stage = Stage::new();
    let v2 = stage.push(&AppImage::version("v2").mode("error-500-host"));
    let mut client = killed(&mut stage, &v2, "after-finished");
    damage(&stage, "adopting");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 30, "{}", client.said());
    let rule = stored_rule(&stage);
    assert!(rule.contains(HOST), "{rule}");
    stage.deploy(&stage.version("v3")).expect(0);
    stage.assert_serves("v3");
}

/// A service that nobody ran is adopted at its switch, and only one line says that this was proven.
#[test]
fn the_first_container_s_route_is_kept_although_the_line_that_proves_it_is_damaged() {
    let mut stage = Stage::set(Setting { up: false, ..Setting::default() });
    let v2 = stage.version("v2");
    let mut client = killed(&mut stage, &v2, "after-finished");
    damage(&stage, "adopted");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 0, "{}", client.said());
    stage.assert_serves("v2");
    let rule = stored_rule(&stage);
    assert!(rule.contains(HOST), "{rule}");
}

/// Labels that changed with the swap are not forgotten with the line that announces the switch.
#[test]
fn the_new_labels_route_although_the_line_of_the_switch_is_damaged() {
    let mut stage = Stage::new();
    stage.deploy(&stage.version("v2")).expect(0);
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    labels::write(&stage, &format!("Host(`{HOST}`) && PathPrefix(`/`)"), "new");
    let v3 = stage.version("v3");
    let mut client = killed(&mut stage, &v3, "after-switched");
    damage(&stage, "switching");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 0, "{}", client.said());
    stage.assert_serves("v3");
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    assert_eq!(labels::mark(&stage), "new");
    let rule = stored_rule(&stage);
    assert!(rule.contains("PathPrefix"), "{rule}");
}

/// A streamed answer that somebody has begun to read.
struct Stream {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Stream {
    fn begin(stage: &Stage, seconds: u32) -> Self {
        let mut stream = TcpStream::connect(stage.bed.proxy.web()).expect("Traefik");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        // By HTTP/1.0 the body comes as it is.
        let asked = format!("GET /stream?bytes={BYTES}&over={seconds}000 HTTP/1.0\r\nHost: {HOST}\r\n\r\n");
        stream.write_all(asked.as_bytes()).expect("asked");
        let mut answer = vec![0; 512];
        stream.read_exact(&mut answer).expect("the answer begins");
        Self { stream, answer }
    }

    /// True while more of it may come.
    fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode");
        let mut part = [0; 4096];
        let open = loop {
            match self.stream.read(&mut part) {
                Ok(0) => break false,
                Ok(read) => self.answer.extend_from_slice(&part[..read]),
                Err(error) => break error.kind() == ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).expect("a mode");
        open
    }

    /// The bytes of its body.
    fn end(mut self) -> usize {
        self.stream.read_to_end(&mut self.answer).expect("the answer ends");
        let head = self.answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        self.answer.len() - head
    }
}

/// The rule by which the agent knows the service's route.
fn stored_rule(stage: &Stage) -> String {
    let text = std::fs::read_to_string(folder(stage).join("state.json")).expect("a state");
    let state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    state["services"]["web"]["route"]["routers"]["web"]["rule"].as_str().unwrap_or_default().to_owned()
}

fn folder(stage: &Stage) -> PathBuf {
    stage.bed.dir().join("state").join(stage.bed.name())
}

/// Makes a byte of the journal's line of this record another one.
fn damage(stage: &Stage, word: &str) {
    let journal = folder(stage).join("journal");
    let mut bytes = std::fs::read(&journal).expect("a journal");
    let record = format!("\"record\":\"{word}\"");
    let at = bytes.windows(record.len()).position(|found| found == record.as_bytes()).expect("such a line");
    bytes[at] ^= 1;
    std::fs::write(journal, bytes).expect("writes");
}
