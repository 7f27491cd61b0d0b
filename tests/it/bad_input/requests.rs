//! Requests to a running agent, byte by byte as a stranger, an older or a newer caller would send them.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use deploy_action::agent_api::MAX_BODY;
use deploy_action::signing::AgentKey;
use kit::bed::{AgentOptions, AgentService};
use serde_json::{Value, json};

use super::transcript::{Plain, World};
use crate::request::Request;
use crate::stage::{Setting, Stage};

/// An agent with an application that works and two that do not, and a key for either sort.
struct Scene {
    stage: Stage,
    to: SocketAddr,
    /// For the application of the bed's name.
    key: AgentKey,
    /// For the applications `other` and `third`.
    other: AgentKey,
    plain: Plain,
    told: String,
}

impl Scene {
    fn new() -> Self {
        let options = AgentOptions {
            services: vec![
                AgentService::new("web"),
                AgentService { before_deploy: "allowed".to_owned(), ..AgentService::new("ghost") },
            ],
            // Goes on where `apps` ends: two applications of whose compose files nothing is there.
            extra: "  other:\n    project: nowhere\n    dir: /nonexistent\n    images: [docker.io/badgery/other]\n    services: {web: {probe: /healthz}}\n  third:\n    project: nowhere-too\n    dir: /\n    files: [nonexistent.yaml]\n    images: [docker.io/badgery/third]\n    services: {web: {probe: /healthz}}\n".to_owned(),
            ..AgentOptions::default()
        };
        let mut stage = Stage::set(Setting { agent: options, ..Setting::default() });
        let other = AgentKey::generate(stage.bed.name(), "second").expect("a key");
        let agent = stage.bed.agent().expect("an agent");
        let config = std::fs::read_to_string(agent.config()).expect("reads");
        let second = format!("keys:\n  - {{id: second, ed25519: {}, apps: [other, third]}}\n", other.public_base64());
        std::fs::write(agent.config(), config.replacen("keys:\n", &second, 1)).expect("writes");
        agent.restart(&[]).expect("starts with two keys");
        let (to, key) = (agent.address(), AgentKey::parse(agent.key()).expect("a key"));
        let plain = Plain::of(&mut stage.bed);
        Self { stage, to, key, other, plain, told: String::new() }
    }

    fn services(&self, service: &str) -> String {
        format!("/v1/apps/{}/services/{service}", self.stage.bed.name())
    }

    fn deployments(&self, service: &str) -> String {
        format!("{}/deployments", self.services(service))
    }

    fn body(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut body = json!({"api": 1, "idempotency_key": "bad-input-1", "want": {"image": self.stage.v1}});
        change(&mut body);
        body.to_string()
    }

    /// A deployment that would be accepted.
    fn good(&self) -> Request {
        Request::post(&self.deployments("web"), &self.body(|_| {}))
    }

    /// Sends it and notes the answer; nothing may have changed.
    #[track_caller]
    fn refused(&mut self, what: &str, status: u16, request: &Request) {
        let before = World::of(&mut self.stage);
        let answer = request.send(self.to);
        assert_eq!(answer.0, status, "{what}: {}", answer.1);
        assert_eq!(World::of(&mut self.stage), before, "{what}: something was changed");
        let body: Value = serde_json::from_str(&answer.1).unwrap_or_else(|_| panic!("{what}: not JSON: {}", answer.1));
        let body = self.plain.tidy(&format!("{body:#}"));
        writeln!(self.told, "## {what}\n{status} {}\n", seconds(&body)).expect("a string takes it");
    }
}

/// A second may pass between signing and checking.
fn seconds(text: &str) -> String {
    ["301 s", "302 s", "303 s"].iter().fold(text.to_owned(), |text, skew| text.replace(skew, "<skew> s"))
}

/// The same header with one bit of the signature changed.
fn flipped(header: &str) -> String {
    let (rest, signature) = header.split_once(",s=").expect("a signature");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest},s={first}{}", &signature[1..])
}

#[test]
fn each_is_refused_and_changes_nothing() {
    let mut scene = Scene::new();
    let status = Request::get(&scene.services("web"));
    let good = scene.good().signed(&scene.key);

    scene.refused("not signed", 401, &status);
    scene.refused("another scheme", 401, &status.clone().with_authorization("Bearer hunter2"));
    scene.refused(
        "a signature with one bit changed",
        401,
        &good.clone().with_authorization(&flipped(good.authorization())),
    );
    let changed = scene.body(|body| body["requested_by"] = "eve".into());
    scene.refused("a body changed on its way", 401, &good.clone().with_body(&changed));
    let path = scene.deployments("ghost");
    scene.refused("a path changed on its way", 401, &good.clone().with_path(&path));
    let stranger = AgentKey::generate(scene.key.agent_id(), "ci").expect("a key");
    scene.refused("a stranger's key under a known id", 401, &scene.good().signed(&stranger));
    let elsewhere = scene.key.text().expose().replacen(scene.stage.bed.name(), "another-agent", 1);
    let elsewhere = AgentKey::parse(&elsewhere).expect("a key");
    scene.refused("a request for another agent", 401, &scene.good().signed(&elsewhere));
    scene.refused("a clock that is behind", 401, &scene.good().signed_after(&scene.key, -301));
    scene.refused("a clock that is ahead", 401, &scene.good().signed_after(&scene.key, 303));

    scene.refused("a key for another application", 403, &scene.good().signed(&scene.other));
    scene.refused("the same, only reading", 403, &status.clone().signed(&scene.other));
    let foreign = scene.body(|body| body["want"]["image"] = format!("docker.io/evil/{}", scene_image()).into());
    let foreign = Request::post(&scene.deployments("web"), &foreign).signed(&scene.key);
    scene.refused("a foreign image", 403, &foreign);
    let tag = scene.body(|body| body["want"]["image"] = "docker.io/badgery/hello:v2".into());
    scene.refused("an image by tag", 400, &Request::post(&scene.deployments("web"), &tag).signed(&scene.key));
    for (what, service, command, timeout, status) in [
        ("a command that the host does not allow", "web", vec!["sh"], 1000, 422),
        ("a command without words", "ghost", vec![], 1000, 400),
        ("a command of too many words", "ghost", vec!["x"; 65], 1000, 400),
        ("a command that ends in no time", "ghost", vec!["x"], 0, 400),
        ("a command with a NUL in it", "ghost", vec!["x\0y"], 1000, 400),
    ] {
        let before = json!({"command": command, "timeout_ms": timeout});
        let asked = scene.body(|body| body["before_deploy"] = before);
        scene.refused(what, status, &Request::post(&scene.deployments(service), &asked).signed(&scene.key));
    }
    let unknown = Request::get(&scene.services("db")).signed(&scene.key);
    scene.refused("an unknown service", 404, &unknown);
    let ghost = Request::get(&scene.services("ghost")).signed(&scene.key);
    scene.refused("a service that no compose file defines", 404, &ghost);
    let nowhere = Request::get("/v1/apps/other/services/web").signed(&scene.other);
    scene.refused("a project folder that does not exist", 503, &nowhere);
    let nowhere = Request::get("/v1/apps/third/services/web").signed(&scene.other);
    scene.refused("a compose file that does not exist", 503, &nowhere);
    scene.refused("an unknown deployment", 404, &Request::get("/v1/deployments/d-0123456789ab").signed(&scene.key));
    scene.refused("an unknown path", 404, &Request::get("/v2/everything").signed(&scene.key));
    scene.refused("an unknown method", 404, &Request::post(&scene.services("web"), "").signed(&scene.key));

    let path = scene.deployments("web");
    let large = scene.body(|body| body["requested_by"] = "x".repeat(MAX_BODY).into());
    scene.refused("a body that is too large", 413, &Request::post(&path, &large).signed(&scene.key));
    scene.refused("no JSON", 400, &Request::post(&path, "image=v2").signed(&scene.key));
    let newer = scene.body(|body| {
        body["api"] = 2.into();
        body["want"] = json!({"image_by_label": "v2"});
    });
    scene.refused("a newer API", 400, &Request::post(&path, &newer).signed(&scene.key));
    let credential = scene.body(|body| body["credential"] = "robot:hunter2".into());
    let credential = Request::post(&path, &credential).signed(&scene.key);
    scene.refused("a credential of another form", 400, &credential);
    let revision = scene.body(|body| body["expected_revision"] = "r-of-yesterday".into());
    scene.refused("a plan that is out of date", 409, &Request::post(&path, &revision).signed(&scene.key));
    let back = scene.body(|body| body["want"] = "rollback".into());
    let back = Request::post(&path, &back).signed(&scene.key);
    scene.refused("a rollback to nowhere", 422, &back);

    scene.refused("a request that comes a second time", 401, &back);
    let read = status.signed(&scene.key);
    assert_eq!(read.send(scene.to).0, 200);
    scene.refused("a read that comes a second time", 401, &read);
    scene.stage.bed.agent().expect("an agent").restart(&[]).expect("restarts");
    scene.refused("a request that comes again after a restart", 401, &back);
    insta::assert_snapshot!("requests", scene.told);

    members_of_a_later_version_are_tolerated(&scene);
}

/// A repository that is not allowed, by a digest of the right form.
fn scene_image() -> String {
    format!("hello@sha256:{}", "1".repeat(64))
}

/// The last request of the scene: it is accepted, once per idempotency key.
fn members_of_a_later_version_are_tolerated(scene: &Scene) {
    let body = scene.body(|body| {
        body["invented_later"] = json!({"deep": [1, 2]});
        body["want"] = json!({"image": scene.stage.v1});
    });
    let path = scene.deployments("web");
    let (status, text) = Request::post(&path, &body).signed(&scene.key).send(scene.to);
    assert_eq!(status, 202, "{text}");
    let first: Value = serde_json::from_str(&text).expect("JSON");
    let (status, text) = Request::post(&path, &body).signed(&scene.key).send(scene.to);
    let again: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &again["id"], &again["replay"]), (200, &first["id"], &json!(true)), "{text}");
    let id = first["id"].as_str().expect("an id");
    scene.stage.wait_within(Duration::from_secs(30), "the deployment to end", || {
        let path = format!("/v1/deployments/{id}/events?after=0&wait=1");
        let (_, text) = Request::get(&path).signed(&scene.key).send(scene.to);
        serde_json::from_str::<Value>(&text).is_ok_and(|page| page["done"] == true)
    });
    let other = scene.body(|body| body["want"] = "rollback".into());
    let (status, text) = Request::post(&path, &other).signed(&scene.key).send(scene.to);
    assert_eq!(status, 400, "a key that was used for something else: {text}");
    scene.stage.assert_serves("v1");
}
