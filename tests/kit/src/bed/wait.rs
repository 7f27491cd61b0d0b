//! Waiting for something to become true: by asking again and again, and never for ever.

use std::thread;
use std::time::{Duration, Instant};

use super::error::{BedError, Result};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` is true.
///
/// # Errors
/// It is not within `limit`; the error names `what`.
pub fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_for_some(what, limit, || Ok(condition().then_some(())))
}

/// Waits until `value` gives something. An error of its own ends the wait at once.
///
/// # Errors
/// Nothing came within `limit`, or `value` failed.
pub fn wait_for_some<T>(what: &str, limit: Duration, mut value: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = value()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(BedError::new(format!("bed: waited {limit:?} in vain: {what}")));
        }
        thread::sleep(EVERY);
    }
}
