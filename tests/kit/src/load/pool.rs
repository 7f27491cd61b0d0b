//! Kept connections that wait for their next request.

use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use super::link::{self, Idle};

/// The most recently used one is taken first, as browsers and proxies do.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<TcpStream>>);

/// What the pool had to offer.
#[derive(Debug)]
pub(super) struct Taken {
    /// None: open a new one.
    pub(super) stream: Option<TcpStream>,
    /// The connection holds bytes nobody asked for.
    pub(super) unsolicited: bool,
    /// So many were found closed and thrown away first, before any byte was written to them.
    pub(super) stale: u64,
}

impl Pool {
    /// Takes a connection that was still open a moment ago. It can be closed by the peer before the
    /// request arrives there; that is a failure, because that is what users meet.
    pub(super) fn take(&self) -> Taken {
        let mut stale = 0;
        loop {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let looked = next.as_ref().map(link::look);
            if looked == Some(Idle::Closed) {
                stale += 1;
                continue;
            }
            let unsolicited = looked == Some(Idle::Unsolicited);
            return Taken { stream: next, unsolicited, stale };
        }
    }

    /// Keeps a connection for a later request.
    pub(super) fn keep(&self, stream: TcpStream) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(stream);
    }
}
