//! Raw requests to an agent: signed as the command signs them, or wrong on purpose.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use deploy_action::signing::{AgentKey, fresh_nonce};

/// Longest time for a whole request.
const LIMIT: Duration = Duration::from_secs(20);

/// A request, sent as often as a test likes: the same bytes each time.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    body: String,
    authorization: Option<String>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), body: String::new(), authorization: None }
    }

    pub(crate) fn post(path: &str, body: &str) -> Self {
        Self { method: "POST", body: body.to_owned(), ..Self::get(path) }
    }

    /// Signed now.
    pub(crate) fn signed(self, key: &AgentKey) -> Self {
        self.signed_after(key, 0)
    }

    /// Signed by a clock that is so many seconds ahead.
    pub(crate) fn signed_after(self, key: &AgentKey, seconds: i64) -> Self {
        let unix = jiff::Timestamp::now().as_second() + seconds;
        let nonce = fresh_nonce().expect("random bytes");
        let header = key.authorization(self.method, &self.path, unix, &nonce, self.body.as_bytes());
        self.with_authorization(&header)
    }

    pub(crate) fn with_authorization(self, header: &str) -> Self {
        Self { authorization: Some(header.to_owned()), ..self }
    }

    /// The header, for a test that changes it.
    pub(crate) fn authorization(&self) -> &str {
        self.authorization.as_deref().unwrap_or_default()
    }

    /// Another body under the same signature.
    pub(crate) fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    /// Another path under the same signature.
    pub(crate) fn with_path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Sends it; gives status and body.
    pub(crate) fn send(&self, to: SocketAddr) -> (u16, String) {
        let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("connects");
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
        let authorization = self.authorization.as_ref().map(|header| format!("Authorization: {header}\r\n"));
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
            self.method,
            self.path,
            self.body.len(),
            authorization.unwrap_or_default()
        );
        // A refusal may come before all of the body is taken: it is the answer that counts.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(self.body.as_bytes()));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("no status: {head}")), body.to_owned())
    }
}
