//! The address of an agent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::http_url::{HttpUrl, HttpUrlError};
use super::private_net::is_private_address;
use super::text_type::text_type;

/// An agent's base URL without a trailing slash: scheme, host, optional port and base path.
///
/// `http` is accepted for loopback and private addresses only: requests are signed, but a pull credential in the
/// body would cross a public network in the clear.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentUrl {
    text: String,
    base_path: usize,
}

/// Why a text is not an [`AgentUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentUrlError {
    /// Not a URL that can be used at all.
    #[error(transparent)]
    Url(#[from] HttpUrlError),
    /// A query.
    #[error("an agent's address has no `?` part: write scheme, host, port and path only")]
    Query,
    /// The path cannot be a prefix of request paths.
    #[error(transparent)]
    Path(#[from] BasePathError),
    /// `http` to a host that is not known to be private.
    #[error(
        "`http` to `{0}` would send the pull credential unencrypted over a network that is not known to be private: write `https://`"
    )]
    PublicHttp(String),
}

/// Why a text is not a base path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a base path: write `/` and letters, digits, `-`, `.`, `_`, `~`, without empty, `.` or `..` segments"
)]
pub struct BasePathError(String);

/// Reads the prefix of an agent's request paths: empty, or `/…` without a trailing slash; `/` is empty.
///
/// # Errors
/// Segments that are empty, `.` or `..`, and characters that would have to be escaped.
pub fn parse_base_path(text: &str) -> Result<String, BasePathError> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    let good = path.is_empty() || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if good { Ok(path.to_owned()) } else { Err(BasePathError(text.chars().take(100).collect())) }
}

impl AgentUrl {
    /// The URL, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The base path: empty, or `/…` without a trailing slash.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.text[self.base_path..]
    }
}

fn is_private_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // RFC 6761 section 6.3: `localhost` and names under it are loopback.
    bare.parse().map_or_else(|_| bare == "localhost" || bare.ends_with(".localhost"), is_private_address)
}

impl FromStr for AgentUrl {
    type Err = AgentUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut url: HttpUrl = text.parse()?;
        if url.query.is_some() {
            return Err(AgentUrlError::Query);
        }
        url.path = parse_base_path(&url.path)?;
        if !url.secure && !is_private_host(&url.host) {
            return Err(AgentUrlError::PublicHttp(url.host.chars().take(100).collect()));
        }
        let text = url.to_string();
        Ok(Self { base_path: text.len() - url.path.len(), text })
    }
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_type!(AgentUrl, AgentUrlError);

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
        type Case = (&'static str, fn(&E) -> bool);
        let cases: &[Case] = &[
            ("deploy.example.com", |e| matches!(e, E::Url(HttpUrlError::Scheme))),
            ("https://user:hunter2@deploy.example.com", |e| matches!(e, E::Url(HttpUrlError::UserInfo))),
            ("https://deploy.example.com?x=1", |e| matches!(e, E::Query)),
            ("https://deploy.example.com/?", |e| matches!(e, E::Query)),
            ("https://example.com//x", |e| matches!(e, E::Path(_))),
            ("https://example.com//", |e| matches!(e, E::Path(_))),
            ("https://example.com/../x", |e| matches!(e, E::Path(_))),
            ("https://example.com/a%20b", |e| matches!(e, E::Path(_))),
            ("http://example.com", |e| matches!(e, E::PublicHttp(_))),
            ("http://8.8.8.8", |e| matches!(e, E::PublicHttp(_))),
            ("http://0.0.0.0", |e| matches!(e, E::PublicHttp(_))),
            ("http://localhost.example.com", |e| matches!(e, E::PublicHttp(_))),
            ("http://[::ffff:8.8.8.8]", |e| matches!(e, E::PublicHttp(_))),
        ];
        for (text, expected) in cases {
            let error = text.parse::<AgentUrl>().expect_err(text);
            assert!(expected(&error), "{text}: {error}");
        }
    }
}
