//! What AWS refuses to register.

use serde_json::Value;

use super::definition_defaults::units;
use crate::aws::input::{list, text, texts};
use crate::aws::request::AwsFault;

/// Members that only a description has.
const DESCRIBED: [&str; 9] = [
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

/// Fargate's sizes: CPU units, then the least, the most and the step of memory in mebibytes.
const FARGATE: [(u64, u64, u64, u64); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Refuses what may not be registered.
pub(crate) fn definition(input: &Value) -> Result<(), AwsFault> {
    let family = text(input, "family").ok_or_else(|| refusal("Family can not be blank."))?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if family.len() > 255 || !family.chars().all(fits) {
        return Err(refusal("Family contains invalid characters."));
    }
    if let Some(name) = DESCRIBED.iter().find(|name| input.get(**name).is_some()) {
        return Err(refusal(&format!("{name} is not a parameter of a registration.")));
    }
    if input.get("tags").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return Err(refusal("Tags can not be empty."));
    }
    containers(input)?;
    let role = text(input, "executionRoleArn").is_some();
    if !role && list(input, "containerDefinitions").iter().any(|container| !list(container, "secrets").is_empty()) {
        return Err(refusal(
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        ));
    }
    if texts(input, "requiresCompatibilities").contains(&"FARGATE") {
        fargate(input)?;
    }
    Ok(())
}

fn containers(input: &Value) -> Result<(), AwsFault> {
    let containers = list(input, "containerDefinitions");
    if containers.is_empty() {
        return Err(refusal("Container list cannot be empty."));
    }
    let mut seen = Vec::new();
    for container in containers {
        let name = text(container, "name").ok_or_else(|| refusal("Container.name should not be null or empty."))?;
        if text(container, "image").is_none() {
            return Err(refusal("Container.image should not be null or empty."));
        }
        if seen.contains(&name) {
            return Err(refusal(&format!("Container.name must be unique: {name}")));
        }
        seen.push(name);
    }
    if !containers.iter().any(super::definition::is_essential) {
        return Err(refusal("At least one essential container must be specified."));
    }
    Ok(())
}

fn fargate(input: &Value) -> Result<(), AwsFault> {
    if text(input, "networkMode") != Some("awsvpc") {
        return Err(refusal("Fargate only supports network mode 'awsvpc'."));
    }
    if text(input, "executionRoleArn").is_none() {
        let needs = |message: &str| {
            Err(refusal(&format!("Fargate requires task definition to have execution role ARN to {message}.")))
        };
        let containers = list(input, "containerDefinitions");
        if containers.iter().any(|container| container["logConfiguration"]["logDriver"] == "awslogs") {
            return needs("support log driver awslogs");
        }
        if containers.iter().any(|container| text(container, "image").is_some_and(|it| it.contains(".dkr.ecr."))) {
            return needs("support ECR images");
        }
    }
    let (cpu, memory) = (text(input, "cpu"), text(input, "memory"));
    let (Some(cpu), Some(memory)) = (cpu.and_then(units), memory.and_then(units)) else {
        return Err(refusal("Fargate requires that 'cpu' and 'memory' be defined at the task level."));
    };
    let fits = |(units, least, most, step): &(u64, u64, u64, u64)| {
        *units == cpu && (*least..=*most).contains(&memory) && memory.is_multiple_of(*step)
    };
    if FARGATE.iter().any(fits) {
        return Ok(());
    }
    Err(refusal(&format!("No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")))
}

fn refusal(message: &str) -> AwsFault {
    AwsFault::new("ClientException", message)
}
