//! Answers that take their time: a body of a given size in pieces, and server-sent events.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use super::request::Request;
use super::stop::Stop;
use super::sum::BodySum;

/// A piece of a streamed body.
const PIECE: usize = 64 * 1024;

/// What is streamed, from a request's path and query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Streamed {
    /// `/stream?bytes=N&over=MS`: so many bytes, spread over that time.
    Body { bytes: u64, over: Duration },
    /// `/events?every=MS`: one event each time, until the client or SIGTERM ends it.
    Events { every: Duration },
}

impl Streamed {
    pub(super) fn of(request: &Request) -> Option<Self> {
        let number = |name, default| request.number(name).unwrap_or(default);
        match request.path() {
            "/stream" => {
                Some(Self::Body { bytes: number("bytes", 5_000_000), over: Duration::from_millis(number("over", 0)) })
            }
            "/events" => Some(Self::Events { every: Duration::from_millis(number("every", 100).max(1)) }),
            _ => None,
        }
    }

    /// Writes the whole answer; `headers` are lines that every answer has.
    pub(super) fn write(&self, mut to: impl Write, headers: &str, stop: &Stop) -> io::Result<()> {
        match *self {
            Self::Body { bytes, over } => {
                let sum = sum_of(bytes);
                let head = format!("Content-Type: application/octet-stream\r\nX-Answer-Sum: {sum}\r\n{headers}");
                begin(&mut to, &head)?;
                let pause = over / u32::try_from(bytes.div_ceil(PIECE as u64)).unwrap_or(u32::MAX).max(1);
                for piece in pieces(bytes) {
                    thread::sleep(pause);
                    chunk(&mut to, &piece)?;
                }
            }
            Self::Events { every } => {
                begin(&mut to, &format!("Content-Type: text/event-stream\r\nCache-Control: no-store\r\n{headers}"))?;
                for number in 1.. {
                    chunk(&mut to, format!("data: {number}\n\n").as_bytes())?;
                    if stop.wait_for(every) {
                        break;
                    }
                }
            }
        }
        to.write_all(b"0\r\n\r\n")
    }
}

fn begin(to: &mut impl Write, head: &str) -> io::Result<()> {
    to.write_all(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n").as_bytes())
}

fn chunk(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

/// The body of so many bytes, always the same. No two pieces are alike, so that a lost one is noticed.
fn pieces(bytes: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes).step_by(PIECE).map(move |start| {
        let length = (bytes - start).min(PIECE as u64) as usize;
        (start..).step_by(8).flat_map(u64::to_le_bytes).take(length).collect()
    })
}

fn sum_of(bytes: u64) -> String {
    let mut sum = BodySum::default();
    pieces(bytes).for_each(|piece| sum.add(&piece));
    sum.hex()
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Framing, Wire};
    use super::*;

    #[test]
    fn a_body_has_its_length_and_its_sum() {
        let mut answer = Vec::new();
        let body = Streamed::Body { bytes: 200_001, over: Duration::ZERO };
        body.write(&mut answer, "X-Version: v1\r\n", &Stop::default()).expect("written");
        let mut wire = Wire::new(&answer[..]);
        let head = wire.head().expect("a head");
        let (mut sum, mut length) = (BodySum::default(), 0);
        let read = wire.body(Framing::Chunked, |piece| {
            sum.add(piece);
            length += piece.len();
        });
        read.expect("a body");
        assert_eq!((length, head.get("x-version")), (200_001, Some("v1")));
        assert_eq!(head.get("x-answer-sum"), Some(sum.hex().as_str()));
    }
}
