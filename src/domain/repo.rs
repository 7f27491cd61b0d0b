//! What GitHub calls things by: repositories, commits, pull requests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text_type::text_type;

/// Why a text names nothing on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoError {
    /// Not `owner/name`.
    #[error("`{0}` is not a repository: expected `owner/name` of letters, digits, `-`, `_` and `.`")]
    Slug(String),
    /// Not a commit.
    #[error("`{0}` is not a commit: expected 40 lower-case hex digits")]
    Sha(String),
    /// Not a repository of a token.
    #[error(
        "`{0}` is not a repository: expected `owner/name`, or `owner@7/name@42` where the subjects of its tokens hold numbers"
    )]
    TokenRepo(String),
    /// Not a pull request.
    #[error("`{0}` is not the number of a pull request: expected a whole number from 1")]
    Number(String),
}

/// A repository as GitHub names it, `owner/name`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoSlug(String);

/// A repository as the subjects of GitHub's OIDC tokens name it: `owner/name`, or `owner@7/name@42` with numbers that are
/// never given away again.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRepo(String);

/// A commit by its full SHA-1, 40 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitSha(String);

/// The number of a pull request in its repository, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PrNumber(u64);

/// Longest owner and repository name that GitHub gives out, in characters (its sign-up and creation forms).
const OWNER: usize = 39;
const NAME: usize = 100;

impl RepoSlug {
    /// The whole, `owner/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before `/`.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl GitSha {
    /// All 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 7 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl PrNumber {
    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

fn shown(text: &str) -> String {
    text.chars().take(150).collect()
}

impl FromStr for RepoSlug {
    type Err = RepoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |part: &str, longest: usize| {
            (1..=longest).contains(&part.len())
                && !matches!(part, "." | "..")
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner, OWNER) && part(name, NAME) => Ok(Self(text.to_owned())),
            _ => Err(RepoError::Slug(shown(text))),
        }
    }
}

impl FromStr for TokenRepo {
    type Err = RepoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || RepoError::TokenRepo(shown(text));
        let (owner, name) = text.split_once('/').ok_or_else(wrong)?;
        let id = |id: &str| (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
        let slug = match (owner.split_once('@'), name.split_once('@')) {
            (Some((owner, first)), Some((name, second))) if id(first) && id(second) => format!("{owner}/{name}"),
            (None, None) => text.to_owned(),
            _ => return Err(wrong()),
        };
        slug.parse::<RepoSlug>().map_err(|_| wrong())?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for GitSha {
    type Err = RepoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RepoError::Sha(shown(text)))
        }
    }
}

impl TryFrom<u64> for PrNumber {
    type Error = RepoError;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        if number == 0 { Err(RepoError::Number("0".to_owned())) } else { Ok(Self(number)) }
    }
}

impl FromStr for PrNumber {
    type Err = RepoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<u64>().map_err(|_| RepoError::Number(shown(text)))?.try_into()
    }
}

impl From<PrNumber> for u64 {
    fn from(number: PrNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PrNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

text_type!(RepoSlug, RepoError);
text_type!(GitSha, RepoError);

impl fmt::Display for RepoSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TokenRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_an_owner_and_a_name() {
        let slug: RepoSlug = "badgery/deploy-action".parse().unwrap();
        assert_eq!((slug.owner(), slug.name()), ("badgery", "deploy-action"));
        assert!("Some_One/.github".parse::<RepoSlug>().is_ok());
        for bad in ["", "web", "/web", "a/", "a/b/c", "a/..", "a b/c", "a/b\n", &format!("{}/a", "o".repeat(40))] {
            assert!(bad.parse::<RepoSlug>().is_err(), "{bad}");
        }
    }

    #[test]
    fn repositories_of_tokens_may_have_numbers_on_both_sides() {
        for good in ["acme/hello", "acme@7/hello@42"] {
            assert_eq!(good.parse::<TokenRepo>().unwrap().to_string(), good);
        }
        for bad in
            ["acme@7/hello", "acme/hello@42", "acme@/hello@42", "acme@x/hello@42", "acme@7/a/b@42", "acme", "*/hello"]
        {
            assert!(bad.parse::<TokenRepo>().is_err(), "{bad}");
        }
    }

    #[test]
    fn commits_are_whole() {
        let sha: GitSha = "0a".repeat(20).parse().unwrap();
        assert_eq!(sha.short(), "0a0a0a0");
        for bad in ["", "0a0a0a0", "main", &"0A".repeat(20), &"0a".repeat(32)] {
            assert!(bad.parse::<GitSha>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pull_requests_count_from_one() {
        assert_eq!("7".parse::<PrNumber>().map(PrNumber::get), Ok(7));
        for bad in ["", "0", "-1", "7a", "99999999999999999999"] {
            assert!(bad.parse::<PrNumber>().is_err(), "{bad}");
        }
    }
}
