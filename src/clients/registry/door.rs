//! How a registry is spoken to: as the engine speaks to it, so that both see the same one.

use std::net::Ipv4Addr;
use std::time::Duration;

use oci_client::client::{Client, ClientConfig, ClientProtocol};
use reqwest::Response;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Whether with TLS, and with which trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Anywhere: with TLS, and a certificate that the system's authorities vouch for.
    Trusted,
    /// On this host, with TLS and any certificate.
    AnyCertificate,
    /// On this host, without TLS.
    Plain,
}

impl Door {
    /// Finds out: the engine tries TLS first on this host too, and takes any certificate there.
    pub(super) async fn of(host: &str) -> Self {
        match is_local(host) {
            false => Self::Trusted,
            true if Self::AnyCertificate.ask(host).await.is_some() => Self::AnyCertificate,
            true => Self::Plain,
        }
    }

    /// What the registry says to someone without a login; `None` where it cannot be asked this way.
    pub(super) async fn ask(self, host: &str) -> Option<Response> {
        let any = self == Self::AnyCertificate;
        let client = reqwest::Client::builder().connect_timeout(CONNECT).timeout(CONNECT);
        let client = client.tls_danger_accept_invalid_certs(any).build().ok()?;
        let scheme = if self == Self::Plain { "http" } else { "https" };
        client.get(format!("{scheme}://{host}/v2/")).send().await.ok()
    }

    /// A client of it.
    pub(super) fn client(self) -> Client {
        Client::new(ClientConfig {
            protocol: if self == Self::Plain { ClientProtocol::Http } else { ClientProtocol::Https },
            accept_invalid_certificates: self == Self::AnyCertificate,
            connect_timeout: Some(CONNECT),
            user_agent: concat!("deploy-action/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        })
    }
}

fn is_local(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_host_is_spoken_to_without_trust() {
        for (host, local) in [
            ("127.0.0.1:5000", true),
            ("127.8.0.1", true),
            ("localhost:5000", true),
            ("localhost.example", false),
            ("127.0.0.1.example:5000", false),
            ("10.0.0.1:5000", false),
            ("docker.io", false),
        ] {
            assert_eq!(is_local(host), local, "{host}");
        }
    }
}
