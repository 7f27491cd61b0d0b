//! Functions behind lifecycle events, and their answers.

use serde_json::{Value, json};

use super::{ending, events, queries};
use crate::aws::fault::Fault;
use crate::aws::input::text;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

/// How long a function takes, and how long one that never answers is waited for, in seconds.
const FUNCTION: u64 = 10;
const SILENT: u64 = 3600;

/// What a function does by itself.
enum Behaviour {
    /// There is none.
    Absent,
    Answers,
    Fails,
    Silent,
}

fn behaviour(world: &World, at: usize, event: &str) -> Behaviour {
    for fault in &world.faults {
        match fault {
            Fault::HookFails(wanted) if *wanted == event => return Behaviour::Fails,
            Fault::HookSilent(wanted) if *wanted == event => return Behaviour::Silent,
            _ => {}
        }
    }
    match world.codedeploy.deployments[at].spec.hooks.contains_key(event) {
        true => Behaviour::Answers,
        false => Behaviour::Absent,
    }
}

/// Calls the function of an event, where it has one.
pub(super) fn begin(world: &mut World, at: usize, number: usize) {
    let now = world.now;
    let name = world.codedeploy.deployments[at].events[number].name;
    let takes = match behaviour(world, at, name) {
        Behaviour::Absent => return,
        Behaviour::Silent => SILENT,
        Behaviour::Answers | Behaviour::Fails => FUNCTION,
    };
    let one = &mut world.codedeploy.deployments[at];
    one.until = now + takes;
    one.events[number].hook = Some(execution_id(&one.id, name));
}

/// Ends an event whose function has answered, has not, or does not exist.
pub(super) fn go_on(world: &mut World, at: usize, number: usize) -> bool {
    let one = &world.codedeploy.deployments[at];
    let event = &one.events[number];
    let (name, is_due) = (event.name, world.now >= one.until);
    let failed = |why: &str| {
        let message = format!(
            "One or more of the lifecycle event validation functions failed in the lifecycle event {name}: {why}."
        );
        ending::failed("HOOK_EXECUTION_FAILURE", &message)
    };
    let ending = match (event.answer, behaviour(world, at, name)) {
        (Some(true), _) => None,
        (Some(false), _) => Some(failed("the function answered Failed").with_code("ScriptFailed")),
        _ if !is_due => return false,
        (None, Behaviour::Fails) => Some(failed("the function answered Failed").with_code("ScriptFailed")),
        (None, Behaviour::Silent) => {
            Some(failed("the function did not answer within one hour").with_code("ScriptTimedOut"))
        }
        (None, Behaviour::Absent | Behaviour::Answers) => None,
    };
    match ending {
        Some(ending) => {
            ending::fail(world, at, &ending);
            true
        }
        None => events::end(world, at, number),
    }
}

/// The id that a function answers with: it says which deployment and event it is for.
pub(super) fn execution_id(deployment: &str, event: &str) -> String {
    format!("{deployment}-{event}")
}

pub(crate) fn answer(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let at = queries::find(world, input)?;
    let id = text(input, "lifecycleEventHookExecutionId").unwrap_or_default();
    let answered = match text(input, "status") {
        Some("Succeeded") => true,
        Some("Failed") => false,
        _ => {
            let message = "The status must be Succeeded or Failed.";
            return Err(AwsFault::new("InvalidLifecycleEventHookExecutionStatusException", message));
        }
    };
    let events = &mut world.codedeploy.deployments[at].events;
    let event = events.iter_mut().find(|event| event.hook.as_deref() == Some(id));
    let event = event.ok_or_else(|| {
        let message = "The lifecycle event hook execution id is not known.";
        AwsFault::new("InvalidLifecycleEventHookExecutionIdException", message)
    })?;
    if event.status != "InProgress" {
        let message = "The lifecycle event has already completed.";
        return Err(AwsFault::new("LifecycleEventAlreadyCompletedException", message));
    }
    event.answer = Some(answered);
    Ok(json!({"lifecycleEventHookExecutionId": id}))
}
