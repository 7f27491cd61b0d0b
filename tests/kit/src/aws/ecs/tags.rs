//! Tags of services, task definitions and tasks.

use serde_json::{Value, json};

use crate::aws::input::{list, text};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) fn tag(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let added = list(input, "tags").to_vec();
    if added.is_empty() {
        return Err(AwsFault::new("InvalidParameterException", "Tags can not be empty."));
    }
    let Some(Value::Array(tags)) = find(world, input)? else { return Ok(json!({})) };
    for tag in added {
        tags.retain(|known| known["key"] != tag["key"]);
        tags.push(tag);
    }
    Ok(json!({}))
}

pub(crate) fn list_tags(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let tags = find(world, input)?.cloned();
    Ok(json!({"tags": tags.unwrap_or_else(|| json!([]))}))
}

/// The tags of the resource that an input names; none for a cluster, whose tags nobody asks for.
fn find<'a>(world: &'a mut World, input: &Value) -> Result<Option<&'a mut Value>, AwsFault> {
    let arn = text(input, "resourceArn").unwrap_or_default();
    if arn == names::cluster(&world.cluster) {
        return Ok(None);
    }
    let services = world.ecs.services.iter_mut().map(|one| (names::service(&one.cluster, &one.name), &mut one.tags));
    let definitions = world.ecs.definitions.iter_mut().map(|one| (one.arn(), &mut one.tags));
    let tasks = world.ecs.tasks.iter_mut().map(|one| (names::task(&one.cluster, &one.id), &mut one.tags));
    let found = services.chain(definitions).chain(tasks).find(|(name, _)| name == arn);
    match found {
        Some((_, tags)) => Ok(Some(tags)),
        None => Err(AwsFault::new("InvalidParameterException", "The specified resource is not found.")),
    }
}
