//! The one moment after which a swap can no longer be cancelled.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Open until the switch; whoever comes first, cancellation or commitment, wins for good.
#[derive(Debug, Clone, Default)]
pub struct CancelGate {
    token: CancellationToken,
    committed: Arc<Mutex<bool>>,
}

impl CancelGate {
    /// Cancels; false where the switch began already.
    #[must_use]
    pub fn cancel(&self) -> bool {
        let committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        if !*committed {
            self.token.cancel();
        }
        !*committed
    }

    /// Closes the gate before the switch; false where it was cancelled before.
    #[must_use]
    pub fn commit(&self) -> bool {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        *committed = !self.token.is_cancelled();
        *committed
    }

    /// True once it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Ends when it is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_wins() {
        let gate = CancelGate::default();
        assert!(gate.commit());
        assert!(!gate.cancel());
        let gate = CancelGate::default();
        assert!(gate.cancel());
        assert!(!gate.commit());
        assert!(gate.cancel(), "cancelling twice is fine");
    }
}
