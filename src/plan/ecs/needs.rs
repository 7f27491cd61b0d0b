//! What tasks take from AWS when they start, by name: where it is missing they do not start.

use std::collections::BTreeSet;

use serde_json::Value;

use super::status::stand_in;
use super::{Chosen, EcsObserved, container, document};
use crate::agent_api::Blocker;
use crate::config::EcsTarget;

/// What can be looked for in the target's region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Log groups.
    pub log_groups: BTreeSet<String>,
    /// Secrets of AWS Secrets Manager, by their ARN without what comes after the name.
    pub secrets: BTreeSet<String>,
    /// Parameters of the Parameter Store, by name or ARN.
    pub parameters: BTreeSet<String>,
    /// Roles of the service's account, by name or ARN.
    pub roles: BTreeSet<String>,
}

/// What one of these is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A log group.
    LogGroup,
    /// A secret.
    Secret,
    /// A parameter.
    Parameter,
    /// A role.
    Role,
}

impl Need {
    /// That it is not there.
    #[must_use]
    pub fn missing(self, name: &str) -> Blocker {
        let (code, what, hint) = match self {
            Self::LogGroup => (
                "log_group_missing",
                "log group",
                format!("`aws logs create-log-group --log-group-name {name}`, or set `awslogs-create-group` to `true`"),
            ),
            Self::Secret => (
                "secret_missing",
                "secret in AWS Secrets Manager",
                "make it, or correct `valueFrom` in the task definition or `secrets` in deploy.yml".to_owned(),
            ),
            Self::Parameter => (
                "secret_missing",
                "parameter in the Parameter Store",
                "make it, or correct `valueFrom` in the task definition or `secrets` in deploy.yml".to_owned(),
            ),
            Self::Role => (
                "role_missing",
                "role",
                "make it, with `ecs-tasks.amazonaws.com` in its trust policy, or correct `executionRoleArn` and `taskRoleArn` in the task definition".to_owned(),
            ),
        };
        let message = format!("there is no {what} `{name}`: no task would start");
        Blocker { code: code.to_owned(), message, hint }
    }
}

/// Of what would be registered, whatever image is wanted.
#[must_use]
pub fn needs(target: &EcsTarget, observed: &EcsObserved) -> Needs {
    let name = container(target, observed.running.as_ref());
    let image = stand_in(target, observed);
    let chosen = image.and_then(|image| document(&image, target, observed, name.as_deref()).0);
    // arn:<partition>:ecs:<region>:<account>:service/<cluster>/<service>
    let arn = observed.service.as_ref().map_or("", |service| service.service_arn.as_str());
    let account = arn.split(':').nth(4).unwrap_or_default();
    let place = (target.region.as_str(), account);
    chosen.as_ref().map_or_else(Needs::default, |chosen| of(Chosen::document(chosen), place))
}

/// Of another account nothing can be looked for: what it shares is used all the same.
fn of(document: &Value, (region, account): (&str, &str)) -> Needs {
    let mut needs = Needs::default();
    for role in ["executionRoleArn", "taskRoleArn"].iter().filter_map(|member| document[member].as_str()) {
        // arn:aws:iam::<account>:role/<path>/<name>, or the name alone
        let of = role.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
        if !role.is_empty() && of.is_none_or(|of| of == account) {
            needs.roles.insert(role.to_owned());
        }
    }
    for container in document["containerDefinitions"].as_array().into_iter().flatten() {
        let log = &container["logConfiguration"];
        let option = |name: &str| log["options"][name].as_str();
        let here = option("awslogs-region").is_none_or(|at| at == region);
        if log["logDriver"] == "awslogs" && here && option("awslogs-create-group") != Some("true") {
            needs.log_groups.extend(option("awslogs-group").map(str::to_owned));
        }
        for entry in container["secrets"].as_array().into_iter().flatten() {
            let place = entry["valueFrom"].as_str().unwrap_or_default();
            let parts: Vec<&str> = place.split(':').collect();
            match parts.as_slice() {
                // arn:aws:secretsmanager:<region>:<account>:secret:<name>[:<key>:<stage>:<version>]
                ["arn", _, "secretsmanager", at, of, "secret", _, ..] if (*at, *of) == (region, account) => {
                    needs.secrets.insert(parts[..7].join(":"));
                }
                ["arn", _, "ssm", at, of, ..] if (*at, *of) == (region, account) => {
                    needs.parameters.extend([place.to_owned()])
                }
                ["arn", ..] => {}
                _ => needs.parameters.extend([place.to_owned()]),
            }
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_elsewhere_or_made_on_the_way_is_not_looked_for() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let logs = |options: Value| json!({"logConfiguration": {"logDriver": "awslogs", "options": options}});
        let role = "arn:aws:iam::111122223333:role/team/web";
        let foreign = "arn:aws:iam::444455556666:role/web";
        let of_roles = |task: &str, execution: &str| {
            of(&json!({"taskRoleArn": task, "executionRoleArn": execution}), ("eu-west-1", "111122223333")).roles
        };
        assert_eq!(of_roles(role, "ecsTaskExecutionRole"), set(&[role, "ecsTaskExecutionRole"]));
        assert_eq!(of_roles("", foreign), BTreeSet::new());
        let document = json!({"containerDefinitions": [
            logs(json!({"awslogs-group": "/a", "awslogs-region": "eu-west-1"})),
            logs(json!({"awslogs-group": "/b", "awslogs-region": "us-east-1"})),
            logs(json!({"awslogs-group": "/c", "awslogs-create-group": "true"})),
            {"secrets": [
                {"name": "A", "valueFrom": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf:password::"},
                {"name": "B", "valueFrom": "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-AbCdEf"},
                {"name": "E", "valueFrom": "arn:aws:ssm:eu-west-1:444455556666:parameter/shared/e"},
                {"name": "C", "valueFrom": "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/c"},
                {"name": "D", "valueFrom": "/prod/d"},
            ]},
        ]});
        let expected = Needs {
            log_groups: set(&["/a"]),
            secrets: set(&["arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"]),
            parameters: set(&["/prod/d", "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/c"]),
            ..Needs::default()
        };
        assert_eq!(of(&document, ("eu-west-1", "111122223333")), expected);
    }
}
