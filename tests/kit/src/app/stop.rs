//! The wish to end: SIGTERM, turned into something threads can wait for.

use std::io;
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::log;
use super::settings::OnTerm;

/// What a shell reports for a process that SIGTERM ended. PID 1 has no default action for signals,
/// so an abrupt app has to leave by itself.
const ENDED_BY_TERM: i32 = 143;

/// Set once, never unset.
#[derive(Debug, Default)]
pub(super) struct Stop {
    wanted: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Catches SIGTERM (and SIGINT, for a person at a terminal) from now on.
    pub(super) fn on_signal(on_term: OnTerm) -> io::Result<Arc<Self>> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let stop = Arc::new(Self::default());
        let told = Arc::clone(&stop);
        thread::Builder::new().spawn(move || {
            for _ in signals.forever() {
                match on_term {
                    OnTerm::Graceful => {
                        log("SIGTERM: finishing");
                        told.set();
                    }
                    OnTerm::Abrupt => {
                        log("SIGTERM: leaving at once");
                        process::exit(ENDED_BY_TERM);
                    }
                    OnTerm::Ignore => log("SIGTERM: ignored"),
                }
            }
        })?;
        Ok(stop)
    }

    fn set(&self) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether the app is to end.
    pub(super) fn is_set(&self) -> bool {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the app is to end.
    pub(super) fn wait(&self) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let _wanted = self.changed.wait_while(wanted, |wanted| !*wanted);
    }

    /// Waits for `at_most`; `true` if the app is to end.
    pub(super) fn wait_for(&self, at_most: Duration) -> bool {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(wanted, at_most, |wanted| !*wanted);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
