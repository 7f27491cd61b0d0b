//! Variables of the container that gets the image, where they differ from those of the task definition.

use std::collections::BTreeMap;

use crate::yaml::{Cursor, Fields, Report};

/// Longest name, in characters; ECS names no limit, and a shell needs far less.
const LONGEST: usize = 255;

/// What is put in, and what is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// By name, with their values; one without a value is taken away.
    pub environment: BTreeMap<String, Option<String>>,
    /// By name, with where ECS finds their values; one without a place is taken away.
    pub secrets: BTreeMap<String, Option<String>>,
}

impl Variables {
    /// All names, those of the environment first.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.environment.keys().chain(self.secrets.keys())
    }
}

pub(super) fn read(fields: &Fields<'_>, report: &mut Report) -> Variables {
    let mut variables = Variables::default();
    if let Some(all) = fields.optional("environment") {
        for (name, entry) in all.entries("variable", report) {
            let value = entry.text_or_nothing(report);
            if is_name(name, &entry, report)
                && let Some(value) = value
            {
                variables.environment.insert(name.to_owned(), value.map(str::to_owned));
            }
        }
    }
    if let Some(all) = fields.optional("secrets") {
        for (name, entry) in all.entries("variable", report) {
            let place = entry.text_or_nothing(report);
            if variables.environment.contains_key(name) {
                let hint = Some("keep one of them: a variable has one value");
                entry.key_problem(report, format!("`{name}` is in `environment` as well"), hint);
            } else if is_name(name, &entry, report)
                && let Some(place) = place
            {
                check_place(place, &entry, report);
                variables.secrets.insert(name.to_owned(), place.map(str::to_owned));
            }
        }
    }
    variables
}

fn is_name(name: &str, entry: &Cursor<'_>, report: &mut Report) -> bool {
    let good = (1..=LONGEST).contains(&name.len()) && !name.contains(|c: char| c == '=' || c.is_control());
    if !good {
        entry.key_problem(
            report,
            "this cannot name a variable",
            Some("write a name without `=`, for example `LOG_LEVEL`"),
        );
    }
    good
}

/// ECS takes the ARN of a secret or of a parameter, or a parameter's name (ECS API, `Secret`). What is neither may be the
/// secret itself.
fn check_place(place: Option<&str>, entry: &Cursor<'_>, report: &mut Report) {
    let Some(place) = place else { return };
    let parts: Vec<&str> = place.splitn(4, ':').collect();
    let is_arn =
        matches!(parts.as_slice(), ["arn", partition, "secretsmanager" | "ssm", _] if partition.starts_with("aws"));
    // Names of parameters in a path, or without one; a password with a `/` in it is rare, one of letters and digits is not.
    let is_path = place.starts_with('/') && place.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
    if !is_arn && !is_path {
        entry.hidden_problem(
            report,
            "expected the ARN of a secret or parameter, or a parameter's name from its first `/`",
            "the value itself does not belong here: keep it in AWS Secrets Manager or in the Parameter Store",
        );
    }
}
