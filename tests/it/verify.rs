//! The verify window: a version that fails its users after the proof is gone back from, also where its containers look well.

use kit::bed::AppImage;

use crate::stage::{Setting, Stage};
use crate::swaps::UnderLoad;

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
    let last = report.seen["v2"].last_ms;
    assert!(report.seen["v1"].last_ms > last, "version 1 answers again: {:?}", report.seen);
    stage.assert_serves("v1");
    assert_eq!(stage.containers("web").len(), 1);
}
