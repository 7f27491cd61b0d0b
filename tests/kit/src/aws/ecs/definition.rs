//! Task definitions: kept as they were sent, whatever members they have.

use serde_json::{Value, json};

use crate::aws::input::{flag, page, put, text, texts};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// A revision.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) family: String,
    pub(crate) revision: u64,
    pub(crate) active: bool,
    /// Whether it came through the API, and so is what the faults of new tasks are about.
    pub(crate) is_new: bool,
    /// The answer's `taskDefinition`, without its status.
    pub(crate) body: Value,
    pub(crate) tags: Value,
}

impl Definition {
    /// Its full name.
    pub(crate) fn arn(&self) -> String {
        names::definition(&self.family, self.revision)
    }

    /// Its containers.
    pub(crate) fn containers(&self) -> &[Value] {
        crate::aws::input::list(&self.body, "containerDefinitions")
    }

    pub(crate) fn json(&self) -> Value {
        let mut body = self.body.clone();
        body["status"] = json!(if self.active { "ACTIVE" } else { "INACTIVE" });
        body
    }
}

/// Finds a revision by full name, `family:revision`, or a family's latest active one.
pub(crate) fn find<'a>(world: &'a World, asked: &str) -> Option<&'a Definition> {
    let short = names::short(asked);
    let all = || world.ecs.definitions.iter();
    match short.split_once(':') {
        Some((family, revision)) => {
            let revision: u64 = revision.parse().ok()?;
            all().find(|known| known.family == family && known.revision == revision)
        }
        None => all().filter(|known| known.family == short && known.active).max_by_key(|known| known.revision),
    }
}

/// Finds one that may be started.
pub(crate) fn find_active<'a>(world: &'a World, asked: &str) -> Result<&'a Definition, AwsFault> {
    match find(world, asked) {
        Some(found) if found.active => Ok(found),
        Some(_) => Err(AwsFault::new("ClientException", "TaskDefinition is inactive")),
        None => Err(AwsFault::new("ClientException", "TaskDefinition not found.")),
    }
}

pub(crate) fn describe(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let asked = required(input)?;
    let found =
        find(world, asked).ok_or_else(|| AwsFault::new("ClientException", "Unable to describe task definition."))?;
    let mut answer = json!({"taskDefinition": found.json()});
    if texts(input, "include").contains(&"TAGS") {
        answer["tags"] = found.tags.clone();
    }
    Ok(answer)
}

pub(crate) fn deregister(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let asked = required(input)?;
    if !names::short(asked).contains(':') {
        return Err(AwsFault::new("InvalidParameterException", "The specified task definition has no revision."));
    }
    let arn = find(world, asked).map(Definition::arn);
    let now = world.now;
    let found = world.ecs.definitions.iter_mut().find(|known| Some(known.arn()) == arn);
    let found =
        found.ok_or_else(|| AwsFault::new("ClientException", "The specified task definition does not exist."))?;
    found.active = false;
    found.body["deregisteredAt"] = json!(now);
    Ok(json!({"taskDefinition": found.json()}))
}

pub(crate) fn list_all(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let active = text(input, "status") != Some("INACTIVE");
    let family = text(input, "familyPrefix");
    let fits = |known: &&Definition| known.active == active && family.is_none_or(|family| known.family == family);
    let mut found: Vec<&Definition> = world.ecs.definitions.iter().filter(fits).collect();
    found.sort_by_key(|known| (known.family.clone(), known.revision));
    if text(input, "sort") == Some("DESC") {
        found.reverse();
    }
    let (names, next) = page(found.into_iter().map(Definition::arn).collect::<Vec<_>>(), input, 100);
    let mut answer = json!({"taskDefinitionArns": names});
    put(&mut answer, "nextToken", next.map(Value::from));
    Ok(answer)
}

/// Whether a container's end is the task's end.
pub(crate) fn is_essential(container: &Value) -> bool {
    flag(container, "essential").unwrap_or(true)
}

fn required(input: &Value) -> Result<&str, AwsFault> {
    text(input, "taskDefinition").ok_or_else(|| AwsFault::new("ClientException", "Task definition can not be blank."))
}
