//! Absolute `http` and `https` URLs, taken apart.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `http(s)://host[:port][/path][?query]`, without user, password and fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpUrl {
    /// `https`.
    pub secure: bool,
    /// Lower-case name, IPv4 address, or IPv6 address in `[ ]`.
    pub host: String,
    /// Where given; from 1.
    pub port: Option<u16>,
    /// Empty, or `/…`; as written.
    pub path: String,
    /// What follows `?`, where given; as written.
    pub query: Option<String>,
}

/// Why a text is not an [`HttpUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// Not an absolute URL with the scheme `http` or `https`.
    #[error("an address begins with `https://` or `http://`")]
    Scheme,
    /// A user or password before the host. The text is not shown: it may hold a password.
    #[error("a user or password before the host is not accepted")]
    UserInfo,
    /// The host is missing or no host.
    #[error(
        "`{0}` is not a host: write a name such as `deploy.example.com`, an IPv4 address, or an IPv6 address in `[ ]`"
    )]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` is not a port: write a number from 1 to 65535")]
    Port(String),
    /// A fragment: it would never be sent.
    #[error("an address has no `#` part")]
    Fragment,
    /// A character that a request line does not carry.
    #[error("`{0}` cannot be sent as it stands: write spaces and letters beyond ASCII as `%20` and the like")]
    Target(String),
}

impl HttpUrl {
    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The port that is connected to.
    #[must_use]
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// `host` or `host:port`, as in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|a| a.parse::<Ipv6Addr>().is_ok());
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    // A name whose last label is a number is an IPv4 address or a mistake (WHATWG URL, "ends in a number").
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(label) && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = |part: &str| part.chars().take(100).collect::<String>();
        let (scheme, rest) = text.split_once("://").ok_or(HttpUrlError::Scheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(HttpUrlError::Scheme),
        };
        let (authority, target) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(HttpUrlError::UserInfo);
        }
        if target.contains('#') {
            return Err(HttpUrlError::Fragment);
        }
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rfind(':') {
            Some(at) if !authority[at..].contains(']') => (&authority[..at], Some(&authority[at + 1..])),
            _ => (authority.as_str(), None),
        };
        if !is_host(host) {
            return Err(HttpUrlError::Host(shown(host)));
        }
        let number = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|port| digits && *port > 0).ok_or_else(|| HttpUrlError::Port(shown(text)))
        };
        let port = port.map(number).transpose()?;
        if !target.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'`')) {
            return Err(HttpUrlError::Target(shown(target)));
        }
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Ok(Self { secure, host: host.to_owned(), port, path: path.to_owned(), query: query.map(str::to_owned) })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls() {
        for (text, whole) in [
            ("HTTPS://Example.com", "https://example.com"),
            ("http://127.0.0.1:8080/a%20b?x=1&y=[2]", "http://127.0.0.1:8080/a%20b?x=1&y=[2]"),
            ("http://[::1]:80/", "http://[::1]:80/"),
            ("http://my_service:8080", "http://my_service:8080"),
            ("https://example.com?x", "https://example.com?x"),
            ("https://example.com/@me", "https://example.com/@me"),
        ] {
            assert_eq!(text.parse::<HttpUrl>().expect(text).to_string(), whole);
        }
    }

    #[test]
    fn bad_urls() {
        use HttpUrlError as E;
        let cases: &[(&str, fn(&E) -> bool)] = &[
            ("", |e| matches!(e, E::Scheme)),
            ("example.com", |e| matches!(e, E::Scheme)),
            ("ftp://example.com", |e| matches!(e, E::Scheme)),
            ("https://user:hunter2@example.com", |e| matches!(e, E::UserInfo)),
            ("https://example.com/#x", |e| matches!(e, E::Fragment)),
            ("https://", |e| matches!(e, E::Host(_))),
            ("https:///deploy", |e| matches!(e, E::Host(_))),
            ("https://a b", |e| matches!(e, E::Host(_))),
            ("https://bücher.example", |e| matches!(e, E::Host(_))),
            ("https://1.2.3", |e| matches!(e, E::Host(_))),
            ("https://[::1", |e| matches!(e, E::Host(_))),
            ("https://::1", |e| matches!(e, E::Host(_))),
            ("https://a..b", |e| matches!(e, E::Host(_))),
            ("https://example.com:", |e| matches!(e, E::Port(_))),
            ("https://example.com:0", |e| matches!(e, E::Port(_))),
            ("https://example.com:99999", |e| matches!(e, E::Port(_))),
            ("https://example.com:+80", |e| matches!(e, E::Port(_))),
            ("https://example.com/a b", |e| matches!(e, E::Target(_))),
            ("https://example.com/a\r\nHost: x", |e| matches!(e, E::Target(_))),
            ("https://example.com/é", |e| matches!(e, E::Target(_))),
        ];
        for (text, expected) in cases {
            let error = text.parse::<HttpUrl>().expect_err(text);
            assert!(expected(&error), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
