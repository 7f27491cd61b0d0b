//! What an answer means: the one place that knows GitHub's status codes and headers.

use std::time::Duration;

use serde_json::Value;

use super::call::Call;
use super::error::{GitHubError, Trouble};

/// An answer, complete.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `retry-after` in seconds.
    pub(super) retry_after: Option<u64>,
    /// `x-ratelimit-remaining` is 0.
    pub(super) exhausted: bool,
    /// `x-accepted-github-permissions`.
    pub(super) accepted: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What became of one try.
pub(super) enum Tried {
    /// Done, with the answer's document.
    Done(Value),
    /// Not done, and it stays so.
    Refused(GitHubError),
    /// Not done; GitHub asks to come back.
    Later(Duration, GitHubError),
    /// Unknown whether it was done.
    Lost(GitHubError),
}

impl Answer {
    pub(super) fn read(self, call: &Call) -> Tried {
        let document = serde_json::from_slice::<Value>(&self.body).ok();
        let said = document.as_ref().map(said).unwrap_or_default();
        let error = |trouble, text: String| GitHubError::new(trouble, call.what, &text);
        let status = self.status;
        match (status, document) {
            (200..=299, Some(value)) => Tried::Done(value),
            (200..=299, None) => {
                let text = format!("GitHub answers {status}, but not with a JSON document");
                Tried::Lost(error(Trouble::Unreachable, text))
            }
            (300..=399, _) => {
                let text = format!("GitHub answers {status}: the repository or its API has moved");
                let advice = "re-run the workflow under the repository's present name";
                Tried::Refused(error(Trouble::Refused, text).advice(advice))
            }
            (401, _) => {
                let text = format!("GitHub answers 401{said}");
                let advice = "the token is wrong or expired; `github-token` defaults to the job's own";
                Tried::Refused(error(Trouble::Refused, text).advice(advice))
            }
            (403 | 429, _) if status == 429 || self.limits(&said) => {
                let text = format!("GitHub answers {status}{said}");
                // GitHub asks for at least a minute where it names no time.
                let after = Duration::from_secs(self.retry_after.unwrap_or(60));
                let seconds = after.as_secs();
                let limited = error(Trouble::Limited, text).advice(&format!("GitHub asks to wait {seconds} s"));
                Tried::Later(after, limited)
            }
            (403, _) if self.accepted.is_none() && said.contains("locked") => {
                let text = format!("GitHub answers 403{said}");
                let advice = "the conversation is locked: unlock it, or read the job summary";
                Tried::Refused(error(Trouble::Refused, text).advice(advice))
            }
            (403, _) => {
                let text = format!("GitHub answers 403{said}");
                let advice = permission(call.permission, self.accepted.as_deref());
                Tried::Refused(error(Trouble::Refused, text).advice(&advice))
            }
            (404 | 410, _) => {
                let text = format!("GitHub answers {status}{said}");
                let advice = format!(
                    "it does not exist or the token may not see it: {}",
                    permission(call.permission, self.accepted.as_deref())
                );
                Tried::Refused(error(Trouble::Missing, text).advice(&advice))
            }
            (408 | 500..=599, _) => Tried::Lost(error(Trouble::Unreachable, format!("GitHub answers {status}{said}"))),
            _ => Tried::Refused(error(Trouble::Refused, format!("GitHub answers {status}{said}"))),
        }
    }

    /// A 403 that is a rate limit and no missing permission.
    fn limits(&self, said: &str) -> bool {
        self.retry_after.is_some() || self.exhausted || said.contains("rate limit")
    }
}

/// GitHub's own sentence, with what it says about single members of a request that it finds invalid.
fn said(document: &Value) -> String {
    let Some(message) = document.get("message").and_then(Value::as_str) else { return String::new() };
    let errors = document.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let details: Vec<&str> =
        errors.iter().filter_map(|error| error.get("message").and_then(Value::as_str).or(error.as_str())).collect();
    if details.is_empty() { format!(": {message}") } else { format!(": {message} ({})", details.join(", ")) }
}

/// The permissions that a call needs, as YAML for the job. GitHub's header lists alternatives separated by `;`, each a
/// list of `name=level`; the one that holds what this program documents goes first.
fn permission(usual: &str, accepted: Option<&str>) -> String {
    let pairs = |alternative: &str| -> Option<Vec<String>> {
        alternative.split(',').map(|pair| pair.trim().split_once('=').and_then(entry)).collect()
    };
    let alternatives: Vec<Vec<String>> = accepted.unwrap_or_default().split(';').filter_map(pairs).collect();
    let usual = usual.to_owned();
    let wanted = match alternatives.first() {
        Some(first) if !alternatives.iter().any(|all| all.contains(&usual)) => first.join(", "),
        Some(_) | None => usual,
    };
    format!("the job needs `permissions: {{{wanted}}}`")
}

/// One permission as a workflow writes it; nothing but the words that exist.
fn entry((name, level): (&str, &str)) -> Option<String> {
    let known = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (known && matches!(level, "read" | "write")).then(|| format!("{}: {level}", name.replace('_', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_conversation_is_no_missing_permission() {
        let call = Call {
            what: "creating the comment",
            method: super::super::call::Method::Post,
            path: String::new(),
            body: Value::Null,
            permission: "pull-requests: write",
        };
        let body = br#"{"message": "Unable to create comment because issue is locked."}"#.to_vec();
        let answer = Answer { status: 403, retry_after: None, exhausted: false, accepted: None, body };
        let Tried::Refused(error) = answer.read(&call) else { panic!("not refused") };
        assert!(error.message.ends_with("unlock it, or read the job summary"), "{error}");
        assert!(!error.message.contains("permissions"), "{error}");
    }

    #[test]
    fn permissions_become_yaml() {
        for (accepted, expected) in [
            (None, "pull-requests: write"),
            (Some("issues=write; pull_requests=write"), "pull-requests: write"),
            (Some("contents=read,statuses=write"), "contents: read, statuses: write"),
            (Some("x=y"), "pull-requests: write"),
            (Some("a\r\n::error::=write"), "pull-requests: write"),
        ] {
            let text = permission("pull-requests: write", accepted);
            assert_eq!(text, format!("the job needs `permissions: {{{expected}}}`"));
        }
    }
}
