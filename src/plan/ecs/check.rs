//! Whether a task definition can run, as far as it can be told before it is registered.

use std::collections::BTreeSet;

use serde_json::Value;

use super::task_definition::amount;
use crate::agent_api::Blocker;
use crate::aws_api::ecs::Service;

/// Fargate's sizes: CPU units, and the least and the most memory in MiB with the step between
/// (ECS developer guide, Fargate task definitions, task CPU and memory).
const FARGATE: &[(u64, u64, u64, u64)] = &[
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];
/// At 256 CPU units these are the three sizes.
const SMALLEST: [u64; 3] = [512, 1024, 2048];

/// Everything that is wrong with it. `origin` says where it comes from.
pub(super) fn problems(document: &Value, container: Option<&str>, service: &Service, origin: &str) -> Vec<Blocker> {
    let mut found = Vec::new();
    let mut add = |message: String, hint: &str| {
        found.push(Blocker {
            code: "task_definition_invalid".to_owned(),
            message: format!("{origin}: {message}"),
            hint: hint.to_owned(),
        });
    };
    let Some(top) = document.as_object() else {
        add(
            "expected a mapping, as `aws ecs register-task-definition --generate-cli-skeleton` prints it".to_owned(),
            "write one task definition, not a list of them",
        );
        return found;
    };
    if top.get("family").and_then(Value::as_str).is_none_or(str::is_empty) {
        add("`family` is missing".to_owned(), "add `\"family\": \"<name>\"`: its revisions are counted under it");
    }
    let containers = top.get("containerDefinitions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        add("`containerDefinitions` is missing or empty".to_owned(), "name at least one container");
    }
    let mut names = BTreeSet::new();
    for (at, definition) in containers.iter().enumerate() {
        let name = definition["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            add(format!("`containerDefinitions[{at}].name` is missing"), "give each container a name");
        } else if !names.insert(name) {
            add(format!("two containers are called `{name}`"), "give each container a name of its own");
        }
        let chosen = container == Some(name);
        if !chosen && definition["image"].as_str().is_none_or(str::is_empty) {
            add(
                format!("`containerDefinitions[{at}].image` is missing"),
                "name the image; only that of the deployed container is put in",
            );
        }
        for list in ["environment", "secrets"] {
            let mut seen = BTreeSet::new();
            for entry in definition[list].as_array().into_iter().flatten() {
                let name = entry["name"].as_str().unwrap_or_default();
                if !seen.insert(name) {
                    add(format!("`{list}` of container {at} names `{name}` twice"), "keep one of them");
                }
            }
        }
    }
    if let Some(container) = container.filter(|container| !containers.is_empty() && !names.contains(container)) {
        let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        add(
            format!("it has no container `{container}`"),
            &format!("it has {}; set `container` in deploy.yml to the one that gets the image", known.join(", ")),
        );
    }
    if container.is_none() && containers.len() > 1 {
        let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        add(
            format!("it has {} containers, and nothing says which one gets the image", containers.len()),
            &format!("set `container` in deploy.yml to one of {}", known.join(", ")),
        );
    }
    if !containers.is_empty() && containers.iter().all(|definition| definition["essential"] == false) {
        add("no container is essential".to_owned(), "leave `essential` out, or set it to true for the one that serves");
    }
    for balancer in &service.load_balancers {
        let (Some(name), Some(port)) = (&balancer.container_name, balancer.container_port) else { continue };
        let Some(definition) = containers.iter().find(|definition| definition["name"] == name.as_str()) else {
            add(
                format!("the load balancer sends requests to a container `{name}`, which it has not"),
                "keep that container's name, or change the service's load balancer",
            );
            continue;
        };
        let ports = definition["portMappings"].as_array().map_or(&[][..], Vec::as_slice);
        if !ports.iter().any(|mapping| mapping["containerPort"].as_u64() == Some(port)) {
            add(
                format!("the load balancer sends requests to port {port} of `{name}`, which has no such port mapping"),
                &format!("add `{{\"containerPort\": {port}}}` to its `portMappings`"),
            );
        }
    }
    sizes(document, service, &mut add);
    found
}

fn sizes(document: &Value, service: &Service, add: &mut impl FnMut(String, &str)) {
    let fargate = document["requiresCompatibilities"].as_array().into_iter().flatten().any(|it| it == "FARGATE")
        || service.launch_type.as_deref() == Some("FARGATE");
    let mut size = |name: &str| match &document[name] {
        Value::Null => None,
        value => {
            let amount = amount(value);
            if amount.is_none() {
                add(
                    format!("`{name}` is {value}, which is no size"),
                    "write for example \"256\" or \"0.25 vCPU\", \"512\" or \"0.5 GB\"",
                );
            }
            Some(amount)
        }
    };
    let (cpu, memory) = (size("cpu"), size("memory"));
    if !fargate {
        return;
    }
    if document["networkMode"] != "awsvpc" {
        add("Fargate needs `\"networkMode\": \"awsvpc\"`".to_owned(), "set it, or run the service on EC2");
    }
    match (cpu, memory) {
        (Some(Some(cpu)), Some(Some(memory))) => {
            let row = FARGATE.iter().find(|(units, ..)| *units == cpu);
            let fits = row.is_some_and(|(units, least, most, step)| match units {
                256 => SMALLEST.contains(&memory),
                _ => (*least..=*most).contains(&memory) && (memory - least) % step == 0,
            });
            if !fits {
                let hint = match row {
                    Some((256, ..)) => "with \"256\" CPU units, memory is \"512\", \"1024\" or \"2048\"".to_owned(),
                    Some((units, least, most, step)) => {
                        format!(
                            "with \"{units}\" CPU units, memory goes from \"{least}\" to \"{most}\" in steps of {step}"
                        )
                    }
                    None => "CPU units are 256, 512, 1024, 2048, 4096, 8192 or 16384".to_owned(),
                };
                add(format!("Fargate has no task of {cpu} CPU units and {memory} MiB"), &hint);
            }
        }
        (Some(None), _) | (_, Some(None)) => {}
        _ => add(
            "Fargate needs `cpu` and `memory` of the task".to_owned(),
            "add for example \"cpu\": \"256\", \"memory\": \"512\"",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(cpu: u64, memory: u64) -> bool {
        let document = json!({
            "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
            "cpu": cpu.to_string(), "memory": memory.to_string(),
        });
        let mut found = Vec::new();
        sizes(&document, &Service::default(), &mut |what, _| found.push(what));
        found.is_empty()
    }

    /// Written out as the developer guide has them.
    #[test]
    fn fargate_has_these_sizes_and_no_others() {
        const GIB: u64 = 1024;
        let rows: [(u64, Vec<u64>); 7] = [
            (256, vec![512, GIB, 2 * GIB]),
            (512, (1..=4).map(|n| n * GIB).collect()),
            (1024, (2..=8).map(|n| n * GIB).collect()),
            (2048, (4..=16).map(|n| n * GIB).collect()),
            (4096, (8..=30).map(|n| n * GIB).collect()),
            (8192, (4..=15).map(|n| n * 4 * GIB).collect()),
            (16384, (4..=15).map(|n| n * 8 * GIB).collect()),
        ];
        for (cpu, sizes) in &rows {
            for memory in (256..=128 * GIB).step_by(256) {
                assert_eq!(fits(*cpu, memory), sizes.contains(&memory), "{cpu} and {memory}");
            }
        }
        assert!(!fits(300, 512) && !fits(32768, 65536));
    }
}
