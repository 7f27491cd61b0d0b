//! How the double misbehaves: the failures that people meet.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::Call;
use super::answer::Answer;
use super::wire;

/// What happens instead of the right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 403 for a token without the permission; with GitHub's header that names it, or without.
    Forbidden(Option<&'static str>),
    /// 401.
    BadToken,
    /// 404.
    Missing,
    /// 422 with a reason.
    Invalid,
    /// 429 with `retry-after` in seconds.
    TooMany(u64),
    /// 429 with this `retry-after`.
    TooManyUntil(&'static str),
    /// 403 for a secondary rate limit, with `retry-after` in seconds or without.
    Secondary(Option<u64>),
    /// The effect happens, the answer is a 502.
    BadGatewayAfter,
    /// The effect happens, the connection is closed.
    ClosedAfter,
    /// The right answer, after this time.
    Slow(Duration),
    /// The connection is closed at once.
    Down,
    /// No answer until the client goes.
    Hanging,
    /// The effect happens, half of the answer comes.
    Truncated,
    /// The effect happens, a page comes instead of JSON.
    Html,
}

impl Fault {
    pub(super) fn has_effect(&self) -> bool {
        matches!(self, Self::BadGatewayAfter | Self::ClosedAfter | Self::Slow(_) | Self::Truncated | Self::Html)
    }

    /// Plays the fault; `false` ends the connection.
    pub(super) fn play(self, mut stream: &TcpStream, right: Option<Answer>) -> bool {
        let answer = match self {
            Self::Forbidden(permission) => {
                let answer = Answer::refused(403, "Resource not accessible by integration");
                match permission {
                    Some(permission) => answer.header("x-accepted-github-permissions", permission),
                    None => answer,
                }
            }
            Self::BadToken => Answer::refused(401, "Bad credentials"),
            Self::Missing => Answer::refused(404, "Not Found"),
            Self::Invalid => Answer::refused(422, "Validation Failed"),
            Self::TooMany(after) => {
                Answer::refused(429, "API rate limit exceeded").header("retry-after", after.to_string())
            }
            Self::TooManyUntil(after) => {
                Answer::refused(429, "API rate limit exceeded").header("retry-after", after.to_owned())
            }
            Self::Secondary(after) => {
                let answer = Answer::refused(403, "You have exceeded a secondary rate limit.");
                match after {
                    Some(after) => answer.header("retry-after", after.to_string()),
                    None => answer,
                }
            }
            Self::BadGatewayAfter => Answer::refused(502, "Server Error"),
            Self::ClosedAfter | Self::Down => return false,
            Self::Slow(time) => {
                thread::sleep(time);
                return right.is_some_and(|right| wire::send(stream, &right));
            }
            Self::Hanging => {
                let _ = stream.read_to_end(&mut Vec::new());
                return false;
            }
            Self::Truncated => {
                let text = right.map(|right| wire::text(&right)).unwrap_or_default();
                let _ = stream.write_all(&text.as_bytes()[..text.len() - text.len().min(20)]);
                return false;
            }
            Self::Html => Answer {
                status: 200,
                headers: vec![("content-type", "text/html".to_owned())],
                body: "<html><title>Unicorn!</title></html>".to_owned(),
            },
        };
        wire::send(stream, &answer)
    }
}

/// A fault that waits for its calls.
#[derive(Debug)]
pub(super) struct Planned {
    method: String,
    path: String,
    fault: Fault,
    left: u32,
}

impl Planned {
    pub(super) fn new(method: &str, path: &str, fault: Fault, times: u32) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), fault, left: times }
    }

    pub(super) fn take(&mut self, call: &Call) -> Option<Fault> {
        let meant = self.left > 0 && call.method == self.method && call.path.contains(&self.path);
        self.left -= u32::from(meant);
        meant.then(|| self.fault.clone())
    }
}
