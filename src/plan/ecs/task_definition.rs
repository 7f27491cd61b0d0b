//! The task definition that shall run: from a file of the repository, or from the revision that runs, with another image.
//!
//! A document, not a type: a member that this version has never heard of reaches ECS as it was written.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::config::Variables;
use crate::domain::ImageRef;

/// Members that ECS tells and does not take (ECS API, `TaskDefinition` against `RegisterTaskDefinition`).
const TOLD_ONLY: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// Lists whose order means nothing, with the members that tell their items apart.
const SETS: &[(&str, &[&str])] = &[
    ("containerDefinitions", &["name"]),
    ("environment", &["name"]),
    ("secrets", &["name"]),
    ("portMappings", &["containerPort", "protocol"]),
    ("mountPoints", &["containerPath"]),
    ("volumes", &["name"]),
    ("ulimits", &["name"]),
    ("tags", &["key"]),
    ("requiresCompatibilities", &[]),
];

/// What ECS fills in for members of a container that are left out (ECS API, `ContainerDefinition` and what it holds).
fn container_defaults() -> [(&'static str, Value); 2] {
    [("essential", Value::Bool(true)), ("cpu", Value::from(0))]
}

/// The document to register: the base without what ECS only tells, with image and variables put in. `tags` go with it.
pub(super) fn wanted(base: &Value, tags: &[Value], container: &str, image: &ImageRef, variables: &Variables) -> Value {
    let mut document = base.as_object().cloned().unwrap_or_default();
    document.retain(|key, value| !TOLD_ONLY.contains(&key.as_str()) && !value.is_null());
    for size in ["cpu", "memory"] {
        // At this place ECS takes texts only, and people write numbers.
        if let Some(Value::Number(number)) = document.get(size) {
            let text = number.to_string();
            document.insert(size.to_owned(), Value::from(text));
        }
    }
    let containers = document.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    for definition in containers.into_iter().flatten() {
        if definition["name"] == container {
            definition["image"] = Value::from(image.to_string());
            change(definition, variables);
        }
    }
    // An empty list of tags is refused.
    if !document.contains_key("tags") && !tags.is_empty() {
        document.insert("tags".to_owned(), Value::from(tags.to_vec()));
    }
    Value::Object(document)
}

/// A variable is in one of the two lists, or in none.
fn change(container: &mut Value, variables: &Variables) {
    for list in ["environment", "secrets"] {
        if let Some(entries) = container.get_mut(list).and_then(Value::as_array_mut) {
            entries.retain(|entry| !variables.names().any(|name| entry["name"] == name.as_str()));
        }
    }
    let lists = [("environment", "value", &variables.environment), ("secrets", "valueFrom", &variables.secrets)];
    for (list, member, changed) in lists {
        for (name, value) in changed {
            let Some(value) = value else { continue };
            if !container[list].is_array() {
                container[list] = Value::from(Vec::<Value>::new());
            }
            let entries = container.get_mut(list).and_then(Value::as_array_mut);
            entries.into_iter().for_each(|entries| entries.push(json!({"name": name, member: value})));
        }
    }
}

/// Whether both make the same tasks. Tags make none.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    canonical(one) == canonical(other)
}

/// The document without what means nothing: order of sets, defaults, units, empty lists, what ECS only tells.
fn canonical(document: &Value) -> Value {
    let mut top = document.as_object().cloned().unwrap_or_default();
    top.retain(|key, _| !TOLD_ONLY.contains(&key.as_str()) && key != "tags");
    for size in ["cpu", "memory"] {
        if let Some(amount) = top.get(size).and_then(amount) {
            top.insert(size.to_owned(), Value::from(amount));
        }
    }
    let own_ports = top.get("networkMode").is_some_and(|mode| mode == "awsvpc" || mode == "host");
    drop_defaults(&mut top, &[("enableFaultInjection", Value::Bool(false))]);
    let containers = top.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
        drop_defaults(container, &container_defaults());
        let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            drop_defaults(port, &[("protocol", Value::from("tcp"))]);
            if own_ports && port.get("hostPort") == port.get("containerPort") {
                port.remove("hostPort");
            }
            drop_defaults(port, &[("hostPort", Value::from(0))]);
        }
        if let Some(check) = container.get_mut("healthCheck").and_then(Value::as_object_mut) {
            let numbers = [("interval", 30), ("timeout", 5), ("retries", 3), ("startPeriod", 0)];
            drop_defaults(check, &numbers.map(|(name, number)| (name, Value::from(number))));
        }
        let mounts = container.get_mut("mountPoints").and_then(Value::as_array_mut);
        for mount in mounts.into_iter().flatten().filter_map(Value::as_object_mut) {
            drop_defaults(mount, &[("readOnly", Value::Bool(false))]);
        }
    }
    let volumes = top.get_mut("volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        if let Some(efs) = volume.get_mut("efsVolumeConfiguration").and_then(Value::as_object_mut) {
            drop_defaults(efs, &[("rootDirectory", Value::from("/")), ("transitEncryption", Value::from("DISABLED"))]);
        }
    }
    let mut document = Value::Object(top);
    sort(&mut document);
    prune(&mut document);
    document
}

fn drop_defaults(object: &mut Map<String, Value>, defaults: &[(&str, Value)]) {
    for (key, default) in defaults {
        if object.get(*key) == Some(default) {
            object.remove(*key);
        }
    }
}

/// Sizes of a task in CPU units or MiB: `1024`, `"1 vCPU"`, `"0.5 GB"` (ECS developer guide, task size).
pub(super) fn amount(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Number(number) => return number.as_u64(),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        _ => return None,
    };
    let unit = |unit: &str| text.strip_suffix(unit).map(str::trim);
    match unit("vcpu").or_else(|| unit("gb")) {
        Some(number) => {
            // Hundredths are exact enough: the smallest size is a quarter.
            let (whole, part) = number.split_once('.').unwrap_or((number, ""));
            let digits = format!("{:0<2}", part.chars().take(2).collect::<String>());
            let hundredths = whole.parse::<u64>().unwrap_or_default() * 100 + digits.parse::<u64>().ok()?;
            (hundredths > 0).then_some(hundredths * 1024 / 100)
        }
        None => text.parse().ok(),
    }
}

fn sort(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                sort(inner);
                let set = SETS.iter().find(|(name, _)| name == key);
                if let (Some((_, by)), Value::Array(items)) = (set, inner) {
                    items.sort_by(|one, other| order(one, other, by));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

fn order(one: &Value, other: &Value, by: &[&str]) -> Ordering {
    if by.is_empty() {
        return one.to_string().cmp(&other.to_string());
    }
    let key = |value: &Value| by.iter().map(|name| value[*name].to_string()).collect::<Vec<_>>();
    key(one).cmp(&key(other))
}

/// Nothing, an empty list and an empty mapping are the same. An empty text is a value.
fn prune(value: &mut Value) {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(prune);
            object.retain(|_, inner| !empty(inner));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(digit: &str) -> ImageRef {
        format!("registry.example/web@sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    #[test]
    fn members_that_nobody_has_heard_of_survive() {
        let described = json!({
            "taskDefinitionArn": "arn:…", "revision": 7, "status": "ACTIVE", "registeredAt": 1.5, "deleteRequestedAt": 2,
            "family": "web", "cpu": 256, "taskRoleArn": null, "inventedLater": {"deep": [1, {"er": null}]},
            "containerDefinitions": [
                {"name": "web", "image": "old", "environment": [{"name": "EMPTY", "value": ""}], "alsoNew": 18446744073709551615_u64},
                {"name": "sidecar", "image": "kept"},
            ],
        });
        let tags = [json!({"key": "team", "value": "a"})];
        let expected = json!({
            "family": "web", "cpu": "256", "inventedLater": {"deep": [1, {"er": null}]}, "tags": tags,
            "containerDefinitions": [
                {"name": "web", "image": image("a").to_string(), "environment": [{"name": "EMPTY", "value": ""}], "alsoNew": 18446744073709551615_u64},
                {"name": "sidecar", "image": "kept"},
            ],
        });
        assert_eq!(wanted(&described, &tags, "web", &image("a"), &Variables::default()), expected);
        assert!(
            wanted(&described, &[], "web", &image("a"), &Variables::default()).get("tags").is_none(),
            "an empty list is refused"
        );
    }

    #[test]
    fn variables_are_put_in_moved_and_taken_away() {
        let base = json!({"containerDefinitions": [
            {"name": "web", "image": "old",
             "environment": [{"name": "KEPT", "value": "1"}, {"name": "OLD", "value": "1"}, {"name": "MOVED", "value": "1"}]},
            {"name": "sidecar", "image": "kept", "environment": [{"name": "OLD", "value": "1"}]},
        ]});
        let some = |value: &str| Some(value.to_owned());
        let variables = Variables {
            environment: [("NEW".to_owned(), some("")), ("OLD".to_owned(), None)].into(),
            secrets: [("MOVED".to_owned(), some("/prod/moved"))].into(),
        };
        let made = wanted(&base, &[], "web", &image("a"), &variables);
        let expected = json!({"containerDefinitions": [
            {"name": "web", "image": image("a").to_string(),
             "environment": [{"name": "KEPT", "value": "1"}, {"name": "NEW", "value": ""}],
             "secrets": [{"name": "MOVED", "valueFrom": "/prod/moved"}]},
            {"name": "sidecar", "image": "kept", "environment": [{"name": "OLD", "value": "1"}]},
        ]});
        assert_eq!(made, expected);
        assert_eq!(wanted(&made, &[], "web", &image("a"), &variables), expected, "the same again changes nothing");
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let file = json!({
            "family": "web", "networkMode": "awsvpc", "cpu": "1 vCPU", "memory": "2 GB",
            "requiresCompatibilities": ["FARGATE", "EC2"],
            "containerDefinitions": [
                {"name": "b", "image": "x"},
                {"name": "a", "image": "x", "portMappings": [{"containerPort": 80}],
                 "environment": [{"name": "Z", "value": "1"}, {"name": "A", "value": ""}]},
            ],
            "volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
        });
        let described = json!({
            "taskDefinitionArn": "arn:…", "revision": 3, "registeredBy": "somebody", "tags": [{"key": "k", "value": "v"}],
            "family": "web", "networkMode": "awsvpc", "cpu": "1024", "memory": "2048",
            "volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/"}}],
            "placementConstraints": [], "requiresCompatibilities": ["EC2", "FARGATE"],
            "containerDefinitions": [
                {"name": "a", "image": "x", "cpu": 0, "essential": true, "mountPoints": [], "volumesFrom": [],
                 "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
                 "environment": [{"name": "A", "value": ""}, {"name": "Z", "value": "1"}]},
                {"name": "b", "image": "x", "cpu": 0, "essential": true, "environment": [], "portMappings": []},
            ],
        });
        assert!(same(&file, &described), "{:#}\n{:#}", canonical(&file), canonical(&described));
        for (pointer, value) in [
            ("/memory", json!("4096")),
            ("/containerDefinitions/0/image", json!("y")),
            ("/containerDefinitions/0/essential", json!(false)),
            ("/containerDefinitions/0/environment/0/value", json!("x")),
            ("/containerDefinitions/0/portMappings/0/protocol", json!("udp")),
            ("/networkMode", json!("bridge")),
            ("/volumes/0/efsVolumeConfiguration/rootDirectory", json!("/data")),
        ] {
            let mut changed = described.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert!(!same(&file, &changed), "{pointer}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            (json!("256"), Some(256)),
            (json!(512), Some(512)),
            (json!("1 vCPU"), Some(1024)),
            (json!(".5 vcpu"), Some(512)),
            (json!("0.25 vCPU"), Some(256)),
            (json!("30 GB"), Some(30 * 1024)),
            (json!("2GB"), Some(2048)),
            (json!("much"), None),
            (json!("x GB"), None),
            (json!(true), None),
        ] {
            assert_eq!(amount(&text), expected, "{text}");
        }
    }
}
