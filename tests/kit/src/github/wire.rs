//! HTTP/1.1, as much of it as one client's requests need.

use std::io::{BufRead, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::Call;
use super::answer::Answer;
use crate::head::Head;

/// The next request; none at the end of the connection or where it is not HTTP.
pub(super) fn read(reader: &mut impl BufRead) -> Option<Call> {
    let head = Head::read(reader)?;
    let mut words = head.first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = head.field("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let authorized = head.field("authorization").is_some_and(|value| value.starts_with("Bearer "));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Call { method, path, body, authorized, answer: None })
}

/// Writes an answer; `false` where the client has gone.
pub(super) fn send(mut stream: &TcpStream, answer: &Answer) -> bool {
    stream.write_all(text(answer).as_bytes()).is_ok()
}

/// An answer as bytes on the wire.
pub(super) fn text(answer: &Answer) -> String {
    let mut text = format!("HTTP/1.1 {} Answer\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&answer.body);
    text
}
