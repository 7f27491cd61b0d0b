//! What set a run off, as one value, wherever it came from.
//!
//! Must never import clients, tokio or the environment.

mod event;
mod github;
mod inputs;
#[cfg(test)]
pub(crate) mod sample;

use std::time::Duration;

pub use event::{Commit, Event, PAYLOAD, read as read_event};
pub use github::GitHubContext;
pub use inputs::{INPUTS, ImageInput, Input, Inputs, Verb, login_masks, masks, redact, value_masks};

use crate::agent_api::Wanted;
use crate::cli::{Command, Format, PlanFormat, RunArgs};
use crate::domain::{EnvName, IdempotencyKey, TokenRepo};

/// What a run is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Show what a deployment would change.
    Plan {
        /// Where.
        environment: EnvName,
        /// What.
        want: Wanted,
        /// How to print it.
        format: PlanFormat,
    },
    /// Deploy or roll back.
    Deploy(Deploy),
    /// Show what runs.
    Status {
        /// Where.
        environment: EnvName,
        /// How to print it.
        format: Format,
    },
    /// Show past deployments.
    History {
        /// Where.
        environment: EnvName,
        /// How to print it.
        format: Format,
    },
    /// Answer a deployment that waits for somebody's word.
    Approve {
        /// Where.
        environment: EnvName,
        /// Go back instead of on.
        reject: bool,
    },
    /// Print what a role that deploys has to be allowed.
    IamPolicy {
        /// Where.
        environment: EnvName,
        /// Whose runs deploy.
        repository: TokenRepo,
    },
    /// Check configuration and reachability.
    Verify {
        /// Where; everywhere without it.
        environment: Option<EnvName>,
        /// Open no connection.
        offline: bool,
    },
}

/// A deployment or a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// Where.
    pub environment: EnvName,
    /// What.
    pub want: Wanted,
    /// Given by the caller; random without it.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Longest wait for the end.
    pub timeout: Duration,
    /// How to print progress.
    pub format: Format,
    /// Plan only.
    pub dry_run: bool,
}

impl Trigger {
    /// From the command line. `None` for the agent's own verbs, which run on the host and have no environment.
    #[must_use]
    pub fn from_argv(command: &Command) -> Option<Self> {
        Some(match command {
            Command::Plan { place, want, format } => Self::Plan {
                environment: place.environment.clone(),
                want: want.image.clone().map_or(Wanted::Rollback, Wanted::Image),
                format: *format,
            },
            Command::Deploy { place, image, run } => {
                Self::Deploy(Deploy::new(&place.environment, Wanted::Image(image.clone()), run))
            }
            Command::Rollback { place, run } => Self::Deploy(Deploy::new(&place.environment, Wanted::Rollback, run)),
            Command::Status { place, format } => {
                Self::Status { environment: place.environment.clone(), format: *format }
            }
            Command::History { place, format } => {
                Self::History { environment: place.environment.clone(), format: *format }
            }
            Command::Verify { environment, offline, .. } => {
                Self::Verify { environment: environment.clone(), offline: *offline }
            }
            Command::Approve { place, reject } => {
                Self::Approve { environment: place.environment.clone(), reject: *reject }
            }
            Command::IamPolicy { place, repository } => {
                Self::IamPolicy { environment: place.environment.clone(), repository: repository.clone() }
            }
            Command::Agent(_) => return None,
        })
    }
}

impl Deploy {
    fn new(environment: &EnvName, want: Wanted, run: &RunArgs) -> Self {
        Self {
            environment: environment.clone(),
            want,
            idempotency_key: run.idempotency_key.clone(),
            timeout: run.timeout,
            format: run.format,
            dry_run: run.dry_run,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn trigger(args: &str) -> Trigger {
        let cli = Cli::try_parse_from(args.split(' ')).unwrap();
        Trigger::from_argv(&cli.command).unwrap()
    }

    #[test]
    fn argv_becomes_a_trigger() {
        let image = format!("web@sha256:{}", "a".repeat(64));
        let environment: EnvName = "staging".parse().unwrap();
        let want = Wanted::Image(image.parse().unwrap());
        let deploy = Deploy {
            environment: environment.clone(),
            want: want.clone(),
            idempotency_key: Some("key-12345".parse().unwrap()),
            timeout: Duration::from_secs(90),
            format: Format::Json,
            dry_run: true,
        };
        assert_eq!(
            trigger(&format!(
                "x deploy staging --image {image} --idempotency-key key-12345 --timeout 90s --format json --dry-run"
            )),
            Trigger::Deploy(deploy)
        );
        assert_eq!(
            trigger("x rollback staging"),
            Trigger::Deploy(Deploy {
                environment: environment.clone(),
                want: Wanted::Rollback,
                idempotency_key: None,
                timeout: Duration::from_secs(900),
                format: Format::Text,
                dry_run: false,
            })
        );
        assert_eq!(
            trigger("x plan staging --rollback --format markdown"),
            Trigger::Plan { environment: environment.clone(), want: Wanted::Rollback, format: PlanFormat::Markdown }
        );
        assert_eq!(
            trigger(&format!("x plan staging --image {image}")),
            Trigger::Plan { environment, want, format: PlanFormat::Text }
        );
        assert_eq!(trigger("x verify --offline"), Trigger::Verify { environment: None, offline: true });
    }
}
