//! A server that does what a test tells it, with a reader of its own: the one under test cannot be
//! its own witness.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::app::BodySum;

/// A request as the server saw it.
pub(super) struct Seen {
    pub(super) post: bool,
    pub(super) path: String,
    pub(super) close: bool,
    pub(super) body: Vec<u8>,
}

/// Listens on a free port and runs `conversation` on a thread for each connection.
pub(super) fn serve(conversation: impl Fn(Peer) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let conversation = Arc::new(conversation);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let conversation = Arc::clone(&conversation);
            thread::spawn(move || conversation(Peer(BufReader::new(stream))));
        }
    });
    address
}

/// Answers every request with `answer`, and closes when it was asked to.
pub(super) fn serve_each(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> SocketAddr {
    serve(move |mut peer| {
        while let Some(seen) = peer.request() {
            peer.send(&answer(&seen));
            if seen.close {
                return;
            }
        }
    })
}

/// A right answer by version `v1`.
pub(super) fn right(seen: &Seen) -> String {
    let sum = BodySum::hex_of(&seen.body);
    format!("HTTP/1.1 200 OK\r\nX-Version: v1\r\nX-Body-Sum: {sum}\r\nContent-Length: 2\r\n\r\nok")
}

/// The server's end of one connection.
pub(super) struct Peer(BufReader<TcpStream>);

impl Peer {
    /// The next request; none at the end of the connection.
    pub(super) fn request(&mut self) -> Option<Seen> {
        let mut seen = Seen { post: false, path: String::new(), close: false, body: Vec::new() };
        let mut line = String::new();
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if seen.path.is_empty() {
                seen.path = line.split(' ').nth(1)?.to_owned();
            }
            seen.post |= line.starts_with("POST ");
            seen.close |= line == "Connection: close\r\n";
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim_end().parse().expect("a number");
            }
        }
        seen.body.resize(length, 0);
        self.0.read_exact(&mut seen.body).ok()?;
        Some(seen)
    }

    /// Sends bytes; `false` if the client has gone.
    pub(super) fn send(&mut self, bytes: &str) -> bool {
        self.0.get_mut().write_all(bytes.as_bytes()).is_ok()
    }

    /// Waits until the client has closed.
    pub(super) fn wait_for_close(&mut self) {
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}
