//! Content digests of images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text_type::text_type;

/// A SHA-256 content digest, `sha256:` and 64 lower-case hex digits
/// (OCI image specification, descriptor.md; other algorithms are registered but unused in registries).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a text is not a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected `sha256:` and 64 lower-case hex digits")]
pub struct DigestError(String);

impl Digest {
    /// The whole digest, `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Stands for the digest of what does not exist yet: all zeros.
    #[must_use]
    pub fn zero() -> Self {
        Self(format!("sha256:{}", "0".repeat(64)))
    }

    /// The first 12 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[7..19]
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(DigestError(text.chars().take(100).collect())),
        }
    }
}

text_type!(Digest, DigestError);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_sha256_in_lower_case() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(good.parse::<Digest>().map(|d| d.short().to_owned()), Ok("0a0a0a0a0a0a".to_owned()));
        for bad in [
            "",
            "sha256:",
            "sha256:AB",
            &format!("sha256:{}", "0A".repeat(32)),
            &format!("sha512:{}", "0a".repeat(32)),
            &"0a".repeat(32),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
