//! The way of events out of an executor: numbered in the order in which they leave.

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::event::{DeployEvent, Stamped};

/// Sends events; numbers them from 1.
#[derive(Debug)]
pub struct Emitter {
    sender: mpsc::UnboundedSender<Stamped>,
    seq: u64,
}

/// Makes an emitter and its reader.
#[must_use]
pub fn channel() -> (Emitter, mpsc::UnboundedReceiver<Stamped>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Emitter { sender, seq: 0 }, receiver)
}

impl Emitter {
    /// Passes on an event of the agent, with the agent's time.
    pub(super) fn pass(&mut self, at: Timestamp, event: DeployEvent) {
        self.seq += 1;
        // A reader that went away stops no deployment.
        let _ = self.sender.send(Stamped { seq: self.seq, at, event });
    }

    /// Tells something of this side.
    pub(super) fn tell(&mut self, event: DeployEvent) {
        self.pass(Timestamp::now(), event);
    }

    /// Tells a sentence.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.tell(DeployEvent::Note { text: text.into() });
    }
}
