//! Finding tasks and looking at them.

use serde_json::{Value, json};

use super::task_view;
use crate::aws::input::{page, put, text, texts};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// How long a stopped task stays known, in seconds.
const REMEMBERED: u64 = 3600;

pub(crate) fn list_tasks(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = super::cluster(world, input)?;
    let group = text(input, "serviceName").map(|name| format!("service:{}", names::short(name)));
    if let Some(name) = text(input, "serviceName")
        && world.ecs.service(&cluster, name).is_none()
    {
        return Err(AwsFault::new("ServiceNotFoundException", "Service not found."));
    }
    let wants_stopped = text(input, "desiredStatus") == Some("STOPPED");
    let (family, started_by, launch) = (text(input, "family"), text(input, "startedBy"), text(input, "launchType"));
    let now = world.now;
    let found = world.ecs.tasks.iter().rev().filter(|task| {
        let stopped = task.stopped(now);
        let remembered = stopped.as_ref().is_none_or(|stop| stop.at + REMEMBERED > now);
        let of_family = |family: &str| names::short(&task.definition).split(':').next() == Some(family);
        remembered
            && task.cluster == cluster
            && stopped.is_some() == wants_stopped
            && group.as_ref().is_none_or(|group| task.group == *group)
            && family.is_none_or(of_family)
            && started_by.is_none_or(|name| task.started_by.as_deref() == Some(name))
            && launch.is_none_or(|launch| task.launch == launch)
    });
    let found: Vec<String> = found.map(|task| names::task(&task.cluster, &task.id)).collect();
    let (names, next) = page(found, input, 100);
    let mut answer = json!({"taskArns": names});
    put(&mut answer, "nextToken", next.map(Value::from));
    Ok(answer)
}

pub(crate) fn describe(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = super::cluster(world, input)?;
    let asked = texts(input, "tasks");
    if asked.is_empty() || asked.len() > 100 {
        return Err(AwsFault::new("InvalidParameterException", "Tasks must be between 1 and 100."));
    }
    let with_tags = texts(input, "include").contains(&"TAGS");
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for name in asked {
        let id = names::short(name);
        let found = world.ecs.tasks.iter().find(|task| task.cluster == cluster && task.id == id);
        let found = found.filter(|task| task.stopped(world.now).is_none_or(|stop| stop.at + REMEMBERED > world.now));
        match found {
            Some(task) => tasks.push(task_view::show(world, task, with_tags)),
            None => failures.push(json!({"arn": names::task(&cluster, id), "reason": "MISSING"})),
        }
    }
    Ok(json!({"tasks": tasks, "failures": failures}))
}
