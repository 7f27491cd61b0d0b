//! The connections that are open, and which of them wait for a request: a graceful end closes those
//! at once and waits for the others.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many threads at most; further clients are told 503. A host that stands still for a second under the most load of the
/// tests brings more than a thousand requests at once, each on a connection of its own.
pub(super) const LIMIT: usize = 4096;

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<u64, (Arc<TcpStream>, bool)>,
    next: u64,
    closing: bool,
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection; `None` if the limit is reached.
    pub(super) fn enter(self: &Arc<Self>, stream: &Arc<TcpStream>) -> Option<Entry> {
        let mut inner = self.lock();
        if inner.open.len() >= LIMIT {
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        inner.open.insert(id, (Arc::clone(stream), false));
        Some(Entry { all: Arc::clone(self), id })
    }

    /// Ends every connection that waits for a request, now or later. Only reading is shut down: bytes
    /// that have already arrived are still read, so a request that was quicker is answered.
    pub(super) fn close_idle(&self) {
        let mut inner = self.lock();
        inner.closing = true;
        for (stream, busy) in inner.open.values() {
            if !busy {
                let _ = stream.shutdown(Shutdown::Read);
            }
        }
    }

    /// Waits until none is open, and says how many are after `at_most`.
    pub(super) fn wait_empty(&self, at_most: Duration) -> usize {
        let some_open = |inner: &mut Inner| !inner.open.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, some_open);
        waited.unwrap_or_else(PoisonError::into_inner).0.open.len()
    }
}

/// One open connection; dropping it is leaving.
#[derive(Debug)]
pub(super) struct Entry {
    all: Arc<Connections>,
    id: u64,
}

impl Entry {
    /// Marks the connection as carrying a request. `false`: idle ones are being closed and it became
    /// idle too late, so it must close.
    pub(super) fn set_busy(&self, busy: bool) -> bool {
        let mut inner = self.all.lock();
        if let Some(entry) = inner.open.get_mut(&self.id) {
            entry.1 = busy;
        }
        busy || !inner.closing
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().open.remove(&self.id);
        self.all.changed.notify_all();
    }
}
