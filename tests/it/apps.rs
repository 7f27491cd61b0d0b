//! Many applications on one host: none waits for another.

use std::fs;
use std::process::{Child, Stdio};

use kit::bed::{AppImage, ComposeFile, ComposeService, Project};
use serde_json::Value;

use crate::stage::{Setting, Stage};

const APPS: usize = 10;
const SERVICES: usize = 5;

/// Service names are router names, which all applications of a Traefik share.
fn service(app: usize, number: usize) -> String {
    format!("a{app}s{number}")
}

fn host(app: usize, number: usize) -> String {
    format!("{}.test", service(app, number))
}

/// Ten applications with five services each, all of which run and are routed.
fn many(stage: &mut Stage, image: &str) -> Vec<Project> {
    let bed = stage.bed.name().to_owned();
    let mut apps = String::new();
    let mut projects = Vec::new();
    for app in 0..APPS {
        let project = stage.bed.another_project(&format!("a{app}")).expect("a project");
        let routed = |number| {
            ComposeService::new(&service(app, number), image).routed(&format!("Host(`{}`)", host(app, number)))
        };
        let file = (1..SERVICES).fold(ComposeFile::of(routed(0)), |file, number| file.and(routed(number)));
        project.write("compose.yaml", &file.render(&bed)).expect("writes");
        project.compose(&["up", "-d"]).expect("up");
        apps.push_str(&format!("  {}:\n    dir: {}\n", project.name(), project.dir().display()));
        apps.push_str(&format!("    images: [{}]\n    services:\n", stage.bed.registry.repository("hello")));
        for number in 0..SERVICES {
            let name = service(app, number);
            apps.push_str(&format!("      {name}: {{probe: /healthz, verify_for: 8s, drain_timeout: 5s}}\n"));
        }
        projects.push(project);
    }
    let agent = stage.bed.agent().expect("an agent");
    let names: Vec<&str> = projects.iter().map(Project::name).collect();
    let config = fs::read_to_string(agent.config()).expect("reads");
    let (before, _) = config.split_once("apps:\n").expect("applications");
    let (keys, rest) = before.split_once("apps: [").expect("what the key is for");
    let (_, rest) = rest.split_once(']').expect("its end");
    let text = format!("{keys}apps: [{}]{rest}apps:\n{apps}", names.join(", "));
    fs::write(agent.config(), text).expect("writes");
    agent.restart(&[]).expect("starts with ten applications");
    projects
}

/// When a deployment was accepted and when it ended, as its events say.
fn span(told: &str) -> (String, String) {
    let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let at = |kind: &str| {
        let mut found = lines.clone().filter(|line| line["kind"] == kind);
        found.next().and_then(|line| Some(line["at"].as_str()?.to_owned())).unwrap_or_else(|| panic!("{kind}: {told}"))
    };
    (at("accepted"), at("finished"))
}

#[test]
fn ten_of_fifty_services_are_deployed_at_once() {
    let mut stage = Stage::set(Setting { up: false, ..Setting::default() });
    // Fifty health checks a second would be the load then.
    let image = |version: &str| AppImage::version(version).without_healthcheck();
    let (v1, v2) = (stage.push(&image("v1")), stage.push(&image("v2")));
    let projects = many(&mut stage, &v1);
    for (app, number) in (0..APPS).flat_map(|app| (0..SERVICES).map(move |number| (app, number))) {
        stage.wait("every service to be routed", || stage.bed.serves_only(&host(app, number), "v1"));
    }

    let url = stage.bed.agent().expect("an agent").url();
    let running: Vec<Child> = (0..APPS)
        .map(|app| {
            let file = format!("deploy-{app}.yml");
            let target = format!("{{vps: {{agent: {url}, service: {}}}}}", service(app, 0));
            let name = projects[app].name();
            let text = format!("app: {name}\nenvironments:\n  production: {{target: {target}}}\n");
            fs::write(stage.bed.dir().join("client").join(&file), text).expect("writes");
            let line = ["deploy", "production", "--config", &file, "--image", &v2, "--format", "json"];
            let mut command = stage.bed.command(&line).expect("a command");
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
            stage.bed.takes(&child).expect("is noted");
            child
        })
        .collect();
    let spans: Vec<(String, String)> = running
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().expect("ends");
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let said = format!("{told}{}\n{}", String::from_utf8_lossy(&output.stderr), stage.agent_log());
            assert!(output.status.success(), "{said}");
            span(&told)
        })
        .collect();
    let last_begun = spans.iter().map(|(begun, _)| begun).max();
    let first_ended = spans.iter().map(|(_, ended)| ended).min();
    assert!(last_begun < first_ended, "all of them ran at the same time: {spans:?}");
    for (app, number) in (0..APPS).flat_map(|app| (0..SERVICES).map(move |number| (app, number))) {
        let version = if number == 0 { "v2" } else { "v1" };
        assert!(stage.bed.serves_only(&host(app, number), version), "{} serves something else", host(app, number));
    }
}
