//! Server-sent events never end by themselves: the old version's go on until the drain time is over, and the report
//! tells how many are cut then.

use std::thread;
use std::time::{Duration, Instant};

use kit::bed::AppImage;
use kit::load::{Report, StreamEnd};

use super::{UnderLoad, seen_out, telling};
use crate::stage::{Setting, Stage};

/// Streams that are open all the time.
const STREAMS: usize = 20;

/// The streams of one version: when their version was first and last heard of, in seconds since it had a successor.
fn ends(report: &Report, version: &str, next: &str) -> (f64, f64) {
    let switched = report.seen[next].first_ms;
    let ended: Vec<f64> = report
        .event_streams
        .iter()
        .filter(|stream| stream.version.as_deref() == Some(version))
        .inspect(|stream| assert!(matches!(stream.end, StreamEnd::Complete | StreamEnd::Cut), "{stream:?}"))
        .inspect(|stream| assert!(stream.events > 0, "{stream:?}"))
        .map(|stream| (stream.ended_ms - switched) / 1e3)
        .collect();
    assert_eq!(ended.len(), STREAMS, "{:?}", report.event_streams);
    (ended.iter().copied().fold(f64::INFINITY, f64::min), ended.iter().copied().fold(0.0, f64::max))
}

#[test]
fn events_end_at_the_drain_deadline_and_the_report_says_so() {
    // First the deadline comes after the end of the deployment, then within its verify window.
    let setting = Setting {
        first: AppImage::version("v1").mode("abrupt"),
        ..Setting::service(|service| service.drain_timeout = "6s".to_owned())
    };
    let mut stage = Stage::set(telling(setting));
    let (v2, v3) = (stage.version("v2"), stage.version("v3"));
    let load = listening(&stage);
    let run = stage.deploy(&v2).expect(0);
    let told = format!(
        "{STREAMS} connections are still open to the old version; it is stopped when they end, 6.0 s after the switch at the latest"
    );
    let notes: Vec<_> = run.events("note").iter().map(|note| note["text"].as_str().unwrap_or_default()).collect();
    assert!(notes.contains(&told.as_str()), "{}", run.shown());
    seen_out(&stage, 1);
    let report = load.finish_without_a_failure();
    let (first, last) = ends(&report, "v1", "v2");
    assert!(first > 5.0 && last < 12.0, "{first} s to {last} s after the switch");

    let agent = stage.bed.agent().expect("an agent");
    let config = std::fs::read_to_string(agent.config()).expect("reads");
    let config = config.replace("\"6s\"", "\"2s\"").replace("verify_for: \"1s\"", "verify_for: \"5s\"");
    std::fs::write(agent.config(), config).expect("writes");
    agent.restart(&[]).expect("starts again");
    let load = listening(&stage);
    let run = stage.run(&["deploy", "production", "--image", &v3]).expect(0);
    // The time is that of waiting, a moment less than since the switch.
    let told = [format!("the old version still has {STREAMS} connections after "), "; they are cut".to_owned()];
    assert!(told.iter().all(|part| run.shown().contains(part)), "{}", run.shown());
    seen_out(&stage, 1);
    let report = load.finish_without_a_failure();
    let (first, last) = ends(&report, "v2", "v3");
    assert!(first > 4.5 && last < 11.0, "{first} s to {last} s after the switch");
}

/// The usual load, with all streams open.
fn listening(stage: &Stage) -> UnderLoad<'_> {
    let load = UnderLoad::with(stage, |config| config.event_streams = STREAMS);
    let until = Instant::now() + Duration::from_secs(10);
    while load.running().events_open() < STREAMS as u64 {
        assert!(Instant::now() < until, "{} streams", load.running().events_open());
        thread::sleep(Duration::from_millis(10));
    }
    load
}
