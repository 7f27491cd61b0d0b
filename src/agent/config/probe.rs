//! The agent's own health request: `/healthz` or `:8080/healthz`.

use std::fmt;
use std::str::FromStr;

/// A GET request to a container: the service's port, or another one, and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Another port than the one that Traefik uses, from 1.
    pub port: Option<u16>,
    /// Begins with `/`; may have a query.
    pub path: String,
}

/// Why a text is not a [`Probe`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a probe: write a path such as `/healthz`, or a port and a path such as `\":8080/healthz\"`")]
pub struct ProbeError(String);

impl FromStr for Probe {
    type Err = ProbeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ProbeError(text.chars().take(100).collect());
        let slash = text.find('/').ok_or_else(bad)?;
        let (before, path) = text.split_at(slash);
        let port = match before.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?)
            }
            None if before.is_empty() => None,
            _ => return Err(bad()),
        };
        let sendable = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') && path.len() <= 1000;
        if sendable { Ok(Self { port, path: path.to_owned() }) } else { Err(bad()) }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, ":{port}{}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes() {
        for (text, port, path) in
            [("/", None, "/"), ("/healthz?deep=1", None, "/healthz?deep=1"), (":8080/healthz", Some(8080), "/healthz")]
        {
            let probe: Probe = text.parse().expect(text);
            assert_eq!((probe.port, probe.path.as_str()), (port, path));
            assert_eq!(probe.to_string(), text);
        }
        for bad in
            ["", "healthz", ":8080", ":/x", ":0/x", ":99999/x", ":+1/x", "http://web/x", "8080/x", "/a b", "/é", "/a#b"]
        {
            assert!(bad.parse::<Probe>().is_err(), "{bad}");
        }
    }
}
