//! An answer, and the bytes it becomes.

/// The header lines that every answer has.
pub(super) fn common_headers(version: &str, body_sum: Option<&str>, close: bool) -> String {
    let sum = body_sum.map(|sum| format!("X-Body-Sum: {sum}\r\n")).unwrap_or_default();
    let close = if close { "Connection: close\r\n" } else { "" };
    format!("X-Version: {version}\r\n{sum}{close}")
}

/// What a route answers. The version, the checksum and the end of the connection are added to every
/// answer alike, so no route can forget them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Response {
    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    pub(super) fn json(body: String) -> Self {
        Self { status: 200, content_type: "application/json", body }
    }

    /// The whole answer in one piece, so that it leaves in one write. `with_body` is false for HEAD.
    pub(super) fn bytes(&self, version: &str, body_sum: Option<&str>, close: bool, with_body: bool) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            500 => "Internal Server Error",
            _ => "Service Unavailable",
        };
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n",
            self.status,
            self.content_type,
            self.body.len(),
            common_headers(version, body_sum, close),
        );
        if with_body {
            out.push_str(&self.body);
        }
        out.into_bytes()
    }
}
