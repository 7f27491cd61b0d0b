//! The sample app as a process, in the modes the product's tests rely on, and the load generator against it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kit::load::{Load, LoadConfig};

/// Longer than anything here takes; reached only by a test that fails.
const LONG: Duration = Duration::from_secs(10);

struct App {
    child: Child,
    log: BufReader<ChildStdout>,
    port: u16,
}

impl App {
    /// Starts the app with nothing in its environment but `env` and a free port.
    fn spawn(env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kit-app"))
            .env_clear()
            .env("PORT", "0")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kit-app starts");
        let log = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, log, port: 0 }
    }

    /// Starts the app and waits until it listens.
    fn listening(env: &[(&str, &str)]) -> Self {
        let mut app = Self::spawn(env);
        let line = app.line();
        let rest = line.strip_prefix("listening on 0.0.0.0:").expect(&line);
        let (port, version) = rest.split_once(' ').expect("port and version");
        let wanted = env.iter().find(|(key, _)| *key == "VERSION");
        assert_eq!(version, format!("version={}", wanted.map_or("v1", |(_, v)| v)));
        app.port = port.parse().expect("a port");
        app
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).expect("a line of the log");
        line.trim_end().to_owned()
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("the app accepts");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        stream
    }

    /// One request on a connection of its own; status, and all of the answer.
    fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut stream = self.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        (answer[9..12].parse().expect("a status"), answer)
    }

    fn term(&self) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("kill runs").success());
    }

    fn healthcheck(&self, mode: &str) -> Option<i32> {
        let status = Command::new(env!("CARGO_BIN_EXE_kit-app"))
            .arg("healthcheck")
            .env_clear()
            .env("PORT", self.port.to_string())
            .env("MODE", mode)
            .stdout(Stdio::null())
            .status();
        status.expect("kit-app runs").code()
    }

    fn exit(&mut self) -> ExitStatus {
        self.child.wait().expect("kit-app ends")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_who_it_is_and_is_healthy() {
    let app = App::listening(&[("VERSION", "v7"), ("CANARY", "s3cret")]);
    let (status, answer) = app.get("/", "");
    assert_eq!(status, 200);
    assert!(answer.contains("\r\nX-Version: v7\r\n") && answer.ends_with("\r\n\r\nhello from v7\n"));
    let (_, whoami) = app.get("/whoami?a=b", "X-One: 1\r\n");
    let json = whoami.split("\r\n\r\n").nth(1).expect("a body");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!((&json["path"], &json["headers"]["x-one"]), (&"/whoami?a=b".into(), &"1".into()));
    let (status, env) = app.get("/env", "");
    assert_eq!(status, 404);
    assert!(![answer, whoami, env].iter().any(|text| text.contains("s3cret")));
    assert_eq!(app.healthcheck(""), Some(0));
}

#[test]
fn a_load_of_both_methods_on_both_kinds_of_connection_is_answered() {
    let mut app = App::listening(&[("VERSION", "v2")]);
    let report = Load::run_for(LoadConfig::new(app.address(), "h", 400), Duration::from_millis(500));
    report.check_books().expect("books balance");
    assert_eq!((report.ok, report.sent), (200, 200), "{:?}", report.samples);
    assert_eq!((report.mix.post, report.mix.fresh), (100, 100));
    assert_eq!(report.count_version("v2"), 200);
    app.term();
    assert_eq!(app.exit().code(), Some(0));
}

#[test]
fn a_load_on_an_app_that_goes_away_has_failures() {
    let mut app = App::listening(&[("MODE", "abrupt"), ("WORK_MS", "20")]);
    let running = Load::start(LoadConfig::new(app.address(), "h", 400));
    assert!(running.wait_until_ok(50, LONG));
    app.term();
    app.exit();
    let ok = running.ok_so_far();
    while running.failed_so_far() < 50 {
        assert!(running.elapsed() < LONG);
        std::thread::yield_now();
    }
    let report = running.stop();
    report.check_books().expect("books balance");
    assert!(report.ok >= ok && report.failures["connect"] > 20, "{:?}", report.failures);
    assert!(report.failures.contains_key("reset"), "{:?}", report.failures);
    assert_eq!(report.only_version_in_last(Duration::from_millis(20)), None);
}

#[test]
fn graceful_finishes_the_request_in_flight_and_closes_idle_connections() {
    let mut app = App::listening(&[("WORK_MS", "600")]);
    let mut idle = app.connect();
    let mut busy = app.connect();
    busy.write_all(b"POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
        .expect("sent");
    // The invitation to send the body shows that the request has arrived.
    let mut invited = [0; 25];
    busy.read_exact(&mut invited).expect("invited");
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    busy.write_all(b"foobar").expect("sent");

    let asked = Instant::now();
    app.term();
    assert_eq!(app.line(), "SIGTERM: finishing");
    assert_eq!(idle.read(&mut [0; 1]).expect("closed in order"), 0);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    let mut answer = String::new();
    busy.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nX-Body-Sum: 85944171f73967e8\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(app.exit().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5));
    let refused = TcpStream::connect(app.address()).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_request_on_an_idle_connection_just_after_sigterm_is_answered() {
    let mut app = App::listening(&[]);
    let mut kept = app.connect();
    app.term();
    assert_eq!(app.line(), "SIGTERM: finishing");
    kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    let mut answer = String::new();
    kept.read_to_string(&mut answer).expect("answered");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(app.exit().code(), Some(0));
}

#[test]
fn abrupt_drops_the_request_in_flight() {
    let mut app = App::listening(&[("MODE", "abrupt"), ("WORK_MS", "30000")]);
    let mut busy = app.connect();
    busy.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    app.term();
    assert_eq!(app.exit().code(), Some(143));
    assert!(!matches!(busy.read(&mut [0; 1]), Ok(1)));
}

#[test]
fn ignore_term_goes_on_serving() {
    let mut app = App::listening(&[("MODE", "ignore-term")]);
    app.term();
    assert_eq!(app.line(), "SIGTERM: ignored");
    assert_eq!(app.get("/", "").0, 200);
}

#[test]
fn sigterm_ends_a_boot_that_lasts() {
    let mut app = App::spawn(&[("BOOT_MS", "60000"), ("MODE", "log-canary"), ("CANARY", "::x\u{1b}[0m")]);
    // The canary comes after the handler is in place.
    assert_eq!(app.line(), "canary: ::x\u{1b}[0m");
    app.term();
    assert_eq!(app.exit().code(), Some(0));
}

#[test]
fn broken_in_the_ways_a_proof_has_to_notice() {
    let unhealthy = App::listening(&[("MODE", "unhealthy")]);
    assert_eq!((unhealthy.get("/healthz", "").0, unhealthy.get("/", "").0), (503, 200));
    assert_eq!(unhealthy.healthcheck(""), Some(1));
    let broken = App::listening(&[("MODE", "error-500")]);
    assert_eq!((broken.get("/healthz", "").0, broken.get("/", "").0), (200, 500));
    let proxied = App::listening(&[("MODE", "error-500-host")]);
    assert_eq!((proxied.get("/", "").0, proxied.healthcheck("")), (200, Some(0)));
    assert_eq!(proxied.get("/healthz", "X-Forwarded-For: 1.2.3.4\r\n").0, 500);
    let strict = App::listening(&[("MODE", "strict-paths")]);
    assert_eq!((strict.get("/x", "").0, strict.get("/", "").0), (404, 200));
}

#[test]
fn apps_that_end_by_themselves() {
    let code = |mode: &str| App::spawn(&[("MODE", mode)]).exit().code();
    assert_eq!(code("crash"), Some(3));
    assert_eq!(code("worker-fail"), Some(1));
    assert_eq!(code("exit-after=50"), Some(1));
    assert_eq!(code("worker,exit-after=50"), Some(1));
    assert_eq!(code("mispelt"), Some(2));
}

#[test]
fn apps_without_a_port() {
    for (mode, healthy) in [("worker", Some(0)), ("no-listen", Some(1))] {
        let mut app = App::spawn(&[("MODE", mode)]);
        assert_eq!(app.line(), "running without a port version=v1");
        assert_eq!(app.healthcheck(mode), healthy);
        app.term();
        assert_eq!(app.exit().code(), Some(0));
    }
}
