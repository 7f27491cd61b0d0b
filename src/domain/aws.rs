//! Names of AWS: regions, and the names and numbers inside ARNs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::Region;
use super::text_type::text_type;

/// A revision of a task definition, by its whole name: `arn:aws:ecs:eu-west-1:111122223333:task-definition/web:42`.
/// CodeDeploy refuses shorter forms.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskDefinitionArn(String);

/// Why a text is not the name of a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the ARN of a task definition's revision: expected `arn:aws:ecs:<region>:<account>:task-definition/<family>:<revision>`"
)]
pub struct TaskDefinitionArnError(String);

impl TaskDefinitionArn {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the revisions have in common.
    #[must_use]
    pub fn family(&self) -> &str {
        parts(&self.0).map_or("", |(family, _)| family)
    }

    /// Counts up with every registration in the family.
    #[must_use]
    pub fn revision(&self) -> u64 {
        parts(&self.0).map_or(0, |(_, revision)| revision)
    }

    /// Family and revision, as people call it: `web:42`.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, short)| short)
    }
}

fn parts(text: &str) -> Option<(&str, u64)> {
    let mut fields = text.splitn(6, ':');
    let [Some("arn"), Some(partition), Some("ecs"), Some(_), Some(_), Some(rest)] = [(); 6].map(|()| fields.next())
    else {
        return None;
    };
    let (family, revision) = rest.strip_prefix("task-definition/")?.split_once(':')?;
    (partition.starts_with("aws") && is_name(family)).then_some((family, revision.parse().ok()?))
}

/// Where the names of a partition's regions begin, the partition as ARNs have it, and what the names of its hosts end in:
/// those of version 4 of IP, and those of both versions (botocore, `partitions.json`).
const PARTITIONS: &[(&str, &str, &str, &str)] = &[
    ("cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"),
    ("us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];
/// Every other region's.
const AWS: (&str, &str, &str, &str) = ("", "aws", "amazonaws.com", "api.aws");

impl Region {
    fn place(&self) -> &'static (&'static str, &'static str, &'static str, &'static str) {
        PARTITIONS.iter().find(|(prefix, ..)| self.as_str().starts_with(prefix)).unwrap_or(&AWS)
    }

    /// The part of AWS that it belongs to, as ARNs have it (AWS General Reference, "Amazon Resource Names").
    #[must_use]
    pub fn partition(&self) -> &'static str {
        self.place().1
    }

    /// What the names of hosts end in that are reached by both versions of IP.
    #[must_use]
    pub fn dual_stack_domain(&self) -> &'static str {
        self.place().3
    }

    /// What the names of its services' hosts end in.
    #[must_use]
    pub fn domain(&self) -> &'static str {
        self.place().2
    }
}

/// 1 to 255 letters, digits, `-` and `_` (ECS, `CreateService` and `RegisterTaskDefinition`).
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// `eu-west-1`, `us-gov-east-1`: lower-case words and a number.
pub(super) fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let number = |word: &&str| !word.is_empty() && word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit());
    matches!(words.as_slice(), [first @ .., last] if first.len() >= 2 && first.iter().all(word) && number(last))
}

/// `arn:aws:iam::111122223333:role/path/name` (IAM, identifiers).
pub(super) fn is_role(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = fields.as_slice() else { return false };
    let name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b));
    let role = resource.strip_prefix("role/");
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    partition.starts_with("aws") && digits && role.is_some_and(|role| (1..=576).contains(&role.len()) && name(role))
}

impl FromStr for TaskDefinitionArn {
    type Err = TaskDefinitionArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match parts(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(TaskDefinitionArnError(text.chars().take(200).collect())),
        }
    }
}

text_type!(TaskDefinitionArn, TaskDefinitionArnError);

impl fmt::Display for TaskDefinitionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_has_family_and_number() {
        let arn: TaskDefinitionArn = "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:42".parse().unwrap();
        assert_eq!((arn.family(), arn.revision(), arn.short()), ("web", 42, "web:42"));
        assert!("arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/web_2:1".parse::<TaskDefinitionArn>().is_ok());
        for bad in [
            "",
            "web:42",
            "arn:aws:ecs:eu-west-1:111122223333:task-definition/web",
            "arn:aws:ecs:eu-west-1:111122223333:service/web:1",
            "arn:aws:iam:eu-west-1:111122223333:task-definition/web:1",
            "arn:aws:ecs:eu-west-1:111122223333:task-definition/w b:1",
            "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:x",
        ] {
            assert!(bad.parse::<TaskDefinitionArn>().is_err(), "{bad}");
        }
    }

    #[test]
    fn roles() {
        for good in ["arn:aws:iam::111122223333:role/deploy", "arn:aws-cn:iam::111122223333:role/ci/deploy.it"] {
            assert!(is_role(good), "{good}");
        }
        for bad in [
            "",
            "deploy",
            "arn:aws:iam::1:role/deploy",
            "arn:aws:iam::111122223333:user/eve",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/a b",
        ] {
            assert!(!is_role(bad), "{bad}");
        }
    }

    #[test]
    fn regions() {
        for good in ["eu-west-1", "us-gov-east-1", "ap-southeast-10"] {
            assert!(is_region(good), "{good}");
        }
        for bad in ["", "eu", "eu-1", "eu-west", "EU-west-1", "eu--1", "eu-west-1 ", "eu-west-1000"] {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
