//! Many swaps one after the other, and many requests at once.

use std::time::Duration;

use kit::load::Share;

use super::{RATE, UnderLoad, seen_out, telling};
use crate::stage::{Setting, Stage};

#[test]
fn twenty_swaps_back_to_back() {
    swaps(20, "0", RATE);
}

#[test]
fn five_swaps_at_a_thousand_requests_a_second() {
    swaps(5, "1s", 1000);
}

/// So many swaps between two versions, with so many requests per second.
fn swaps(count: usize, verify_for: &str, rate: u32) {
    let stage = Stage::set(telling(Setting::service(|service| service.verify_for = verify_for.to_owned())));
    let versions = [("v2", stage.version("v2")), ("v3", stage.version("v3"))];
    let load = UnderLoad::with(&stage, |config| {
        config.rate = rate;
        // One begins each second and lasts for one, so that each swap finds one under way.
        config.shares = vec![Share::stream(u64::from(rate), 1_000_000, Duration::from_secs(1))];
    });
    let mut last = "v1";
    for (version, image) in versions.iter().cycle().take(count) {
        stage.deploy(image).expect(0);
        last = version;
    }
    let report = load.finish_without_a_failure();
    assert!(report.count_version("v2") > 0 && report.count_version("v3") > 0, "{:?}", report.by_version);
    assert!(report.paths[1].ok >= count as u64, "streams: {:?}", report.paths);
    stage.assert_serves(last);
    seen_out(&stage, 1);
    assert_eq!(stage.state()["release"]["number"], count + 1);
}
