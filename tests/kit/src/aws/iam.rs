//! AWS IAM: the roles that are there.

use serde_json::{Value, json};

use super::input::text;
use super::names;
use super::request::AwsFault;
use super::world::{EPOCH, World};

/// Answers a call.
pub(crate) fn call(world: &World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    if operation != "GetRole" {
        return Err(AwsFault::unknown_operation());
    }
    let name = text(input, "RoleName").unwrap_or_default();
    let Some(path) = world.roles.get(name) else {
        let message = format!("The role with name {name} cannot be found.");
        return Err(AwsFault::new("NoSuchEntity", message).with_status(404));
    };
    Ok(json!({"Role": {
        "Path": path,
        "RoleName": name,
        "RoleId": "AROAEXAMPLEEXAMPLE001",
        "Arn": names::role(&format!("{}{name}", path.trim_start_matches('/'))),
        "CreateDate": EPOCH,
    }}))
}
