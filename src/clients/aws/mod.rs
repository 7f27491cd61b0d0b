//! AWS: Amazon ECS through its SDK, and the others through that: it signs, finds endpoints and repeats what may be repeated.
//!
//! Credentials are found as the SDK finds them (variables, profiles, single sign-on, roles), once and before the first
//! call: what is wrong with them is then said as such.

mod codedeploy;
mod documents;
mod ecr;
mod ecs;
mod elb;
mod error;
mod forms;
mod iam;
mod logs;
mod profile;
mod raw;
mod scaling;
mod searched;
mod secrets;
mod services;
mod web_identity;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, ConfigLoader, Region as SdkRegion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::domain::{Reason, Region};
use crate::env::AwsProfile;
use crate::failure::{Failure, Kind};

pub use codedeploy::NewDeployment;
pub use ecr::EcrState;
pub use elb::{HealthCheck, TargetHealth};
pub use error::{AwsError, Trouble};
pub use scaling::{Hold, ScalableTarget, Suspended};
pub use web_identity::WebIdentity;

use searched::Searched;
use web_identity::Assumed;

/// Tries of one call, the first included.
const TRIES: u32 = 4;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence within an answer.
const SILENCE: Duration = Duration::from_secs(20);
/// Longest try of one call.
const TRY: Duration = Duration::from_secs(40);
/// Credentials are renewed when so little of their time is left: a call that waits for its turn still arrives in it.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// Longest search for credentials.
const SEARCH: Duration = Duration::from_secs(30);

/// Where the SDK's TLS looks for certificates of authorities, as rustls-native-certs 0.8 does.
const AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs",
];

/// How AWS is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The region.
    pub region: Region,
    /// Pause before the second try of a call; it doubles from try to try.
    pub backoff: Duration,
    /// Where `SSL_CERT_FILE` points, if it is set.
    pub authorities: Option<String>,
    /// The profile that was asked for, where one was.
    pub profile: Option<AwsProfile>,
    /// A role to take on instead of searching; absent where the SDK's own search counts.
    pub identity: Option<WebIdentity>,
}

/// A connected AWS.
#[derive(Debug)]
pub struct Aws {
    access: Access,
    clients: RwLock<Clients>,
    calls: AtomicU32,
}

#[derive(Debug, Clone)]
struct Clients {
    ecs: aws_sdk_ecs::Client,
    codedeploy: documents::Client,
    ecr: documents::Client,
    elb: documents::Client,
    iam: documents::Client,
    logs: documents::Client,
    parameters: documents::Client,
    scaling: documents::Client,
    secrets: documents::Client,
}

impl Aws {
    /// Finds credentials and makes the clients. Calls nothing of the services.
    ///
    /// # Errors
    /// There are no credentials, or nothing to check the services' certificates with.
    pub async fn connect(access: Access) -> Result<Self, Failure> {
        check_authorities(&access)?;
        if let (None, Some(profile)) = (&access.identity, &access.profile) {
            profile::check(profile)?;
        }
        let sdk = found(&access).await?;
        Ok(Self { clients: RwLock::new(Clients::of(&sdk, &access)), access, calls: AtomicU32::new(0) })
    }

    /// Searches for credentials anew: those of before are dropped, also where they say that they are good.
    ///
    /// # Errors
    /// There are none.
    pub async fn renew(&self) -> Result<(), Failure> {
        let sdk = found(&self.access).await?;
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = Clients::of(&sdk, &self.access);
        Ok(())
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.access.region
    }

    /// Calls made so far; tries of one call count once.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn clients(&self) -> Clients {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.clients.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Clients {
    fn of(sdk: &SdkConfig, access: &Access) -> Self {
        let by_documents = |service| documents::Client::of(service, sdk, &access.region);
        Self {
            ecs: aws_sdk_ecs::Client::new(sdk),
            codedeploy: by_documents(&services::CODE_DEPLOY),
            ecr: by_documents(&services::ECR),
            elb: by_documents(&services::LOAD_BALANCING),
            iam: by_documents(&services::IAM),
            logs: by_documents(&services::LOGS),
            parameters: by_documents(&services::PARAMETERS),
            scaling: by_documents(&services::AUTO_SCALING),
            secrets: by_documents(&services::SECRETS),
        }
    }
}

fn loader(access: &Access) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .region(SdkRegion::new(access.region.to_string()))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(TRIES)
                .with_initial_backoff(access.backoff)
                .with_max_backoff(LONGEST_PAUSE),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE)
                .operation_attempt_timeout(TRY)
                .build(),
        )
        .identity_cache(IdentityCache::lazy().buffer_time(RENEW_BEFORE).load_timeout(SEARCH).build())
}

async fn found(access: &Access) -> Result<SdkConfig, Failure> {
    if let Some(identity) = &access.identity {
        // What the environment holds besides is not asked: the role is what was wished for.
        let bare = loader(access).no_credentials().load().await;
        let assumed = Assumed::new(identity.clone(), &bare, access.backoff);
        let searched = Searched::new(assumed.keys().await?, SharedCredentialsProvider::new(assumed));
        return Ok(loader(access).credentials_provider(searched).load().await);
    }
    let sdk = loader(access).load().await;
    let missing = |why: String| {
        let hint = if signs_in(&why) {
            "run `aws sso login` for this profile, then try again"
        } else {
            "in a workflow, set `role-to-assume` and give the job `permissions: id-token: write`; in a shell, set `AWS_PROFILE` or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or log in"
        };
        Failure::new(Reason::AwsCredentials, "there are no AWS credentials")
            .because(std::io::Error::other(why))
            .hint(hint)
    };
    let provider = sdk.credentials_provider().ok_or_else(|| missing("the SDK has no provider".to_owned()))?;
    let searched = tokio::time::timeout(SEARCH, provider.provide_credentials()).await;
    match searched {
        Ok(Ok(first)) => {
            let searched = SharedCredentialsProvider::new(Searched::new(first, provider));
            Ok(sdk.into_builder().credentials_provider(searched).build())
        }
        Ok(Err(error)) => {
            // Of a search in many places the last word is enough; where one signs in, what holds it names the place.
            let whole = crate::failure::with_causes(&error);
            Err(missing(if signs_in(&whole) { whole } else { crate::failure::innermost(&error) }))
        }
        Err(_) => Err(missing(format!("the search took longer than {} s", SEARCH.as_secs()))),
    }
}

/// Whether it is about a profile that signs in, as the SDK's errors are worded.
fn signs_in(why: &str) -> bool {
    ["SSO token", "sso/cache", "UnauthorizedException"].iter().any(|word| why.contains(word))
}

/// Without certificates of authorities the SDK's TLS panics at the first call, whatever its address.
fn check_authorities(access: &Access) -> Result<(), Failure> {
    let given = access.authorities.as_deref();
    if given.map_or_else(|| AUTHORITIES.iter().any(|path| Path::new(path).exists()), |path| Path::new(path).exists()) {
        return Ok(());
    }
    let hint = match given {
        Some(path) => format!("`SSL_CERT_FILE` names `{path}`, which does not exist"),
        None => "install the package `ca-certificates`, or name a PEM file with `SSL_CERT_FILE`".to_owned(),
    };
    Err(Failure::new(Reason::AwsUnreachable, "there are no CA certificates to check AWS's with")
        .kind(Kind::Preflight)
        .hint(hint))
}
