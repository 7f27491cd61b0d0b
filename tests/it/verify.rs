//! The verify window: a version that fails its users after the proof is gone back from, also where its containers look well.

use jiff::Timestamp;
use kit::bed::{AppImage, BedOptions, ProxyOptions};
use serde_json::Value;

use crate::stage::{Run, Setting, Stage};
use crate::swaps::UnderLoad;

/// Longest time in milliseconds from the begin of the way back to the old version for everybody.
const BACK_MS: f64 = 1_000.0;

/// When the first event came for which this is true.
#[track_caller]
fn time_of(run: &Run, wanted: impl Fn(&Value) -> bool) -> Timestamp {
    let event = run.lines.iter().find(|line| wanted(line)).unwrap_or_else(|| panic!("no such event: {}", run.shown()));
    event["at"].as_str().and_then(|at| at.parse().ok()).expect("a time")
}

/// What is not watched is said, by the deployment and by `agent doctor`.
#[test]
fn where_traefik_counts_nothing_the_answers_are_not_watched() {
    let proxy = ProxyOptions { no_metrics: true, ..ProxyOptions::default() };
    let stage = Stage::set(Setting { bed: BedOptions { proxy, ..Setting::default().bed }, ..Setting::default() });
    let run = stage.deploy(&stage.version("v2")).expect(0);
    assert!(run.shown().contains("what users get is not watched: Traefik's metrics cannot be read"), "{}", run.shown());
    let config = stage.bed.dir().join("agent.yml").to_string_lossy().into_owned();
    let doctor = stage.bed.deploy_action(&["agent", "doctor", "--config", &config]).expect("it looks");
    let line = doctor.stdout.lines().find(|line| line.contains("Traefik's metrics")).expect("a line");
    assert!(line.starts_with("-     ") && line.contains("in the verify window is not watched"), "{line}");
}

#[test]
fn answers_that_fail_end_the_window() {
    let stage = Stage::set(Setting::service(|service| service.verify_for = "20s".to_owned()));
    // Its health stays good; what users get breaks after the proof.
    let v2 = stage.push(&AppImage::version("v2").mode("error-500-after=4000"));
    let load = UnderLoad::begin(&stage);
    let run = stage.deploy(&v2).expect(30);
    let report = load.finish();
    assert_eq!(run.reason(), "verify_failed", "{}", run.shown());
    let message = run.result()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("were answered with a status of 500 or above"), "{message}");
    assert_eq!(report.failures.keys().collect::<Vec<_>>(), ["status_500"], "nothing but the app's own answers failed");
    let (first, last) = (report.seen["v2"].first_ms, report.seen["v2"].last_ms);
    assert!(report.seen["v1"].last_ms > last, "version 1 answers again: {:?}", report.seen);
    let watched = time_of(&run, |event| event["phase"] == "back") - time_of(&run, |event| event["kind"] == "switched");
    let watched = watched.total(jiff::Unit::Millisecond).expect("a span");
    assert!(last - first < watched + BACK_MS, "{} ms, {watched} of them watched: {}", last - first, run.shown());
    stage.assert_serves("v1");
    assert_eq!(stage.containers("web").len(), 1);
}
