//! Who asks: the signature over the bytes as received, the clock, and the nonce, in that order.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::nonces::Nonces;
use crate::agent::app::refusal;
use crate::agent::config::Key;
use crate::agent_api::{ApiError, MAX_SKEW, signed_bytes};
use crate::domain::{AppName, Reason};
use crate::signing::{Presented, body_hash, parse_authorization, verify};

/// Checks signatures for one agent.
#[derive(Debug)]
pub struct Authenticator {
    agent_id: String,
    keys: Vec<Key>,
    nonces: Mutex<Nonces>,
}

/// A caller whose signature was checked. Only [`Authenticator::check`] makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    key: String,
    apps: Vec<AppName>,
}

impl Caller {
    /// True where the key may touch the application.
    #[must_use]
    pub fn may(&self, app: &AppName) -> bool {
        self.apps.contains(app)
    }

    /// Refuses an application that the key is not for.
    ///
    /// # Errors
    /// [`Reason::Forbidden`]. The same answer whether or not the application exists.
    pub fn authorize(&self, app: &AppName) -> Result<(), ApiError> {
        if self.may(app) {
            return Ok(());
        }
        Err(refusal(
            Reason::Forbidden,
            format!("key `{}` may not touch application `{app}`", self.key),
            format!("add `{app}` to the `apps` of key `{}` in agent.yml on the host", self.key),
        ))
    }
}

fn invalid(message: String) -> ApiError {
    refusal(
        Reason::SignatureInvalid,
        message,
        "check that DEPLOY_AGENT_KEY is the private half of a key in this agent's agent.yml, and that no proxy changes path or body",
    )
}

/// A request's parts that its signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path and query as received.
    pub path: &'a str,
    /// Body.
    pub body: &'a [u8],
    /// The `Authorization` header.
    pub header: Option<&'a str>,
}

impl Authenticator {
    /// For these keys.
    #[must_use]
    pub fn new(agent_id: &str, keys: &[Key], nonces: Nonces) -> Self {
        Self { agent_id: agent_id.to_owned(), keys: keys.to_vec(), nonces: Mutex::new(nonces) }
    }

    /// What the `Authorization` header says, before anything is checked.
    ///
    /// # Errors
    /// There is none, or it is of another form.
    pub fn presented(&self, header: Option<&str>) -> Result<Presented, ApiError> {
        let header = header.ok_or_else(|| invalid("the request is not signed".to_owned()))?;
        parse_authorization(header).map_err(|error| invalid(error.to_string()))
    }

    /// Checks a request.
    ///
    /// # Errors
    /// Why it is refused. A wrong key and a wrong signature are told apart by nobody.
    pub fn check(&self, request: Signed<'_>) -> Result<Caller, ApiError> {
        let presented = self.presented(request.header)?;
        let hash = body_hash(request.body);
        let bytes = signed_bytes(&self.agent_id, request.method, request.path, presented.unix, &presented.nonce, &hash);
        let key =
            self.keys.iter().find(|key| key.id == presented.key && verify(&key.ed25519, &bytes, &presented.signature));
        let key = key.ok_or_else(|| {
            invalid(format!("the signature by key `{}` does not verify for agent `{}`", presented.key, self.agent_id))
        })?;
        let now = Timestamp::now().as_second();
        let skew = now.saturating_sub(presented.unix);
        if skew.abs() > MAX_SKEW {
            let (size, side) = (skew.abs(), if skew > 0 { "behind" } else { "ahead of" });
            return Err(refusal(
                Reason::ClockSkew,
                format!("the caller's clock is {size} s {side} the agent's; {MAX_SKEW} s are allowed"),
                "set both clocks by NTP",
            ));
        }
        let durable = request.method != "GET";
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        match nonces.take(&presented.nonce, presented.unix, now, durable) {
            Ok(true) => Ok(Caller { key: key.id.clone(), apps: key.apps.clone() }),
            Ok(false) => Err(refusal(Reason::Replayed, "this very request was seen before", "sign every request anew")),
            Err(error) => Err(refusal(
                Reason::StateUnusable,
                format!("the request cannot be noted in the state folder: {error}"),
                "free space in `state_dir` on the host",
            )),
        }
    }
}
