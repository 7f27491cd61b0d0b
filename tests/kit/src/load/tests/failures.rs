//! Each way to fail a request, and the kind it is counted under.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::server::{right, serve, serve_each};
use super::{hundred, only_kind, quick, run};

#[test]
fn nobody_listens() {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let target = bound.local_addr().expect("an address");
    drop(bound);
    let report = hundred(target);
    assert_eq!(only_kind(&report, "connect"), 100);
    assert!(report.by_version.is_empty());
    assert!(report.longest_gap_ms >= 100.0);
}

#[test]
fn connections_are_reset() {
    // Closing with the request unread makes the kernel send a reset.
    let report = hundred(serve(drop));
    assert_eq!(only_kind(&report, "reset"), 100);
}

#[test]
fn a_kept_connection_is_closed_under_a_request() {
    let report = hundred(serve(|mut peer| {
        let Some(first) = peer.request() else { return };
        peer.send(&right(&first));
        // The second request is taken, and never answered: what a reload of nginx does to a POST.
        if !first.close {
            peer.request();
        }
    }));
    let failed = only_kind(&report, "reset");
    assert_eq!(failed, report.mix.keep_reused);
    assert!(failed > 10, "{:?}", report.mix);
    assert_eq!(report.mix.stale_replaced, 0);
    assert!(report.samples.iter().all(|sample| !sample.fresh));
    assert!(report.samples[0].detail.contains("after 0 bytes"), "{:?}", report.samples[0]);
}

#[test]
fn every_third_answer_is_500_and_comes_from_v3() {
    let count = AtomicU64::new(0);
    let report = hundred(serve_each(move |seen| match count.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => "HTTP/1.1 500 Oh\r\nX-Version: v3\r\nContent-Length: 0\r\n\r\n".to_owned(),
        _ => right(seen),
    }));
    assert_eq!(only_kind(&report, "status_500"), 34);
    assert_eq!((report.ok, report.count_version("v3")), (66, 34));
    assert_eq!(report.only_version_in_last(Duration::from_millis(100)), None);
    assert_eq!(report.samples[0].detail, "answered 500");
    assert_eq!(report.samples.len(), 20);
}

#[test]
fn a_server_that_hangs_times_out() {
    let mut config = quick(serve(|mut peer| peer.wait_for_close()));
    config.response_timeout = Duration::from_millis(60);
    config.workers = 100;
    let report = run(config);
    assert_eq!(only_kind(&report, "timeout"), 100);
    assert!(report.latency_ms.p50 >= 60.0, "{:?}", report.latency_ms);
}

#[test]
fn a_trickle_of_bytes_does_not_extend_the_timeout() {
    let mut config = quick(serve(|mut peer| {
        peer.request();
        for byte in ["H", "T", "T", "P"].iter().cycle() {
            if !peer.send(byte) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }));
    config.response_timeout = Duration::from_millis(60);
    config.workers = 100;
    assert_eq!(only_kind(&run(config), "timeout"), 100);
}

#[test]
fn a_wrong_checksum_and_a_missing_one() {
    let wrong = |_: &_| "HTTP/1.1 200 OK\r\nX-Body-Sum: 00\r\nContent-Length: 0\r\n\r\n".to_owned();
    assert_eq!(only_kind(&hundred(serve_each(wrong)), "checksum"), 50);
    let missing = |_: &_| "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned();
    assert_eq!(only_kind(&hundred(serve_each(missing)), "checksum"), 50);
    let mut config = quick(serve_each(missing));
    config.check_body_sum = false;
    assert_eq!(run(config).ok, 100);
}

#[test]
fn bytes_after_the_answer() {
    let target: SocketAddr = serve_each(|seen| format!("{}\n", right(seen)));
    assert_eq!(only_kind(&hundred(target), "malformed"), 100);
}

#[test]
fn an_answer_cut_in_its_body() {
    let cut = "HTTP/1.1 200 OK\r\nX-Version: v3\r\nContent-Length: 9\r\n\r\nhalf";
    let report = hundred(serve(move |mut peer| {
        peer.request();
        peer.send(cut);
    }));
    assert_eq!(only_kind(&report, "reset"), 100);
    assert_eq!(report.count_version("v3"), 100);
}
