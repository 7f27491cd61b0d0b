//! The generator against servers that behave and servers that do not: what each of them does to a
//! request has to be in the report, no more and no less.

mod failures;
mod server;
mod streams;
mod timing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Load, LoadConfig, Report};
use server::{right, serve, serve_each};

/// A run of 100 requests in a tenth of a second, whose books balance.
fn hundred(target: SocketAddr) -> Report {
    run(quick(target))
}

fn quick(target: SocketAddr) -> LoadConfig {
    let mut config = LoadConfig::new(target, "app.test", 1000);
    config.workers = 32;
    config
}

fn run(config: LoadConfig) -> Report {
    let report = Load::run_for(config, Duration::from_millis(100));
    report.check_books().expect("books balance");
    assert_eq!(report.sent, 100);
    report
}

fn only_kind(report: &Report, kind: &str) -> u64 {
    let kinds: Vec<&String> = report.failures.keys().collect();
    assert_eq!(kinds, [kind], "{:?}", report.samples);
    report.failures[kind]
}

#[test]
fn a_server_that_behaves_fails_nothing() {
    let report = hundred(serve_each(right));
    assert_eq!((report.ok, report.failed), (100, 0), "{:?}", report.samples);
    let mix = report.mix;
    assert_eq!((mix.post, mix.get, mix.fresh, mix.keep), (50, 50, 50, 50));
    assert!(mix.keep_reused > 30, "{mix:?}");
    assert_eq!(report.count_version("v1"), 100);
    let last = report.only_version_in_last(Duration::from_millis(50));
    assert_eq!(last.as_deref(), Some("v1"));
    assert!(report.latency_ms.p50 <= report.latency_ms.p99);
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["by_version"]["v1"], 100);
    assert_eq!(json["timeline"][0]["at_ms"], 0);
    assert_eq!(json["last_failure_ms"], serde_json::Value::Null);
}

#[test]
fn chunked_answers_are_read_to_their_end() {
    let report = hundred(serve_each(|seen| {
        let sum = crate::app::BodySum::hex_of(&seen.body);
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Body-Sum: {sum}\r\n\r\n\
            5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nTrailer: t\r\n\r\n"
        )
    }));
    assert_eq!(report.ok, 100, "{:?}", report.samples);
    assert!(report.mix.keep_reused > 30);
    assert_eq!(report.count_version(super::NO_VERSION), 100);
}

#[test]
fn no_request_is_ever_sent_twice() {
    // Every request is read in full, counted, and then met by silence and a close.
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let report = hundred(serve(move |mut peer| {
        peer.request();
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    assert_eq!(only_kind(&report, "reset"), 100);
    assert_eq!(count.load(Ordering::SeqCst), 100);
}

#[test]
fn a_connection_closed_while_idle_is_replaced_and_counted() {
    // One answer per connection, closed without a word of warning in it.
    let report = hundred(serve(|mut peer| {
        if let Some(seen) = peer.request() {
            peer.send(&right(&seen));
        }
    }));
    let mix = report.mix;
    assert!(mix.stale_replaced > 30, "{mix:?} {:?}", report.samples);
    // The close can also arrive just after the look, and then that request fails: both are honest.
    assert_eq!(report.failed, mix.keep_reused, "{:?}", report.samples);
    assert_eq!(report.count_version("v1"), report.ok);
}
