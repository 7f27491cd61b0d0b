//! What came back, as a value or as a failure that says what to check.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::agent_api::{API, ApiError};
use crate::domain::{AgentUrl, Reason, one_line};
use crate::failure::{Failure, Kind, innermost};

/// Longest text of the other side that a message repeats, in characters.
const SHOWN: usize = 500;

/// An answer whose body was read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) url: AgentUrl,
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The one member that every answer has, read before anything else is expected of it.
#[derive(Deserialize)]
struct Version {
    api: u32,
    #[serde(default)]
    agent_version: Option<String>,
}

/// This program's version.
const OWN: &str = env!("CARGO_PKG_VERSION");

impl Version {
    /// The agent's version as a sentence has it; an older agent does not tell it.
    fn of_agent(&self) -> String {
        self.agent_version
            .as_deref()
            .map_or_else(|| "an older version".to_owned(), |v| format!("version {}", one_line(v, 40)))
    }
}

impl Answer {
    /// True where a refusal was written by an agent and not by something before it.
    pub(super) fn is_from_agent(&self) -> bool {
        serde_json::from_slice::<ApiError>(&self.body).is_ok()
    }

    /// The value, or why there is none.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if !self.status.is_success() {
            return Err(self.refusal());
        }
        let read = serde_json::from_slice::<Version>(&self.body);
        let version = read.map_err(|error| self.unreadable(&error))?;
        if version.api > API {
            let (api, told) = (version.api, version.agent_version.is_some());
            let agent = if told { format!(" ({})", version.of_agent()) } else { String::new() };
            return Err(Failure::new(
                Reason::ApiTooNew,
                format!(
                    "the agent at `{}`{agent} speaks API version {api}, this deploy-action (version {OWN}) speaks {API}",
                    self.url
                ),
            )
            .hint("use the version of deploy-action that the agent has, or a newer one"));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::new(
                Reason::AgentUnexpected,
                format!(
                    "the agent at `{}` ({}) answers something that this deploy-action (version {OWN}) does not understand",
                    self.url,
                    version.of_agent()
                ),
            )
            .because(one_line(&error.to_string(), SHOWN))
            .hint("update the older of the two: the agent on its host, or deploy-action where it runs")
        })
    }

    fn unreadable(&self, error: &serde_json::Error) -> Failure {
        let url = &self.url;
        let what = if self.body.trim_ascii_start().starts_with(b"<") {
            format!("`{url}` answers with a web page instead of an agent's JSON")
        } else if error.is_eof() {
            format!("the answer of `{url}` ends in the middle")
        } else {
            format!("the answer of `{url}` is not what an agent of API version {API} sends")
        };
        Failure::new(Reason::AgentUnexpected, what)
            .because(one_line(&error.to_string(), SHOWN))
            .hint("check that the agent's address in `deploy.yml`, base path included, is right; `deploy-action agent doctor` on the host checks the way there")
    }

    /// A status other than success: the agent's own refusal, or something between here and there.
    fn refusal(&self) -> Failure {
        if let Ok(error) = serde_json::from_slice::<ApiError>(&self.body) {
            return refused(&error, self.status);
        }
        let (url, status) = (&self.url, self.status.as_u16());
        let unexpected = |message: String, hint: &str| Failure::new(Reason::AgentUnexpected, message).hint(hint);
        match status {
            300..=399 => {
                let to = self.location.as_deref().map(|to| format!(" to `{}`", one_line(to, SHOWN)));
                unexpected(
                    format!("`{url}` redirects{}", to.unwrap_or_default()),
                    "redirects are not followed, because a signature covers one address: write the final address into `deploy.yml`",
                )
            }
            404 => unexpected(
                format!("`{url}` answers 404, and not as an agent does"),
                "check host and base path of the agent's address in `deploy.yml`, and `base_path` in `agent.yml`",
            ),
            502..=504 => Failure::new(
                Reason::AgentUnreachable,
                format!("the proxy at `{url}` answers {status}: it does not reach the agent"),
            )
            .hint("what is deployed serves without it; on the host, look at `systemctl status deploy-agent` and run `deploy-action agent doctor`"),
            _ => unexpected(
                format!("`{url}` answers {status}, and not as an agent does"),
                "check that nothing between here and the agent answers in its place, for example a login page or a firewall",
            ),
        }
    }
}

/// The agent's own refusal. It means that nothing was changed, so an exit code that tells of a finished swap does not fit.
fn refused(error: &ApiError, status: StatusCode) -> Failure {
    let kind = match (Kind::of(error.code), status) {
        (Kind::Bug, StatusCode::FORBIDDEN) => Kind::NotAllowed,
        (Kind::Bug, StatusCode::CONFLICT) => Kind::Busy,
        (Kind::Bug, _) if error.code == Reason::Unknown => Kind::Preflight,
        (Kind::RolledBack | Kind::Stranded, _) => Kind::Preflight,
        (kind, _) => kind,
    };
    let mut failure = Failure::new(error.code, one_line(&error.message, SHOWN)).kind(kind);
    // Told once: the agent names it in its message already.
    if let Some(holder) = error.holder.as_ref().filter(|holder| !error.message.contains(holder.deployment.as_str())) {
        failure = failure.because(holder.told());
    }
    match (&error.hint, error.code) {
        (Some(hint), _) => failure.hint(one_line(hint, SHOWN)),
        (None, Reason::Busy) => failure.hint("wait for it to end and try again; `deploy-action status` shows it"),
        _ => failure,
    }
}

/// The agent was not reached, or the connection broke.
pub(super) fn unreachable(url: &AgentUrl, error: reqwest::Error) -> Failure {
    let chain = crate::failure::with_causes(&error);
    let says = |words: &[&str]| words.iter().any(|word| chain.contains(word));
    let (what, hint) = if says(&["InvalidContentType", "invalid HTTP version"]) {
        (
            "one side speaks TLS and the other does not",
            "write the scheme, `https://` or `http://`, that the agent's port speaks",
        )
    } else if says(&["certificate", "UnknownIssuer", "CaUsedAsEndEntity"]) {
        (
            "its TLS certificate is not trusted",
            "wait until the proxy before the agent has its certificate, or set `SSL_CERT_FILE` to the CA that signed it",
        )
    } else if says(&["handshake", "fatal alert", "TLS"]) {
        ("the TLS handshake fails", "check that the proxy before the agent has a certificate for this name")
    } else if says(&["dns error", "failed to lookup"]) {
        ("its name cannot be resolved", "check the host name in `deploy.yml` and this machine's DNS")
    } else if error.is_timeout() {
        ("it does not answer in time", "check that the agent runs, and that no firewall drops the connection")
    } else if error.is_connect() {
        (
            "nothing accepts the connection",
            "what is deployed serves without it; on the host, look at `systemctl status deploy-agent` and run `deploy-action agent doctor`",
        )
    } else {
        ("the connection broke", "on the host, look at `systemctl status deploy-agent`; the agent may be restarting")
    };
    Failure::new(Reason::AgentUnreachable, format!("the agent at `{url}` is not reached: {what}"))
        .because(innermost(&error.without_url()))
        .hint(hint)
}
