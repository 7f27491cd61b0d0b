//! A deployment and where it stands.

use serde_json::Value;

use super::appspec::AppSpec;
use super::config::Shift;
use super::group::Group;

/// The events in order; the two of the test traffic happen only with a test listener.
pub(crate) const EVENTS: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Created,
    Queued,
    /// The event with this number is under way.
    Event(usize),
    /// Somebody has to let the traffic move.
    Ready,
    /// The traffic has moved, the old tasks still stay.
    TerminationWait,
    /// The old tasks go.
    Draining,
    /// Somebody has asked for a stop.
    Stopping,
    /// It is a rollback and moves the traffic back.
    Undoing,
    Over,
}

/// A deployment.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) application: String,
    pub(crate) group: String,
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) config: String,
    pub(crate) shift: Shift,
    pub(crate) creator: &'static str,
    pub(crate) description: Option<String>,
    pub(crate) revision: Value,
    pub(crate) previous: Value,
    pub(crate) spec: AppSpec,
    pub(crate) status: &'static str,
    pub(crate) phase: Phase,
    /// When the phase is over.
    pub(crate) until: u64,
    /// When a scaling event makes it fail.
    pub(crate) trouble: Option<u64>,
    pub(crate) created: u64,
    pub(crate) started: Option<u64>,
    pub(crate) completed: Option<u64>,
    pub(crate) events: Vec<Event>,
    /// The moments and shares that are still to come.
    pub(crate) shifts: Vec<(u64, u32)>,
    /// The task sets' ids.
    pub(crate) blue: String,
    pub(crate) green: Option<String>,
    pub(crate) error: Option<(&'static str, String)>,
    /// The events that are undone, and what the caller said about them.
    pub(crate) auto_rollback: Vec<String>,
    pub(crate) asked_rollback: Option<Value>,
    /// The alarms that are looked at, and what the caller said about them.
    pub(crate) alarms: Vec<String>,
    pub(crate) asked_alarms: Option<Value>,
    /// Whether a stop was asked for with a rollback, without one, or with nothing said.
    pub(crate) stop_with_rollback: Option<bool>,
    /// When its rollback is made.
    pub(crate) rollback_at: Option<u64>,
    /// The deployment that undoes it.
    pub(crate) rollback: Option<String>,
    /// The deployment that it undoes.
    pub(crate) undoes: Option<String>,
    pub(crate) termination_wait_started: bool,
    pub(crate) ready_wait_over: bool,
    pub(crate) target_status: &'static str,
    pub(crate) target_updated: u64,
    /// The task sets as they were at its end.
    pub(crate) snapshot: Option<Value>,
}

/// A lifecycle event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) status: &'static str,
    pub(crate) start: Option<u64>,
    pub(crate) end: Option<u64>,
    /// Code and text of what went wrong.
    pub(crate) trouble: Option<(&'static str, String)>,
    /// What a function answers with.
    pub(crate) hook: Option<String>,
    /// What it answered.
    pub(crate) answer: Option<bool>,
}

impl Event {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, status: "Pending", start: None, end: None, trouble: None, hook: None, answer: None }
    }

    pub(crate) fn begin(&mut self, now: u64) {
        self.status = "InProgress";
        self.start = Some(now);
    }

    pub(crate) fn end(&mut self, now: u64, status: &'static str) {
        self.status = status;
        self.end = Some(now);
    }
}

impl Deployment {
    /// Whether it keeps its group busy.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.status, "Created" | "Queued" | "InProgress" | "Baking" | "Ready")
    }

    /// Whether it belongs to a group.
    pub(crate) fn is_of(&self, group: &Group) -> bool {
        self.application == group.application && self.group == group.name
    }

    /// The id of its only target.
    pub(crate) fn target_id(&self) -> String {
        format!("{}:{}", self.cluster, self.service)
    }
}

/// The events of a deployment.
pub(crate) fn events(with_test: bool) -> Vec<Event> {
    let names = EVENTS.into_iter().filter(|name| with_test || !name.contains("TestTraffic"));
    names.map(Event::new).collect()
}
