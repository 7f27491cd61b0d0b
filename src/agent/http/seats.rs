//! Who may stay connected: every caller whose signature was checked, and so many others.
//!
//! A stranger costs nothing but a connection that says nothing, or says it slowly. So there is a bound, and where it is
//! reached the one that has kept the agent waiting longest has to go: a caller with a key is done with waiting in
//! milliseconds and always finds a seat.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Connections of which nobody knows whose they are, at once.
pub(super) const WAITING: usize = 256;

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// Oldest first.
    those: BTreeMap<u64, CancellationToken>,
}

/// One connection; dropped with it.
#[derive(Debug)]
pub(super) struct Seat {
    all: Arc<Seats>,
    number: Mutex<u64>,
    lost: CancellationToken,
}

impl Seats {
    /// For a new connection, which waits until it is said whose it is.
    pub(super) fn take(self: &Arc<Self>) -> Seat {
        let seat = Seat { all: Arc::clone(self), number: Mutex::new(0), lost: CancellationToken::new() };
        seat.waits();
        seat
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// From now on, or again: nobody knows who will ask for something here.
    pub(super) fn waits(&self) {
        let mut waiting = self.all.lock();
        waiting.next += 1;
        let number = waiting.next;
        *self.number() = number;
        waiting.those.insert(number, self.lost.clone());
        if waiting.those.len() > WAITING
            && let Some((_, oldest)) = waiting.those.pop_first()
        {
            oldest.cancel();
        }
    }

    /// A caller with a key asks for something: the seat is kept until it is answered.
    pub(super) fn is_known(&self) {
        let number = *self.number();
        self.all.lock().those.remove(&number);
    }

    /// Ends when the seat is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    fn number(&self) -> MutexGuard<'_, u64> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.is_known();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_waits_makes_room_and_a_known_one_never() {
        let seats = Arc::new(Seats::default());
        let known = seats.take();
        known.is_known();
        let first = seats.take();
        let others: Vec<Seat> = (1..WAITING).map(|_| seats.take()).collect();
        assert!(!first.lost.is_cancelled() && seats.lock().those.len() == WAITING);
        let last = seats.take();
        assert!(first.lost.is_cancelled() && !known.lost.is_cancelled() && !last.lost.is_cancelled());
        // Answered, it waits for its next request like everybody else: as the newest.
        known.waits();
        assert!(others[0].lost.is_cancelled() && !known.lost.is_cancelled());
        drop((known, first, others, last));
        assert!(seats.lock().those.is_empty());
    }
}
