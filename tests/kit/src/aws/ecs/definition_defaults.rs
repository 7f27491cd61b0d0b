//! What AWS fills into a task definition that was registered without it.

use serde_json::{Value, json};

use crate::aws::input::{list, text};

/// Fills the defaults into an input of `RegisterTaskDefinition`.
pub(crate) fn fill(definition: &mut Value) {
    let awsvpc = text(definition, "networkMode") == Some("awsvpc");
    for name in ["volumes", "placementConstraints"] {
        default(definition, name, json!([]));
    }
    for name in ["cpu", "memory"] {
        if let Some(units) = text(definition, name).and_then(units) {
            definition[name] = json!(units.to_string());
        }
    }
    let containers = definition.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        fill_container(container, awsvpc);
    }
}

fn fill_container(container: &mut Value, awsvpc: bool) {
    default(container, "cpu", json!(0));
    default(container, "essential", json!(true));
    for name in ["environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"] {
        default(container, name, json!([]));
    }
    let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let host = if awsvpc { port["containerPort"].clone() } else { json!(0) };
        default(port, "hostPort", host);
        default(port, "protocol", json!("tcp"));
    }
}

/// Fills a member in where there is none, or null.
fn default(object: &mut Value, name: &str, value: Value) {
    if object.get(name).is_none_or(Value::is_null) {
        object[name] = value;
    }
}

/// CPU units or mebibytes: `256`, `.25 vCPU`, `1 vCPU`, `2 GB`.
pub(crate) fn units(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, scale) = match lower.strip_suffix("vcpu").or_else(|| lower.strip_suffix("gb")) {
        Some(number) => (number, 1024.0),
        None => (lower.as_str(), 1.0),
    };
    let number: f64 = number.trim().parse().ok()?;
    let units = number * scale;
    (units >= 0.0 && units.fract() == 0.0).then_some(units as u64)
}

/// The kinds of instance the definition may run on.
pub(crate) fn compatibilities(definition: &Value) -> Value {
    let fargate = list(definition, "requiresCompatibilities").contains(&json!("FARGATE"));
    if fargate { json!(["EC2", "FARGATE"]) } else { json!(["EXTERNAL", "EC2"]) }
}

/// What an instance must be able to do.
pub(crate) fn attributes(definition: &Value) -> Value {
    let mut names = vec!["com.amazonaws.ecs.capability.docker-remote-api.1.18"];
    let containers = list(definition, "containerDefinitions");
    if containers.iter().any(|container| container["logConfiguration"]["logDriver"] == "awslogs") {
        names.push("com.amazonaws.ecs.capability.logging-driver.awslogs");
        names.push("ecs.capability.execution-role-awslogs");
    }
    if text(definition, "taskRoleArn").is_some() {
        names.push("com.amazonaws.ecs.capability.task-iam-role");
    }
    if text(definition, "networkMode") == Some("awsvpc") {
        names.push("ecs.capability.task-eni");
    }
    names.into_iter().map(|name| json!({"name": name})).collect()
}
