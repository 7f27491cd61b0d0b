//! One HTTP request at a time, over a connection of its own: enough to ask Traefik, the registry and the agent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::error::{BedError, Result};
use crate::app::wire::{Framing, Wire};

/// Longest time for a whole request.
const LIMIT: Duration = Duration::from_secs(10);

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body; what is not UTF-8 is replaced.
    pub body: String,
}

impl Answer {
    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Sends one request without a body.
///
/// # Errors
/// No connection, no complete answer within 10 s, or an answer that is not HTTP/1.1.
pub fn request(to: SocketAddr, method: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let failed = |error: &dyn std::fmt::Display| BedError::new(format!("bed: {method} http://{to}{path}: {error}"));
    let stream = TcpStream::connect_timeout(&to, LIMIT).map_err(|error| failed(&error))?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    (&stream).write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    let mut wire = Wire::new(Timed { stream: &stream, end: Instant::now() + LIMIT });
    let head = wire.head().map_err(|error| failed(&error))?;
    let status = head.start.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| failed(&format!("not a status line: {:?}", head.start)))?;
    let mut body = Vec::new();
    if method != "HEAD" && !matches!(status, 204 | 304) {
        let framing = Framing::of(&head).map_err(|error| failed(&error))?.unwrap_or(Framing::UntilClose);
        wire.body(framing, |bytes| body.extend_from_slice(bytes)).map_err(|error| failed(&error))?;
    }
    Ok(Answer { status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A stream whose reads all end at one time: a server that trickles cannot hold a test.
struct Timed<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        (&mut &*self.stream).read(buffer)
    }
}
