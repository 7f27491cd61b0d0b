//! What AWS refused or did not answer, in the few kinds that a caller may tell apart.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::domain::{Reason, one_line};
use crate::failure::{Failure, Kind, innermost, with_causes};

/// Longest text of AWS's that is repeated, in characters: its denials name caller, action and resource.
const SHOWN: usize = 600;

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The caller lacks a permission.
    Denied,
    /// Too many calls, after all tries.
    Throttled,
    /// The credentials ran out.
    Expired,
    /// There are no credentials, or the ones there are do not work.
    NoCredentials,
    /// The call was refused, and stays refused.
    Refused,
    /// AWS failed, after all tries.
    Failing,
    /// The call did not leave, or nobody answered at the address.
    Unreachable,
    /// The call may have had its effect: the answer did not arrive.
    Lost,
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message}")]
pub struct AwsError {
    /// The call, under the name that policies give it: `ecs:DescribeServices`.
    pub call: &'static str,
    /// Its kind.
    pub trouble: Trouble,
    /// The service's word for it, for example `DeploymentLimitExceededException`.
    pub code: Option<String>,
    /// The service's sentence.
    pub message: String,
}

/// The words for credentials that ran out (the services' common errors).
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
/// For credentials that are wrong.
const UNKNOWN_CALLER: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "IncompleteSignature",
];
/// For a missing permission.
const DENIED: &[&str] = &["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"];
/// For too many calls.
const THROTTLED: &[&str] =
    &["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"];

impl AwsError {
    /// From what the SDK gives.
    pub(super) fn of<E>(call: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let told = |trouble, message: &str| Self { call, trouble, code: None, message: one_line(message, SHOWN) };
        let at_fault = |trouble, error: &(dyn Error + 'static)| {
            // Some layers have no words of their own.
            let innermost = innermost(error);
            told(trouble, if innermost == "Error" { with_causes(error) } else { innermost }.as_str())
        };
        match &error {
            SdkError::ServiceError(refused) => {
                let (err, status) = (refused.err(), refused.raw().status().as_u16());
                let code = err.code().map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
                let said = err.message().map_or_else(|| format!("status {status}"), str::to_owned);
                let trouble = trouble(code.as_deref().unwrap_or_default(), status);
                Self { call, trouble, code, message: one_line(&said, SHOWN) }
            }
            _ if chain(&error).any(|cause| cause.is::<CredentialsError>()) => at_fault(Trouble::NoCredentials, &error),
            // A connection that was never made carried nothing; one that broke may have.
            SdkError::DispatchFailure(_) if chain(&error).any(refused_at_once) => {
                at_fault(Trouble::Unreachable, &error)
            }
            SdkError::DispatchFailure(_) => at_fault(Trouble::Lost, &error),
            SdkError::TimeoutError(_) => at_fault(Trouble::Lost, &error),
            SdkError::ResponseError(answer) => {
                let (status, why) = (answer.raw().status().as_u16(), innermost(&error));
                told(Trouble::Lost, &format!("status {status}, with an answer that is not one of AWS's ({why})"))
            }
            _ => at_fault(Trouble::NoCredentials, &error),
        }
    }

    /// Whether the service's word is this one.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether the same call may succeed later without anybody doing something.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.trouble, Trouble::Throttled | Trouble::Failing | Trouble::Unreachable | Trouble::Lost)
    }

    /// Whether the call may have had its effect all the same: what is there has to be looked at before it is sent again.
    #[must_use]
    pub fn may_have_worked(&self) -> bool {
        matches!(self.trouble, Trouble::Lost | Trouble::Failing)
    }

    /// Whether whoever gives credentials gave none: the service was not asked.
    #[must_use]
    pub fn has_no_credentials(&self) -> bool {
        self.trouble == Trouble::NoCredentials && self.code.is_none()
    }

    /// As what ends a run before anything was changed.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        let (call, message) = (self.call, &self.message);
        let code = self.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        match self.trouble {
            Trouble::Denied => {
                let missing = missing(message).unwrap_or(call);
                Failure::new(Reason::AwsDenied, format!("AWS does not allow `{call}`: {message}")).hint(format!(
                    "grant `{missing}` to the role that deploys; `deploy-action iam-policy <environment>` prints all that it needs"
                ))
            }
            Trouble::Expired => Failure::new(Reason::AwsCredentials, format!("the AWS credentials expired at `{call}`: {message}"))
                .hint("credentials that are given as they are cannot be renewed: give a role to assume, or let them live longer"),
            Trouble::NoCredentials => Failure::new(Reason::AwsCredentials, format!("there are no AWS credentials that work, at `{call}`: {message}"))
                .hint("in a workflow, set `role-to-assume` and give the job `permissions: id-token: write`; in a shell, set `AWS_PROFILE`, or log in"),
            Trouble::Refused => Failure::new(Reason::AwsRefused, format!("AWS refused `{call}`{code}: {message}")),
            Trouble::Throttled => Failure::new(Reason::AwsUnreachable, format!("AWS takes no more calls of `{call}` for now{code}: {message}"))
                .hint("other runs may be calling at the same time; run it again later"),
            Trouble::Failing | Trouble::Unreachable | Trouble::Lost => {
                Failure::new(Reason::AwsUnreachable, format!("AWS did not answer `{call}`{code}: {message}"))
                    .hint("check the network, the region and `AWS_ENDPOINT_URL`, and look at https://health.aws.amazon.com")
            }
        }
        .kind(Kind::Preflight)
    }
}

fn trouble(code: &str, status: u16) -> Trouble {
    let is = |words: &[&str]| words.contains(&code);
    if is(EXPIRED) {
        Trouble::Expired
    } else if is(UNKNOWN_CALLER) {
        Trouble::NoCredentials
    } else if is(DENIED) {
        Trouble::Denied
    } else if is(THROTTLED) || status == 429 {
        Trouble::Throttled
    } else if status >= 500 {
        Trouble::Failing
    } else {
        Trouble::Refused
    }
}

/// The permission that a denial names: for a role that is passed on, another one than the call's.
fn missing(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    rest.split_whitespace().next().filter(|action| action.contains(':'))
}

/// An error and all that it came from.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Whether somebody said at once that nobody listens there.
fn refused_at_once(error: &(dyn Error + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::HostUnreachable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_statuses_have_kinds() {
        for (code, status, expected) in [
            ("AccessDeniedException", 400, Trouble::Denied),
            ("ExpiredTokenException", 400, Trouble::Expired),
            ("ThrottlingException", 400, Trouble::Throttled),
            ("", 429, Trouble::Throttled),
            ("ServerException", 500, Trouble::Failing),
            ("DeploymentLimitExceededException", 400, Trouble::Refused),
            ("UnrecognizedClientException", 400, Trouble::NoCredentials),
        ] {
            assert_eq!(trouble(code, status), expected, "{code} {status}");
        }
    }
}
