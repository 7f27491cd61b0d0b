//! What hangs is ended, in time or when somebody cancels; who holds an application is told, and until when.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use deploy_action::signing::AgentKey;
use kit::bed::AgentOptions;
use serde_json::Value;

use crate::request::Request;
use crate::stage::{Run, Setting, Stage};

/// Longest time from a cancellation to the end, while something hangs.
const SECONDS: Duration = Duration::from_secs(15);
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A registry that takes every connection and never says a word.
fn silent_registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut buffer = [0; 1024];
                while matches!(stream.read(&mut buffer), Ok(1..)) {}
            });
        }
    });
    format!("{address}/hello")
}

fn allowing(repository: &str, pull_timeout: &str) -> Setting {
    let mut setting = Setting::service(|service| service.pull_timeout = pull_timeout.to_owned());
    setting.agent = AgentOptions { images: Some(vec![repository.to_owned()]), ..setting.agent };
    setting
}

/// Starts a deployment, waits for a phase of it, cancels it, and gives its end as the agent tells it.
fn cancelled_in(stage: &mut Stage, phase: &str, image: &str) -> Value {
    let child = stage.bed.command(&["deploy", "production", "--image", image, "--format", "json"]).expect("a command");
    let mut child = { child }.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    stage.wait("the deployment to begin", || stage.state()["holder"].is_object());
    let id = stage.state()["holder"]["deployment"].as_str().expect("an id").to_owned();
    let agent = stage.bed.agent().expect("an agent");
    let (to, key) = (agent.address(), AgentKey::parse(agent.key()).expect("a key"));
    let deployment = || -> Value {
        let (_, body) = Request::get(&format!("/v1/deployments/{id}")).signed(&key).send(to);
        serde_json::from_str(&body).expect("JSON")
    };
    stage.wait(phase, || deployment()["phase"] == phase);
    let asked = Instant::now();
    let (status, body) = Request::post(&format!("/v1/deployments/{id}/cancel"), "").signed(&key).send(to);
    assert_eq!(status, 202, "{body}");
    stage.wait_within(SECONDS, "the end after the cancellation", || deployment()["outcome"].is_string());
    assert!(asked.elapsed() < SECONDS);
    let _ = child.kill();
    let _ = child.wait();
    deployment()
}

#[test]
fn a_registry_that_hangs_ends_the_pull() {
    let repository = silent_registry();
    let mut stage = Stage::set(allowing(&repository, "2s"));
    let run = stage.deploy(&format!("{repository}@{DIGEST}")).expect(30);
    assert_eq!(run.reason(), "timed_out", "{}", run.shown());
    assert_eq!(run.result()["message"], "phase `pull` was not over within 2.0 s", "{}", run.shown());
    stage.assert_serves("v1");

    let config = stage.bed.agent().expect("an agent").config();
    let text = fs::read_to_string(&config).expect("reads").replace("pull_timeout: \"2s\"", "pull_timeout: \"10m\"");
    fs::write(&config, text).expect("writes");
    stage.bed.agent().expect("an agent").restart(&[]).expect("restarts");
    let ended = cancelled_in(&mut stage, "pull", &format!("{repository}@{DIGEST}"));
    assert_eq!((&ended["outcome"], &ended["fence"]), (&"cancelled".into(), &2.into()), "{ended}");
    stage.assert_serves("v1");
}

#[test]
fn a_compose_that_hangs_is_let_go_of() {
    let mut stage = Stage::new();
    let v2 = stage.version("v2");
    let config = stage.bed.dir().join("docker-config");
    let hangs = "for word; do [ \"$word\" = create ] && exec sleep 600; done\ncompose \"$@\"";
    stage.bed.machine.compose_as(&config, hangs).expect("writes");
    let config = config.to_string_lossy().into_owned();
    stage.bed.agent().expect("an agent").restart(&[("DOCKER_CONFIG", &config)]).expect("restarts");
    let ended = cancelled_in(&mut stage, "create", &v2);
    assert_eq!(ended["outcome"], "cancelled", "{ended}");
    assert_eq!(stage.containers("web").len(), 1);
    stage.assert_serves("v1");
    stage.bed.agent().expect("an agent").restart(&[]).expect("restarts");
    stage.deploy(&v2).expect(0);
    stage.assert_serves("v2");
}

#[test]
fn fences_count_up_and_a_busy_answer_says_until_when() {
    let mut stage = Stage::set(Setting::service(|service| service.verify_for = "4s".to_owned()));
    let (v2, v3) = (stage.version("v2"), stage.version("v3"));
    let child = stage.bed.command(&["deploy", "production", "--image", &v2, "--format", "json"]).expect("a command");
    let mut child = { child }.stdout(Stdio::piped()).spawn().expect("starts");
    stage.wait("the deployment to hold the application", || stage.state()["holder"].is_object());
    let holder = stage.state()["holder"].clone();
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).expect("a time");
    let lasts = time(&holder["until"]) - time(&holder["since"]);
    assert!(Duration::try_from(lasts).is_ok_and(|lasts| lasts > Duration::from_secs(600)), "{holder}");
    assert_eq!(holder["fence"], 1, "{holder}");
    let second: Run = stage.deploy(&v3).expect(12);
    assert!(second.stderr.contains(" at the latest"), "{}", second.shown());
    // The lease gets shorter with every phase.
    stage.wait("the verify window", || {
        let now = stage.state()["holder"].clone();
        now.is_object() && time(&now["until"]) < time(&holder["until"])
    });
    child.wait().expect("ends");
    stage.bed.agent().expect("an agent").restart(&[]).expect("restarts");
    let run = stage.deploy(&v3).expect(0);
    assert_eq!(run.events("accepted")[0]["fence"], 2, "{}", run.shown());
    let output = stage.bed.deploy_action(&["history", "production", "--format", "json"]).expect("history");
    let history: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let fences: Vec<&Value> =
        history["entries"].as_array().into_iter().flatten().map(|entry| &entry["fence"]).collect();
    assert_eq!(fences, [2, 1], "{history}");
}

#[test]
fn who_comes_late_reads_every_event_and_history_keeps_each_end_once() {
    let mut stage = Stage::new();
    let run = stage.deploy(&stage.version("v2")).expect(0);
    let id = run.result()["deployment"].as_str().expect("an id").to_owned();
    let seen = run.lines.iter().filter(|line| line["seq"].is_u64()).count();
    let app = stage.bed.name().to_owned();
    let events = |stage: &mut Stage, after: usize| -> Value {
        let agent = stage.bed.agent().expect("an agent");
        let key = AgentKey::parse(agent.key()).expect("a key");
        let path = format!("/v1/deployments/{id}/events?after={after}&wait=25");
        let (status, body) = Request::get(&path).signed(&key).send(agent.address());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    };
    for _ in 0..2 {
        let all = events(&mut stage, 0);
        assert_eq!((all["events"].as_array().map(Vec::len), &all["done"]), (Some(seen), &true.into()), "{all}");
        let last = events(&mut stage, seen - 1);
        assert_eq!(last["events"][0]["kind"], "finished", "{last}");
        assert_eq!(events(&mut stage, seen)["events"], Value::Array(Vec::new()));
        stage.bed.agent().expect("an agent").restart(&[]).expect("restarts");
    }
    let file = stage.bed.dir().join("state").join(&app).join("history.jsonl");
    let lines = || fs::read_to_string(&file).expect("the history").lines().count();
    assert_eq!(lines(), 1);
    // Killed once its end is in the journal, before it is in the state: taken in again, and still one line.
    let v3 = stage.version("v3");
    stage.bed.agent().expect("an agent").restart(&[("DEPLOY_AGENT_KILL_AT", "after-finished")]).expect("restarts");
    let child = stage.bed.command(&["deploy", "production", "--image", &v3, "--format", "json"]).expect("a command");
    let mut child = { child }.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let agent = stage.bed.agent().expect("an agent");
    assert_eq!(agent.ended(Duration::from_secs(60)).expect("waits"), Some(137));
    agent.start(&[]).expect("starts");
    assert!(child.wait().expect("ends").success());
    assert_eq!(lines(), 2);
    stage.bed.agent().expect("an agent").restart(&[]).expect("restarts");
    assert_eq!(lines(), 2);
}
