//! What an old version does when it is stopped, and how long a new one needs to come up.

use std::time::Duration;

use kit::bed::{AppImage, ComposeFile};
use kit::load::Share;

use super::{UnderLoad, seen_out, telling};
use crate::stage::{Setting, Stage, web};

/// A version that ends when it is asked to, one that drops what it does, one that has to be killed, and one that is
/// refused; each is the old version of the next. The first swap adopts a running service that its labels route.
#[test]
fn however_the_old_version_ends() {
    let setting = Setting::default().compose(|image| ComposeFile::of(web(image).with("stop_grace_period: 2s")));
    let stage = Stage::set(telling(setting));
    let abrupt = stage.push(&AppImage::version("v2").mode("abrupt"));
    let deaf = stage.push(&AppImage::version("v3").mode("ignore-term"));
    let broken = stage.push(&AppImage::version("v4").mode("error-500-host"));
    let load = UnderLoad::begin(&stage);
    for image in [&abrupt, &deaf] {
        assert_eq!(stage.deploy(image).expect(0).result()["outcome"], "deployed");
    }
    assert_eq!(stage.deploy(&broken).expect(30).reason(), "proof_failed");
    assert_eq!(stage.rollback().expect(0).result()["release"], 4, "a rollback appends a release");
    seen_out(&stage, 1);
    let report = load.finish_without_a_failure();
    assert_eq!(report.count_version("v4"), 0, "nobody saw the broken version");
    assert_eq!(report.only_version_in_last(Duration::from_secs(1)).as_deref(), Some("v2"));
    stage.assert_serves("v2");
}

/// Requests that are under way when the route changes are finished by a version that would drop them if it were asked
/// to end.
#[test]
fn slow_requests_and_streams_are_finished() {
    let setting = Setting {
        first: AppImage::version("v1").mode("abrupt"),
        ..Setting::service(|service| service.drain_timeout = "15s".to_owned())
    };
    let stage = Stage::set(telling(setting));
    let v2 = stage.push(&AppImage::version("v2").mode("abrupt"));
    let load = UnderLoad::with(&stage, |config| {
        let two_seconds = Duration::from_secs(2);
        config.shares = vec![Share::stream(100, 5_000_000, two_seconds), Share::slow(20, two_seconds)];
        config.response_timeout = Duration::from_secs(12);
    });
    stage.deploy(&v2).expect(0);
    seen_out(&stage, 1);
    let report = load.finish_without_a_failure();
    let [plain, streams, slow] = report.paths.as_slice() else { panic!("{:?}", report.paths) };
    assert!(streams.ok >= 15 && slow.ok >= 60 && plain.ok >= 1500, "{:?}", report.paths);
    assert!(report.latency_ms.max >= 2000.0, "{:?}", report.latency_ms);
    stage.assert_serves("v2");
}

#[test]
fn a_version_that_boots_for_29_seconds() {
    let stage = Stage::set(telling(Setting::service(|service| service.gate_timeout = "60s".to_owned())));
    let slow = stage.push(&AppImage::version("v2").env("BOOT_MS", "29000"));
    let load = UnderLoad::begin(&stage);
    stage.deploy(&slow).expect(0);
    let report = load.finish_without_a_failure();
    assert!(report.seen["v1"].last_ms > 29_000.0, "{:?}", report.seen);
    stage.assert_serves("v2");
}
