//! What to send where, how often, and how long to wait.

use std::net::SocketAddr;
use std::time::Duration;

/// The settings of one run; [`LoadConfig::new`] fills in defaults, every field may be changed after.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// Where all connections go: the proxy, not the app behind it.
    pub target: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// The request target, starting with `/`. Default `/`.
    pub path: String,
    /// Requests per second; at least 1.
    pub rate: u32,
    /// Sent with every request, after `Host`. Default none.
    pub headers: Vec<(String, String)>,
    /// Longest wait for a connection. Default 2 s.
    pub connect_timeout: Duration,
    /// Longest time from the first byte written to the last byte of the answer. Default 6 s.
    pub response_timeout: Duration,
    /// After the run ends, requests that were due in it but found no free worker are still sent for
    /// so long; later ones are reported as never sent. Default 10 s.
    pub drain_timeout: Duration,
    /// Threads, and so the most requests in flight at once. Default 256.
    pub workers: usize,
    /// Whether a POST must be answered with the checksum of its body in `X-Body-Sum`. Default true;
    /// false for a server that is not the sample app.
    pub check_body_sum: bool,
    /// Requests that ask for something else than `path`. Where several fit, the first counts. Default none.
    pub shares: Vec<Share>,
    /// Connections to server-sent events, beside the requests. Default 0.
    pub event_streams: usize,
    /// What they ask for. Default `/events?every=100`.
    pub events_path: String,
    /// Starts the sequence of bodies; the same seed sends the same bytes. Default 1.
    pub seed: u64,
}

/// A part of the requests, of either method and on either kind of connection as the others are; downloads by GET alone.
#[derive(Debug, Clone)]
pub struct Share {
    /// Every how many requests.
    pub every: u64,
    /// The request target.
    pub path: String,
    /// Set for a download: the answer has to have so many bytes, and the checksum that its `X-Answer-Sum` names.
    pub bytes: Option<u64>,
}

impl Share {
    /// Requests that take the sample app so long.
    pub fn slow(every: u64, takes: Duration) -> Self {
        Self { every, path: format!("/?work={}", takes.as_millis()), bytes: None }
    }

    /// Bodies of so many bytes, which the sample app streams over so long.
    pub fn stream(every: u64, bytes: u64, over: Duration) -> Self {
        let path = format!("/stream?bytes={bytes}&over={}", over.as_millis());
        Self { every, path, bytes: Some(bytes) }
    }
}

impl LoadConfig {
    /// `rate` requests per second to `http://host/` at `target`, with the defaults above.
    pub fn new(target: SocketAddr, host: impl Into<String>, rate: u32) -> Self {
        Self {
            target,
            host: host.into(),
            path: "/".to_owned(),
            rate,
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(6),
            drain_timeout: Duration::from_secs(10),
            workers: 256,
            check_body_sum: true,
            shares: Vec::new(),
            event_streams: 0,
            events_path: "/events?every=100".to_owned(),
            seed: 1,
        }
    }

    /// Panics on settings that cannot be sent as they are: a test with them tests something else.
    pub(super) fn assert_valid(&self) {
        assert!(self.rate > 0, "load: the rate is at least 1 per second");
        assert!(self.workers > 0, "load: at least one worker is needed");
        let zero = self.connect_timeout.is_zero() || self.response_timeout.is_zero();
        assert!(!zero, "load: a timeout is longer than nothing");
        for path in self.shares.iter().map(|share| &share.path).chain([&self.path, &self.events_path]) {
            let sendable = path.starts_with('/') && !path.contains(char::is_whitespace);
            assert!(sendable, "load: the path {path:?} cannot be sent");
        }
        assert!(self.shares.iter().all(|share| share.every > 0), "load: a share is every first request or fewer");
        let lines = self.headers.iter().flat_map(|(name, value)| [name, value]);
        for text in lines.chain([&self.host]) {
            assert!(!text.contains(char::is_control), "load: {text:?} is no header");
        }
    }
}
