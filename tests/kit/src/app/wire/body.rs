//! Where a body ends, and reading it to there without keeping it.

use std::io::Read;

use super::{HEAD_CAP, Head, Wire, WireError, malformed};

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Exactly so many bytes; 0 is no body.
    Length(u64),
    /// Chunks, each with its size, and an empty one last.
    Chunked,
    /// All bytes until the peer closes. Answers only; cannot be told from a cut connection.
    UntilClose,
}

impl Framing {
    /// What the headers say; `None` if they say nothing. Both ways at once, lengths that differ, or
    /// a coding other than `chunked` are malformed.
    pub(crate) fn of(head: &Head) -> Result<Option<Self>, WireError> {
        let mut codings = head.all("transfer-encoding");
        let mut lengths = head.all("content-length");
        let (coding, length) = (codings.next(), lengths.next());
        match (coding, length) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(malformed("both Transfer-Encoding and Content-Length")),
            (Some(coding), None) => {
                if codings.next().is_some() || !coding.eq_ignore_ascii_case("chunked") {
                    return Err(malformed(format!("Transfer-Encoding {coding:?}")));
                }
                Ok(Some(Self::Chunked))
            }
            (None, Some(length)) => {
                if lengths.any(|other| other != length) {
                    return Err(malformed("two different Content-Length"));
                }
                // `parse` alone would accept a leading plus sign.
                let digits = length.bytes().all(|byte| byte.is_ascii_digit());
                match length.parse() {
                    Ok(bytes) if digits => Ok(Some(Self::Length(bytes))),
                    _ => Err(malformed(format!("Content-Length {length:?}"))),
                }
            }
        }
    }
}

impl<R: Read> Wire<R> {
    /// Reads a body to its end and shows each piece of it to `sink`.
    pub(crate) fn body(&mut self, framing: Framing, mut sink: impl FnMut(&[u8])) -> Result<(), WireError> {
        match framing {
            Framing::Length(bytes) => self.take(bytes, &mut sink),
            Framing::Chunked => self.chunks(&mut sink),
            Framing::UntilClose => {
                while self.fill()? {
                    let available = self.buffered() as u64;
                    self.take(available, &mut sink)?;
                }
                Ok(())
            }
        }
    }

    fn chunks(&mut self, sink: &mut impl FnMut(&[u8])) -> Result<(), WireError> {
        loop {
            let line = self.line("a chunk size", &mut 1024)?;
            // Extensions after the semicolon mean nothing to either side here.
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = size.trim_ascii_end();
            let digits = !size.is_empty() && size.iter().all(u8::is_ascii_hexdigit);
            let size = str::from_utf8(size).ok().filter(|_| digits);
            let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
            let Some(size) = size else {
                let line = String::from_utf8_lossy(&line);
                return Err(malformed(format!("not a chunk size: {line:?}")));
            };
            if size == 0 {
                break;
            }
            self.take(size, sink)?;
            if !self.line("the end of a chunk", &mut 1024)?.is_empty() {
                return Err(malformed("a chunk is longer than its size"));
            }
        }
        let mut budget = HEAD_CAP;
        while !self.line("the trailers", &mut budget)?.is_empty() {}
        Ok(())
    }

    fn take(&mut self, bytes: u64, sink: &mut impl FnMut(&[u8])) -> Result<(), WireError> {
        let mut left = bytes;
        while left > 0 {
            self.need("the body")?;
            let here = left.min(self.buffered() as u64) as usize;
            sink(&self.buf[self.start..self.start + here]);
            self.start += here;
            left -= here as u64;
        }
        Ok(())
    }
}
