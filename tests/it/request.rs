//! Raw requests to an agent: signed as the command signs them, or wrong on purpose.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use deploy_action::signing::{AgentKey, fresh_nonce};

/// Longest wait for an answer: the agent gives a call of compose 60 s.
const LIMIT: Duration = Duration::from_secs(70);

/// A request, sent as often as a test likes: the same bytes each time.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    body: Vec<u8>,
    authorization: Option<String>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), body: Vec::new(), authorization: None }
    }

    pub(crate) fn post(path: &str, body: &str) -> Self {
        Self { method: "POST", body: body.as_bytes().to_vec(), ..Self::get(path) }
    }

    /// With another method.
    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// With bytes that need not be text, to be signed afterwards.
    pub(crate) fn bytes(self, body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..self }
    }

    /// Signed now.
    pub(crate) fn signed(self, key: &AgentKey) -> Self {
        self.signed_after(key, 0)
    }

    /// Signed by a clock that is so many seconds ahead.
    pub(crate) fn signed_after(self, key: &AgentKey, seconds: i64) -> Self {
        let unix = jiff::Timestamp::now().as_second() + seconds;
        let nonce = fresh_nonce().expect("random bytes");
        let header = key.authorization(self.method, &self.path, unix, &nonce, &self.body);
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
        self.bytes(body.as_bytes())
    }

    /// Another path under the same signature.
    pub(crate) fn with_path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// All of its bytes.
    pub(crate) fn wire(&self, to: SocketAddr) -> Vec<u8> {
        let authorization = self.authorization.as_ref().map(|header| format!("Authorization: {header}\r\n"));
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
            self.method,
            self.path,
            self.body.len(),
            authorization.unwrap_or_default()
        );
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it; gives status and body.
    #[track_caller]
    pub(crate) fn send(&self, to: SocketAddr) -> (u16, String) {
        answered(to, &self.wire(to)).expect("an answer")
    }
}

/// Sends these bytes; gives status and body, or nothing where the other side only hangs up.
#[track_caller]
pub(crate) fn answered(to: SocketAddr, bytes: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    // A refusal may come before all of the body is taken: it is the answer that counts.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Some((status.unwrap_or_else(|| panic!("no status: {head}")), body.to_owned()))
}
