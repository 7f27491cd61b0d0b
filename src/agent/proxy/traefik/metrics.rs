//! Traefik's own count of answers (its Prometheus endpoint), to tell a version that fails its users while its containers
//! look well. Pure but for the one read.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::http::{HttpError, get_text};

/// Longest wait for one answer.
const CALL: Duration = Duration::from_secs(1);
/// What Traefik counts the answers of its services under.
const NAME: &str = "traefik_service_requests_total{";
/// Errors below this number are chance.
const FEWEST: u64 = 5;
/// How far back the quick look goes: a version that breaks late in a long window is not excused by its good start.
const RECENT: Duration = Duration::from_secs(3);

/// Answers of some services so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// All of them.
    pub all: u64,
    /// Those with a status of 500 or above.
    pub errors: u64,
}

impl Answers {
    /// What came since `before`; `None` where the count began anew.
    fn since(self, before: Self) -> Option<Self> {
        Some(Self { all: self.all.checked_sub(before.all)?, errors: self.errors.checked_sub(before.errors)? })
    }

    /// The share of errors in per cent.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.errors as f64 * 100.0 / self.all as f64 }
    }
}

/// Reads the count of answers of the services (`name@file`).
///
/// # Errors
/// [`HttpError`]; also where there is no such endpoint.
pub async fn read(client: &reqwest::Client, url: &str, services: &[String]) -> Result<Answers, HttpError> {
    Ok(answers(&get_text(client, url, CALL).await?, services))
}

/// The sums over all lines of these services.
#[must_use]
pub fn answers(text: &str, services: &[String]) -> Answers {
    let mut sum = Answers::default();
    for line in text.lines() {
        let Some((labels, value)) = line.strip_prefix(NAME).and_then(|line| line.rsplit_once("} ")) else { continue };
        let ours = services.iter().any(|service| label(labels, "service") == Some(service.as_str()));
        let Some(count) = value.split(' ').next().and_then(|count| count.parse::<f64>().ok()).filter(|_| ours) else {
            continue;
        };
        // Counters are whole numbers, though written as floats when large.
        let count = count as u64;
        sum.all = sum.all.saturating_add(count);
        if label(labels, "code").and_then(|code| code.parse::<u16>().ok()).is_some_and(|code| code >= 500) {
            sum.errors = sum.errors.saturating_add(count);
        }
    }
    sum
}

/// A label's value; names of services hold nothing that would be escaped.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = labels.split("\",").filter_map(|part| part.split_once("=\""));
    parts.find(|(key, _)| *key == name).map(|(_, value)| value.trim_end_matches('"'))
}

/// Judges the answers of a new version as they come.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The share of errors that is too much, in per cent.
    limit: f64,
    first: Answers,
    recent: VecDeque<(Instant, Answers)>,
}

impl Judge {
    /// Begins with what was counted until now, which the version from before answered. Its own share of errors, doubled,
    /// is tolerated: a service that always fails some requests is not broken by its new version.
    #[must_use]
    pub fn new(limit: u8, until_now: Answers, now: Instant) -> Self {
        let limit = f64::from(limit).max(until_now.percent() * 2.0);
        Self { limit, first: until_now, recent: VecDeque::from([(now, until_now)]) }
    }

    /// Takes a count; gives the answers that are too bad, over the whole window or its last seconds.
    pub fn take(&mut self, answers: Answers, now: Instant) -> Option<Answers> {
        let Some(whole) = answers.since(self.first) else {
            // Traefik was restarted and counts anew.
            *self = Self { limit: self.limit, first: answers, recent: VecDeque::from([(now, answers)]) };
            return None;
        };
        self.recent.push_back((now, answers));
        while self.recent.len() > 2 && self.recent.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RECENT) {
            self.recent.pop_front();
        }
        let recent = self.recent.front().and_then(|(_, before)| answers.since(*before));
        let bad = |seen: &Answers| seen.errors >= FEWEST && seen.percent() > self.limit;
        recent.filter(bad).or(Some(whole).filter(bad))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traefiks_lines_are_added_up() {
        let text = "# HELP traefik_service_requests_total How many\n\
            traefik_service_requests_total{code=\"200\",method=\"GET\",protocol=\"http\",service=\"web@file\"} 41\n\
            traefik_service_requests_total{code=\"200\",method=\"POST\",protocol=\"http\",service=\"web@file\"} 1e+06\n\
            traefik_service_requests_total{code=\"502\",method=\"GET\",protocol=\"http\",service=\"web@file\"} 3\n\
            traefik_service_requests_total{code=\"500\",method=\"GET\",protocol=\"http\",service=\"web@docker\"} 9\n\
            traefik_service_requests_total{code=\"500\",service=\"web@file\" broken\n\
            traefik_service_request_duration_seconds_count{service=\"web@file\"} 7\n";
        assert_eq!(answers(text, &["web@file".to_owned()]), Answers { all: 1_000_044, errors: 3 });
        assert_eq!(answers("", &["web@file".to_owned()]), Answers::default());
    }

    fn judged(limit: u8, before: (u64, u64), seconds: &[(u64, u64)]) -> Option<usize> {
        let start = Instant::now();
        let mut sum = Answers { all: before.0, errors: before.1 };
        let mut judge = Judge::new(limit, sum, start);
        seconds.iter().enumerate().position(|(second, (all, errors))| {
            sum = Answers { all: sum.all + all, errors: sum.errors + errors };
            judge.take(sum, start + Duration::from_secs(second as u64 + 1)).is_some()
        })
    }

    #[test]
    fn what_is_too_bad() {
        for (what, limit, before, seconds, expected) in [
            ("all well", 10, (100, 0), &[(100, 0), (100, 0)][..], None),
            ("all fail", 10, (100, 0), &[(100, 100)], Some(0)),
            ("a few of few are chance", 10, (0, 0), &[(4, 4), (0, 0)], None),
            ("slow but sure", 10, (0, 0), &[(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)], Some(4)),
            ("at the limit", 10, (0, 0), &[(100, 10)], None),
            ("as bad as the one before", 10, (1000, 200), &[(100, 30)], None),
            ("worse than the one before", 10, (1000, 200), &[(100, 50)], Some(0)),
            (
                "breaks late",
                10,
                (0, 0),
                &[(900, 0), (900, 0), (900, 0), (900, 0), (100, 0), (100, 0), (100, 0), (100, 100)],
                Some(7),
            ),
            ("none are tolerated", 0, (0, 0), &[(1000, 5)], Some(0)),
        ] {
            assert_eq!(judged(limit, before, seconds), expected, "{what}");
        }
    }

    #[test]
    fn a_count_that_begins_anew_is_no_error() {
        let start = Instant::now();
        let mut judge = Judge::new(10, Answers { all: 1000, errors: 0 }, start);
        assert_eq!(judge.take(Answers { all: 10, errors: 8 }, start + Duration::from_secs(1)), None);
        let next = judge.take(Answers { all: 20, errors: 18 }, start + Duration::from_secs(2));
        assert_eq!(next, Some(Answers { all: 10, errors: 10 }));
    }
}
