//! Signed requests: the text form of keys, the `Authorization` header, Ed25519 signing and verifying.
//!
//! Shared by the command, which signs, and the agent, which verifies; the two cannot differ. What a signature
//! covers is [`signed_bytes`]. Knows neither HTTP nor files nor the clock: time and nonce are given.

mod curve;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

pub use curve::weak_key;

use crate::agent_api::{SCHEME, signed_bytes};
use crate::domain::{Secret, hex};

/// First word of a private key's text form.
const PRIVATE_PREFIX: &str = "deploy-agent-key-v1";

/// A private key together with whom it is for: `deploy-agent-key-v1:<agent id>:<key id>:<seed>`.
///
/// The agent's id is part of every signature, so a request signed for one agent is worthless at another.
pub struct AgentKey {
    agent_id: String,
    key_id: String,
    seed: Secret<[u8; 32]>,
    pair: Ed25519KeyPair,
}

/// Why a text is not a private key. Never carries any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text does not begin with the prefix.
    #[error("the agent key does not begin with `deploy-agent-key-v1:`")]
    Prefix,
    /// There are not exactly three parts after the prefix.
    #[error("the agent key does not have the form `deploy-agent-key-v1:<agent id>:<key id>:<seed>`")]
    Parts,
    /// The agent id breaks its grammar.
    #[error("the agent id in the agent key is not 1 to 63 of `a-z`, `0-9`, `-`, `_`, `.`")]
    AgentId,
    /// The key id breaks its grammar.
    #[error("the key id in the agent key is not 1 to 63 of `a-z`, `0-9`, `-`, `_`, `.`")]
    KeyId,
    /// The seed is not 32 bytes of base64url.
    #[error("the last part of the agent key is not 32 bytes in base64url without padding (43 characters)")]
    Seed,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// Why a text is not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not 32 bytes of base64url.
    #[error("a public key is 32 bytes in base64 (44 characters)")]
    Encoding,
    /// A key that would accept signatures nobody made.
    #[error("the public key is weak: {0}")]
    Weak(&'static str),
}

/// Why an `Authorization` header cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// Another scheme.
    #[error("the `Authorization` header does not begin with `Deploy-Agent-V1 `")]
    Scheme,
    /// Not the four members in their order.
    #[error("the `Authorization` header is not `Deploy-Agent-V1 key=…,t=…,n=…,s=…`")]
    Members,
    /// The key id breaks its grammar.
    #[error("`key` in the `Authorization` header is not a key id")]
    Key,
    /// The time is not a whole number of seconds.
    #[error("`t` in the `Authorization` header is not a time in seconds since 1970")]
    Time,
    /// The nonce is not 16 bytes of base64url.
    #[error("`n` in the `Authorization` header is not 16 bytes in base64url without padding")]
    Nonce,
    /// The signature is not 64 bytes of base64url.
    #[error("`s` in the `Authorization` header is not 64 bytes in base64url without padding")]
    Signature,
}

/// What an `Authorization` header says, before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The key's id.
    pub key: String,
    /// The caller's clock, seconds since 1970.
    pub unix: i64,
    /// The nonce as it was sent and signed; exactly one text exists per 16 bytes.
    pub nonce: String,
    /// The signature.
    pub signature: [u8; 64],
}

impl AgentKey {
    /// Reads the text form; white space around it (a file's last newline) does not matter.
    ///
    /// # Errors
    /// Says which part is wrong and shows none of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.trim().strip_prefix(PRIVATE_PREFIX).and_then(|rest| rest.strip_prefix(':'));
        let parts: Vec<&str> = rest.ok_or(KeyError::Prefix)?.split(':').collect();
        let &[agent_id, key_id, seed] = parts.as_slice() else { return Err(KeyError::Parts) };
        Self::build(agent_id, key_id, decode(seed).ok_or(KeyError::Seed)?)
    }

    /// Makes a new key from the system's random numbers.
    ///
    /// # Errors
    /// An id that breaks its grammar, or no random numbers.
    pub fn generate(agent_id: &str, key_id: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        rand::fill(&mut seed).map_err(|_| KeyError::Random)?;
        Self::build(agent_id, key_id, seed)
    }

    fn build(agent_id: &str, key_id: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        if !is_id(agent_id) {
            return Err(KeyError::AgentId);
        }
        if !is_id(key_id) {
            return Err(KeyError::KeyId);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Seed)?;
        Ok(Self { agent_id: agent_id.to_owned(), key_id: key_id.to_owned(), seed: Secret::new(seed), pair })
    }

    /// The agent that this key speaks to.
    #[must_use]
    pub fn agent_id(&self) -> &str {
        &self.agent_id
    }

    /// The key's id in the agent's `keys`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The text form, for whoever keeps it.
    #[must_use]
    pub fn text(&self) -> Secret<String> {
        let seed = URL_SAFE_NO_PAD.encode(self.seed.expose());
        Secret::new(format!("{PRIVATE_PREFIX}:{}:{}:{seed}", self.agent_id, self.key_id))
    }

    /// The public half in base64, as `agent.yml` wants it.
    #[must_use]
    pub fn public_base64(&self) -> String {
        STANDARD.encode(self.pair.public_key().as_ref())
    }

    /// The `Authorization` header's value for one request. `path_and_query` exactly as it will be sent.
    #[must_use]
    pub fn authorization(
        &self,
        method: &str,
        path_and_query: &str,
        unix: i64,
        nonce: &[u8; 16],
        body: &[u8],
    ) -> String {
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let bytes = signed_bytes(&self.agent_id, method, path_and_query, unix, &nonce, &body_hash(body));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(&bytes).as_ref());
        format!("{SCHEME} key={},t={unix},n={nonce},s={signature}", self.key_id)
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentKey")
            .field("agent_id", &self.agent_id)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// Reads an `Authorization` header. Strict: its form changes only with the scheme word.
///
/// # Errors
/// The first part that does not fit.
pub fn parse_authorization(header: &str) -> Result<Presented, AuthorizationError> {
    let members = header.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(' '));
    let members: Vec<&str> = members.ok_or(AuthorizationError::Scheme)?.split(',').collect();
    let &[key, unix, nonce, signature] = members.as_slice() else { return Err(AuthorizationError::Members) };
    let member = |text: &'_ str, name: &str| text.strip_prefix(name).map(str::to_owned);
    let key = member(key, "key=").ok_or(AuthorizationError::Members)?;
    let unix = member(unix, "t=").ok_or(AuthorizationError::Members)?;
    let nonce = member(nonce, "n=").ok_or(AuthorizationError::Members)?;
    let signature = member(signature, "s=").ok_or(AuthorizationError::Members)?;
    if !is_id(&key) {
        return Err(AuthorizationError::Key);
    }
    // Up to 11 digits (the year 5138): no sign, and no overflow in whoever subtracts.
    if unix.is_empty() || unix.len() > 11 || !unix.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AuthorizationError::Time);
    }
    let unix = unix.parse().map_err(|_| AuthorizationError::Time)?;
    decode::<16>(&nonce).ok_or(AuthorizationError::Nonce)?;
    Ok(Presented { key, unix, nonce, signature: decode(&signature).ok_or(AuthorizationError::Signature)? })
}

/// True where `signature` is `public`'s signature of `bytes`. Only for keys that [`weak_key`] passes.
#[must_use]
pub fn verify(public: &[u8; 32], bytes: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(bytes, signature).is_ok()
}

/// Reads a public key as `agent.yml` holds it, and refuses weak ones.
///
/// # Errors
/// Not 32 bytes of base64url, or [`weak_key`].
pub fn parse_public(text: &str) -> Result<[u8; 32], PublicKeyError> {
    let key = STANDARD.decode(text).ok().and_then(|key| key.try_into().ok()).ok_or(PublicKeyError::Encoding)?;
    weak_key(&key).map_or(Ok(key), |why| Err(PublicKeyError::Weak(why)))
}

/// SHA-256 of a request's body in lower-case hex, as a signature covers it.
#[must_use]
pub fn body_hash(body: &[u8]) -> String {
    hex(digest(&SHA256, body).as_ref())
}

/// 16 fresh random bytes.
///
/// # Errors
/// The system gave none.
pub fn fresh_nonce() -> Result<[u8; 16], KeyError> {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).map_err(|_| KeyError::Random)?;
    Ok(nonce)
}

/// Strict base64url without padding (trailing bits must be zero, so each value has one text).
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// The grammar of agent and key ids: they stand in headers and in the signed bytes, so no separators.
fn is_id(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
}
