//! What happens to a call before and after its service sees it: the faults of the wire and of credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::fault::Fault;
use super::input::text;
use super::names;
use super::request::{AwsFault, Request, Service};
use super::world::{EPOCH, World};

/// What the gate remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    pub(crate) calls: u64,
    /// The keys that were ever used.
    used: BTreeSet<String>,
    expired: BTreeSet<String>,
    /// The last answers of reads that may be stale.
    last: BTreeMap<String, Result<Value, AwsFault>>,
    /// The operations that fail from now on.
    failing: BTreeSet<&'static str>,
    /// How long the caller that is answered now is kept waiting.
    pub(crate) late: Option<Duration>,
}

/// Lets a call in, or refuses it without any effect.
pub(crate) fn enter(world: &mut World, request: &Request) -> Result<(), AwsFault> {
    expire(world);
    world.gate.calls += 1;
    if let Some(key) = &request.access_key {
        if world.gate.expired.contains(key) {
            return Err(expired(request.service));
        }
        world.gate.used.insert(key.clone());
    }
    let throttled =
        |fault: &Fault| matches!(fault, Fault::ThrottleEvery(every) if world.gate.calls.is_multiple_of(*every));
    if world.faults.iter().any(throttled) {
        let code = if request.service.speaks_query() { "Throttling" } else { "ThrottlingException" };
        return Err(AwsFault::new(code, "Rate exceeded"));
    }
    denied(world, request)?;
    let action = request.action();
    let fails = world.gate.failing.contains(action.as_str());
    if fails || take(world, |fault| matches!(fault, Fault::ServerErrorOnce(wanted) if *wanted == action)) {
        let code = match request.service {
            Service::Ecs | Service::Ecr => "ServerException",
            _ => "InternalFailure",
        };
        return Err(AwsFault::new(code, "An internal error occurred.").with_status(500));
    }
    if action == "codedeploy:GetDeployment" && take(world, |fault| *fault == Fault::NotFoundOnce) {
        let id = text(&request.input, "deploymentId").unwrap_or_default();
        let message = format!("The deployment {id} could not be found");
        return Err(AwsFault::new("DeploymentDoesNotExistException", message));
    }
    Ok(())
}

/// Lets an answer out, an older one in its place, or none.
pub(crate) fn leave(world: &mut World, request: &Request, answer: Result<Value, AwsFault>) -> Result<Value, AwsFault> {
    let answer = troubled(world, request, answer);
    let action = request.action();
    for fault in &mut world.faults {
        if let Fault::After(wanted, then) = fault
            && *wanted == action
        {
            *fault = Fault::clone(then);
        }
    }
    answer
}

fn troubled(world: &mut World, request: &Request, answer: Result<Value, AwsFault>) -> Result<Value, AwsFault> {
    let action = request.action();
    let fail_now = world.faults.iter().filter_map(|fault| match fault {
        Fault::FailsAfter(first, then) if *first == action => Some(*then),
        _ => None,
    });
    world.gate.failing.extend(fail_now);
    if let Some(at) = world.faults.iter().position(|it| matches!(it, Fault::SlowOnce(wanted, _) if *wanted == action))
        && let Fault::SlowOnce(_, wait) = world.faults.remove(at)
    {
        world.gate.late = Some(Duration::from_millis(wait));
    }
    if take(world, |fault| matches!(fault, Fault::LostReplyOnce(wanted) if *wanted == action)) {
        return Err(AwsFault::lost_reply());
    }
    let may_be_stale = matches!(
        action.as_str(),
        "ecs:DescribeServices"
            | "ecs:DescribeServiceDeployments"
            | "codedeploy:GetDeployment"
            | "codedeploy:GetDeploymentTarget"
            | "codedeploy:ListDeployments"
    );
    if may_be_stale && world.has(&Fault::StaleReads) {
        let older = world.gate.last.insert(format!("{action} {}", request.input), answer.clone());
        return older.unwrap_or(answer);
    }
    answer
}

/// Takes a fault that happens once.
fn take(world: &mut World, wanted: impl Fn(&Fault) -> bool) -> bool {
    let found = world.faults.iter().position(wanted);
    found.map(|at| world.faults.remove(at)).is_some()
}

/// Once the time has come, every key that was used so far is dead.
fn expire(world: &mut World) {
    let (now, calls) = (world.now, world.gate.calls);
    let due = |fault: &Fault| match fault {
        Fault::ExpiresAt(seconds) => now >= EPOCH + seconds,
        Fault::ExpiresAfterCalls(most) => calls >= *most,
        _ => false,
    };
    while take(world, due) {
        let used = world.gate.used.clone();
        world.gate.expired.extend(used);
    }
}

fn expired(service: Service) -> AwsFault {
    let message = "The security token included in the request is expired";
    if service.speaks_query() {
        return AwsFault::new("ExpiredToken", message).with_status(403);
    }
    AwsFault::new("ExpiredTokenException", message)
}

fn denied(world: &World, request: &Request) -> Result<(), AwsFault> {
    let action = request.action();
    let is_denied = |wanted: &str| world.faults.iter().any(|fault| matches!(fault, Fault::Denied(it) if *it == wanted));
    let roles = ["taskRoleArn", "executionRoleArn"];
    let role = roles.iter().find_map(|name| text(&request.input, name));
    let (action, resource) = match role {
        Some(role) if action == "ecs:RegisterTaskDefinition" && is_denied("iam:PassRole") => ("iam:PassRole", role),
        _ if is_denied(&action) => (action.as_str(), "*"),
        _ => return Ok(()),
    };
    if action == "sts:AssumeRoleWithWebIdentity" {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(AwsFault::new("AccessDenied", message).with_status(403));
    }
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} \
         because no identity-based policy allows the {action} action",
        names::CALLER
    );
    match request.service.speaks_query() {
        true => Err(AwsFault::new("AccessDenied", message).with_status(403)),
        false => Err(AwsFault::new("AccessDeniedException", message)),
    }
}
