//! A task. Where it stands follows from when it was made, what its fate is, and who stopped it: it needs no machine.

use serde_json::Value;

use super::fate::Fate;
use crate::aws::world::World;

/// Seconds from a task's making to its being pending, running, and healthy; and to what goes wrong with it.
const PENDING: u64 = 5;
const NOT_STARTED: u64 = 15;
const RUNNING: u64 = 20;
const CRASHED: u64 = 25;
const DONE: u64 = 50;
pub(crate) const HEALTHY: u64 = 60;
const UNHEALTHY: u64 = 90;

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) cluster: String,
    /// `service:<name>` or `family:<name>`.
    pub(crate) group: String,
    pub(crate) started_by: Option<String>,
    /// What keeps it alive; none for a one-off task.
    pub(crate) fleet: Option<String>,
    /// With which its start was asked for: the same one twice is one task.
    pub(crate) token: Option<String>,
    pub(crate) definition: String,
    pub(crate) target_group: Option<String>,
    pub(crate) created: u64,
    pub(crate) fate: Fate,
    /// Whether its fleet knows that it failed.
    pub(crate) counted: bool,
    pub(crate) halt: Option<Stop>,
    pub(crate) overrides: Value,
    pub(crate) tags: Value,
    pub(crate) launch: &'static str,
    /// Makes its address.
    pub(crate) number: u64,
}

/// How a task came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) at: u64,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    pub(crate) exit: Option<i64>,
    pub(crate) container_reason: Option<String>,
}

impl Task {
    /// The end that its fate brings.
    pub(crate) fn natural_stop(&self) -> Option<Stop> {
        let essential = || "Essential container in task exited".to_owned();
        let (after, code, reason, exit, container_reason) = match &self.fate {
            Fate::Healthy | Fate::Pends => return None,
            Fate::Crashes { code, reason } => {
                let reason = reason.map(ToOwned::to_owned);
                (CRASHED, "EssentialContainerExited", essential(), Some(*code), reason)
            }
            Fate::CannotStart { reason } => {
                let container = reason.starts_with("CannotPull").then(|| reason.clone());
                (NOT_STARTED, "TaskFailedToStart", reason.clone(), None, container)
            }
            Fate::Unhealthy(_) => {
                let group = self.target_group.as_deref().map(crate::aws::names::target_group).unwrap_or_default();
                let reason = format!("Task failed ELB health checks in (target-group {group})");
                (UNHEALTHY, "ServiceSchedulerInitiated", reason, Some(143), None)
            }
            Fate::Exits(code) => (DONE, "EssentialContainerExited", essential(), Some(*code), None),
        };
        Some(Stop { at: self.created + after, code, reason, exit, container_reason })
    }

    /// The end that comes first.
    pub(crate) fn stop(&self) -> Option<Stop> {
        let natural = self.natural_stop();
        match &self.halt {
            Some(halt) if natural.as_ref().is_none_or(|natural| halt.at < natural.at) => Some(halt.clone()),
            _ => natural,
        }
    }

    /// The end, if it has come.
    pub(crate) fn stopped(&self, now: u64) -> Option<Stop> {
        self.stop().filter(|stop| stop.at <= now)
    }

    pub(crate) fn status(&self, now: u64) -> &'static str {
        if self.stopped(now).is_some() {
            return "STOPPED";
        }
        let starts = !matches!(self.fate, Fate::Pends | Fate::CannotStart { .. });
        match now.saturating_sub(self.created) {
            age if age < PENDING => "PROVISIONING",
            age if age < RUNNING || !starts => "PENDING",
            _ => "RUNNING",
        }
    }

    pub(crate) fn is_running(&self, now: u64) -> bool {
        self.status(now) == "RUNNING"
    }

    /// When it began to run, if it has.
    pub(crate) fn started(&self, now: u64) -> Option<u64> {
        let starts = !matches!(self.fate, Fate::Pends | Fate::CannotStart { .. });
        let at = self.created + RUNNING;
        (starts && at <= now && self.stop().is_none_or(|stop| at < stop.at)).then_some(at)
    }

    /// Whether it runs and the load balancer sends it requests.
    pub(crate) fn is_healthy(&self, now: u64) -> bool {
        self.is_running(now) && self.fate == Fate::Healthy && now >= self.created + HEALTHY
    }

    /// Stops it on somebody's behalf, unless it is over.
    pub(crate) fn halt(&mut self, at: u64, code: &'static str, reason: String) {
        if self.stopped(at).is_none() {
            let exit = self.started(at).map(|_| 143);
            self.halt = Some(Stop { at, code, reason, exit, container_reason: None });
        }
    }
}

/// The moments at which tasks change.
pub(crate) fn moments(world: &World) -> impl Iterator<Item = u64> {
    world.ecs.tasks.iter().flat_map(|task| {
        let milestones = [PENDING, RUNNING, HEALTHY].map(|after| Some(task.created + after));
        let stop = task.stop().map(|stop| stop.at);
        milestones.into_iter().chain([stop]).flatten()
    })
}
