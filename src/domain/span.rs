//! Spans of time as people write them: `200ms`, `10s`, `5m`, `1h`.

use std::time::Duration;

/// Why a text is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a span of time: write a whole number and `ms`, `s`, `m` or `h`, for example `30s`")]
pub struct SpanError(String);

/// Reads `200ms`, `10s`, `5m`, `1h` or `0`.
///
/// # Errors
/// Anything else: fractions, signs, other units, more than 7 days.
pub fn parse_span(text: &str) -> Result<Duration, SpanError> {
    let bad = || SpanError(text.chars().take(40).collect());
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().map_err(|_| bad())?;
    let span = match &text[digits..] {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count.checked_mul(60).ok_or_else(bad)?),
        "h" => Duration::from_secs(count.checked_mul(3600).ok_or_else(bad)?),
        "" if count == 0 => Duration::ZERO,
        _ => return Err(bad()),
    };
    if span <= Duration::from_secs(7 * 24 * 3600) { Ok(span) } else { Err(bad()) }
}

/// Writes a span for people: `0.4 s`, `12 s`, `3 min 5 s`.
#[must_use]
pub fn show_span(span: Duration) -> String {
    match span.as_secs() {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{} s", span.as_secs()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A point in time for people: `2026-03-01 10:00:00 UTC`.
#[must_use]
pub fn show_time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, millis) in [("0", 0), ("200ms", 200), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(millis)));
        }
        for bad in ["", "10", "1.5s", "-1s", "s", "1d", "99999h", "18446744073709551615h", "1 s"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
