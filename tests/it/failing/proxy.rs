//! Traefik is down, or does not take a route file.

use kit::bed::{AppImage, request};

use super::{Scene, deploy_meanwhile, new_one_runs};
use crate::client::Client;
use crate::stage::{HOST, PATIENCE, Setting, Stage};

/// A container's address, by `docker inspect`.
const ADDRESS: &str = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";

/// Well-formed, but with a field that Traefik does not know: it rejects the whole folder for it.
const WRONG: &str = "http:\n  routers:\n    theirs: {rule: \"Host(`theirs.test`)\", service: theirs, colour: red}\n";

#[test]
fn traefik_is_down() {
    let mut scene = Scene::set(Setting::default());
    let (v2, slow) = (scene.stage.version("v2"), scene.stage.push(&AppImage::version("v3").env("BOOT_MS", "3000")));
    scene.stage.bed.proxy.stop().expect("stops");
    let run = scene.stage.deploy(&v2);
    scene.refused("down before the deployment", &run, 13, "blocked");
    scene.stage.bed.proxy.restart().expect("starts");
    scene.stage.wait("version 1 to serve", || scene.stage.serves("v1"));

    let stage = &scene.stage;
    let stop = || stage.bed.proxy.stop().expect("stops");
    let run = deploy_meanwhile(stage, &slow, "the new container to run", || new_one_runs(stage), stop);
    scene.refused("down before the switch", &run, 30, "traefik_unreachable");
    scene.stage.bed.proxy.restart().expect("starts");
    scene.stage.wait("version 1 to serve alone", || scene.stage.serves("v1"));
    assert_eq!(scene.stage.containers("web").len(), 1);
    assert_eq!(scene.stage.deploy(&v2).expect(0).result()["outcome"], "deployed");
    insta::assert_snapshot!(scene.told);
}

#[test]
fn traefik_refuses_the_folder() {
    let mut scene = Scene::set(Setting::default());
    let v2 = scene.stage.version("v2");
    let theirs = scene.stage.bed.proxy.folder().join("theirs.yml");
    std::fs::write(&theirs, WRONG).expect("writes");
    let run = scene.stage.deploy(&v2);
    scene.failed("before the route is ours", &run, 30, "adopt_failed");
    std::fs::remove_file(&theirs).expect("removes");

    let v3 = scene.stage.push(&AppImage::version("v3").mode("error-500-host"));
    let run = scene.stage.deploy(&v3);
    scene.failed("a version that the rehearsal refuses", &run, 30, "proof_failed");
    assert_eq!(scene.stage.state()["routing"], "agent", "the adoption stays");
    std::fs::write(&theirs, WRONG).expect("writes");
    let run = scene.stage.deploy(&v2);
    scene.failed("once the route is ours", &run, 30, "switch_failed");
    std::fs::remove_file(&theirs).expect("removes");
    scene.stage.deploy(&v2).expect(0);
    insta::assert_snapshot!(scene.told);
}

#[test]
fn traefik_is_away_on_the_way_back() {
    let stage = Stage::set(Setting::service(|service| service.verify_for = "60s".to_owned()));
    let fragile = stage.push(&AppImage::version("v2").mode("fragile"));
    let mut client = Client::start(&stage.bed, &["deploy", "production", "--image", &fragile], |_| {}).expect("starts");
    let verified = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == "verify");
    assert!(verified.is_some(), "{}", client.said());
    stage.bed.proxy.stop().expect("stops");
    let new = stage.containers("web").into_iter().find(|container| container.name.ends_with("-2")).expect("a new one");
    let address = stage.bed.machine.docker(&["inspect", "--format", ADDRESS, &new.id]).expect("an address");
    let address = format!("{}:8080", address.trim()).parse().expect("an address");
    request(address, "GET", HOST, "/sick", &[]).expect("it falls ill");
    stage.wait("the way back to be tried again", || stage.agent_log().contains("going back is tried again"));
    stage.bed.proxy.restart().expect("starts");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 30, "{}", client.said());
    stage.wait("version 1 to serve alone", || stage.serves("v1") && stage.containers("web").len() == 1);
    let unchanged = stage.ids("web");
    stage.bed.project.up().expect("up");
    assert_eq!(stage.ids("web"), unchanged, "a plain up recreates nothing");
}
