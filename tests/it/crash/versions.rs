//! The agent is replaced in the middle of a swap, by its successor or by an older one.

use std::fs;
use std::path::PathBuf;

use deploy_action::event::Phase;
use kit::bed::AppImage;
use kit::load::{Load, LoadConfig};

use super::tidy::complaints;
use crate::client::Client;
use crate::stage::{HOST, PATIENCE, Setting, Stage};

/// As an update does it: the agent is asked to end, and the next one is started on what it left.
#[test]
fn a_swap_goes_on_in_the_agent_that_follows() {
    // Nothing but the next agent ends the phase in time.
    for (phase, boot) in [(Phase::Gate, "100000"), (Phase::Verify, "0")] {
        let mut stage = Stage::set(Setting::service(|service| {
            service.gate_timeout = "120s".to_owned();
            service.verify_for = "6s".to_owned();
        }));
        let v2 = stage.push(&AppImage::version("v2").env("BOOT_MS", boot));
        let target = stage.bed.proxy.web_for_load().expect("an address");
        let load = Load::start(LoadConfig::new(target, HOST, 100));
        assert!(load.wait_until_ok(50, PATIENCE), "the load begins");
        let mut client = begun(&stage, &v2, phase);
        stage.bed.agent().expect("an agent").restart(&[]).expect("the next one starts");
        let code = client.end(PATIENCE).expect("it ends");
        let serves = if phase == Phase::Verify { "v2" } else { "v1" };
        assert_eq!(code, if serves == "v2" { 0 } else { 30 }, "{}: {}", phase.as_str(), client.said());
        is_tidy(&stage, serves);
        let report = load.stop();
        report.check_books().expect("every request is accounted for");
        assert_eq!(report.failed, 0, "{}: {:?}", phase.as_str(), report.failures);
    }
}

/// Applications are independent: one that cannot be read keeps no other from being deployed.
#[test]
fn an_application_whose_state_cannot_be_read_is_closed_and_the_others_are_served() {
    let mut stage = Stage::new();
    let name = stage.bed.name().to_owned();
    let state = stage.bed.dir().join("state/second");
    let project = stage.bed.another_project("second").expect("a project");
    let agent = stage.bed.agent().expect("an agent");
    agent.stop().expect("stops");
    let text = fs::read_to_string(agent.config()).expect("a configuration");
    let second = format!(
        "  second:\n    project: {}\n    dir: {}\n    images: [\"127.0.0.1:1/hello\"]\n    services:\n      web: {{}}\n",
        project.name(),
        project.dir().display()
    );
    let text = text.replace(&format!("apps: [\"{name}\"]"), &format!("apps: [\"{name}\", second]"));
    fs::write(agent.config(), format!("{}\n{second}", text.trim_end())).expect("writes");
    fs::create_dir_all(&state).expect("a folder");
    fs::write(state.join("state.json"), "{\"format\": 1, torn").expect("writes");
    agent.start(&[]).expect("starts");

    let v2 = stage.version("v2");
    stage.deploy(&v2).expect(0);
    stage.assert_serves("v2");
    let url = stage.bed.agent().expect("an agent").url();
    let ours = fs::read_to_string(stage.bed.dir().join("client/deploy.yml")).expect("a configuration");
    let file =
        format!("app: second\nenvironments:\n  production:\n    target: {{vps: {{agent: \"{url}\", service: web}}}}\n");
    stage.bed.write_deploy_yml(&file).expect("writes");
    for arguments in [&["status", "production"][..], &["deploy", "production", "--image", &v2]] {
        let run = stage.run(arguments).expect(13);
        for says in ["the state of application `second` cannot be used", "move the file aside", "restart the agent"] {
            assert!(run.shown().contains(says), "{says}: {}", run.shown());
        }
    }
    fs::remove_file(state.join("state.json")).expect("moved aside");
    stage.bed.agent().expect("an agent").restart(&[]).expect("starts");
    let run = stage.run(&["status", "production"]);
    assert!(!run.shown().contains("cannot be used"), "{}", run.shown());

    // Closed in the middle of a swap: who follows it is told that nobody goes on with it.
    stage.bed.write_deploy_yml(&ours).expect("writes");
    let v3 = stage.version("v3");
    let mut client = killed(&mut stage, &v3, "after-switched");
    let own = folder(&mut stage).join("state.json");
    let text = fs::read_to_string(&own).expect("a state");
    fs::write(&own, text.replacen("\"format\": 1", "\"format\": 99", 1)).expect("writes");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts");
    assert_eq!(client.end(PATIENCE).expect("it ends"), 31, "{}", client.said());
    assert!(client.said().contains("what became of deployment"), "{}", client.said());
    fs::write(&own, text).expect("writes");
    stage.bed.agent().expect("an agent").restart(&[]).expect("starts");
    is_tidy(&stage, "v3");
}

/// A record that is not known stands for more that was done: before the switch the agent goes back, after it it proves once
/// more and goes forward. A state that is not known is not touched until an agent that knows it is back.
#[test]
fn an_older_agent_goes_back_or_leaves_everything_as_it_is() {
    let mut stage = Stage::new();
    let v2 = stage.version("v2");
    for (point, code, serves) in [("after-gated", 30, "v1"), ("after-switched", 0, "v2")] {
        let mut client = killed(&mut stage, &v2, point);
        let journal = folder(&mut stage).join("journal");
        let text = fs::read_to_string(&journal).expect("a journal");
        let record = format!("{} {}", text.lines().count() + 1, r#"{"record":"levitating","height":3}"#);
        fs::write(&journal, format!("{text}{:08x} {record}\n", crc32c::crc32c(record.as_bytes()))).expect("writes");
        stage.bed.agent().expect("an agent").start(&[]).expect("starts");
        assert_eq!(client.end(PATIENCE).expect("it ends"), code, "{point}: {}", client.said());
        let told = client.said().contains("its journal has records of a newer agent");
        assert_eq!(told, code == 30, "{point}: {}", client.said());
        let kept = folder(&mut stage).join("journal.damaged");
        assert!(fs::read_to_string(&kept).expect("a copy for people").contains("levitating"));
        fs::remove_file(kept).expect("removes");
        is_tidy(&stage, serves);
    }

    let v3 = stage.version("v3");
    let mut client = killed(&mut stage, &v3, "after-switched");
    let state = folder(&mut stage).join("state.json");
    let text = fs::read_to_string(&state).expect("a state");
    let newer = text.replacen("\"format\": 1", "\"format\": 99", 1);
    assert_ne!(newer, text);
    fs::write(&state, &newer).expect("writes");
    let before = (stage.ids("web"), fs::read(folder(&mut stage).join("journal")).expect("a journal"));
    let agent = stage.bed.agent().expect("an agent");
    agent.start_unwatched(&[]).expect("starts");
    assert_eq!(agent.ended(PATIENCE).expect("waits"), Some(13), "{}", agent.log());
    for says in ["is of a newer agent: it has format 99", "install the agent of the version that wrote it"] {
        assert!(agent.log().contains(says), "{}", agent.log());
    }
    assert_eq!((stage.ids("web"), fs::read(folder(&mut stage).join("journal")).expect("a journal")), before);
    assert_eq!(fs::read_to_string(&state).expect("a state"), newer);
    stage.assert_serves("v3");
    let config = stage.bed.dir().join("agent.yml").to_string_lossy().into_owned();
    let doctor = stage.bed.deploy_action(&["agent", "doctor", "--config", &config]).expect("it looks");
    let (_, advice) = doctor.stdout.split_once("it has format 99").expect("a finding");
    let advice = advice.lines().nth(1).unwrap_or_default();
    assert_eq!(advice.trim(), "mend: install the agent of the version that wrote it");

    fs::write(&state, text).expect("writes");
    stage.bed.agent().expect("an agent").start(&[]).expect("the newer one is back");
    let code = client.end(PATIENCE).expect("it ends");
    assert_eq!(code, 0, "{}", client.said());
    is_tidy(&stage, "v3");
}

/// A deployment that is in this phase.
#[track_caller]
fn begun(stage: &Stage, image: &str, phase: Phase) -> Client {
    let mut client = Client::start(&stage.bed, &["deploy", "production", "--image", image], |_| {}).expect("starts");
    let reached = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == phase.as_str());
    assert!(reached.is_some(), "{}", client.said());
    client
}

/// A deployment whose agent was killed at this point.
#[track_caller]
pub(super) fn killed(stage: &mut Stage, image: &str, point: &str) -> Client {
    let agent = stage.bed.agent().expect("an agent");
    agent.restart(&[("DEPLOY_AGENT_KILL_AT", point)]).expect("starts again");
    let client = Client::start(&stage.bed, &["deploy", "production", "--image", image], |_| {}).expect("starts");
    let agent = stage.bed.agent().expect("an agent");
    assert_eq!(agent.ended(PATIENCE).expect("waits"), Some(137), "the point is reached: {}", agent.log());
    client
}

/// Where the agent keeps what it knows of the application.
fn folder(stage: &mut Stage) -> PathBuf {
    let app = stage.bed.name().to_owned();
    stage.bed.agent().expect("an agent").state_dir().join(app)
}

#[track_caller]
fn is_tidy(stage: &Stage, version: &str) {
    stage.wait("one version to serve", || stage.serves(version) && stage.state()["holder"].is_null());
    stage.wait("nothing to be left over", || {
        complaints(&stage.bed, &stage.state()).is_ok_and(|complaints| complaints.is_empty())
    });
}
