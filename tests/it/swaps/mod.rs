//! Swaps under load, in every way that a version can be old, new or slow: no request fails, and the load generator would
//! say so if one did.

mod many;
mod routes;
mod streams;
mod versions;

use std::time::Duration;

use kit::bed::{BedOptions, ProxyOptions};
use kit::load::{Alone, Load, LoadConfig, Report, Running};

use crate::stage::{HOST, Setting, Stage};

/// Requests per second.
const RATE: u32 = 400;
/// Load before and after what is measured.
const MARGIN: Duration = Duration::from_secs(2);
/// How late a request may be sent, in milliseconds: a load that falls behind further is not what it claims to be.
const LATE: f64 = 1_000.0;
/// Longest wait for it.
const LONG: Duration = Duration::from_secs(30);

/// Load on a stage, while something happens there.
pub(crate) struct UnderLoad<'a> {
    stage: &'a Stage,
    running: Running,
    margin: u64,
    _alone: Alone,
}

impl<'a> UnderLoad<'a> {
    /// The usual load.
    pub(crate) fn begin(stage: &'a Stage) -> Self {
        Self::with(stage, |_| {})
    }

    /// Begins, once no other test has a load, and returns when it has been answered for a while.
    pub(crate) fn with(stage: &'a Stage, change: impl FnOnce(&mut LoadConfig)) -> Self {
        let alone = Load::alone();
        let mut config = LoadConfig::new(stage.bed.proxy.web_for_load().expect("an address"), HOST, RATE);
        change(&mut config);
        let margin = u64::from(config.rate) * MARGIN.as_secs();
        let load = Self { stage, running: Load::start(config), margin, _alone: alone };
        assert!(load.running.wait_until_ok(margin, LONG), "the load begins{}", load.seen());
        load
    }

    /// The load itself.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Goes on for a while, ends, and accounts for every request.
    pub(crate) fn finish(self) -> Report {
        let enough = self.running.ok_so_far() + self.margin;
        let went_on = self.running.wait_until_ok(enough, LONG) || self.running.failed_so_far() > 0;
        assert!(went_on, "the load goes on{}", self.seen());
        let report = self.running.stop();
        report.check_books().expect("every request is accounted for");
        let late = report.generator_late_max_ms;
        assert!(late <= LATE, "the load was late by up to {late} ms");
        report
    }

    /// The same, and not one of them failed.
    #[track_caller]
    pub(crate) fn finish_without_a_failure(self) -> Report {
        let stage = self.stage;
        let report = self.finish();
        assert_none_failed(stage, &report);
        report
    }

    fn seen(&self) -> String {
        let (ok, failed) = (self.running.ok_so_far(), self.running.failed_so_far());
        format!(": {ok} ok, {failed} failed\n{}", self.stage.agent_log())
    }
}

/// With what Traefik and the agent say about the failures, if there are any.
#[track_caller]
fn assert_none_failed(stage: &Stage, report: &Report) {
    assert_eq!(
        report.failed,
        0,
        "{:?}, the generator was late by up to {} ms\n{:#?}\n{}\n{}",
        report.failures,
        report.generator_late_max_ms,
        report.samples,
        stage.bed.proxy.log().unwrap_or_default(),
        stage.agent_log()
    );
}

/// With a Traefik that names the container behind every answer from 500 on.
fn telling(setting: Setting) -> Setting {
    let extra = "accessLog: {format: json, filters: {statusCodes: [\"500-599\"]}}".to_owned();
    let bed = BedOptions { proxy: ProxyOptions { extra, ..ProxyOptions::default() }, ..setting.bed };
    Setting { bed, ..setting }
}

/// Every container of the service but so many has gone: those of the version from before were seen out.
#[track_caller]
fn seen_out(stage: &Stage, left: usize) {
    stage.wait("the old containers to be gone", || stage.containers("web").len() == left);
}
