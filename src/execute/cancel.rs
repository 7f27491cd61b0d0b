//! Asking a run to end: once means "at the next safe point", twice means "now".

use std::future;

use tokio::sync::watch;

/// The side that asks; kept by whoever holds the signal handlers.
#[derive(Debug)]
pub struct Canceller(watch::Sender<u32>);

/// The side that is asked.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<u32>);

/// Makes the two sides.
#[must_use]
pub fn channel() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(0);
    (Canceller(sender), Cancel(receiver))
}

impl Canceller {
    /// Asks once more.
    pub fn ask(&self) {
        self.0.send_modify(|asked| *asked = asked.saturating_add(1));
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

    async fn asked(&self, times: u32) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked >= times).await.is_err() {
            // Nobody is left who could ask.
            future::pending::<()>().await;
        }
    }
}
