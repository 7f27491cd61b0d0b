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
    /// Starts the sequence of bodies; the same seed sends the same bytes. Default 1.
    pub seed: u64,
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
            seed: 1,
        }
    }

    /// Panics on settings that cannot be sent as they are: a test with them tests something else.
    pub(super) fn assert_valid(&self) {
        assert!(self.rate > 0, "load: the rate is at least 1 per second");
        assert!(self.workers > 0, "load: at least one worker is needed");
        let zero = self.connect_timeout.is_zero() || self.response_timeout.is_zero();
        assert!(!zero, "load: a timeout is longer than nothing");
        assert!(
            self.path.starts_with('/') && !self.path.contains(char::is_whitespace),
            "load: the path {:?} cannot be sent",
            self.path
        );
        let lines = self.headers.iter().flat_map(|(name, value)| [name, value]);
        for text in lines.chain([&self.host]) {
            assert!(!text.contains(char::is_control), "load: {text:?} is no header");
        }
    }
}
