//! Hooks of a service deployment: functions, and pauses that a person answers.

use super::{ending, machine};
use crate::aws::fault::Fault;
use crate::aws::input::{list, number, text, texts};
use crate::aws::names;
use crate::aws::world::World;

/// How long a function takes, and how long one that never answers is waited for, in seconds.
const FUNCTION: u64 = 10;
const SILENT: u64 = 3600;
/// How long a pause waits by default, in minutes.
const PAUSE: u64 = 1440;

/// A hook that was begun.
#[derive(Debug, Clone)]
pub(crate) struct HookRun {
    pub(crate) id: String,
    pub(crate) target_type: &'static str,
    pub(crate) target: Option<String>,
    pub(crate) status: &'static str,
    /// When the function is done or the pause expires.
    pub(crate) until: Option<u64>,
    /// What happens when the pause expires.
    pub(crate) on_timeout: &'static str,
    /// What becomes of it at that moment.
    ends_as: &'static str,
}

impl HookRun {
    /// Whether it still holds the deployment up.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status, "AWAITING_ACTION" | "IN_PROGRESS")
    }
}

/// Begins the hooks of a stage, where there are any.
pub(crate) fn begin(world: &mut World, at: usize, stage: &'static str) {
    let now = world.now;
    let configuration = world.ecs.deployments[at].configuration.clone();
    let of_stage = list(&configuration, "lifecycleHooks");
    let of_stage = of_stage.iter().filter(|hook| texts(hook, "lifecycleStages").contains(&stage));
    let mut runs: Vec<HookRun> = Vec::new();
    for hook in of_stage {
        let id = format!("{}-{}", stage.to_ascii_lowercase().replace('_', "-"), world.ids.upper(8));
        let timeout = &hook["timeoutConfiguration"];
        runs.push(match text(hook, "targetType") {
            Some("PAUSE") => HookRun {
                id,
                target_type: "PAUSE",
                target: None,
                status: "AWAITING_ACTION",
                until: Some(now + number(timeout, "timeoutInMinutes").unwrap_or(PAUSE) * 60),
                on_timeout: if text(timeout, "action") == Some("CONTINUE") { "CONTINUE" } else { "ROLLBACK" },
                ends_as: "TIMED_OUT",
            },
            _ => function(id, now + FUNCTION, "SUCCEEDED", text(hook, "hookTargetArn")),
        });
    }
    let id = format!("function-{}", world.ids.upper(8));
    for fault in &world.faults {
        match fault {
            Fault::HookFails(wanted) if *wanted == stage => {
                runs.push(function(id.clone(), now + FUNCTION, "FAILED", None))
            }
            Fault::HookSilent(wanted) if *wanted == stage => {
                runs.push(function(id.clone(), now + SILENT, "TIMED_OUT", None));
            }
            _ => {}
        }
    }
    world.ecs.deployments[at].hooks.extend(runs);
}

/// Ends hooks whose time has come, and goes on where none is open; whether anything happened.
pub(crate) fn go_on(world: &mut World, at: usize) -> bool {
    let now = world.now;
    let one = &mut world.ecs.deployments[at];
    let due = one.hooks.iter_mut().find(|hook| hook.is_open() && hook.until.is_some_and(|until| until <= now));
    if let Some(hook) = due {
        hook.status = hook.ends_as;
        let fails = hook.status == "FAILED" || hook.status == "TIMED_OUT" && hook.on_timeout == "ROLLBACK";
        let text = format!("Lifecycle hook {} ended as {}.", hook.id, hook.status);
        if fails {
            ending::roll_back(world, at, &text);
        }
        return true;
    }
    if one.hooks.iter().any(HookRun::is_open) {
        return false;
    }
    machine::next(world, at);
    true
}

fn function(id: String, until: u64, ends_as: &'static str, target: Option<&str>) -> HookRun {
    let default = || format!("arn:aws:lambda:{}:{}:function:check", names::REGION, names::ACCOUNT);
    HookRun {
        id,
        target_type: "AWS_LAMBDA",
        target: Some(target.map_or_else(default, ToOwned::to_owned)),
        status: "IN_PROGRESS",
        until: Some(until),
        on_timeout: "ROLLBACK",
        ends_as,
    }
}
