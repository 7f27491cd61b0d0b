//! Asking a run to end: once means "at the next safe point", twice means "now".

use std::future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What was asked so far.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    times: u32,
    /// When it was asked first: what is left to do shares one span of time from there.
    first: Option<Instant>,
}

/// The side that asks; kept by whoever holds the signal handlers.
#[derive(Debug)]
pub struct Canceller(watch::Sender<Asked>);

/// The side that is asked.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<Asked>);

/// Makes the two sides.
#[must_use]
pub fn channel() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(Asked::default());
    (Canceller(sender), Cancel(receiver))
}

impl Canceller {
    /// Asks once more.
    pub fn ask(&self) {
        self.0.send_modify(|asked| {
            asked.times = asked.times.saturating_add(1);
            asked.first = asked.first.or_else(|| Some(Instant::now()));
        });
    }
}

impl Cancel {
    /// Waits until the run is asked to end.
    pub async fn first(&self) {
        self.asked(1).await;
    }

    /// Waits until the run is asked to end at once.
    pub async fn second(&self) {
        self.asked(2).await;
    }

    /// Waits until the run was asked to end and this span has passed since then.
    pub async fn first_and(&self, span: Duration) {
        self.first().await;
        sleep_until(self.since() + span).await;
    }

    /// When the run was first asked to end; before that, now.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.0.borrow().first.unwrap_or_else(Instant::now)
    }

    /// Whether the run was asked to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.borrow().times > 0
    }

    async fn asked(&self, times: u32) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| asked.times >= times).await.is_err() {
            // Nobody is left who could ask.
            future::pending::<()>().await;
        }
    }
}
