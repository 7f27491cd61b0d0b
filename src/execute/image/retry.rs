//! When a push is worth another try: the engine repeats uploads of layers, and gives up at once on anything else.

use std::time::Duration;

use crate::clients::docker::{DockerError, RegistryLogin};
use crate::clients::registry::what_to_check;
use crate::domain::{Reason, Repository};
use crate::failure::{Failure, Kind};

/// Pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// Longest pause that a registry's `Retry-After` can ask for.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// How often it was tried.
#[derive(Debug, Default)]
pub(super) struct Tries(usize);

impl Tries {
    /// How long to wait before the next attempt; `None` where none is worth it.
    pub(super) fn pause(&mut self, error: &str) -> Option<Duration> {
        let passes = ["503", "429", "502", "504", "toomanyrequests"];
        let pause = PAUSES.get(self.0).filter(|_| says(error, &passes))?;
        self.0 += 1;
        Some(*pause)
    }
}

/// True where one of the words is in the text as a word of its own: the engine hands the registry's status on in words,
/// and a digest may hold any three digits.
fn says(text: &str, words: &[&str]) -> bool {
    let mut parts = text.split(|c: char| !c.is_ascii_alphanumeric());
    parts.any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

/// True where the registry failed for a reason that it keeps to itself.
pub(super) fn is_unexplained(error: &DockerError) -> bool {
    let text = error.to_string();
    says(&text, &["500", "507"]) || text.contains("unknown error")
}

/// The failure of a push to a registry without space.
pub(super) fn full(repository: &Repository, error: DockerError) -> Failure {
    Failure::new(Reason::RegistryFailed, format!("the registry `{}` has no space left", repository.registry()))
        .because(error)
        .hint("free space where it keeps its images: delete old ones and run its garbage collection, then run the job again")
}

/// The failure of a push that is not tried again.
pub(super) fn failure(repository: &Repository, login: Option<&RegistryLogin>, error: DockerError) -> Failure {
    let denied = says(&error.to_string(), &["unauthorized", "denied", "auth", "authentication", "401", "403"]);
    let host = repository.registry();
    let (message, hint) = if matches!(error, DockerError::Unavailable { .. }) {
        let failure = Failure::new(Reason::DockerUnavailable, format!("the image was not pushed to `{repository}`"));
        return failure
            .kind(Kind::Build)
            .because(error)
            .hint("see that the job may reach the Docker Engine (`DOCKER_HOST`), then run it again");
    } else if let (true, Some(login)) = (denied, login) {
        (format!("the registry `{host}` refuses the login for `{repository}`"), what_to_check(login))
    } else if denied {
        (
            format!("the registry `{host}` wants a login for `{repository}`"),
            "give `registry-username` and `registry-password`",
        )
    } else {
        (
            format!("the image was not pushed to `{repository}`"),
            "see that the registry is up and that the repository exists, then run the job again",
        )
    };
    Failure::new(Reason::RegistryFailed, message).because(error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_tried_again() {
        for (error, again) in [
            ("received unexpected HTTP status: 503 Service Unavailable", true),
            ("toomanyrequests: slow down", true),
            ("unauthorized: authentication required", false),
            ("denied: requested access to the resource is denied", false),
            ("Get \"http://127.0.0.1:1/v2/\": dial tcp: connection refused", false),
        ] {
            assert_eq!(Tries::default().pause(error).is_some(), again, "{error}");
        }
        let mut tries = Tries::default();
        let pauses = std::iter::from_fn(|| tries.pause("503")).count();
        assert_eq!(pauses, 3, "four attempts in all");
    }
}
