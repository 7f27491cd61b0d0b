//! The address of an agent.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::private_net::is_private_address;

/// An agent's base URL without a trailing slash: scheme, host, optional port and base path.
///
/// `http` is accepted for loopback and private addresses only: requests are signed, but a pull credential in the
/// body would cross a public network in the clear.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentUrl(String);

/// Why a text is not an [`AgentUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentUrlError {
    /// Not an absolute URL with the scheme `http` or `https`.
    #[error("an agent's address begins with `https://` or `http://`")]
    Scheme,
    /// A user or password before the host. The text is not shown: it may hold a password.
    #[error("an agent's address carries no user or password: requests are signed with a key instead")]
    UserInfo,
    /// The host is missing or no host.
    #[error(
        "`{0}` is not a host: write a name such as `deploy.example.com`, an IPv4 address, or an IPv6 address in `[ ]`"
    )]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` is not a port: write a number from 1 to 65535")]
    Port(String),
    /// A query or a fragment.
    #[error("an agent's address has no `?` and no `#`: write scheme, host, port and path only")]
    Query,
    /// The path holds something that would have to be escaped, or a `.` or `..` segment.
    #[error(
        "`{0}` is not a base path: letters, digits, `-`, `.`, `_`, `~` and `/` only, without empty, `.` or `..` segments"
    )]
    Path(String),
    /// `http` to a host that is not known to be private.
    #[error(
        "`http` to `{0}` would send the pull credential unencrypted over a network that is not known to be private: write `https://`"
    )]
    PublicHttp(String),
}

impl AgentUrl {
    /// The URL, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base path: empty, or `/` and more.
    #[must_use]
    pub fn base_path(&self) -> &str {
        let rest = self.0.find("://").map_or("", |at| &self.0[at + 3..]);
        rest.find('/').map_or("", |at| &rest[at..])
    }
}

/// What a host says about the network between here and there.
fn host_is_private(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_or_else(|_| bare == "localhost" || bare.ends_with(".localhost"), is_private_address)
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
    let last = host.rsplit('.').next().unwrap_or(host);
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    // A name whose last label is a number is an IPv4 address or a mistake (WHATWG URL, "ends in a number").
    host.len() <= 253 && host.split('.').all(label) && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

fn is_base_path(path: &str) -> bool {
    path.is_empty()
        || path.split('/').skip(1).all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
        })
}

impl FromStr for AgentUrl {
    type Err = AgentUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = |part: &str| part.chars().take(100).collect::<String>();
        let (scheme, rest) = text.split_once("://").ok_or(AgentUrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            return Err(AgentUrlError::Scheme);
        }
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(AgentUrlError::UserInfo);
        }
        if rest.contains(['?', '#']) {
            return Err(AgentUrlError::Query);
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let path = path.trim_end_matches('/');
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rfind(':') {
            Some(at) if !authority[at..].contains(']') => (&authority[..at], Some(&authority[at + 1..])),
            _ => (authority.as_str(), None),
        };
        if !is_host(host) {
            return Err(AgentUrlError::Host(shown(host)));
        }
        if let Some(port) = port {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            if !digits || port.parse::<u16>().map_or(true, |number| number == 0) {
                return Err(AgentUrlError::Port(shown(port)));
            }
        }
        if !is_base_path(path) {
            return Err(AgentUrlError::Path(shown(path)));
        }
        if scheme == "http" && !host_is_private(host) {
            return Err(AgentUrlError::PublicHttp(shown(host)));
        }
        Ok(Self(format!("{scheme}://{authority}{path}")))
    }
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses() {
        for (text, whole, base) in [
            ("https://deploy.example.com", "https://deploy.example.com", ""),
            ("https://deploy.example.com/", "https://deploy.example.com", ""),
            ("HTTPS://Deploy.Example.com:8443/Deploy/a/", "https://deploy.example.com:8443/Deploy/a", "/Deploy/a"),
            ("http://127.0.0.1:9180", "http://127.0.0.1:9180", ""),
            ("http://localhost:9180/deploy", "http://localhost:9180/deploy", "/deploy"),
            ("http://[::1]:9180", "http://[::1]:9180", ""),
            ("http://[fd00::1]", "http://[fd00::1]", ""),
            ("http://10.0.0.3:9180", "http://10.0.0.3:9180", ""),
            ("http://172.17.0.1:9180", "http://172.17.0.1:9180", ""),
            ("https://203.0.113.7", "https://203.0.113.7", ""),
        ] {
            let url: AgentUrl = text.parse().expect(text);
            assert_eq!((url.as_str(), url.base_path()), (whole, base));
        }
    }

    #[test]
    fn bad_addresses() {
        use AgentUrlError as E;
        let cases: &[(&str, fn(&E) -> bool)] = &[
            ("", |e| matches!(e, E::Scheme)),
            ("deploy.example.com", |e| matches!(e, E::Scheme)),
            ("ftp://deploy.example.com", |e| matches!(e, E::Scheme)),
            ("https://user:hunter2@deploy.example.com", |e| matches!(e, E::UserInfo)),
            ("https://deploy.example.com?x=1", |e| matches!(e, E::Query)),
            ("https://deploy.example.com/#x", |e| matches!(e, E::Query)),
            ("https://", |e| matches!(e, E::Host(_))),
            ("https:///deploy", |e| matches!(e, E::Host(_))),
            ("https://a b", |e| matches!(e, E::Host(_))),
            ("https://bücher.example", |e| matches!(e, E::Host(_))),
            ("https://1.2.3", |e| matches!(e, E::Host(_))),
            ("https://[::1", |e| matches!(e, E::Host(_))),
            ("https://::1", |e| matches!(e, E::Host(_))),
            ("https://example.com:", |e| matches!(e, E::Port(_))),
            ("https://example.com:0", |e| matches!(e, E::Port(_))),
            ("https://example.com:99999", |e| matches!(e, E::Port(_))),
            ("https://example.com:+80", |e| matches!(e, E::Port(_))),
            ("https://example.com//x", |e| matches!(e, E::Path(_))),
            ("https://example.com/../x", |e| matches!(e, E::Path(_))),
            ("https://example.com/a%20b", |e| matches!(e, E::Path(_))),
            ("http://example.com", |e| matches!(e, E::PublicHttp(_))),
            ("http://8.8.8.8", |e| matches!(e, E::PublicHttp(_))),
            ("http://0.0.0.0", |e| matches!(e, E::PublicHttp(_))),
            ("http://172.32.0.1", |e| matches!(e, E::PublicHttp(_))),
            ("http://localhost.example.com", |e| matches!(e, E::PublicHttp(_))),
            ("http://[::ffff:8.8.8.8]", |e| matches!(e, E::PublicHttp(_))),
        ];
        for (text, expected) in cases {
            let error = text.parse::<AgentUrl>().expect_err(text);
            assert!(expected(&error), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
