//! Starting and ending a run.

use std::panic;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::config::LoadConfig;
use super::ledger::Ledger;
use super::pacer::Pacer;
use super::pool::Pool;
use super::report::Report;
use super::worker::Shared;

/// Starts runs; has no state of its own.
#[derive(Debug)]
pub struct Load;

impl Load {
    /// Starts sending and returns at once; the run goes on until [`Running::stop`].
    ///
    /// # Panics
    ///
    /// On settings that cannot be sent (no rate, a line break in a header), and if no threads can be had.
    pub fn start(config: LoadConfig) -> Running {
        Self::spawn(config, None)
    }

    /// Sends for `duration`, exactly `rate` × `duration` requests, and waits for the last answer.
    ///
    /// # Panics
    ///
    /// As [`Load::start`].
    pub fn run_for(config: LoadConfig, duration: Duration) -> Report {
        Self::spawn(config, Some(duration)).stop()
    }

    fn spawn(config: LoadConfig, length: Option<Duration>) -> Running {
        config.assert_valid();
        let workers = config.workers;
        let shared = Arc::new(Shared {
            pacer: Pacer::new(config.rate, config.drain_timeout),
            config,
            pool: Pool::default(),
            ledger: Ledger::new(),
        });
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("load-{number}"))
                .stack_size(256 * 1024)
                .spawn(move || shared.work())
                .expect("load: a thread for each worker")
        };
        let workers = (0..workers).map(spawn).collect();
        // All workers stand ready by now, so the first requests are not late.
        let start = Instant::now();
        shared.ledger.begin(start);
        shared.pacer.begin(start, length);
        Running { shared, workers, start }
    }
}

/// A run that goes on. Dropped without [`Running::stop`], it sends nothing more.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    start: Instant,
}

impl Running {
    /// Requests begun so far.
    pub fn sent_so_far(&self) -> u64 {
        self.shared.ledger.books().sent
    }

    /// Requests answered as they should be so far.
    pub fn ok_so_far(&self) -> u64 {
        self.shared.ledger.books().ok
    }

    /// Requests that have failed so far.
    pub fn failed_so_far(&self) -> u64 {
        self.shared.ledger.books().failed
    }

    /// Time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until `version`, and no other, has answered for the last `stable` without any failure.
    /// `false` if that has not come about within `timeout`.
    pub fn wait_until_only(&self, version: &str, stable: Duration, timeout: Duration) -> bool {
        let only = |books: &super::ledger::Books, now| books.only_version(now, stable) == Some(version);
        self.shared.ledger.wait_until(timeout, only)
    }

    /// Waits until at least `ok` requests have been answered as they should be: traffic flows.
    /// `false` if that has not come about within `timeout`.
    pub fn wait_until_ok(&self, ok: u64, timeout: Duration) -> bool {
        let enough = |books: &super::ledger::Books, _| books.ok >= ok;
        self.shared.ledger.wait_until(timeout, enough)
    }

    /// Ends the run, waits for every request in flight, and closes the books. Takes no longer than
    /// `drain_timeout + connect_timeout + response_timeout` and a little.
    pub fn stop(mut self) -> Report {
        let end = self.shared.pacer.end_now();
        for worker in std::mem::take(&mut self.workers) {
            if let Err(panic) = worker.join() {
                panic::resume_unwind(panic);
            }
        }
        let due = self.shared.pacer.due_before(end);
        self.shared.ledger.report(self.shared.config.rate, due, end)
    }
}

impl Drop for Running {
    /// A test that fails in mid-run must not leave a load behind for the next one.
    fn drop(&mut self) {
        self.shared.pacer.end_now();
    }
}
