//! What a deployment configuration says about giving up.

use serde_json::Value;

use crate::aws::fault::Fault;
use crate::aws::input::{flag, number, text, texts};
use crate::aws::world::World;

/// The circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaker {
    pub(crate) enabled: bool,
    pub(crate) rollback: bool,
    /// Failed tasks that trip it.
    pub(crate) threshold: u64,
}

impl Breaker {
    /// The breaker of a configuration, for this number of tasks.
    pub(crate) fn of(configuration: &Value, desired: u64) -> Self {
        let breaker = &configuration["deploymentCircuitBreaker"];
        let set = &breaker["thresholdConfiguration"];
        let value = number(set, "value").unwrap_or(50);
        let percent = (desired * value).div_ceil(100);
        let threshold = match text(set, "type") {
            Some("COUNT") => value,
            Some("UNBOUNDED_PERCENT") => percent,
            _ => percent.clamp(3, 200),
        };
        let (enabled, rollback) = (flag(breaker, "enable"), flag(breaker, "rollback"));
        Self { enabled: enabled == Some(true), rollback: rollback == Some(true), threshold: threshold.max(1) }
    }
}

/// The alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarms {
    pub(crate) enabled: bool,
    pub(crate) rollback: bool,
    pub(crate) names: Vec<String>,
}

impl Alarms {
    /// The alarms of a configuration.
    pub(crate) fn of(configuration: &Value) -> Self {
        let alarms = &configuration["alarms"];
        let names = texts(alarms, "alarmNames").into_iter().map(ToOwned::to_owned).collect();
        let (enabled, rollback) = (flag(alarms, "enable"), flag(alarms, "rollback"));
        Self { enabled: enabled == Some(true), rollback: rollback == Some(true), names }
    }

    /// Whether one of them fires while the new version has this share of the traffic.
    pub(crate) fn fire(&self, world: &World, weight: u32) -> bool {
        let reached = |fault: &Fault| matches!(fault, Fault::AlarmAt(share) if weight >= *share);
        self.enabled && !self.names.is_empty() && world.faults.iter().any(reached)
    }
}
