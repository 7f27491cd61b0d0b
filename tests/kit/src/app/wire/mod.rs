//! Reading HTTP/1.1 messages off a byte stream, strictly: the sample app reads requests with it, the
//! load generator reads answers. What it cannot read it calls malformed; it never guesses.

mod body;
mod head;

use std::fmt;
use std::io::{self, ErrorKind, Read};

pub(crate) use body::Framing;
pub(crate) use head::Head;

/// The start line and all headers together may not be larger than this, in bytes.
pub(crate) const HEAD_CAP: usize = 64 * 1024;

/// Why a message could not be read to its end.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The peer closed the connection before the message was complete.
    Closed(String),
    /// The bytes are not HTTP/1.1 as this module understands it.
    Malformed(String),
    /// Reading failed; `WouldBlock` and `TimedOut` mean that the time was up.
    Io(io::Error),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(detail) | Self::Malformed(detail) => f.write_str(detail),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

/// A buffered reader of one direction of a connection.
#[derive(Debug)]
pub(crate) struct Wire<R> {
    from: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    seen: u64,
}

impl<R: Read> Wire<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, buf: vec![0; 8 * 1024], start: 0, end: 0, seen: 0 }
    }

    /// The reader below, to change its deadline.
    pub(crate) fn reader_mut(&mut self) -> &mut R {
        &mut self.from
    }

    /// Bytes that have been read from the peer and belong to no message yet.
    pub(crate) fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Makes sure that at least one byte is buffered; `false` if the peer has closed instead.
    pub(crate) fn fill(&mut self) -> Result<bool, WireError> {
        while self.buffered() == 0 {
            match self.from.read(&mut self.buf) {
                Ok(0) => return Ok(false),
                Ok(n) => (self.start, self.end, self.seen) = (0, n, self.seen + n as u64),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(WireError::Io(error)),
            }
        }
        Ok(true)
    }

    /// Like `fill`, for a place where a message may not end.
    fn need(&mut self, place: &str) -> Result<(), WireError> {
        if self.fill()? {
            return Ok(());
        }
        let seen = self.seen;
        Err(WireError::Closed(format!("closed in {place}, after {seen} bytes")))
    }

    /// The next line without its CRLF. `budget` shrinks by its length, so that a row of lines has
    /// one cap in common.
    fn line(&mut self, place: &str, budget: &mut usize) -> Result<Vec<u8>, WireError> {
        let mut line = Vec::new();
        loop {
            self.need(place)?;
            let window = &self.buf[self.start..self.end];
            let newline = window.iter().position(|byte| *byte == b'\n');
            let take = newline.map_or(window.len(), |at| at + 1);
            if take > *budget {
                return Err(malformed(format!("{place} is too large")));
            }
            *budget -= take;
            line.extend_from_slice(&window[..take]);
            self.start += take;
            if newline.is_some() {
                break;
            }
        }
        line.pop();
        // A bare line feed, a stray carriage return or a NUL is how two parsers come to disagree.
        if line.pop() != Some(b'\r') || line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(malformed(format!("{place} has a line not ended by CRLF")));
        }
        Ok(line)
    }
}

fn malformed(detail: impl Into<String>) -> WireError {
    WireError::Malformed(detail.into())
}
