//! The steps of a service deployment, laid out before it begins.

use serde_json::Value;

use crate::aws::input::number;

/// Seconds.
const PENDING: u64 = 10;
const RECONCILE: u64 = 10;
const SHORT: u64 = 5;
const SHIFT: u64 = 10;
const CLEAN_UP: u64 = 15;
const MINUTE: u64 = 60;

/// A step and the stage that is shown during it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) stage: &'static str,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing, for so many seconds.
    Wait(u64),
    /// Runs the hooks of a stage.
    Hooks(&'static str),
    /// Starts the target's tasks and waits until they are healthy.
    ScaleUp,
    /// Gives the target all of the test traffic.
    Test,
    /// Gives the target so many per cent of the production traffic.
    Shift(u32),
    /// Stops the source's tasks.
    CleanUp,
}

/// The steps of a strategy with its configuration.
pub(crate) fn lay_out(strategy: &str, configuration: &Value) -> Vec<Step> {
    let mut steps = vec![step("RECONCILE_SERVICE", Action::Wait(PENDING))];
    steps.extend(stage("RECONCILE_SERVICE", &[Action::Wait(RECONCILE)]));
    steps.extend(stage("PRE_SCALE_UP", &[Action::Wait(SHORT)]));
    steps.push(step("SCALE_UP", Action::ScaleUp));
    steps.extend(stage("POST_SCALE_UP", &[Action::Wait(SHORT)]));
    steps.extend(stage("TEST_TRAFFIC_SHIFT", &[Action::Test, Action::Wait(SHIFT)]));
    steps.extend(stage("POST_TEST_TRAFFIC_SHIFT", &[Action::Wait(SHORT)]));
    steps.push(step("PRODUCTION_TRAFFIC_SHIFT", Action::Hooks("PRODUCTION_TRAFFIC_SHIFT")));
    for (weight, wait) in shifts(strategy, configuration) {
        for action in [Action::Hooks("PRE_PRODUCTION_TRAFFIC_SHIFT"), Action::Shift(weight), Action::Wait(wait)] {
            steps.push(step("PRODUCTION_TRAFFIC_SHIFT", action));
        }
    }
    steps.extend(stage("POST_PRODUCTION_TRAFFIC_SHIFT", &[Action::Wait(SHORT)]));
    let bake = number(configuration, "bakeTimeInMinutes").unwrap_or(0) * MINUTE;
    steps.push(step("BAKE_TIME", Action::Wait(bake)));
    steps.push(step("CLEAN_UP", Action::CleanUp));
    steps.push(step("CLEAN_UP", Action::Wait(CLEAN_UP)));
    steps
}

/// A stage with its hooks before what it does.
fn stage(stage: &'static str, actions: &[Action]) -> Vec<Step> {
    let hooks = step(stage, Action::Hooks(stage));
    [hooks].into_iter().chain(actions.iter().map(|action| step(stage, *action))).collect()
}

fn step(stage: &'static str, action: Action) -> Step {
    Step { stage, action }
}

/// The shares of production traffic, each with the seconds that follow it.
fn shifts(strategy: &str, configuration: &Value) -> Vec<(u32, u64)> {
    match strategy {
        "CANARY" => {
            let canary = &configuration["canaryConfiguration"];
            let wait = number(canary, "canaryBakeTimeInMinutes").unwrap_or(10) * MINUTE;
            vec![(percent(canary, "canaryPercent", 5), wait), (100, SHIFT)]
        }
        "LINEAR" => {
            let linear = &configuration["linearConfiguration"];
            let wait = number(linear, "stepBakeTimeInMinutes").unwrap_or(6) * MINUTE;
            let size = percent(linear, "stepPercent", 10);
            let count = 100_u32.div_ceil(size);
            (1..=count).map(|at| ((at * size).min(100), if at < count { wait } else { SHIFT })).collect()
        }
        _ => vec![(100, SHIFT)],
    }
}

/// A share of at least one per cent; the simulator has no tenths.
fn percent(configuration: &Value, name: &str, default: u32) -> u32 {
    let share = configuration.get(name).and_then(Value::as_f64).map(|share| share.round() as u32);
    share.unwrap_or(default).clamp(1, 100)
}
