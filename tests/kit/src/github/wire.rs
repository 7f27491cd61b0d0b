//! HTTP/1.1, as much of it as one client's requests need.

use std::io::{BufRead, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::Call;
use super::answer::Answer;

/// The next request; none at the end of the connection or where it is not HTTP.
pub(super) fn read(reader: &mut impl BufRead) -> Option<Call> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorized) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorized = value.starts_with("Bearer "),
            _ => {}
        }
    }
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
