//! Image registries, asked directly: what they have, and how long they want to be left alone.

mod credentials;

use std::time::Duration;

use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};

use crate::domain::{Digest, Reason, Repository};
use crate::failure::Failure;

pub use credentials::Credentials;

/// Longest wait for an answer, in all.
const CALL: Duration = Duration::from_secs(30);
/// Pauses before a registry that is busy is asked again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Asks registries with the logins that it has.
#[derive(Debug, Clone)]
pub struct Registry {
    credentials: Credentials,
}

impl Registry {
    /// With these logins.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    /// The digest that the registry has under this tag; `None` where it has none.
    ///
    /// # Errors
    /// The registry does not answer, or refuses the login.
    pub async fn digest(&self, repository: &Repository, tag: &str) -> Result<Option<Digest>, Failure> {
        let host = repository.registry();
        let name = repository.normalized();
        let path = name.split_once('/').map_or(name.as_str(), |(_, path)| path);
        let reference = Reference::with_tag(host.clone(), path.to_owned(), tag.to_owned());
        let login = self.credentials.of(&host)?;
        let auth = login.map_or(RegistryAuth::Anonymous, |login| {
            RegistryAuth::Basic(login.username.clone(), login.password.expose().clone())
        });
        let client = Client::new(ClientConfig {
            protocol: if is_local(&host) { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT),
            user_agent: concat!("deploy-action/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        let ask = async || {
            // First of all, so that a refused login is told as one.
            client.auth(&reference, &auth, RegistryOperation::Pull).await?;
            client.fetch_manifest_digest(&reference, &auth).await
        };
        let asked = async {
            for pause in PAUSES {
                match ask().await {
                    Err(error) if is_busy(&error) => tokio::time::sleep(pause).await,
                    answer => return answer,
                }
            }
            ask().await
        };
        let answer = tokio::time::timeout(CALL, asked).await.map_err(|_| {
            Failure::new(
                Reason::RegistryFailed,
                format!("the registry `{host}` gives no answer within {} s", CALL.as_secs()),
            )
        })?;
        match answer {
            Ok(digest) => digest.parse().map(Some).map_err(|error| {
                Failure::new(Reason::RegistryFailed, format!("the registry `{host}` gives no usable digest of `{tag}`"))
                    .because(error)
            }),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failure(repository, &host, login.is_some(), error)),
        }
    }

    /// How long the registry asks callers to stay away, where it is overloaded and says so (`Retry-After` in seconds).
    pub async fn asks_to_wait(&self, repository: &Repository) -> Option<Duration> {
        let host = repository.registry();
        let scheme = if is_local(&host) { "http" } else { "https" };
        let client = reqwest::Client::builder().connect_timeout(CONNECT).timeout(CONNECT).build().ok()?;
        let answer = client.get(format!("{scheme}://{host}/v2/")).send().await.ok()?;
        let asked = answer.headers().get("retry-after").filter(|_| matches!(answer.status().as_u16(), 429 | 503))?;
        asked.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// Registries on this host are spoken to without TLS, as the engine does; all others with it.
fn is_local(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}

/// What passes by itself.
fn is_busy(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => matches!(code, 429 | 502 | 503 | 504),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| matches!(error.code, OciErrorCode::Toomanyrequests))
        }
        _ => false,
    }
}

fn is_missing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) | OciDistributionError::ServerError { code: 404, .. } => {
            true
        }
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound)
        }),
        _ => false,
    }
}

fn failure(repository: &Repository, host: &str, logged_in: bool, error: OciDistributionError) -> Failure {
    let refused = match &error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => true,
        OciDistributionError::ServerError { code, .. } => matches!(code, 401 | 403),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|e| matches!(e.code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
        }
        _ => false,
    };
    let failure = match (refused, logged_in) {
        (true, true) => {
            Failure::new(Reason::RegistryFailed, format!("the registry `{host}` refuses the login for `{repository}`"))
                .hint("check `registry-username` and `registry-password`, and that the account may push there")
        }
        (true, false) => {
            Failure::new(Reason::RegistryFailed, format!("the registry `{host}` wants a login for `{repository}`"))
                .hint("give `registry-username` and `registry-password`")
        }
        (false, _) => {
            Failure::new(Reason::RegistryFailed, format!("the registry `{host}` does not answer as expected"))
                .hint("run the job again; if it stays so, look at the registry's status")
        }
    };
    failure.because(error)
}
