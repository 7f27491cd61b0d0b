//! The pauses between looks: short at first, when things fail, longer later, when there is little to see.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::execute::Cancel;
use crate::plan::ecs::Poll;

/// Pauses that grow by half each time.
#[derive(Debug)]
pub(super) struct Pace {
    next: Duration,
    slowest: Duration,
}

impl Pace {
    pub(super) fn new(poll: Poll) -> Self {
        Self { next: poll.first, slowest: poll.slowest }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause + pause / 2).min(self.slowest);
        pause
    }
}

/// Waits, and no longer than until the deadline or the next signal.
pub(super) async fn rest(pause: Duration, until: Instant, cancel: &Cancel, cancelled: bool) {
    let end = (Instant::now() + pause).min(until);
    tokio::select! {
        () = sleep_until(end) => {}
        () = cancel.first(), if !cancelled => {}
        () = cancel.second(), if cancelled => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_slowest() {
        let mut pace = Pace::new(Poll { first: Duration::from_secs(5), slowest: Duration::from_secs(15) });
        let pauses: Vec<f64> = (0..5).map(|_| pace.pause().as_secs_f64()).collect();
        assert_eq!(pauses, [5.0, 7.5, 11.25, 15.0, 15.0]);
    }
}
