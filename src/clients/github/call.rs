//! One call: counted, bounded in time and size, repeated where that can do no harm.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;

use super::answer::{Answer, Tried};
use super::error::{GitHubError, Trouble};
use super::{GitHub, MAX_CALLS};

/// Tries of one call, the first included.
const TRIES: u32 = 3;
/// Largest answer in bytes: a page of 100 comments of 65,536 characters each fits.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
}

/// A call as its method describes it.
pub(super) struct Call {
    /// What it does, to begin a sentence with.
    pub(super) what: &'static str,
    pub(super) method: Method,
    /// Path and query, from the host's root.
    pub(super) path: String,
    pub(super) body: Value,
    /// The permission that it needs, as a workflow writes it.
    pub(super) permission: &'static str,
}

impl GitHub {
    /// Calls that are left of the run's share.
    #[must_use]
    pub fn calls_left(&self) -> u32 {
        MAX_CALLS.saturating_sub(self.calls.load(Ordering::Relaxed))
    }

    /// Below the repository: `/repos/owner/name` and `rest`.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}/repos/{}{rest}", self.rest, self.repository)
    }

    /// Tries of the next call: one, while as many as a call has came to nothing in a row. So a GitHub that is down costs
    /// the tries of one call, and not those of each.
    fn tries(&self) -> u32 {
        if self.in_vain.load(Ordering::Relaxed) >= TRIES { 1 } else { TRIES }
    }

    /// A call that means the same when it arrives twice.
    pub(super) async fn repeat(&self, call: &Call) -> Result<Value, GitHubError> {
        let (mut tried, tries) = (1, self.tries());
        loop {
            let (wait, error) = match self.once(call).await {
                Tried::Done(value) => return Ok(value),
                Tried::Refused(error) => return Err(error),
                Tried::Later(after, error) => (after, error),
                Tried::Lost(error) => (self.pause(tried), error),
            };
            if tried == tries || wait > self.pace.longest_wait {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            tried += 1;
        }
    }

    /// A call that makes something new each time it arrives: after a lost answer, `find` tells whether it did.
    pub(super) async fn create<T, F>(
        &self,
        call: &Call,
        read: impl Fn(&Value) -> Option<T>,
        find: impl Fn() -> F,
    ) -> Result<T, GitHubError>
    where
        F: Future<Output = Result<Option<T>, GitHubError>>,
    {
        let (mut tried, tries) = (1, self.tries());
        loop {
            let (wait, lost, error) = match self.once(call).await {
                Tried::Done(value) => match read(&value) {
                    Some(made) => return Ok(made),
                    None => {
                        let error = GitHubError::unreachable(call.what, "GitHub's answer lacks what it promises");
                        (self.pause(tried), true, error)
                    }
                },
                Tried::Refused(error) => return Err(error),
                Tried::Later(after, error) => (after, false, error),
                Tried::Lost(error) => (self.pause(tried), true, error),
            };
            if wait > self.pace.longest_wait {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            // Whatever came of the last look or try: for the caller it is a call without an answer, not to be made again.
            let unknown = |error: GitHubError| GitHubError { trouble: Trouble::Unreachable, ..error };
            // The look also follows the last try: what was made must not be reported as missing.
            if lost && let Some(made) = find().await.map_err(unknown)? {
                return Ok(made);
            }
            if tried == tries {
                return Err(unknown(error));
            }
            tried += 1;
        }
    }

    fn pause(&self, tried: u32) -> Duration {
        self.pace.pause * 2_u32.pow(tried - 1)
    }

    async fn once(&self, call: &Call) -> Tried {
        if self.calls.fetch_add(1, Ordering::Relaxed) >= MAX_CALLS {
            let came = format!("not tried: this run already made {MAX_CALLS} calls to GitHub");
            return Tried::Refused(GitHubError::new(Trouble::Limited, call.what, &came));
        }
        let tried = match tokio::time::timeout(self.pace.one_try, self.carry(call)).await {
            Ok(Ok(answer)) => answer.read(call),
            Ok(Err(came)) => Tried::Lost(GitHubError::unreachable(call.what, &came)),
            Err(_) => {
                let came = format!("GitHub does not answer within {:?}", self.pace.one_try);
                Tried::Lost(GitHubError::unreachable(call.what, &came))
            }
        };
        match tried {
            Tried::Lost(_) | Tried::Later(..) => self.in_vain.fetch_add(1, Ordering::Relaxed),
            Tried::Done(_) | Tried::Refused(_) => self.in_vain.swap(0, Ordering::Relaxed),
        };
        tried
    }

    async fn carry(&self, call: &Call) -> Result<Answer, String> {
        let path = call.path.clone();
        let sent = match call.method {
            Method::Get => self.http._get(path).await,
            Method::Post => self.http._post(path, Some(&call.body)).await,
            Method::Patch => self.http._patch(path, Some(&call.body)).await,
        };
        let (head, mut body) = sent.map_err(|error| chain(&error))?.into_parts();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let mut answer = Answer {
            status: head.status.as_u16(),
            retry_after: header("retry-after").and_then(|value| value.parse().ok()),
            exhausted: header("x-ratelimit-remaining") == Some("0"),
            accepted: header("x-accepted-github-permissions").map(str::to_owned),
            body: Vec::new(),
        };
        // Copied piece by piece: a piece keeps the whole buffer that it was read into, however small it is.
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("GitHub's answer breaks off: {}", chain(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if answer.body.len() + data.len() > MAX_ANSWER {
                return Err(format!("GitHub's answer is larger than {} MiB", MAX_ANSWER >> 20));
            }
            answer.body.extend_from_slice(&data);
        }
        Ok(answer)
    }
}

/// The last cause says the most: the ones before it only name layers.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    format!("GitHub is not reached: {last}")
}
