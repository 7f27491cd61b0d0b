//! Registering a task definition: a new revision each time, even for the same text.

use serde_json::{Value, json};

use super::check;
use super::definition::Definition;
use super::definition_defaults::{attributes, compatibilities, fill};
use crate::aws::input::text;
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) fn register(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    check::definition(input)?;
    let definition = add(world, input, true);
    let mut answer = json!({"taskDefinition": definition.json()});
    if definition.tags.as_array().is_some_and(|tags| !tags.is_empty()) {
        answer["tags"] = definition.tags;
    }
    Ok(answer)
}

/// Adds a revision; `is_new` where it came through the API.
pub(crate) fn add(world: &mut World, input: &Value, is_new: bool) -> Definition {
    let family = text(input, "family").unwrap_or_default().to_owned();
    let of_family = world.ecs.definitions.iter().filter(|known| known.family == family);
    let revision = of_family.map(|known| known.revision).max().unwrap_or(0) + 1;
    let mut body = without_nulls(input);
    let tags = body.as_object_mut().and_then(|body| body.remove("tags")).unwrap_or_else(|| json!([]));
    fill(&mut body);
    body["taskDefinitionArn"] = json!(names::definition(&family, revision));
    body["revision"] = json!(revision);
    body["requiresAttributes"] = attributes(&body);
    body["compatibilities"] = compatibilities(&body);
    body["registeredAt"] = json!(world.now);
    body["registeredBy"] = json!(names::CALLER);
    let definition = Definition { family, revision, active: true, is_new, body, tags };
    world.ecs.definitions.push(definition.clone());
    definition
}

/// A null says no more than a member that is not there.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.iter().filter(|(_, member)| !member.is_null());
            said.map(|(name, member)| (name.clone(), without_nulls(member))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
