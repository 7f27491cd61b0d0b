//! The books, kept while the run goes on. Begun and ended requests are entered apart, so that the
//! balance at the end proves something.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::outgoing::Outgoing;
use super::report::{Bucket, FailureSample, Latency, Mix, PathCount, Report, Seen, only_since};

const BUCKET_MS: u64 = 100;
const SAMPLES_MAX: usize = 20;

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    pub(super) outgoing: &'a Outgoing,
    pub(super) due: Instant,
    pub(super) done: Instant,
    /// Who answered; none if the headers of an answer never came.
    pub(super) version: Option<String>,
    pub(super) result: Result<(), Failure>,
}

/// The entries so far.
#[derive(Debug)]
pub(super) struct Books {
    start: Instant,
    pub(super) sent: u64,
    pub(super) ok: u64,
    pub(super) failed: u64,
    failures: BTreeMap<String, u64>,
    samples: Vec<FailureSample>,
    late_max: Duration,
    by_version: BTreeMap<String, u64>,
    seen: BTreeMap<String, Seen>,
    last_failure_ms: Option<f64>,
    timeline: Vec<Bucket>,
    /// The start, until there is one.
    last_ok: Instant,
    longest_gap: Duration,
    /// In microseconds.
    latencies: Vec<u64>,
    mix: Mix,
    /// By the number of the path, the usual one first.
    paths: Vec<PathCount>,
}

impl Books {
    fn offset_ms(&self, at: Instant) -> f64 {
        ms(at.saturating_duration_since(self.start))
    }

    /// The only version that has answered, without any failure, for the last `stable` until `now`.
    pub(super) fn only_version(&self, now: Instant, stable: Duration) -> Option<&str> {
        let cutoff = self.offset_ms(now) - ms(stable);
        // Younger than that, the run has not been stable for so long.
        let old_enough = cutoff >= 0.0;
        only_since(&self.seen, self.last_failure_ms, cutoff).filter(|_| old_enough)
    }
}

/// The books and a bell that rings at each entry of an ended request.
#[derive(Debug)]
pub(super) struct Ledger {
    books: Mutex<Books>,
    settled: Condvar,
}

impl Ledger {
    pub(super) fn new(paths: Vec<String>) -> Self {
        let start = Instant::now();
        let books = Books {
            start,
            sent: 0,
            ok: 0,
            failed: 0,
            failures: BTreeMap::new(),
            samples: Vec::new(),
            late_max: Duration::ZERO,
            by_version: BTreeMap::new(),
            seen: BTreeMap::new(),
            last_failure_ms: None,
            timeline: Vec::new(),
            last_ok: start,
            longest_gap: Duration::ZERO,
            latencies: Vec::new(),
            mix: Mix::default(),
            paths: paths.into_iter().map(|path| PathCount { path, ..PathCount::default() }).collect(),
        };
        Self { books: Mutex::new(books), settled: Condvar::new() }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment from which offsets count.
    pub(super) fn start(&self) -> Instant {
        self.books().start
    }

    /// Sets that moment.
    pub(super) fn begin(&self, start: Instant) {
        let mut books = self.books();
        (books.start, books.last_ok) = (start, start);
    }

    /// Enters a request that begins now.
    pub(super) fn sent(&self, outgoing: &Outgoing, due: Instant, now: Instant) {
        let mut books = self.books();
        books.sent += 1;
        books.late_max = books.late_max.max(now.saturating_duration_since(due));
        books.paths[outgoing.path].sent += 1;
        let mix = &mut books.mix;
        *(if outgoing.post { &mut mix.post } else { &mut mix.get }) += 1;
        *(if outgoing.fresh { &mut mix.fresh } else { &mut mix.keep }) += 1;
    }

    /// Enters what the pool had for a request on a kept connection.
    pub(super) fn taken(&self, stale: u64, reused: bool) {
        let mut books = self.books();
        books.mix.stale_replaced += stale;
        books.mix.keep_reused += u64::from(reused);
    }

    /// Enters a request that has ended.
    pub(super) fn settle(&self, settled: Settled<'_>) {
        let mut books = self.books();
        books.enter(settled);
        drop(books);
        self.settled.notify_all();
    }

    /// Waits until `condition` holds, looking at every entry and as time passes. `false` after `timeout`.
    pub(super) fn wait_until(&self, timeout: Duration, condition: impl Fn(&Books, Instant) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut books = self.books();
        loop {
            let now = Instant::now();
            if condition(&books, now) {
                return true;
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return false;
            }
            let nap = left.min(Duration::from_millis(20));
            let waited = self.settled.wait_timeout(books, nap);
            books = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Closes the books of a run that ended at `end` and had `due` requests in it.
    pub(super) fn report(&self, rate: u32, due: u64, end: Instant) -> Report {
        let books = self.books();
        let tail = end.saturating_duration_since(books.last_ok);
        let mut timeline = books.timeline.clone();
        for (bucket, at_ms) in timeline.iter_mut().zip((0..).step_by(BUCKET_MS as usize)) {
            bucket.at_ms = at_ms;
        }
        Report {
            due,
            sent: books.sent,
            ok: books.ok,
            failed: books.failed,
            failures: books.failures.clone(),
            samples: books.samples.clone(),
            rate,
            seconds: end.saturating_duration_since(books.start).as_secs_f64(),
            generator_late_max_ms: ms(books.late_max),
            by_version: books.by_version.clone(),
            seen: books.seen.clone(),
            last_failure_ms: books.last_failure_ms,
            timeline,
            longest_gap_ms: ms(books.longest_gap.max(tail)),
            latency_ms: latency(books.latencies.clone()),
            mix: books.mix,
            paths: books.paths.clone(),
            event_streams: Vec::new(),
        }
    }
}

impl Books {
    fn enter(&mut self, settled: Settled<'_>) {
        let at = self.offset_ms(settled.done);
        let slot = (at / BUCKET_MS as f64) as usize;
        if self.timeline.len() <= slot {
            self.timeline.resize_with(slot + 1, Bucket::default);
        }
        let latency = settled.done.saturating_duration_since(settled.due);
        self.latencies.push(latency.as_micros() as u64);
        if let Some(version) = settled.version.clone() {
            let bucket = &mut self.timeline[slot];
            *bucket.by_version.entry(version.clone()).or_default() += 1;
            *self.by_version.entry(version.clone()).or_default() += 1;
            let first = Seen { first_ms: at, last_ms: at };
            let seen = self.seen.entry(version).or_insert(first);
            // Two workers can enter in the other order than they ended.
            seen.first_ms = seen.first_ms.min(at);
            seen.last_ms = seen.last_ms.max(at);
        }
        match settled.result {
            Ok(()) => {
                self.ok += 1;
                self.paths[settled.outgoing.path].ok += 1;
                let gap = settled.done.saturating_duration_since(self.last_ok);
                self.longest_gap = self.longest_gap.max(gap);
                self.last_ok = self.last_ok.max(settled.done);
            }
            Err(failure) => {
                self.failed += 1;
                self.timeline[slot].failed += 1;
                let last = self.last_failure_ms.unwrap_or(at);
                self.last_failure_ms = Some(last.max(at));
                let kind = failure.kind.to_string();
                if self.samples.len() < SAMPLES_MAX {
                    self.samples.push(FailureSample {
                        due_ms: self.offset_ms(settled.due),
                        failed_ms: at,
                        kind: kind.clone(),
                        method: if settled.outgoing.post { "POST" } else { "GET" },
                        fresh: settled.outgoing.fresh,
                        version: settled.version,
                        path: self.paths[settled.outgoing.path].path.clone(),
                        detail: failure.detail,
                    });
                }
                *self.failures.entry(kind).or_default() += 1;
            }
        }
    }
}

fn latency(mut micros: Vec<u64>) -> Latency {
    micros.sort_unstable();
    // Nearest rank: the smallest value that so many per cent of all do not exceed.
    let at = |percent: usize| {
        let rank = (micros.len() * percent).div_ceil(100).max(1);
        micros.get(rank - 1).map_or(0.0, |micros| *micros as f64 / 1e3)
    };
    Latency { p50: at(50), p99: at(99), max: at(100) }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
