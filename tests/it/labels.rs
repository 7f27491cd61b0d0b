//! Routing labels that changed in the compose file since the last deployment: the next one takes them over, without a gap,
//! and only if the new version is proven behind them.

use std::process::Stdio;
use std::time::Duration;

use kit::bed::{AppImage, ComposeFile};
use serde_json::Value;

use crate::stage::{HOST, Setting, Stage, web};
use crate::swaps::UnderLoad;

/// The service's compose file, its rule narrowed or widened, with a header that tells which labels route.
pub(crate) fn write(stage: &Stage, rule: &str, mark: &str) {
    let tag = stage.v1.split_once('@').map(|(name, _)| format!("{name}:v1")).expect("a digest");
    let service = web(&tag)
        .label("traefik.http.routers.web.rule", rule)
        .label("traefik.http.routers.web.middlewares", "mark,small")
        .label("traefik.http.middlewares.mark.headers.customresponseheaders.X-Mark", mark)
        .label("traefik.http.middlewares.small.compress", "true");
    stage.bed.project.write("compose.yaml", &ComposeFile::of(service).render(stage.bed.name())).expect("writes");
}

pub(crate) fn mark(stage: &Stage) -> String {
    let answer = stage.bed.get("/", HOST).expect("an answer");
    answer.header("x-mark").unwrap_or_default().to_owned()
}

/// A router as Traefik resolved it, without what differs by design.
fn router(stage: &Stage, provider: &str) -> Value {
    let mut router = stage.bed.proxy.api(&format!("/api/http/routers/web@{provider}")).expect("a router");
    let own = |name: &Value| Value::from(name.as_str().and_then(|name| name.split('@').next()).unwrap_or_default());
    let middlewares = router["middlewares"].as_array().map(|names| names.iter().map(own).collect());
    let members = router.as_object_mut().expect("an object");
    for by_design in ["name", "provider", "priority", "priorityStr", "using"] {
        members.remove(by_design);
    }
    members.insert("middlewares".to_owned(), middlewares.unwrap_or_default());
    router
}

fn gone(stage: &Stage) {
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
}

fn no_proof_left(stage: &Stage) {
    let routers = stage.bed.proxy.api("/api/http/routers").expect("routers").to_string();
    assert!(!routers.contains("deploy-agent-proof"), "{routers}");
}

#[test]
fn they_are_taken_over_without_a_drop() {
    let stage = Stage::new();
    let v2 = stage.version("v2");
    // Both at once: the first deployment adopts the labels that run, and goes on to those of the file.
    write(&stage, &format!("Host(`{HOST}`) && PathPrefix(`/`)"), "one");
    let load = UnderLoad::begin(&stage);
    let run = stage.deploy(&v2).expect(0);
    load.finish_without_a_failure();
    let told =
        run.events("note").iter().any(|note| note["text"].as_str().is_some_and(|text| text.contains("PathPrefix")));
    assert!(told, "{}", run.shown());
    assert_eq!(mark(&stage), "one");
    gone(&stage);
    no_proof_left(&stage);
    // What our reader made of the labels is what Traefik makes of them.
    assert_eq!(router(&stage, "file"), router(&stage, "docker"));
    let both = |kind: &str| {
        let name = |provider: &str| format!("/api/http/middlewares/{kind}@{provider}");
        let get = |provider: &str| stage.bed.proxy.api(&name(provider)).expect("a middleware");
        let config = |mut value: Value| {
            let members = value.as_object_mut().expect("an object");
            ["name", "provider", "usedBy"].iter().for_each(|key| drop(members.remove(*key)));
            value
        };
        assert_eq!(config(get("file")), config(get("docker")), "{kind}");
    };
    both("mark");
    both("small");

    // A middleware of the same name with another value, and the same image: the labels are all that changes.
    write(&stage, &format!("Host(`{HOST}`) && PathPrefix(`/`)"), "two");
    let plan = stage.run(&["plan", "production", "--image", &v2]).expect(0);
    assert!(plan.shown().contains("which becomes `web`"), "{}", plan.shown());
    let load = UnderLoad::begin(&stage);
    stage.deploy(&v2).expect(0);
    load.finish_without_a_failure();
    assert_eq!(mark(&stage), "two");
    gone(&stage);
    let before = stage.ids("web");
    stage.bed.project.up().expect("a plain up");
    assert_eq!(stage.ids("web"), before, "a plain up recreates nothing");
    assert_eq!(stage.state()["drift"].as_array().map(Vec::len), Some(0), "{}", stage.state());
}

#[test]
fn a_version_that_is_not_proven_behind_them_leaves_the_old_ones() {
    let stage = Stage::new();
    stage.deploy(&stage.version("v2")).expect(0);
    gone(&stage);
    let file = stage.bed.project.read("compose.yaml").expect("reads");
    // No such middleware: Traefik disables the router.
    let broken =
        file.replace("    labels:\n", "    labels:\n      \"traefik.http.routers.web.middlewares\": \"nowhere\"\n");
    stage.bed.project.write("compose.yaml", &broken).expect("writes");
    let v3 = stage.version("v3");
    let load = UnderLoad::begin(&stage);
    let run = stage.deploy(&v3).expect(30);
    assert_eq!(load.finish_without_a_failure().count_version("v3"), 0);
    assert_eq!(run.reason(), "switch_failed", "{}", run.shown());
    assert!(run.result()["message"].as_str().is_some_and(|text| text.contains("nowhere@docker")), "{}", run.shown());
    stage.assert_serves("v2");
    assert_eq!(stage.containers("web").len(), 1);
    no_proof_left(&stage);

    // Taken back, they change nothing.
    stage.bed.project.write("compose.yaml", &file).expect("writes");
    stage.deploy(&v3).expect(0);
    stage.assert_serves("v3");
}

#[test]
fn an_agent_that_died_after_the_switch_proves_again_and_keeps_the_new_labels() {
    let mut stage = Stage::set(Setting::default());
    let v2 = stage.version("v2");
    stage.deploy(&v2).expect(0);
    gone(&stage);
    write(&stage, &format!("Host(`{HOST}`) && PathPrefix(`/`)"), "one");
    let v3 = stage.push(&AppImage::version("v3"));
    let agent = stage.bed.agent().expect("an agent");
    agent.restart(&[("DEPLOY_AGENT_KILL_AT", "after-switched")]).expect("starts again");
    let child = stage.bed.command(&["deploy", "production", "--image", &v3, "--format", "json"]).expect("a command");
    let child = { child }.stdout(Stdio::piped()).spawn().expect("starts");
    assert_eq!(stage.bed.agent().expect("an agent").ended(Duration::from_secs(60)).expect("waits"), Some(137));
    stage.bed.agent().expect("an agent").start(&[]).expect("starts after the crash");
    let output = child.wait_with_output().expect("the command ends");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    stage.wait("version 3 alone", || stage.containers("web").len() == 1 && stage.serves("v3"));
    no_proof_left(&stage);
    assert_eq!(mark(&stage), "one");
    assert_eq!(stage.state()["drift"].as_array().map(Vec::len), Some(0), "{}", stage.state());
}
