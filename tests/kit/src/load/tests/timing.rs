//! The open loop: due times, lateness, and watching a run from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::{Load, LoadConfig};
use super::server::{right, serve, serve_each};
use super::{quick, run};

#[test]
fn a_stall_is_charged_to_the_server_and_nothing_is_skipped() {
    // Two workers, 5 ms per answer: 400 answers per second at most, where 1000 are due.
    let mut config = quick(serve_each(|seen| {
        std::thread::sleep(Duration::from_millis(5));
        right(seen)
    }));
    config.workers = 2;
    let report = run(config);
    assert_eq!(report.ok, 100);
    assert!(report.generator_late_max_ms > 100.0, "{}", report.generator_late_max_ms);
    assert!(report.latency_ms.max > 100.0, "{:?}", report.latency_ms);
}

#[test]
fn what_could_not_be_sent_in_time_is_said() {
    let mut config = quick(serve(|mut peer| peer.wait_for_close()));
    config.workers = 1;
    config.response_timeout = Duration::from_millis(50);
    config.drain_timeout = Duration::ZERO;
    let report = Load::run_for(config, Duration::from_millis(100));
    assert_eq!(report.due, 100);
    assert!(report.sent < 10);
    let error = report.check_books().expect_err("does not balance");
    assert!(error.contains("due = sent"), "{error}");
}

#[test]
fn a_swap_is_seen_while_it_happens() {
    let swapped = Arc::new(AtomicBool::new(false));
    let swap = Arc::clone(&swapped);
    let running = Load::start(quick(serve_each(move |seen| match swap.load(Ordering::SeqCst) {
        true => right(seen).replace("v1", "v2"),
        false => right(seen),
    })));
    let (stable, long) = (Duration::from_millis(50), Duration::from_secs(5));
    assert!(running.wait_until_only("v1", stable, long));
    assert!(!running.wait_until_only("v2", stable, Duration::from_millis(1)));
    swapped.store(true, Ordering::SeqCst);
    assert!(running.wait_until_only("v2", stable, long));
    let sent = running.sent_so_far();
    assert!(running.wait_until_ok(sent + 1, long));
    assert_eq!(running.failed_so_far(), 0);

    let report = running.stop();
    report.check_books().expect("books balance");
    assert!(report.seen["v1"].last_ms < report.seen["v2"].last_ms - 45.0);
    assert_eq!(report.only_version_in_last(stable).as_deref(), Some("v2"));
    assert_eq!(report.only_version_in_last(long), None);
    assert_eq!(report.sent, report.count_version("v1") + report.count_version("v2"));
    let due = f64::from(report.rate) * report.seconds;
    assert!((report.sent as f64 - due).abs() <= 1.0, "{} of {due}", report.sent);
    assert!(report.longest_gap_ms < 1000.0, "{}", report.longest_gap_ms);
}

#[test]
fn stopping_is_bounded_by_the_timeouts() {
    let mut config = LoadConfig::new(serve(|mut peer| peer.wait_for_close()), "h", 100);
    config.workers = 4;
    config.response_timeout = Duration::from_millis(80);
    config.drain_timeout = Duration::from_millis(40);
    let running = Load::start(config);
    while running.sent_so_far() < 4 {
        std::thread::yield_now();
    }
    let asked = Instant::now();
    let report = running.stop();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(report.failed, report.sent);
}
