//! Shares of the requests, and server-sent events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::{Load, Share, StreamEnd};
use super::server::{right, serve, serve_each};
use super::{only_kind, quick, run};
use crate::app::BodySum;

const HEAD: &str = "HTTP/1.1 200 OK\r\nX-Version: v1\r\nTransfer-Encoding: chunked\r\n\r\n";
const EVENT: &str = "9\r\ndata: 1\n\n\r\n";

/// A download of `body` that names `sum`, to those who ask for one.
fn download(seen: &super::server::Seen, body: &str, sum: &str) -> String {
    match seen.path.starts_with("/stream?") {
        true => right(seen).replace(": 2\r\n\r\nok", &format!(": {}\r\nX-Answer-Sum: {sum}\r\n\r\n{body}", body.len())),
        false => right(seen),
    }
}

#[test]
fn shares_are_asked_for_and_a_download_is_summed() {
    let sum = BodySum::hex_of(b"12345678");
    let mut config = quick(serve_each(move |seen| download(seen, "12345678", &sum)));
    config.shares = vec![Share::stream(10, 8, Duration::ZERO), Share::slow(5, Duration::from_secs(2))];
    let report = run(config);
    assert_eq!((report.ok, report.failed), (100, 0), "{:?}", report.samples);
    let counts: Vec<_> = report.paths.iter().map(|path| (path.path.as_str(), path.sent, path.ok)).collect();
    assert_eq!(counts, [("/", 80, 80), ("/stream?bytes=8&over=0", 10, 10), ("/?work=2000", 10, 10)]);
}

#[test]
fn a_download_that_is_too_short_or_another_one_fails() {
    for (body, summed) in [("1234567", "1234567"), ("12345678", "12345679")] {
        let sum = BodySum::hex_of(summed.as_bytes());
        let mut config = quick(serve_each(move |seen| download(seen, body, &sum)));
        config.shares = vec![Share::stream(10, 8, Duration::ZERO)];
        let report = run(config);
        assert_eq!(only_kind(&report, "checksum"), 10);
        assert_eq!((report.paths[1].sent, report.paths[1].ok), (10, 0));
        assert!(report.samples[0].path.starts_with("/stream?"));
    }
}

#[test]
fn streams_of_events_are_counted_and_their_ends_told() {
    // One is complete, the next is cut, the next refused, all others go on.
    let count = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let (counted, end) = (Arc::clone(&count), Arc::clone(&over));
    let mut config = quick(serve(move |mut peer| {
        let Some(seen) = peer.request() else { return };
        if seen.path != "/events?every=100" {
            peer.send(&right(&seen));
            return;
        }
        let number = counted.fetch_add(1, Ordering::SeqCst);
        if number == 2 {
            peer.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        peer.send(HEAD);
        peer.send(EVENT);
        peer.send(EVENT);
        match number {
            0 => drop(peer.send("0\r\n\r\n")),
            1 => {}
            _ => {
                while !end.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        }
    }));
    config.event_streams = 1;
    let running = Load::start(config);
    let began = Instant::now();
    while count.load(Ordering::SeqCst) < 4 || running.events_open() == 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
    let report = running.stop();
    over.store(true, Ordering::SeqCst);
    let ends: Vec<_> = report.event_streams.iter().map(|stream| (stream.end, stream.events > 0)).collect();
    let expected =
        [(StreamEnd::Complete, true), (StreamEnd::Cut, true), (StreamEnd::Refused, false), (StreamEnd::Client, true)];
    assert_eq!(ends, expected);
    let first = &report.event_streams[0];
    assert_eq!((first.events, first.version.as_deref()), (2, Some("v1")));
    assert!(first.opened_ms <= first.ended_ms);
    assert_eq!(report.mix.post + report.mix.get, report.sent, "they are no requests");
}
