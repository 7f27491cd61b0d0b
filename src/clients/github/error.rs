//! What could not be done at GitHub. Never a run's failure: whoever calls says it and goes on.

use crate::domain::one_line;

/// Longest text of GitHub's that is repeated, in characters.
const SHOWN: usize = 300;

/// The kinds that a caller may tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, or none that was asked for, in any of the tries. Which effect the call had is unknown.
    Unreachable,
    /// The call was refused and stays refused.
    Refused,
    /// What the call is about does not exist, or the token may not see it.
    Missing,
    /// GitHub asks for a longer wait than is worth it, or the run made its share of calls.
    Limited,
}

/// A call that did not succeed, as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GitHubError {
    /// Its kind.
    pub trouble: Trouble,
    /// What was tried, what came back, and what to do about it.
    pub message: String,
}

impl GitHubError {
    pub(super) fn new(trouble: Trouble, what: &str, came: &str) -> Self {
        Self { trouble, message: format!("{what}: {}", one_line(came, SHOWN)) }
    }

    pub(super) fn unreachable(what: &str, came: &str) -> Self {
        Self::new(Trouble::Unreachable, what, came)
    }

    pub(super) fn address(api_url: &str) -> Self {
        let came = format!("`{api_url}` is not the address of GitHub's API; check `GITHUB_API_URL`");
        Self::new(Trouble::Refused, "preparing the client", &came)
    }

    /// With what to do about it; our own words only.
    pub(super) fn advice(mut self, advice: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(advice);
        self
    }
}
