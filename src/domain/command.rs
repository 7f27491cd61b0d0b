//! How much of a command a host takes that runs before a deployment.

use std::time::Duration;

/// Most words.
pub const MAX_COMMAND_WORDS: usize = 64;
/// Most bytes of all words.
pub const MAX_COMMAND_BYTES: usize = 8 * 1024;
/// Longest time that it may ask for.
pub const MAX_COMMAND_TIME: Duration = Duration::from_secs(6 * 3600);

/// Whether a host takes it: some words, not too many, and a time that is not too long.
#[must_use]
pub fn is_command(words: &[String], timeout: Duration) -> bool {
    (1..=MAX_COMMAND_WORDS).contains(&words.len())
        && words.iter().map(String::len).sum::<usize>() <= MAX_COMMAND_BYTES
        && !words.iter().any(|word| word.contains('\0'))
        && !timeout.is_zero()
        && timeout <= MAX_COMMAND_TIME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_no_command() {
        let is = |words: &[&str], timeout| {
            is_command(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), timeout)
        };
        let minute = Duration::from_secs(60);
        assert!(is(&["bin/migrate", ""], minute) && is(&["x"; 64], MAX_COMMAND_TIME));
        assert!(!is(&[], minute) && !is(&["x"; 65], minute) && !is(&[&"x".repeat(8193)], minute));
        assert!(!is(&["x\0"], minute) && !is(&["x"], Duration::ZERO));
        assert!(!is(&["x"], MAX_COMMAND_TIME + Duration::from_secs(1)));
    }
}
