//! Image registries, asked directly: what they have, and how long they want to be left alone.

mod bounded;
mod credentials;
mod door;
mod layers;

use std::time::Duration;

use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};

use crate::clients::docker::RegistryLogin;
use crate::domain::{Digest, Reason, Repository};
use crate::failure::Failure;

use bounded::bounded;
pub use credentials::{Credentials, is_for};
use door::Door;
pub use layers::Layer;

/// Pauses before a registry that is busy is asked again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// The user of every login that Amazon ECR gives.
const ECR_USER: &str = "AWS";
/// The empty JSON object, which OCI's image specification knows as a blob of its own.
const EMPTY: &str = "{}";
const EMPTY_DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

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
        let auth = self.auth(&host)?;
        let reference = reference(repository, tag);
        let client = Door::of(&host).await.client();
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
        let answer = bounded(asked).await.map_err(|cut| {
            Failure::new(Reason::RegistryFailed, format!("the registry `{host}` {}", cut.does()))
                .hint("see that the name in `image` is that of a registry; if it is, look at its status")
        })?;
        match answer {
            Ok(digest) => digest.parse().map(Some).map_err(|error| {
                Failure::new(Reason::RegistryFailed, format!("the registry `{host}` gives no usable digest of `{tag}`"))
                    .because(error)
            }),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failure(repository, &host, self.credentials.of(&host)?, error)),
        }
    }

    fn auth(&self, host: &str) -> Result<RegistryAuth, Failure> {
        let login = self.credentials.of(host)?;
        Ok(login.map_or(RegistryAuth::Anonymous, |login| {
            RegistryAuth::Basic(login.username.clone(), login.password.expose().clone())
        }))
    }

    /// Whether the registry has no space left: it says so in an answer that the engine keeps to itself, so it is asked
    /// to take the smallest blob there is.
    pub async fn is_full(&self, repository: &Repository) -> bool {
        let host = repository.registry();
        let Ok(auth) = self.auth(&host) else { return false };
        let reference = reference(repository, "latest");
        let client = Door::of(&host).await.client();
        let asked = async {
            client.auth(&reference, &auth, RegistryOperation::Push).await?;
            client.push_blob(&reference, EMPTY.as_bytes(), EMPTY_DIGEST).await
        };
        match bounded(asked).await {
            Ok(Err(error)) => tells_no_space(&format!("{error:?}")),
            _ => false,
        }
    }

    /// How long the registry asks callers to stay away, where it is overloaded and says so (`Retry-After` in seconds).
    pub async fn asks_to_wait(&self, repository: &Repository) -> Option<Duration> {
        let host = repository.registry();
        let answer = Door::of(&host).await.ask(&host).await?;
        let asked = answer.headers().get("retry-after").and_then(|asked| asked.to_str().ok());
        asked_to_wait(answer.status().as_u16(), asked?)
    }
}

/// What an overloaded registry means; a date is not read, for the two clocks need not agree.
fn asked_to_wait(status: u16, retry_after: &str) -> Option<Duration> {
    let seconds = retry_after.trim().parse().ok().filter(|_| matches!(status, 429 | 503))?;
    Some(Duration::from_secs(seconds))
}

fn reference(repository: &Repository, tag: &str) -> Reference {
    let name = repository.normalized();
    let path = name.split_once('/').map_or(name.as_str(), |(_, path)| path);
    Reference::with_tag(repository.registry(), path.to_owned(), tag.to_owned())
}

/// 28 is `ENOSPC`, which the reference registry passes on in its answer.
fn tells_no_space(error: &str) -> bool {
    let error: String = error.chars().filter(|c| !matches!(c, '\\' | '"' | ' ')).collect();
    ["Err:28}", "Err:Number(28)", "nospaceleft", "code:507"].iter().any(|word| error.contains(word))
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

/// What may be wrong with a login that is refused.
#[must_use]
pub fn what_to_check(login: &RegistryLogin) -> &'static str {
    if login.username == ECR_USER {
        return "see that the AWS role may use the repository (`ecr:BatchGetImage`, `ecr:PutImage` and what goes with them); a password of `aws ecr get-login-password` is good for 12 hours";
    }
    "check `registry-username` and `registry-password`, and that the account may push there"
}

fn failure(repository: &Repository, host: &str, login: Option<&RegistryLogin>, error: OciDistributionError) -> Failure {
    let refused = match &error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => true,
        OciDistributionError::ServerError { code, .. } => matches!(code, 401 | 403),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|e| matches!(e.code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
        }
        _ => false,
    };
    if matches!(&error, OciDistributionError::RequestError(error) if error.is_connect()) {
        return Failure::new(Reason::RegistryFailed, format!("the registry `{host}` cannot be reached"))
            .because(error)
            .hint("see that the name in `image` is right, and that the registry is up");
    }
    let failure = match (refused, login) {
        (true, Some(login)) => {
            Failure::new(Reason::RegistryFailed, format!("the registry `{host}` refuses the login for `{repository}`"))
                .hint(what_to_check(login))
        }
        (true, None) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seconds_of_an_overloaded_registry_are_waited_for() {
        for (status, text, seconds) in [
            (429, "3", Some(3)),
            (503, " 0 ", Some(0)),
            (429, "18446744073709551615", Some(u64::MAX)),
            (429, "18446744073709551616", None),
            (429, "1792569600", Some(1_792_569_600)),
            (429, "-1", None),
            (429, "1.5", None),
            (429, "", None),
            (429, "Wed, 21 Oct 2026 07:28:00 GMT", None),
            (200, "3", None),
        ] {
            assert_eq!(asked_to_wait(status, text), seconds.map(Duration::from_secs), "{status} {text}");
        }
    }
}
