//! One-off tasks: started by a caller, kept alive by nobody.

use serde_json::{Value, json};

use super::task::Task;
use super::{Launch, definition, fate, task_view};
use crate::aws::fault::Fault;
use crate::aws::input::{number, text};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// Whether a one-off task is not over yet.
pub(crate) fn is_under_way(world: &World, name: &str) -> bool {
    let id = names::short(name);
    let found = world.ecs.tasks.iter().find(|task| task.id == id);
    found.is_some_and(|task| task.fleet.is_none() && task.stopped(world.now).is_none())
}

pub(crate) fn run(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = super::cluster(world, input)?;
    let asked = text(input, "taskDefinition").unwrap_or_default();
    let found = definition::find_active(world, asked)?;
    let (definition, family) = (found.arn(), found.family.clone());
    let awsvpc = text(&found.body, "networkMode") == Some("awsvpc");
    if awsvpc && input["networkConfiguration"]["awsvpcConfiguration"].is_null() {
        let message = "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    let token = text(input, "clientToken").map(ToOwned::to_owned);
    if let Some(known) = world.ecs.tasks.iter().find(|task| token.is_some() && task.token == token) {
        if known.definition != definition {
            let message = "The client token was used with other parameters.";
            return Err(AwsFault::new("ConflictException", message));
        }
        let known = known.clone();
        return Ok(json!({"tasks": [task_view::show(world, &known, true)], "failures": []}));
    }
    let count = number(input, "count").unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(AwsFault::new("InvalidParameterException", "Count must be between 1 and 10."));
    }
    let launch = launch(world, input)?;
    if launch == "EC2" && world.has(&Fault::NoRoom) {
        let arn = names::ecs(&format!("container-instance/{cluster}/{}", world.ids.hex()));
        return Ok(json!({"tasks": [], "failures": [{"arn": arn, "reason": "RESOURCE:MEMORY"}]}));
    }
    let fate = fate::of_one_off(world, &definition);
    let mut shown = Vec::new();
    for _ in 0..count {
        let task = Task {
            id: world.ids.hex(),
            cluster: cluster.clone(),
            group: text(input, "group").map_or_else(|| format!("family:{family}"), ToOwned::to_owned),
            started_by: text(input, "startedBy").map(ToOwned::to_owned),
            fleet: None,
            token: token.clone(),
            definition: definition.clone(),
            target_group: None,
            created: world.now,
            fate: fate.clone(),
            counted: false,
            halt: None,
            overrides: input.get("overrides").cloned().unwrap_or_else(|| json!({})),
            tags: input.get("tags").cloned().unwrap_or_else(|| json!([])),
            launch,
            number: world.ecs.tasks.len() as u64,
        };
        shown.push(task_view::show(world, &task, true));
        world.ecs.tasks.push(task);
    }
    Ok(json!({"tasks": shown, "failures": []}))
}

/// On what a task runs. Without a word of the caller's it is an instance of the cluster (ECS API, `RunTask`): one without
/// any refuses, whatever the definition is compatible with.
fn launch(world: &World, input: &Value) -> Result<&'static str, AwsFault> {
    let providers = input["capacityProviderStrategy"].as_array().filter(|all| !all.is_empty());
    let launch_type = text(input, "launchType");
    if providers.is_some() && launch_type.is_some() {
        let message =
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    let named = |provider: &Value| text(provider, "capacityProvider").is_some_and(|name| name.starts_with("FARGATE"));
    if launch_type == Some("FARGATE") || providers.is_some_and(|all| all.iter().all(named)) {
        return Ok(Launch::Fargate.name());
    }
    if launch_type.is_none() && providers.is_none() && world.ecs.services.iter().all(|it| it.launch != Launch::Ec2) {
        let message = "No Container Instances were found in your cluster.";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    Ok(Launch::Ec2.name())
}

pub(crate) fn stop(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = super::cluster(world, input)?;
    let id = names::short(text(input, "task").unwrap_or_default());
    let reason = text(input, "reason").unwrap_or("Task stopped by user").to_owned();
    let now = world.now;
    let found = world.ecs.tasks.iter_mut().find(|task| task.cluster == cluster && task.id == id);
    let task = found.ok_or_else(|| AwsFault::new("InvalidParameterException", "The referenced task was not found."))?;
    task.halt(now, "UserInitiated", reason);
    let task = task.clone();
    Ok(json!({"task": task_view::show(world, &task, false)}))
}
