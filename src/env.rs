//! Every environment variable that the program looks at, documented once. Nothing else reads the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::agent_api::PullCredential;
use crate::domain::{Reason, Secret};
use crate::failure::Failure;

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
}

/// The private key for the agent; a secret, so there is no flag for it.
pub const AGENT_KEY: EnvVar = EnvVar {
    name: "DEPLOY_AGENT_KEY",
    doc: "The agent key, `deploy-agent-key-v1:…`, as `deploy-action agent keygen` prints it. `--agent-key-file` reads it from a file instead.",
};
/// User of a private registry.
pub const REGISTRY_USERNAME: EnvVar = EnvVar {
    name: "DEPLOY_REGISTRY_USERNAME",
    doc: "User with which the agent pulls from a private registry; goes with `DEPLOY_REGISTRY_PASSWORD`.",
};
/// Password for a private registry.
pub const REGISTRY_PASSWORD: EnvVar = EnvVar {
    name: "DEPLOY_REGISTRY_PASSWORD",
    doc: "Password or token with which the agent pulls; sent with the deployment, kept nowhere.",
};
/// Who asks, for locks and history.
pub const REQUESTED_BY: EnvVar = EnvVar {
    name: "DEPLOY_REQUESTED_BY",
    doc: "Who asks for the deployment, as history and a busy answer show it. Without it, `USER`.",
};
/// The login name, where nothing better is set.
pub const USER: EnvVar = EnvVar { name: "USER", doc: "The login name; used where `DEPLOY_REQUESTED_BY` is not set." };
/// What is logged to stderr.
pub const LOG: EnvVar = EnvVar {
    name: "DEPLOY_LOG",
    doc: "What is logged to stderr, for example `info` or `deploy_action=debug`. Default `warn`; `info` for `agent serve`.",
};
/// Read by the TLS stack, not by this program.
pub const SSL_CERT_FILE: EnvVar =
    EnvVar { name: "SSL_CERT_FILE", doc: "CA certificates to trust instead of the system's, as a PEM file." };

/// Read by AWS's SDK, too.
pub const AWS_PROFILE: EnvVar =
    EnvVar { name: "AWS_PROFILE", doc: "The profile whose credentials are used at AWS; it has to exist." };
/// Read by AWS's SDK, too.
pub const AWS_CONFIG_FILE: EnvVar =
    EnvVar { name: "AWS_CONFIG_FILE", doc: "Where profiles are. Default: ~/.aws/config." };
/// Read by AWS's SDK, too.
pub const AWS_SHARED_CREDENTIALS_FILE: EnvVar =
    EnvVar { name: "AWS_SHARED_CREDENTIALS_FILE", doc: "Where profiles are, too. Default: ~/.aws/credentials." };
/// Read by AWS's SDK; here it counts only whether it is set.
pub const AWS_ACCESS_KEY_ID: EnvVar = EnvVar {
    name: "AWS_ACCESS_KEY_ID",
    doc: "A key of AWS's, with `AWS_SECRET_ACCESS_KEY`: both go before a profile.",
};

/// The engine's address.
pub const DOCKER_HOST: EnvVar = EnvVar {
    name: "DOCKER_HOST",
    doc: "Where the agent, and the action when it builds, finds the Docker Engine, `unix://…` or `tcp://…`. Default: unix:///var/run/docker.sock.",
};
/// The docker command's folder.
pub const DOCKER_CONFIG: EnvVar = EnvVar {
    name: "DOCKER_CONFIG",
    doc: "Folder of the docker command's settings and plugins, handed on to `docker compose` by the agent.",
};
/// Where commands are found.
pub const PATH: EnvVar = EnvVar { name: "PATH", doc: "Where the agent finds the `docker` command." };
/// The home folder.
pub const HOME: EnvVar = EnvVar { name: "HOME", doc: "Home folder, handed on to `docker compose` by the agent." };
/// Set by a runner.
pub const GITHUB_ACTIONS: EnvVar = EnvVar {
    name: "GITHUB_ACTIONS",
    doc: "`true` in GitHub Actions: without arguments the program is then the action, and reads `INPUT_…` and `GITHUB_…`.",
};
/// The event's payload.
pub const GITHUB_EVENT_PATH: EnvVar =
    EnvVar { name: "GITHUB_EVENT_PATH", doc: "The file with the payload of the event that set the action off." };
/// The outputs' file.
pub const GITHUB_OUTPUT: EnvVar = EnvVar { name: "GITHUB_OUTPUT", doc: "The file that takes the action's outputs." };
/// The summary's file.
pub const GITHUB_STEP_SUMMARY: EnvVar =
    EnvVar { name: "GITHUB_STEP_SUMMARY", doc: "The file that takes the job summary." };
/// The post step's file.
pub const GITHUB_STATE: EnvVar =
    EnvVar { name: "GITHUB_STATE", doc: "The file that takes what the post step reads, as `STATE_…`." };
/// Where GitHub gives a token for the job.
pub const ID_TOKEN_URL: EnvVar = EnvVar {
    name: "ACTIONS_ID_TOKEN_REQUEST_URL",
    doc: "Set by a runner for jobs with `id-token: write`: where the token for `role-to-assume` is asked for.",
};
/// With which that is asked.
pub const ID_TOKEN_TOKEN: EnvVar = EnvVar {
    name: "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    doc: "Set by a runner for jobs with `id-token: write`: with which that token is asked for.",
};
/// Test builds only.
#[cfg(feature = "kill-points")]
pub const AGENT_KILL_AT: EnvVar = EnvVar {
    name: "DEPLOY_AGENT_KILL_AT",
    doc: "Test builds only: the journal record before or after which the agent kills itself, for example `after-switched`.",
};

/// Every variable, in the order in which the documentation lists them.
pub const ALL: &[EnvVar] = &[
    AGENT_KEY,
    REGISTRY_USERNAME,
    REGISTRY_PASSWORD,
    REQUESTED_BY,
    USER,
    LOG,
    SSL_CERT_FILE,
    AWS_PROFILE,
    AWS_CONFIG_FILE,
    AWS_SHARED_CREDENTIALS_FILE,
    AWS_ACCESS_KEY_ID,
    DOCKER_HOST,
    DOCKER_CONFIG,
    PATH,
    HOME,
    GITHUB_ACTIONS,
    GITHUB_EVENT_PATH,
    GITHUB_OUTPUT,
    GITHUB_STEP_SUMMARY,
    GITHUB_STATE,
    ID_TOKEN_URL,
    ID_TOKEN_TOKEN,
];

/// What the variables begin with that a runner sets for an action.
const OF_RUNNER: &[&str] = &["INPUT_", "GITHUB_", "STATE_"];

/// The variables that `docker compose` gets from the agent: nothing else of its environment.
const FOR_COMPOSE: &[EnvVar] = &[PATH, HOME, DOCKER_HOST, DOCKER_CONFIG];

/// The record that a test build of the agent dies at.
#[cfg(feature = "kill-points")]
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn kill_at() -> Option<String> {
    std::env::var(AGENT_KILL_AT.name).ok()
}

/// A profile of AWS's that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsProfile {
    /// Its name.
    pub name: String,
    /// The files that may have it.
    pub files: [PathBuf; 2],
}

/// The environment as it was when the program started.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// [`AGENT_KEY`].
    pub agent_key: Option<Secret<String>>,
    registry_username: Option<String>,
    registry_password: Option<Secret<String>>,
    /// [`REQUESTED_BY`], else [`USER`], else empty.
    pub requested_by: String,
    /// [`LOG`].
    pub log: Option<String>,
    /// [`DOCKER_HOST`].
    pub docker_host: Option<String>,
    /// [`SSL_CERT_FILE`].
    pub authorities: Option<String>,
    /// [`AWS_PROFILE`], where no key goes before it.
    pub aws_profile: Option<AwsProfile>,
    /// [`ID_TOKEN_URL`] and [`ID_TOKEN_TOKEN`], where a runner set both.
    pub id_token: Option<(String, Secret<String>)>,
    /// What `docker compose` gets, by name.
    pub for_compose: BTreeMap<&'static str, String>,
    /// In GitHub Actions, the runner's variables by name; inputs are among them, some of them secret.
    pub runner: Option<Secret<BTreeMap<String, String>>>,
}

impl Env {
    /// Reads the process's environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read() -> Self {
        let env = Self::from(|name| std::env::var(name).ok());
        if std::env::var(GITHUB_ACTIONS.name).ok().as_deref() != Some("true") {
            return env;
        }
        // What is not text is not dropped: an input that is left out would be a deployment with its default.
        let texts = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        let runner = texts.filter(|(name, _)| OF_RUNNER.iter().any(|prefix| name.starts_with(prefix))).collect();
        Self { runner: Some(Secret::new(runner)), ..env }
    }

    /// Reads an environment given as a function. A variable that is set to nothing counts as not set.
    pub fn from(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |var: EnvVar| get(var.name).filter(|value| !value.trim().is_empty());
        Self {
            agent_key: get(AGENT_KEY).map(Secret::new),
            registry_username: get(REGISTRY_USERNAME),
            registry_password: get(REGISTRY_PASSWORD).map(Secret::new),
            requested_by: get(REQUESTED_BY).or_else(|| get(USER)).unwrap_or_default(),
            log: get(LOG),
            docker_host: get(DOCKER_HOST),
            authorities: get(SSL_CERT_FILE),
            aws_profile: get(AWS_PROFILE).filter(|_| get(AWS_ACCESS_KEY_ID).is_none()).map(|name| {
                let file = |var: EnvVar, usual: &str| {
                    let home = || PathBuf::from(get(HOME).unwrap_or_default()).join(".aws").join(usual);
                    get(var).map_or_else(home, PathBuf::from)
                };
                AwsProfile {
                    name,
                    files: [file(AWS_CONFIG_FILE, "config"), file(AWS_SHARED_CREDENTIALS_FILE, "credentials")],
                }
            }),
            id_token: get(ID_TOKEN_URL).zip(get(ID_TOKEN_TOKEN).map(Secret::new)),
            for_compose: FOR_COMPOSE.iter().filter_map(|var| Some((var.name, get(*var)?))).collect(),
            runner: None,
        }
    }

    /// What nobody may see of it, the runner's variables aside.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let all = [&self.agent_key, &self.registry_password].into_iter().flatten();
        all.chain(self.id_token.as_ref().map(|(_, token)| token)).map(|secret| secret.expose().as_str())
    }

    /// The credential for pulls, where one is set.
    ///
    /// # Errors
    /// One half of it is missing.
    pub fn pull_credential(&self) -> Result<Option<PullCredential>, Failure> {
        let half = |there: EnvVar, missing: EnvVar| {
            Err(Failure::new(Reason::Usage, format!("`{}` is set and `{}` is not", there.name, missing.name))
                .hint("set both for a private registry, or neither"))
        };
        match (&self.registry_username, &self.registry_password) {
            (Some(username), Some(password)) => {
                Ok(Some(PullCredential { username: username.clone(), password: password.clone() }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => half(REGISTRY_USERNAME, REGISTRY_PASSWORD),
            (None, Some(_)) => half(REGISTRY_PASSWORD, REGISTRY_USERNAME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&str, &str)]) -> Env {
        Env::from(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn halves_of_a_credential_are_refused() {
        let both = env(&[("DEPLOY_REGISTRY_USERNAME", "u"), ("DEPLOY_REGISTRY_PASSWORD", "canary")]);
        assert_eq!(both.pull_credential().unwrap().unwrap().username, "u");
        assert!(!format!("{both:?}").contains("canary"));
        assert!(env(&[("DEPLOY_REGISTRY_PASSWORD", "canary")]).pull_credential().is_err());
        assert!(env(&[("DEPLOY_REGISTRY_USERNAME", "u")]).pull_credential().is_err());
        assert!(env(&[("DEPLOY_REGISTRY_PASSWORD", "  ")]).pull_credential().unwrap().is_none());
    }

    #[test]
    fn the_caller_has_a_name() {
        assert_eq!(env(&[("USER", "eve"), ("DEPLOY_REQUESTED_BY", "ci")]).requested_by, "ci");
        assert_eq!(env(&[("USER", "eve")]).requested_by, "eve");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|var| var.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
