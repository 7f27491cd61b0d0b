//! Starting and ending a run.

use std::panic;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::config::LoadConfig;
use super::events::Listeners;
use super::ledger::Ledger;
use super::pacer::Pacer;
use super::pool::Pool;
use super::report::Report;
use super::worker::Shared;

/// Starts runs; has no state of its own.
#[derive(Debug)]
pub struct Load;

/// The right to load the machine; see [`Load::alone`].
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "held, never read")] MutexGuard<'static, ()>);

impl Load {
    /// Waits until no other test of this process loads the machine, and keeps others from it until the value is
    /// dropped: two loads at once measure each other.
    pub fn alone() -> Alone {
        static ONE: Mutex<()> = Mutex::new(());
        Alone(ONE.lock().unwrap_or_else(PoisonError::into_inner))
    }

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
        let (workers, listeners) = (config.workers, config.event_streams);
        let paths = [&config.path].into_iter().chain(config.shares.iter().map(|share| &share.path));
        let shared = Arc::new(Shared {
            pacer: Pacer::new(config.rate, config.drain_timeout),
            ledger: Ledger::new(paths.cloned().collect()),
            config,
            pool: Pool::default(),
            listeners: Listeners::default(),
        });
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("load-{number}"))
                .stack_size(256 * 1024)
                .spawn(move || match number < workers {
                    true => shared.work(),
                    false => shared.listen(number),
                })
                .expect("load: a thread for each worker")
        };
        let mut threads: Vec<_> = (0..workers).map(spawn).collect();
        // All workers stand ready by now, so the first requests are not late.
        let start = Instant::now();
        shared.ledger.begin(start);
        shared.pacer.begin(start, length);
        threads.extend((workers..workers + listeners).map(spawn));
        Running { shared, threads, start }
    }
}

/// A run that goes on. Dropped without [`Running::stop`], it sends nothing more.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
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

    /// Connections to server-sent events over which at least one has come.
    pub fn events_open(&self) -> u64 {
        self.shared.listeners.live.load(Ordering::SeqCst)
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
        let mut threads = std::mem::take(&mut self.threads).into_iter();
        let workers = threads.by_ref().take(self.shared.config.workers);
        workers.for_each(joined);
        self.shared.listeners.close();
        threads.for_each(joined);
        let due = self.shared.pacer.due_before(end);
        let report = self.shared.ledger.report(self.shared.config.rate, due, end);
        Report { event_streams: self.shared.listeners.ended(), ..report }
    }
}

fn joined(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        panic::resume_unwind(panic);
    }
}

impl Drop for Running {
    /// A test that fails in mid-run must not leave a load behind for the next one.
    fn drop(&mut self) {
        self.shared.pacer.end_now();
        self.shared.listeners.close();
    }
}
