//! HTTP/1.1, as much of it as AWS's clients need.

use std::io::{BufRead, Read as _, Write as _};
use std::net::TcpStream;

use crate::head::Head;

/// A call as it arrived.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// `X-Amz-Target`.
    pub(super) target: Option<String>,
    /// The key id of `Authorization`.
    pub(super) access_key: Option<String>,
    pub(super) body: Vec<u8>,
}

/// An answer before it is written.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// The code of a refusal.
    pub(super) error: Option<String>,
    pub(super) body: String,
}

/// The next call; none at the end of the connection or where it is not HTTP.
pub(super) fn read(reader: &mut impl BufRead) -> Option<Call> {
    let head = Head::read(reader)?;
    let length = head.field("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let is_chunked = head.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if is_chunked { chunks(reader)? } else { exactly(reader, length)? };
    Some(Call {
        target: head.field("x-amz-target").map(ToOwned::to_owned),
        access_key: head.field("authorization").and_then(access_key),
        body,
    })
}

/// The key id of a signature, e.g. of `AWS4-HMAC-SHA256 Credential=AKIA…/20260101/…, SignedHeaders=…`.
fn access_key(header: &str) -> Option<String> {
    let credential = header.split("Credential=").nth(1)?;
    credential.split('/').next().map(ToOwned::to_owned)
}

fn exactly(reader: &mut impl BufRead, length: u64) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let count = reader.take(length).read_to_end(&mut body).ok()?;
    (count as u64 == length).then_some(body)
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = u64::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        body.extend(exactly(reader, length)?);
        // The line end after a chunk, or after the last one where no trailer follows.
        reader.read_line(&mut String::new()).ok()?;
        if length == 0 {
            return Some(body);
        }
    }
}

/// Writes an answer; `false` where the client has gone.
pub(super) fn send(mut stream: &TcpStream, answer: &Answer) -> bool {
    let error = answer.error.as_ref().map(|code| format!("x-amzn-errortype: {code}\r\n")).unwrap_or_default();
    let text = format!(
        "HTTP/1.1 {} Answer\r\ncontent-type: {}\r\ncontent-length: {}\r\n\
         x-amzn-requestid: 00000000-0000-4000-8000-000000000000\r\n{error}\r\n{}",
        answer.status,
        answer.content_type,
        answer.body.len(),
        answer.body
    );
    stream.write_all(text.as_bytes()).is_ok()
}
