//! A clock that is set by an hour in the middle of a swap, or between the agent's death and its next start.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kit::bed::Bed;
use kit::load::{Load, LoadConfig};

use crate::client::Client;
use crate::stage::{HOST, PATIENCE, Setting, Stage};

const HOUR: i64 = 3600;
/// How long the new version is watched.
const WINDOW: Duration = Duration::from_secs(3);

/// What lets the agent's clock go wrong while everybody else's is right.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    fn build(folder: &Path) -> Self {
        let source = folder.join("clock.c");
        fs::write(&source, include_str!("clock.c")).expect("writes");
        let clock = Self { library: folder.join("clock.so"), offset: folder.join("clock-offset") };
        fs::write(&clock.offset, 0_i64.to_ne_bytes()).expect("writes");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(&source);
        assert!(compiler.status().expect("a C compiler").success());
        clock
    }

    /// In place: the agent has the file mapped, and may not find it empty for a moment.
    fn set(&self, seconds: i64) {
        let file = fs::OpenOptions::new().write(true).open(&self.offset).expect("opens");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("writes");
    }

    fn env(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", text(&self.library)), ("CLOCK_OFFSET", text(&self.offset))]
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn start(stage: &mut Stage, clock: &Clock, kill_at: Option<&str>) {
    let env = clock.env();
    let mut env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    env.extend(kill_at.map(|point| ("DEPLOY_AGENT_KILL_AT", point)));
    stage.bed.agent().expect("an agent").restart(&env).expect("starts");
}

/// The agent's clock is off, as its callers notice.
#[track_caller]
fn assert_off(stage: &Stage) {
    let refused = stage.run(&["status", "production"]);
    assert!(refused.stderr.contains("clock_skew"), "{}", refused.shown());
}

fn deploying(bed: &Bed, image: &str) -> Client {
    Client::start(bed, &["deploy", "production", "--image", image], |_| {}).expect("starts")
}

/// The version serves alone, and the history's newest line says that it was deployed.
fn assert_deployed(stage: &Stage, version: &str, image: &str) {
    stage.wait("one container, and nobody who holds the application", || {
        stage.containers("web").len() == 1 && stage.state()["holder"].is_null()
    });
    stage.assert_serves(version);
    let newest = stage.newest();
    assert_eq!((newest["outcome"].as_str(), newest["image"].as_str()), (Some("deployed"), Some(image)), "{newest}");
}

#[test]
fn a_clock_that_jumps_by_an_hour_changes_nothing_about_a_swap() {
    let mut stage = Stage::set(Setting::service(|service| service.verify_for = "3s".to_owned()));
    let clock = Clock::build(stage.bed.dir());
    start(&mut stage, &clock, None);
    for (version, step) in [("v2", HOUR), ("v3", -HOUR)] {
        let image = stage.version(version);
        let target = stage.bed.proxy.web_for_load().expect("an address");
        let load = Load::start(LoadConfig::new(target, HOST, 100));
        let mut client = deploying(&stage.bed, &image);
        let gated = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == "gate");
        assert!(gated.is_some(), "{}", client.said());
        clock.set(step);
        assert_off(&stage);
        // The caller is refused as long as the clocks differ; the swap asks nobody for the time.
        assert!(load.wait_until_only(version, WINDOW, PATIENCE), "{}", stage.agent_log());
        clock.set(0);
        let report = load.stop();
        assert_eq!(report.failed, 0, "{:?}", report.failures);
        let end = client.end(PATIENCE).expect("it ends");
        assert!([0, 13].contains(&end), "{end}: {}", client.said());
        assert_deployed(&stage, version, &image);
    }
}

#[test]
fn a_clock_that_jumps_by_an_hour_while_the_agent_is_dead_prolongs_no_window() {
    let mut stage = Stage::set(Setting::service(|service| service.verify_for = "3s".to_owned()));
    let clock = Clock::build(stage.bed.dir());
    for (version, step) in [("v2", HOUR), ("v3", -HOUR)] {
        let image = stage.version(version);
        start(&mut stage, &clock, Some("after-proven"));
        let mut client = deploying(&stage.bed, &image);
        let ended = stage.bed.agent().expect("an agent").ended(PATIENCE).expect("waits");
        assert_eq!(ended, Some(137), "{}", client.said());
        clock.set(step);
        start(&mut stage, &clock, None);
        assert_off(&stage);
        stage.wait("one container", || stage.containers("web").len() == 1);
        stage.assert_serves(version);
        clock.set(0);
        let end = client.end(PATIENCE).expect("it ends");
        assert!([0, 13].contains(&end), "{end}: {}", client.said());
        assert_deployed(&stage, version, &image);
    }
}
