//! The routes of an application: a swap holds them, so that nobody else changes them.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Held, or let go of for a while.
#[derive(Debug)]
pub struct Routes {
    all: Arc<Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Routes {
    /// Those of an application; `held` where they are.
    #[must_use]
    pub fn of(all: &Arc<Mutex<()>>, held: Option<OwnedMutexGuard<()>>) -> Self {
        Self { all: Arc::clone(all), held }
    }

    /// Lets whoever watches the containers keep the route true, for as long as this swap does nothing about it.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Holds them, once whoever has them is done.
    pub async fn take(&mut self) {
        if self.held.is_none() {
            self.held = Some(Arc::clone(&self.all).lock_owned().await);
        }
    }
}
