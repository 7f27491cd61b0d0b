//! Keeps a build's secrets out of what is told of it: a step may print what it has read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::Secret;

/// Shorter lines of a secret are left alone: they would be found in any text.
const SHORTEST: usize = 4;

/// Replaces secrets in text.
pub(super) struct Redact<'a>(Vec<&'a str>);

impl<'a> Redact<'a> {
    /// Each line of a secret for itself: a build's lines are told one by one.
    pub(super) fn new(secrets: &'a BTreeMap<String, Secret<String>>) -> Self {
        let lines = secrets.values().flat_map(|secret| secret.expose().lines().map(str::trim));
        let mut lines: Vec<&str> = lines.filter(|line| line.len() >= SHORTEST).collect();
        // The longest first: one secret may hold another.
        lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        Self(lines)
    }

    pub(super) fn text(&self, text: &str) -> String {
        let whole = self.0.iter().fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(secret) { Cow::Owned(text.replace(secret, "***")) } else { text }
        });
        whole.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_secret_is_replaced() {
        let secrets = ["key-1\n  key-2\nab\n", "key-1-more"].map(|value| Secret::new(value.to_owned()));
        let secrets = BTreeMap::from_iter(["a", "b"].map(str::to_owned).into_iter().zip(secrets));
        let redact = Redact::new(&secrets);
        for (text, told) in [("x key-1 y key-2", "x *** y ***"), ("key-1-more", "***"), ("cab", "cab"), ("", "")] {
            assert_eq!(redact.text(text), told);
        }
    }
}
