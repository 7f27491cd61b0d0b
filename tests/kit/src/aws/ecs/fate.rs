//! How tasks of a definition fare, by the faults that are switched on.

use super::definition;
use crate::aws::fault::Fault;
use crate::aws::input::{list, text};
use crate::aws::names;
use crate::aws::world::World;

/// What becomes of a task that nobody stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It runs and is healthy.
    Healthy,
    /// It starts and exits at once.
    Crashes { code: i64, reason: Option<&'static str> },
    /// It does not start.
    CannotStart { reason: String },
    /// It runs, but the load balancer finds it unhealthy, and the scheduler stops it.
    Unhealthy(Unhealthy),
    /// It stays pending.
    Pends,
    /// It does its work and exits.
    Exits(i64),
}

/// Why the load balancer finds a task unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unhealthy {
    /// It answers with this status.
    Status(u16),
    /// It does not answer.
    Timeout,
}

impl Unhealthy {
    /// The reason's code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Status(_) => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
        }
    }

    /// The reason in words.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Status(status) => format!("Health checks failed with these codes: [{status}]"),
            Self::Timeout => "Request timed out".to_owned(),
        }
    }
}

/// The fate of a service's task; none where no instance has room for it.
pub(crate) fn of_service_task(world: &World, name: &str) -> Option<Fate> {
    if !definition::find(world, name).is_some_and(|found| found.is_new) {
        return Some(Fate::Healthy);
    }
    for fault in &world.faults {
        match fault {
            Fault::NoRoom => return None,
            Fault::Crash(code) => return Some(crash(*code)),
            Fault::TargetAnswers(status) => return Some(Fate::Unhealthy(Unhealthy::Status(*status))),
            Fault::TargetTimesOut => return Some(Fate::Unhealthy(Unhealthy::Timeout)),
            Fault::NeverStable => return Some(Fate::Pends),
            _ => {}
        }
        if let Some(fate) = no_start(world, name, fault) {
            return Some(fate);
        }
    }
    Some(Fate::Healthy)
}

/// The fate of a one-off task.
pub(crate) fn of_one_off(world: &World, name: &str) -> Fate {
    let is_new = definition::find(world, name).is_some_and(|found| found.is_new);
    for fault in &world.faults {
        match fault {
            Fault::OneOffExits(code) => return Fate::Exits(*code),
            Fault::OneOffHangs => return Fate::Pends,
            other if is_new => {
                if let Some(fate) = no_start(world, name, other) {
                    return fate;
                }
            }
            _ => {}
        }
    }
    Fate::Exits(0)
}

fn crash(code: i64) -> Fate {
    let reason = (code == 137).then_some("OutOfMemoryError: Container killed due to memory usage");
    Fate::Crashes { code, reason }
}

/// The faults that keep any task of a new definition from its start.
fn no_start(world: &World, name: &str, fault: &Fault) -> Option<Fate> {
    let container = definition::find(world, name).and_then(|found| found.containers().first());
    let reason = match fault {
        Fault::ImageMissing => {
            let image = container.and_then(|container| text(container, "image")).unwrap_or_default();
            format!(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): \
                 failed to resolve ref {image}: {image}: not found"
            )
        }
        Fault::SecretDenied => {
            let secret = container.and_then(|container| list(container, "secrets").first());
            let secret = secret.and_then(|secret| text(secret, "valueFrom"));
            let secret = secret.map_or_else(|| secret_name("web"), ToOwned::to_owned);
            format!(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
                 failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch \
                 secret {secret} from secrets manager: AccessDeniedException: User: {}/task is not authorized to \
                 perform: secretsmanager:GetSecretValue on resource: {secret} because no identity-based policy allows \
                 the secretsmanager:GetSecretValue action",
                names::role("ecsTaskExecutionRole").replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
            )
        }
        _ => return None,
    };
    Some(Fate::CannotStart { reason })
}

fn secret_name(name: &str) -> String {
    format!("arn:aws:secretsmanager:{}:{}:secret:{name}", names::REGION, names::ACCOUNT)
}
