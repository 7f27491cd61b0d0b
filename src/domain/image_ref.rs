//! Image names: a repository, and an image in it by digest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::text_type::text_type;

/// A repository with its registry spelled out where one was given, for example
/// `127.0.0.1:5000/team/web` or `docker.io/library/nginx`. Carries neither tag nor digest.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(String);

/// An image by digest, `repository@sha256:…`: the only way an image travels (promise P8).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    repository: Repository,
    digest: Digest,
}

/// Why a text is not an image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefError {
    /// The part before `@` or `:` breaks the grammar of repository names.
    #[error(
        "`{0}` is not a repository name: lower-case letters, digits, `.`, `_`, `-` and `/`, an optional `host:port/` before"
    )]
    Repository(String),
    /// There is no digest.
    #[error("`{0}` names no digest: expected `repository@sha256:…`")]
    NoDigest(String),
    /// The part after `@` is not a digest.
    #[error("`{0}` has a bad digest after `@`: expected `sha256:` and 64 lower-case hex digits")]
    Digest(String),
}

impl Repository {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with Docker Hub's defaults spelled out, for comparing: `nginx` is `docker.io/library/nginx`
    /// (distribution's `ParseNormalizedNamed` rule).
    #[must_use]
    pub fn normalized(&self) -> String {
        let name =
            self.0.strip_prefix("index.docker.io/").map_or_else(|| self.0.clone(), |rest| format!("docker.io/{rest}"));
        match name.split_once('/') {
            None => format!("docker.io/library/{name}"),
            Some(("docker.io", rest)) if !rest.contains('/') => format!("docker.io/library/{rest}"),
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name,
            Some(_) => format!("docker.io/{name}"),
        }
    }

    /// The registry's host, with its port where it has one; `docker.io` for a short name.
    #[must_use]
    pub fn registry(&self) -> String {
        self.normalized().split('/').next().unwrap_or_default().to_owned()
    }

    /// True where both name the same repository, however short they are written.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }
}

fn is_host(part: &str) -> bool {
    let (host, port) = part.split_once(':').map_or((part, None), |(h, p)| (h, Some(p)));
    let label =
        |l: &str| l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !l.is_empty() && !l.starts_with('-');
    host.split('.').all(label)
        && port.is_none_or(|p| !p.is_empty() && p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit()))
}

fn is_component(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        && edge(part.bytes().next())
        && edge(part.bytes().last())
}

impl FromStr for Repository {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ImageRefError::Repository(text.chars().take(100).collect());
        let mut parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost") {
            if !is_host(parts[0]) {
                return Err(bad());
            }
            parts.remove(0);
        }
        if text.len() <= 255 && parts.iter().all(|part| is_component(part)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(bad())
        }
    }
}

impl ImageRef {
    /// Joins the two parts.
    #[must_use]
    pub fn new(repository: Repository, digest: Digest) -> Self {
        Self { repository, digest }
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(200).collect::<String>();
        let (name, digest) = text.split_once('@').ok_or_else(|| ImageRefError::NoDigest(shown()))?;
        let digest = digest.parse().map_err(|_| ImageRefError::Digest(shown()))?;
        // `repository:tag@digest` is legal elsewhere; the tag says nothing the digest does not.
        let slash = name.rfind('/').map_or(0, |at| at + 1);
        let name = name[slash..].find(':').map_or(name, |at| &name[..slash + at]);
        Ok(Self { repository: name.parse()?, digest })
    }
}

text_type!(Repository, ImageRefError);
text_type!(ImageRef, ImageRefError);

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for good in ["nginx", "team/web", "127.0.0.1:5000/web", "docker.io/badgery/app", "localhost/x", "a.b-c/e_f"] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        for bad in
            ["", "Team/web", "web:1", "-web", "web-", "a//b", "a b", "http://x/y", "host:port/x", "../x", "$(id)"]
        {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn short_and_long_names_are_the_same_repository() {
        let same = |a: &str, b: &str| a.parse::<Repository>().expect(a).same_as(&b.parse().expect(b));
        assert!(same("nginx", "docker.io/library/nginx"));
        assert!(same("docker.io/nginx", "index.docker.io/library/nginx"));
        assert!(same("team/web", "docker.io/team/web"));
        assert!(!same("team/web", "other.example/team/web"));
    }

    #[test]
    fn an_image_is_named_by_digest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let image: ImageRef =
            format!("127.0.0.1:5000/web:v1@{digest}").parse().expect("a tag beside a digest is dropped");
        assert_eq!(image.to_string(), format!("127.0.0.1:5000/web@{digest}"));
        assert!(matches!("web:v1".parse::<ImageRef>(), Err(ImageRefError::NoDigest(_))));
        assert!(matches!("web@sha256:1".parse::<ImageRef>(), Err(ImageRefError::Digest(_))));
    }
}
