//! Why something ended as it did: one stable word per cause, on the wire, in outputs and in the README.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// A cause, by its stable word. Each has an anchor `#reason-<word>` in the README.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
            /// A word of a newer version that this one does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl Reason {
            /// Every reason with a meaning of its own.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$variant => $word,)+
                    Reason::Unknown => "unknown",
                }
            }
        }
    };
}

reasons! {
    /// The command line or an input does not parse.
    Usage = "usage",
    /// `deploy.yml` or `agent.yml` has problems.
    ConfigInvalid = "config_invalid",
    /// The agent key is missing, malformed or weak.
    KeyInvalid = "key_invalid",
    /// The agent does not answer.
    AgentUnreachable = "agent_unreachable",
    /// What answered is not an agent this version understands.
    AgentUnexpected = "agent_unexpected",
    /// The request is malformed, too large, or its body does not fit its type.
    BadRequest = "bad_request",
    /// The other side speaks a newer API.
    ApiTooNew = "api_too_new",
    /// The signature does not verify.
    SignatureInvalid = "signature_invalid",
    /// The request was seen before.
    Replayed = "replayed",
    /// The two clocks differ by more than five minutes.
    ClockSkew = "clock_skew",
    /// The key may not touch this application.
    Forbidden = "forbidden",
    /// The agent does not manage this application or service.
    UnknownService = "unknown_service",
    /// No such deployment, or it was forgotten.
    UnknownDeployment = "unknown_deployment",
    /// The image's repository is not in the application's `images`.
    ImageNotAllowed = "image_not_allowed",
    /// Another deployment of the application is running.
    Busy = "busy",
    /// The agent is shutting down or has not finished starting.
    Unavailable = "unavailable",
    /// What runs is not what the plan saw.
    ChangedUnderneath = "changed_underneath",
    /// The plan lists reasons why a swap cannot be safe.
    Blocked = "blocked",
    /// The Docker Engine does not answer.
    DockerUnavailable = "docker_unavailable",
    /// `docker compose` is missing, or a call of it failed.
    ComposeFailed = "compose_failed",
    /// Traefik's API does not answer, or not as expected.
    TraefikUnreachable = "traefik_unreachable",
    /// The running version could not be taken over from its labels.
    AdoptFailed = "adopt_failed",
    /// The image could not be pulled.
    PullFailed = "pull_failed",
    /// There is no room for the image on the engine's disk.
    DiskFull = "disk_full",
    /// The new containers could not be created as planned.
    CreateFailed = "create_failed",
    /// The new container could not be started.
    StartFailed = "start_failed",
    /// The new container ended before it was healthy.
    ContainerExited = "container_exited",
    /// The new version did not become healthy in time.
    NeverHealthy = "never_healthy",
    /// Traefik did not take the new route over.
    SwitchFailed = "switch_failed",
    /// Requests through the real entry point were not answered by the new release.
    ProofFailed = "proof_failed",
    /// The new version failed within its verify window.
    VerifyFailed = "verify_failed",
    /// Someone cancelled before the switch.
    Cancelled = "cancelled",
    /// A deadline passed.
    TimedOut = "timed_out",
    /// The agent was stopped in the middle and went back when it started.
    Interrupted = "interrupted",
    /// The image was not built.
    BuildFailed = "build_failed",
    /// The image's registry did not take it, or did not tell what it has.
    RegistryFailed = "registry_failed",
    /// There is no earlier proven release to go back to.
    NoEarlierRelease = "no_earlier_release",
    /// Going back failed as well: a person must look.
    RollbackFailed = "rollback_failed",
    /// The journal or the state could not be written or read.
    StateUnusable = "state_unusable",
    /// AWS lacks a permission of the caller.
    AwsDenied = "aws_denied",
    /// There are no AWS credentials, or they do not work any more.
    AwsCredentials = "aws_credentials",
    /// AWS does not answer.
    AwsUnreachable = "aws_unreachable",
    /// AWS refused a call.
    AwsRefused = "aws_refused",
    /// The new tasks did not come up, or not healthy.
    TasksFailed = "tasks_failed",
    /// A hook of the deployment failed or did not answer.
    HookFailed = "hook_failed",
    /// An alarm ended the deployment.
    AlarmFired = "alarm_fired",
    /// The command before the deployment failed; nothing was shifted.
    BeforeDeployFailed = "before_deploy_failed",
    /// Somebody stopped the deployment at AWS.
    StoppedByHand = "stopped_by_hand",
    /// Nobody let the traffic shift in time.
    NotApproved = "not_approved",
    /// Another deployment took the place of this one.
    Superseded = "superseded",
    /// AWS ended the deployment for a reason of its own.
    DeploymentFailed = "deployment_failed",
    /// A defect of this program.
    Bug = "bug",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_newer_version_is_tolerated() {
        assert_eq!(serde_json::from_str::<Reason>("\"busy\"").ok(), Some(Reason::Busy));
        assert_eq!(serde_json::from_str::<Reason>("\"invented_later\"").ok(), Some(Reason::Unknown));
    }

    #[test]
    fn words_are_what_serde_writes() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_string(reason).ok(), Some(format!("\"{reason}\"")));
        }
    }
}
