//! The open loop's clock: hands out request numbers, each no earlier than it is due.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A request to be sent now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) index: u64,
    pub(super) due: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    start: Option<Instant>,
    /// Requests due at or after this are not sent.
    end: Option<Instant>,
    next: u64,
}

/// Shared by all workers.
#[derive(Debug)]
pub(super) struct Pacer {
    rate: u32,
    drain: Duration,
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Pacer {
    pub(super) fn new(rate: u32, drain: Duration) -> Self {
        Self { rate, drain, inner: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the clock; with `length`, the end is fixed already.
    pub(super) fn begin(&self, start: Instant, length: Option<Duration>) {
        let mut inner = self.lock();
        inner.start = Some(start);
        inner.end = length.map(|length| start + length);
        self.changed.notify_all();
    }

    /// Ends the run now, unless it has an end already; returns its end.
    pub(super) fn end_now(&self) -> Instant {
        let mut inner = self.lock();
        // The nanosecond makes a request that is due at this very instant, and may be on its way, part
        // of the run.
        let end = inner.end.unwrap_or_else(|| Instant::now() + Duration::from_nanos(1));
        inner.end = Some(end);
        self.changed.notify_all();
        end
    }

    /// How many requests are due before `end`.
    pub(super) fn due_before(&self, end: Instant) -> u64 {
        let Some(start) = self.lock().start else {
            return 0;
        };
        let nanos = end.saturating_duration_since(start).as_nanos();
        (nanos * u128::from(self.rate)).div_ceil(1_000_000_000) as u64
    }

    /// Claims the next request and waits until it is due. `None` once the run is over: nothing more is
    /// due in it, or its backlog has been drained for long enough.
    pub(super) fn next(&self) -> Option<Ticket> {
        let mut inner = self.lock();
        let start = loop {
            match inner.start {
                Some(start) => break start,
                None => inner = self.wait(inner, None),
            }
        };
        let index = inner.next;
        inner.next += 1;
        let offset = u128::from(index) * 1_000_000_000 / u128::from(self.rate);
        let due = start + Duration::from_nanos(offset as u64);
        loop {
            let now = Instant::now();
            if let Some(end) = inner.end
                && (due >= end || now > end + self.drain)
            {
                return None;
            }
            if now >= due {
                return Some(Ticket { index, due });
            }
            inner = self.wait(inner, Some(due - now));
        }
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, at_most: Option<Duration>) -> MutexGuard<'a, Inner> {
        let inner = match at_most {
            Some(at_most) => {
                self.changed.wait_timeout(inner, at_most).map(|(inner, _)| inner).map_err(|e| e.into_inner().0)
            }
            None => self.changed.wait(inner).map_err(PoisonError::into_inner),
        };
        inner.unwrap_or_else(|inner| inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_run_hands_out_exactly_what_is_due() {
        let pacer = Pacer::new(300, Duration::from_secs(1));
        let start = Instant::now();
        pacer.begin(start, Some(Duration::from_millis(50)));
        let due: Vec<Duration> = std::iter::from_fn(|| pacer.next()).map(|ticket| ticket.due - start).collect();
        assert_eq!(due.len(), 15);
        assert_eq!(due[3], Duration::from_millis(10));
        assert_eq!(pacer.due_before(start + Duration::from_millis(50)), 15);
        assert_eq!(pacer.due_before(start + Duration::from_nanos(50_000_001)), 16);
    }

    #[test]
    fn a_backlog_is_given_up_after_the_drain_time() {
        let pacer = Pacer::new(1000, Duration::ZERO);
        let second = Duration::from_secs(1);
        let start = Instant::now() - 2 * second;
        pacer.begin(start, Some(second));
        assert!(pacer.next().is_none());
        assert_eq!(pacer.due_before(start + second), 1000);
    }
}
