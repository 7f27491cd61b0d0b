//! Names that people give to things, each kept apart from the others by its type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::aws::{is_name, is_region, is_role};
use super::text_type::text_type;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}")]
pub struct NameError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { text: text.chars().take(80).collect(), what: $what, rule: $rule })
                }
            }
        }

        text_type!($type, NameError);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Lower-case slug, 1 to `max` characters, beginning with a letter or digit.
fn slug(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

name!(
    /// An application: what is deployed as one, with one lock. 1–63 of `a-z 0-9 - _`.
    AppName, "an application name", "1 to 63 of `a-z`, `0-9`, `-`, `_`, beginning with a letter or digit", |t| slug(t, 63)
);
name!(
    /// An environment of `deploy.yml`. 1–63 of `a-z 0-9 - _`.
    EnvName, "an environment name", "1 to 63 of `a-z`, `0-9`, `-`, `_`, beginning with a letter or digit", |t| slug(t, 63)
);
name!(
    /// A compose service. 1–63 of `a-z 0-9 - _ .` (compose allows upper case too; DNS does not tell the cases apart).
    ServiceName, "a service name", "1 to 63 of `a-z`, `0-9`, `-`, `_`, `.`, beginning with a letter or digit",
    |t| slug(&t.replace('.', "-"), 63)
);
name!(
    /// A service as reports call it, whoever runs it: compose's name or that of ECS.
    ServiceLabel, "a service name", "1 to 255 letters, digits, `-`, `_`, `.`", |t| is_name(&t.replace('.', "-"))
);
name!(
    /// A cluster, service or container of ECS. 1–255 letters, digits, `-`, `_` (ECS, `CreateService`).
    EcsName, "a name of ECS", "1 to 255 letters, digits, `-`, `_`", is_name
);
name!(
    /// An application or a deployment group of CodeDeploy. 1–100 printable characters (CodeDeploy, `CreateApplication`).
    CodeDeployName, "a name of CodeDeploy", "1 to 100 printable ASCII characters",
    |t| (1..=100).contains(&t.len()) && t.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
);
name!(
    /// A region of AWS, for example `eu-west-1`.
    Region, "a region of AWS", "for example `eu-west-1`", is_region
);
name!(
    /// A role of AWS by its whole name: `arn:aws:iam::111122223333:role/deploy`.
    RoleArn, "the ARN of a role", "for example `arn:aws:iam::111122223333:role/deploy`", is_role
);
name!(
    /// One deployment, as the one that runs it calls it: an agent, CodeDeploy or ECS. 1–64 letters, digits, `-`, `_`.
    DeploymentId, "a deployment id", "1 to 64 letters, digits, `-`, `_`",
    // ECS gives names that begin with any of them.
    |t| t.len() <= 64 && is_name(t)
);
name!(
    /// Same key = same deployment (promise P2). 8–200 printable ASCII characters without spaces.
    IdempotencyKey, "an idempotency key", "8 to 200 printable ASCII characters without spaces",
    |t| (8..=200).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic())
);

impl IdempotencyKey {
    /// What the keys of one run have in common: theirs are `run:<id>:<attempt>:<commit>:<place>:` and more. Of another key
    /// all of it.
    #[must_use]
    pub fn of_run(&self) -> &str {
        let end = self.0.match_indices(':').nth(4).filter(|_| self.0.starts_with("run:"));
        end.map_or(&self.0, |(at, _)| &self.0[..=at])
    }
}

impl From<&EcsName> for ServiceLabel {
    fn from(name: &EcsName) -> Self {
        Self(name.0.clone())
    }
}

impl From<&ServiceName> for ServiceLabel {
    fn from(name: &ServiceName) -> Self {
        Self(name.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for good in ["web", "a", "0", "my-app_2"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a b", "a/b", "é", &"a".repeat(64), "../x", "a.b"] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
        assert!("api.v2".parse::<ServiceName>().is_ok());
        assert!("..".parse::<ServiceName>().is_err());
    }

    #[test]
    fn keys_have_no_spaces_or_line_breaks() {
        assert!("owner/repo:production:12:1".parse::<IdempotencyKey>().is_ok());
        for bad in ["short", "with a space", "line\nbreak!!"] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_of_one_run_begin_alike() {
        for (key, of_run) in [
            ("run:101:1:ec26c3e:0a1b2c3d:close", "run:101:1:ec26c3e:0a1b2c3d:"),
            ("run:101:1:ec26c3e:0a1b2c3d:sha:rev:web", "run:101:1:ec26c3e:0a1b2c3d:"),
            ("run:101:1:mine", "run:101:1:mine"),
            ("nightly:1:2:3:4:5", "nightly:1:2:3:4:5"),
        ] {
            assert_eq!(key.parse::<IdempotencyKey>().unwrap().of_run(), of_run);
        }
    }
}
