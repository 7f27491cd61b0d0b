//! CloudWatch Logs: what the containers of tasks wrote.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ecs::Task;
use super::input::{flag, list, number, put, text};
use super::names;
use super::request::AwsFault;
use super::world::World;

/// What is written where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs {
    /// What each task of a new task definition writes.
    pub(crate) of_new_tasks: Vec<String>,
    /// Lines of further streams, by group and stream.
    pub(crate) streams: BTreeMap<(String, String), Vec<String>>,
}

/// Answers a call.
pub(crate) fn call(world: &World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    match operation {
        "GetLogEvents" => events(world, input),
        "DescribeLogGroups" => Ok(groups(world, input)),
        _ => Err(AwsFault::unknown_operation()),
    }
}

fn events(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let identified = text(input, "logGroupIdentifier").and_then(|name| name.split(":log-group:").last());
    let group = text(input, "logGroupName").or(identified).unwrap_or_default();
    let stream = text(input, "logStreamName").unwrap_or_default();
    if !known_groups(world).iter().any(|known| known == group) {
        return Err(AwsFault::new("ResourceNotFoundException", "The specified log group does not exist."));
    }
    let found = lines(world, group, stream);
    let (begin, lines) =
        found.ok_or_else(|| AwsFault::new("ResourceNotFoundException", "The specified log stream does not exist."))?;
    let all: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let moment = begin * 1000 + at as u64;
            json!({"timestamp": moment, "message": line, "ingestionTime": moment + 500})
        })
        .collect();
    let limit = usize::try_from(number(input, "limit").unwrap_or(10_000)).unwrap_or(10_000);
    // A token stands at an end of the stream: there is nothing beyond it.
    let shown = match (text(input, "nextToken"), flag(input, "startFromHead")) {
        (Some(_), _) => &[],
        (None, Some(true)) => &all[..all.len().min(limit)],
        (None, _) => &all[all.len() - all.len().min(limit)..],
    };
    Ok(json!({
        "events": shown,
        "nextForwardToken": format!("f/{:056}", all.len()),
        "nextBackwardToken": format!("b/{:056}", 0),
    }))
}

/// The lines of a stream, and when the first was written.
fn lines<'a>(world: &'a World, group: &str, stream: &str) -> Option<(u64, &'a [String])> {
    if let Some(lines) = world.logs.streams.get(&(group.to_owned(), stream.to_owned())) {
        return Some((world.now, lines));
    }
    let id = names::short(stream);
    let task = world.ecs.tasks.iter().find(|task| task.id == id)?;
    let started = task.started(world.now)?;
    let is_of_task = containers(world, task)
        .into_iter()
        .any(|(known, prefix, name)| known == group && stream == format!("{prefix}/{name}/{id}"));
    is_of_task.then_some((started, world.logs.of_new_tasks.as_slice()))
}

/// Log group, stream prefix and name of each container that writes to a log group.
fn containers(world: &World, task: &Task) -> Vec<(String, String, String)> {
    let definition = world.ecs.definitions.iter().find(|known| known.arn() == task.definition);
    let containers = definition.map(|known| known.containers()).unwrap_or_default();
    let logged = containers.iter().filter_map(|container| {
        let options = &container["logConfiguration"]["options"];
        let (group, prefix) = (text(options, "awslogs-group")?, text(options, "awslogs-stream-prefix")?);
        Some((group.to_owned(), prefix.to_owned(), text(container, "name")?.to_owned()))
    });
    logged.collect()
}

fn groups(world: &World, input: &Value) -> Value {
    let prefix = text(input, "logGroupNamePrefix").unwrap_or_default();
    let pattern = text(input, "logGroupNamePattern").unwrap_or_default();
    let groups = known_groups(world).into_iter().filter(|name| name.starts_with(prefix) && name.contains(pattern));
    let shown = groups.map(|name| {
        let arn = format!("arn:aws:logs:{}:{}:log-group:{name}", names::REGION, names::ACCOUNT);
        let mut shown = json!({
            "logGroupName": name,
            "creationTime": super::world::EPOCH * 1000,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "storedBytes": 0,
            "logGroupClass": "STANDARD",
        });
        put(&mut shown, "logGroupArn", Some(json!(arn)));
        shown
    });
    json!({"logGroups": shown.collect::<Vec<_>>()})
}

/// The groups that the world's first definitions write to, and those with further streams: a group that only a new
/// definition names does not exist.
fn known_groups(world: &World) -> Vec<String> {
    let first = world.ecs.definitions.iter().filter(|known| !known.is_new);
    let containers = first.flat_map(|known| list(&known.body, "containerDefinitions"));
    let named = containers.filter_map(|one| text(&one["logConfiguration"]["options"], "awslogs-group"));
    let mut known: Vec<String> = named.map(ToOwned::to_owned).collect();
    known.extend(world.logs.streams.keys().map(|(group, _)| group.clone()));
    known.sort();
    known.dedup();
    known
}
