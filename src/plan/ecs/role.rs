//! The roles of tasks, as far as they can be told without asking IAM: ECS refuses a revision for most of this, in words that
//! name neither the container nor what to write.

use serde_json::Value;

use crate::agent_api::Blocker;
use crate::aws_api::ecs::Service;
use crate::domain::EcrRepository;

/// What is wrong with the roles of what is to be registered.
pub(super) fn problems(document: &Value, service: &Service, origin: &str) -> Vec<Blocker> {
    let blocker = |message: String, hint: &str| Blocker {
        code: "task_definition_invalid".to_owned(),
        message: format!("{origin}: {message}"),
        hint: hint.to_owned(),
    };
    let mut found = Vec::new();
    if document["executionRoleArn"].as_str().is_none_or(str::is_empty)
        && let Some(why) = needs_role(document, service)
    {
        let hint = "name the role that ECS starts tasks with, for example `ecsTaskExecutionRole`, by its ARN";
        found.push(blocker(format!("`executionRoleArn` is missing: {why}"), hint));
    }
    let account = service.service_arn.split(':').nth(4).unwrap_or_default();
    for member in ["executionRoleArn", "taskRoleArn"] {
        let Some(role) = document[member].as_str().filter(|role| role.starts_with("arn:")) else { continue };
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        let [_, _, service, _, of, resource] = parts.as_slice() else { continue };
        if *service != "iam" || !resource.starts_with("role/") {
            found.push(blocker(
                format!("`{member}` is `{role}`, which is no role"),
                "write it as `arn:aws:iam::<account>:role/<name>`",
            ));
        } else if !account.is_empty() && *of != account {
            found.push(blocker(
                format!("`{member}` is of the account {of}, and the service of {account}"),
                "name a role of the service's own account: ECS takes no other",
            ));
        }
    }
    found
}

/// What needs a role to start tasks with (ECS developer guide, task execution IAM role).
fn needs_role(document: &Value, service: &Service) -> Option<String> {
    let containers = document["containerDefinitions"].as_array()?;
    let name = |container: &Value| container["name"].as_str().unwrap_or_default().to_owned();
    let secret = containers.iter().find(|container| container["secrets"].as_array().is_some_and(|all| !all.is_empty()));
    if let Some(container) = secret {
        return Some(format!("the container `{}` gets secrets", name(container)));
    }
    let fargate = document["requiresCompatibilities"].as_array().into_iter().flatten().any(|it| it == "FARGATE")
        || service.launch_type.as_deref() == Some("FARGATE");
    if !fargate {
        return None;
    }
    let logs = |container: &&Value| container["logConfiguration"]["logDriver"] == "awslogs";
    if let Some(container) = containers.iter().find(logs) {
        return Some(format!("on Fargate the container `{}` needs it to write its log", name(container)));
    }
    let pulls = |container: &&Value| {
        let image = container["image"].as_str().unwrap_or_default();
        let repository = image.split_once('@').map_or(image, |(repository, _)| repository);
        repository.parse().is_ok_and(|repository| EcrRepository::of(&repository).is_some())
    };
    let container = containers.iter().find(pulls)?;
    Some(format!("on Fargate the container `{}` needs it to pull its image from Amazon ECR", name(container)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_asked_for_where_tasks_would_not_start_without() {
        let service = Service {
            service_arn: "arn:aws:ecs:eu-west-1:111122223333:service/badgery/web".to_owned(),
            ..Service::default()
        };
        let ecr = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:ab";
        let of = |fargate: bool, container: Value, role: Option<&str>| {
            let compatible: &[&str] = if fargate { &["FARGATE"] } else { &["EC2"] };
            let mut document = json!({"requiresCompatibilities": compatible, "containerDefinitions": [container]});
            document["executionRoleArn"] = role.map_or(Value::Null, Value::from);
            problems(&document, &service, "`web:1`").into_iter().map(|it| it.message).collect::<Vec<_>>().join("; ")
        };
        let web = |more: Value| {
            let mut container = json!({"name": "web", "image": "nginx"});
            container.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            container
        };
        let logs = web(json!({"logConfiguration": {"logDriver": "awslogs"}}));
        let secrets = web(json!({"secrets": [{"name": "A", "valueFrom": "/a"}]}));
        let mut all = String::new();
        for (what, fargate, container, role) in [
            ("an image of another registry", true, web(json!({})), None),
            ("an image of ECR", true, web(json!({"image": ecr})), None),
            ("the same on an instance", false, web(json!({"image": ecr})), None),
            ("a log", true, logs.clone(), None),
            ("the same on an instance", false, logs.clone(), None),
            ("secrets on an instance", false, secrets, None),
            ("a role", true, logs.clone(), Some("arn:aws:iam::111122223333:role/execution")),
            ("another account's", true, logs.clone(), Some("arn:aws:iam::444455556666:role/execution")),
            ("no role", true, logs.clone(), Some("arn:aws:iam::111122223333:user/eve")),
            ("a short name", true, logs, Some("execution")),
        ] {
            all.push_str(&format!("{what}: {}\n", of(fargate, container, role)));
        }
        insta::assert_snapshot!(all);
    }
}
