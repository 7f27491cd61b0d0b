//! The ways a request fails. Each request has one outcome; each failure has one kind.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::app::wire::WireError;

/// The kind, as counted in the report under its displayed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No connection: refused, unreachable, or not within its timeout. Nothing was sent.
    Connect,
    /// Connected and sent, but the answer was not complete in time.
    Timeout,
    /// The connection ended before the answer was complete, by a reset or an orderly close.
    Reset,
    /// A complete answer that is not 2xx.
    Status(u16),
    /// 2xx, but the checksum of the body is missing or another one: bytes were lost or mixed up.
    Checksum,
    /// Not HTTP/1.1, or more bytes than the answer has.
    Malformed,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Timeout => f.write_str("timeout"),
            Self::Reset => f.write_str("reset"),
            Self::Status(code) => write!(f, "status_{code}"),
            Self::Checksum => f.write_str("checksum"),
            Self::Malformed => f.write_str("malformed"),
        }
    }
}

/// A failed request.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// Errors of a connection that stood.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            // A socket's own timeout is reported as `WouldBlock` on Linux.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Kind::Timeout,
            _ => Kind::Reset,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Io(error) => error.into(),
            WireError::Closed(detail) => Self::new(Kind::Reset, detail),
            WireError::Malformed(detail) => Self::new(Kind::Malformed, detail),
        }
    }
}
