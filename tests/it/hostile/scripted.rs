//! A server that answers what a test tells it to, byte by byte: whole, cut, slowly, or without an end.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A part of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The same bytes again and again, until the other side hangs up.
    Forever(Vec<u8>),
    /// A byte of these at a time, a second apart, again and again.
    Drops(Vec<u8>),
}

/// What was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The request's first line.
    pub(crate) line: String,
    /// All lines of its head.
    pub(crate) head: String,
    /// Where it was asked.
    pub(crate) here: SocketAddr,
}

/// The server. Its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
}

impl Scripted {
    /// Answers one request a connection; then the connection ends.
    pub(crate) fn new(answer: impl Fn(&Asked) -> Vec<Piece> + Send + Sync + 'static) -> Self {
        Self::at(&Ipv4Addr::LOCALHOST.to_string(), answer)
    }

    /// The same at another address of this machine.
    pub(crate) fn at(ip: &str, answer: impl Fn(&Asked) -> Vec<Piece> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                // A side that hangs up ends the connection, which is all there is to do about it.
                thread::spawn(move || drop(serve(&stream, answer.as_ref())));
            }
        });
        Self { address }
    }
}

fn serve(mut stream: &TcpStream, answer: &dyn Fn(&Asked) -> Vec<Piece>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        // Whoever tries TLS first is hung up on.
        if head.is_empty() && !byte[0].is_ascii_uppercase() {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head);
    let line = text.lines().next().unwrap_or_default().to_owned();
    for piece in answer(&Asked { line, head: text.into_owned(), here: stream.local_addr()? }) {
        match piece {
            Piece::Bytes(bytes) => stream.write_all(&bytes)?,
            Piece::Forever(bytes) => {
                let many = bytes.repeat(65_536_usize.div_ceil(bytes.len()));
                loop {
                    stream.write_all(&many)?;
                }
            }
            Piece::Drops(bytes) => {
                for byte in bytes.iter().cycle() {
                    stream.write_all(&[*byte])?;
                    thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }
    Ok(())
}

/// The head of an answer without a length: it ends with the connection.
pub(crate) fn head(status: &str) -> Piece {
    Piece::Bytes(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").into_bytes())
}

/// The head of one in chunks.
pub(crate) fn chunked() -> Piece {
    Piece::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_vec())
}

/// A whole answer.
pub(crate) fn whole(status: &str, headers: &str, body: &str) -> Vec<Piece> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    vec![Piece::Bytes(format!("{head}{body}").into_bytes())]
}
