//! What a run found, for assertions and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::events::EventStream;

/// The name under which answers without an `X-Version` header are counted: a proxy's own, usually.
pub const NO_VERSION: &str = "none";

/// The books of one run. All offsets are milliseconds since its start.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Requests that fell due during the run: rate × seconds.
    pub due: u64,
    /// Requests begun, each exactly once.
    pub sent: u64,
    /// Complete 2xx answers, with the right checksum where one was asked for.
    pub ok: u64,
    /// All others.
    pub failed: u64,
    /// Failed requests by kind: `connect`, `timeout`, `reset`, `status_502` (any code), `checksum`,
    /// `malformed`. Only kinds that occurred.
    pub failures: BTreeMap<String, u64>,
    /// The first few failures.
    pub samples: Vec<FailureSample>,
    /// Requests per second, as asked for.
    pub rate: u32,
    /// Length of the run, in seconds, without the wait for the last answers.
    pub seconds: f64,
    /// How late the generator itself was, at worst, in beginning a request that was due. Large: no worker
    /// was free or the machine was busy, and the load was not what it claims to be.
    pub generator_late_max_ms: f64,
    /// Answers by `X-Version`, failed ones too: every answer whose headers arrived.
    pub by_version: BTreeMap<String, u64>,
    /// When each version answered first and last.
    pub seen: BTreeMap<String, Seen>,
    /// When the last failure ended; none if nothing failed.
    pub last_failure_ms: Option<f64>,
    /// Consecutive slices of 100 ms, by the time requests ended, from the start to the last answer.
    pub timeline: Vec<Bucket>,
    /// The longest time without an OK answer: between two of them, from the start to the first, or from the
    /// last to the end of the run. Never shorter than the quickest answer.
    pub longest_gap_ms: f64,
    /// Latency of all requests, failed ones too.
    pub latency_ms: Latency,
    /// What was sent on which kind of connection.
    pub mix: Mix,
    /// Requests by what they asked for, the usual path first.
    pub paths: Vec<PathCount>,
    /// Connections to server-sent events, in the order of their ends. They are no requests in the sums above.
    pub event_streams: Vec<EventStream>,
}

/// Requests for one path.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PathCount {
    /// The request target.
    pub path: String,
    /// Begun.
    pub sent: u64,
    /// Answered as they should be.
    pub ok: u64,
}

/// First and last answer of one version, in milliseconds since the start.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Seen {
    /// The first answer.
    pub first_ms: f64,
    /// The last answer.
    pub last_ms: f64,
}

/// Requests that ended within 100 ms.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Bucket {
    /// Where the slice begins, in milliseconds since the start.
    pub at_ms: u64,
    /// Answers by version, as in [`Report::by_version`].
    pub by_version: BTreeMap<String, u64>,
    /// Failed requests, with or without an answer.
    pub failed: u64,
}

/// One failure, to read what happened.
#[derive(Debug, Clone, Serialize)]
pub struct FailureSample {
    /// When the request was due, in milliseconds since the start.
    pub due_ms: f64,
    /// When it failed.
    pub failed_ms: f64,
    /// As in [`Report::failures`].
    pub kind: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Whether it had a connection of its own.
    pub fresh: bool,
    /// Who began to answer it, where it came that far.
    pub version: Option<String>,
    /// What it asked for.
    pub path: String,
    /// One line, for people.
    pub detail: String,
}

/// Milliseconds from the due time (not from sending) to the end of the request.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: f64,
    /// 99 % of the requests took no longer.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// Requests by method and by connection.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Mix {
    /// POST requests.
    pub post: u64,
    /// GET requests.
    pub get: u64,
    /// On a connection of their own, with `Connection: close`.
    pub fresh: u64,
    /// On a connection that is kept afterwards.
    pub keep: u64,
    /// Of `keep`: on a connection that had carried a request before.
    pub keep_reused: u64,
    /// Kept connections that the server had closed while they were idle, replaced before a byte was
    /// written. Not failures.
    pub stale_replaced: u64,
}

impl Report {
    /// Whether every request is accounted for, once. The error says which sum is wrong; one of them is
    /// a run that could not send all that was due, so that its figures say nothing.
    pub fn check_books(&self) -> Result<(), String> {
        let kinds = self.failures.values().sum::<u64>();
        let buckets = self.timeline.iter();
        let answers = buckets.clone().flat_map(|bucket| bucket.by_version.values());
        for (what, left, right) in [
            ("due = sent", self.due, self.sent),
            ("sent = ok + failed", self.sent, self.ok + self.failed),
            ("failed = sum of kinds", self.failed, kinds),
            ("sent = post + get", self.sent, self.mix.post + self.mix.get),
            ("sent = fresh + keep", self.sent, self.mix.fresh + self.mix.keep),
            ("sent = sum over paths", self.sent, self.paths.iter().map(|path| path.sent).sum()),
            ("ok = sum over paths", self.ok, self.paths.iter().map(|path| path.ok).sum()),
            ("answers = answers in the timeline", self.by_version.values().sum(), answers.sum()),
            ("failed = failed in the timeline", self.failed, buckets.map(|b| b.failed).sum()),
        ] {
            if left != right {
                return Err(format!("books do not balance: {what}, but {left} != {right}"));
            }
        }
        Ok(())
    }

    /// The version that gave every answer that ended in the last `length` of the run or after it. `None`
    /// if there were several, none at all, or any failure.
    pub fn only_version_in_last(&self, length: Duration) -> Option<String> {
        let cutoff = (self.seconds - length.as_secs_f64()) * 1e3;
        only_since(&self.seen, self.last_failure_ms, cutoff).map(str::to_owned)
    }

    /// How many answers `version` gave, failed ones included.
    pub fn count_version(&self, version: &str) -> u64 {
        self.by_version.get(version).copied().unwrap_or(0)
    }
}

/// The only version seen at or after `cutoff_ms`, if nothing has failed since then.
pub(super) fn only_since(seen: &BTreeMap<String, Seen>, last_failure_ms: Option<f64>, cutoff_ms: f64) -> Option<&str> {
    if last_failure_ms.is_some_and(|failure| failure >= cutoff_ms) {
        return None;
    }
    let mut recent = seen.iter().filter(|(_, seen)| seen.last_ms >= cutoff_ms);
    match (recent.next(), recent.next()) {
        (Some((version, _)), None) => Some(version),
        _ => None,
    }
}
