//! Refusals are worth a line in the log each, until somebody makes a flood of them: then the disk is worth more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in a minute.
const MOST: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// Counts the lines of the minute.
#[derive(Debug, Default)]
pub(super) struct Hush(Mutex<Option<(Instant, u32)>>);

/// Whether a line is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It is.
    Written,
    /// It is, and until the minute is over no other.
    Last,
    /// It is not.
    Dropped,
}

impl Hush {
    /// Asks for a line at this time.
    pub(super) fn line(&self, now: Instant) -> Line {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, lines) = minute.filter(|(began, _)| now.duration_since(*began) < MINUTE).unwrap_or((now, 0));
        *minute = Some((began, lines.saturating_add(1)));
        match lines + 1 {
            line if line < MOST => Line::Written,
            MOST => Line::Last,
            _ => Line::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_lines() {
        let (hush, begin) = (Hush::default(), Instant::now());
        let lines = |from: Duration| (0..200).map(|_| hush.line(begin + from)).collect::<Vec<_>>();
        for minute in 0..3 {
            let lines = lines(MINUTE * minute);
            let written = lines.iter().filter(|line| **line != Line::Dropped).count();
            assert_eq!((written, &lines[59]), (60, &Line::Last));
        }
    }
}
