//! The agent's door: odd requests, slow ones, many of them. None reaches anything behind it, and callers with a key are
//! served all the while.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use deploy_action::agent_api::MAX_BODY;
use deploy_action::signing::AgentKey;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::watched::peak_of;
use crate::bad_input::World;
use crate::request::{Request, answered};
use crate::stage::Stage;

/// Most memory of the agent in MiB, whatever strangers do.
const MEMORY: u64 = 128;
/// Longest that an answer to a caller with a key may take meanwhile.
const PROMPT: Duration = Duration::from_secs(1);

struct Scene {
    stage: Stage,
    to: SocketAddr,
    key: AgentKey,
    process: u32,
}

impl Scene {
    fn new() -> Self {
        let mut stage = Stage::new();
        let agent = stage.bed.agent().expect("an agent");
        let (to, process) = (agent.address(), agent.id().expect("it runs"));
        let key = AgentKey::parse(agent.key()).expect("a key");
        Self { stage, to, key, process }
    }

    fn path(&self) -> String {
        format!("/v1/apps/{}/services/web", self.stage.bed.name())
    }

    fn body(&self) -> String {
        format!(r#"{{"api":1,"idempotency_key":"hostile-1","want":{{"image":"{}"}}}}"#, self.stage.v1)
    }

    /// A deployment that would be accepted, but for this body.
    fn post(&self, body: &[u8]) -> Request {
        Request::post(&format!("{}/deployments", self.path()), "").bytes(body).signed(&self.key)
    }

    /// How long the agent takes to say what it knows by itself.
    #[track_caller]
    fn asked(&self) -> Duration {
        let began = Instant::now();
        let request = Request::get("/v1/deployments/d-0123456789ab").signed(&self.key);
        assert_eq!(request.send(self.to).0, 404);
        began.elapsed()
    }

    #[track_caller]
    fn assert_prompt(&self, mut times: Vec<Duration>) {
        times.sort();
        let slowest = times[(times.len() * 99).div_ceil(100) - 1];
        assert!(slowest < PROMPT, "{slowest:?} of {} requests: {times:?}", times.len());
    }

    #[track_caller]
    fn assert_small(&self) {
        let peak = peak_of(self.process);
        assert!(peak > 0 && peak <= MEMORY, "the agent held {peak} MiB");
    }
}

/// What a stranger may send, with the status that it gets; 0 where the agent only hangs up.
fn strange(to: SocketAddr) -> Vec<(&'static str, u16, Vec<u8>)> {
    let plain =
        |line: &str, more: &str| format!("{line}\r\nHost: {to}\r\nConnection: close\r\n{more}\r\n").into_bytes();
    let get = |more: &str| plain("GET / HTTP/1.1", more);
    let post = |more: &str| plain("POST / HTTP/1.1", more);
    let headers: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    vec![
        ("TRACE", 401, plain("TRACE / HTTP/1.1", "")),
        ("CONNECT", 401, plain("CONNECT example.com:443 HTTP/1.1", "")),
        ("OPTIONS *", 401, plain("OPTIONS * HTTP/1.1", "")),
        ("another method", 401, plain("BREW / HTTP/1.1", "")),
        ("an address of elsewhere", 401, plain("GET http://example.com/v1 HTTP/1.1", "")),
        ("a path without a slash", 401, plain("GET v1 HTTP/1.1", "")),
        ("a space in the path", 400, plain("GET /a b HTTP/1.1", "")),
        ("no host", 401, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()),
        ("HTTP/1.0", 401, b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        ("HTTP/3.0", 400, b"GET / HTTP/3.0\r\n\r\n".to_vec()),
        ("HTTP/2", 0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("zeros", 400, vec![0; 4096]),
        ("a header without a name", 400, get(": x\r\n")),
        ("a header with a space in its name", 400, get("a b: x\r\n")),
        ("a header that goes on", 400, get("a: x\r\n y\r\n")),
        ("a header with a control character", 400, get("a: \u{1}\r\n")),
        (
            "a signature of other bytes",
            401,
            b"GET / HTTP/1.1\r\nConnection: close\r\nAuthorization: \xff\xfe\r\n\r\n".to_vec(),
        ),
        ("a header of 17 KiB", 431, get(&format!("a: {}\r\n", "x".repeat(17 * 1024)))),
        ("200 headers", 431, get(&headers)),
        ("both lengths", 411, post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")),
        ("both lengths, turned round", 411, post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")),
        ("chunks", 411, [post("Transfer-Encoding: chunked\r\n"), b"3\r\nabc\r\n0\r\n\r\n".to_vec()].concat()),
        ("another encoding", 400, post("Transfer-Encoding: gzip\r\n")),
        ("two lengths", 400, post("Content-Length: 3\r\nContent-Length: 4\r\n")),
        ("a negative length", 400, post("Content-Length: -1\r\n")),
        ("a length in words", 400, post("Content-Length: three\r\n")),
        ("a length that is too large", 413, post("Content-Length: 2097152\r\n")),
        ("a length of its own", 400, post("Content-Length: 99999999999999999999999\r\n")),
        ("2 MiB", 413, [post("Content-Length: 2097152\r\n"), vec![b'x'; 2 << 20]].concat()),
        ("may I send 2 MiB", 413, post("Expect: 100-continue\r\nContent-Length: 2097152\r\n")),
    ]
}

#[test]
fn odd_requests_reach_nothing() {
    let mut scene = Scene::new();
    let before = World::of(&mut scene.stage);
    let mut others = Vec::new();
    for (what, status, bytes) in strange(scene.to) {
        let answer = answered(scene.to, &bytes);
        if answer.as_ref().map_or(0, |answer| answer.0) != status {
            others.push((what, status, answer));
        }
    }
    assert_eq!(others, []);
    let good = scene.body();
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let twice = good.replace("\"api\":1,", "\"api\":1,\"api\":1,");
    let key = good.replace("\"want\"", "\"idempotency_key\":\"hostile-2\",\"want\"");
    let login =
        good.replace("\"want\"", "\"credential\":{\"username\":\"a\",\"password\":\"b\",\"password\":\"c\"},\"want\"");
    let wanted = good.replace("\"want\":{", "\"want\":{\"image\":\"x\",");
    let image = &scene.stage.v1;
    for (what, body) in [
        (
            "bytes that are no text",
            [&b"{\"api\":1,\"idempotency_key\":\"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\","[..], b"\"want\":\"rollback\"}"]
                .concat(),
        ),
        ("bytes after the text", [good.as_bytes(), b"\xff"].concat()),
        ("a second text", good.repeat(2).into_bytes()),
        ("500 levels", deep(500).into_bytes()),
        ("500 levels of what is wanted", good.replace(&format!("{{\"image\":\"{image}\"}}"), &deep(500)).into_bytes()),
        ("the version twice", twice.into_bytes()),
        ("the key twice", key.into_bytes()),
        ("a password twice", login.into_bytes()),
        ("two images", wanted.into_bytes()),
        ("a huge number", good.replace("\"api\":1", "\"api\":1e999").into_bytes()),
        ("a negative one", good.replace("\"api\":1", "\"api\":-1").into_bytes()),
        ("half a surrogate", good.replace("hostile-1", "hostile-\\ud800").into_bytes()),
        ("a line break in the key", good.replace("hostile-1", "hostile\\n1-::error::x").into_bytes()),
        ("as much as fits", vec![b' '; MAX_BODY]),
    ] {
        let (status, said) = scene.post(&body).send(scene.to);
        assert_eq!(status, 400, "{what}: {said}");
        assert!(said.len() < 2_000 && !said.contains("\u{1b}"), "{what}: {said}");
    }
    let path = scene.path();
    for (what, status, target) in [
        ("a double slash", 404, format!("/{path}")),
        ("a double slash within", 404, path.replace("/services", "//services")),
        ("a slash at the end", 404, format!("{path}/")),
        ("an encoded slash", 404, path.replace("/services", "%2Fservices")),
        ("an encoded slash in a name", 400, path.replace("/web", "/web%2Fx")),
        ("an encoded letter", 400, path.replace("/web", "/%77eb")),
        ("dots", 404, format!("{path}/../web")),
        ("encoded dots", 404, format!("{path}/%2e%2e/web")),
        ("a zero byte", 400, path.replace("/web", "/web%00")),
        ("another path of the engine", 404, "/containers/json".to_owned()),
        ("what was exec", 404, format!("{path}/exec")),
    ] {
        let (got, said) = Request::get(&target).signed(&scene.key).send(scene.to);
        assert_eq!(got, status, "{what}: {said}");
    }
    for method in ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
        let (status, said) = Request::get(&path).method(method).signed(&scene.key).send(scene.to);
        assert_eq!(status, 404, "{method}: {said}");
    }
    assert_eq!(World::of(&mut scene.stage), before, "something was changed");
    scene.asked();
    scene.assert_small();
}

/// Lets this process, which all tests share, open as many connections as the system allows.
fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("more descriptors");
}

#[test]
fn two_thousand_slow_connections_are_cut_and_keep_nobody_out() {
    many_descriptors();
    let scene = Scene::new();
    let (path, stranger) = (scene.path(), AgentKey::generate(scene.key.agent_id(), "ci").expect("a key"));
    let body = "x".repeat(MAX_BODY);
    let upload = Request::post(&format!("{path}/deployments"), &body).signed(&stranger).wire(scene.to);
    let (head, line) = (&upload[..upload.len() - 1_000], b"GET / HTTP/1.1\r\nx-slow");
    let mut slow = Vec::new();
    let mut times = Vec::new();
    for number in 0..2_000 {
        let mut stream = TcpStream::connect(scene.to).expect("connects");
        stream.set_nonblocking(true).expect("a setting");
        // Every tenth begins a body instead of a head.
        let begun = if number % 10 == 0 { head } else { &line[..] };
        let _ = stream.write(begun);
        slow.push(stream);
        if number % 20 == 0 {
            times.push(scene.asked());
        }
    }
    let began = Instant::now();
    let cut = |stream: &mut TcpStream| loop {
        match stream.read(&mut [0; 4_096]) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
        }
    };
    while !slow.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "{} connections are held", slow.len());
        // A byte now and then keeps none of them.
        slow.iter_mut().for_each(|stream| drop(stream.write(b"-")));
        slow.retain_mut(|stream| !cut(stream));
        times.push(scene.asked());
        thread::sleep(Duration::from_millis(100));
    }
    scene.assert_prompt(times);
    scene.assert_small();
    scene.stage.deploy(&scene.stage.version("v2")).expect(0);
}

#[test]
fn a_flood_of_strangers_keeps_nobody_out() {
    let scene = Scene::new();
    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let stranger = AgentKey::generate(scene.key.agent_id(), "ci").expect("a key");
    let large = Request::post(&format!("{}/deployments", scene.path()), &"x".repeat(MAX_BODY)).signed(&stranger);
    let unsigned = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", scene.to).into_bytes();
    let fresh = Request::get("/v1/deployments/d-0123456789ab").wire(scene.to);
    let threads: Vec<_> = [unsigned.repeat(20), fresh, large.wire(scene.to)]
        .into_iter()
        .cycle()
        .take(6)
        .map(|bytes| {
            let (to, over, sent) = (scene.to, Arc::clone(&over), Arc::clone(&sent));
            thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let Ok(mut stream) = TcpStream::connect(to) else { continue };
                    let _ = stream.write_all(&bytes).and_then(|()| stream.read(&mut [0; 65_536]));
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < Duration::from_secs(8) {
        times.push(scene.asked());
    }
    over.store(true, Ordering::SeqCst);
    threads.into_iter().for_each(|thread| thread.join().expect("ends"));
    assert!(sent.load(Ordering::SeqCst) > 1_000, "{} is no flood", sent.load(Ordering::SeqCst));
    assert!(times.len() > 50, "{}", times.len());
    scene.assert_prompt(times);
    scene.assert_small();
    let log = scene.stage.agent_log();
    let lines = log.lines().filter(|line| line.contains("request refused")).count();
    assert!((1..=120).contains(&lines), "{lines} lines in the log");
    assert!(log.contains("more refused requests are not logged"), "{}", log.len());
}

#[test]
fn a_body_that_comes_byte_by_byte_takes_no_more_memory() {
    let scene = Scene::new();
    let stranger = AgentKey::generate(scene.key.agent_id(), "ci").expect("a key");
    let request = Request::post(&format!("{}/deployments", scene.path()), &"x".repeat(MAX_BODY)).signed(&stranger);
    let bytes = request.wire(scene.to);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (to, bytes) = (scene.to, bytes.clone());
            thread::spawn(move || {
                let mut stream = TcpStream::connect(to).expect("connects");
                stream.set_nodelay(true).expect("a setting");
                let began = Instant::now();
                let sent = bytes.iter().take_while(|byte| stream.write_all(&[**byte]).is_ok()).count();
                (sent, began.elapsed())
            })
        })
        .collect();
    for sender in senders {
        let (sent, took) = sender.join().expect("ends");
        assert!(sent > 10_000 && took < Duration::from_secs(15), "{sent} bytes in {took:?}");
    }
    let peak = peak_of(scene.process);
    assert!(peak <= 64, "the agent held {peak} MiB");
    scene.asked();
}
