//! The plan: from what is wanted and what was observed to every decision of a deployment.
//!
//! Pure, synchronous, deterministic. Dry run, `plan`, `deploy` and the golden tests print the same value. Must never
//! import clients, tokio, clocks, the environment or files; executors take no decision that is missing here.

pub mod image;
mod lint;
pub mod preview;
pub mod render;
#[cfg(test)]
mod tests;
mod vps;

use serde::{Deserialize, Serialize};

use crate::agent_api::{Blocker, Gate, ServiceStatus, Wanted};
use crate::config::Target;
use crate::domain::{AgentUrl, AppName, EnvName, ImageRef, Reason, ServiceName};
use crate::event::Phase;
use crate::failure::{Failure, Kind};

pub use lint::{Lint, lint};

/// Everything a plan rests on.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The application.
    pub app: AppName,
    /// The environment's name.
    pub environment: EnvName,
    /// Where the environment runs.
    pub target: Target,
    /// What is asked for.
    pub want: Wanted,
    /// What is there.
    pub observed: Observed,
    /// The version of this program.
    pub version: String,
}

/// What was read of a target before planning.
#[derive(Debug, Clone)]
pub enum Observed {
    /// The agent's account of the service.
    Vps(Box<ServiceStatus>),
}

/// One effect, with nothing left to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An agent swaps containers.
    AgentSwap(Box<AgentSwap>),
}

/// What an agent is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSwap {
    /// Where the agent listens.
    pub url: AgentUrl,
    /// The application.
    pub app: AppName,
    /// The compose service.
    pub service: ServiceName,
    /// What it shall run.
    pub want: Wanted,
    /// The state that was planned for; the agent refuses when it is another by then.
    pub expected_revision: String,
}

/// What will be done, in order. Empty where nothing is to do or the plan is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The effects.
    pub steps: Vec<Step>,
}

/// A plan, what it says to people, and what is impossible about it.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// For the executor.
    pub plan: Plan,
    /// For people and machines that read.
    pub report: PlanReport,
    /// Contradictions inside the plan: each is a defect of this program.
    pub lints: Vec<Lint>,
}

/// One version of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The release's number, where it has one.
    pub release: Option<u64>,
    /// The image by digest, where known.
    pub image: Option<ImageRef>,
    /// The engine's id of the image, where known.
    pub image_id: Option<String>,
    /// Number of containers.
    pub containers: u64,
}

/// What a line of the plan does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Something is made.
    Add,
    /// Something is changed.
    Change,
    /// Something goes away.
    Remove,
    /// Something stays as it is, or is only looked at.
    Same,
}

impl Mark {
    /// The sign before the line.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Remove => '-',
            Self::Same => '=',
        }
    }
}

/// One line of the plan: a phase of the swap and what it does here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What it does to what is there.
    pub mark: Mark,
    /// The phase.
    pub phase: Phase,
    /// The sentence, without the phase's name. May hold text from outside.
    pub text: String,
}

/// Whether requests are expected to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// True where some are.
    pub expected: bool,
    /// Why, or why not.
    pub why: String,
}

/// The plan as it is shown. Holds text from outside: renderers escape it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The environment.
    pub environment: EnvName,
    /// The application.
    pub app: AppName,
    /// The service.
    pub service: ServiceName,
    /// The agent's address.
    pub agent: AgentUrl,
    /// What runs; absent where nothing does.
    pub running: Option<Version>,
    /// What is wanted; absent for a rollback without an earlier release.
    pub wanted: Option<Version>,
    /// True for a rollback.
    pub rollback: bool,
    /// Whether what is wanted differs from what runs.
    pub changed: bool,
    /// How a new version earns its traffic.
    pub gate: Gate,
    /// What the swap does, in order; empty where nothing is done.
    pub actions: Vec<Action>,
    /// Whether requests are expected to fail.
    pub downtime: Downtime,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// What makes the deployment impossible; nothing is done while there is one.
    pub blockers: Vec<Blocker>,
}

/// Decides everything.
pub fn build(input: &PlanInput) -> Planned {
    let (plan, report) = match (&input.target, &input.observed) {
        (Target::Vps(target), Observed::Vps(status)) => vps::build(input, target, status),
    };
    let lints = lint(&plan, &report);
    Planned { plan, report, lints }
}

impl Planned {
    /// The plan, if it may be executed.
    ///
    /// # Errors
    /// It is blocked, or contradicts itself.
    pub fn executable(&self) -> Result<&Plan, Failure> {
        if let Some(lint) = self.lints.first() {
            return Err(Failure::new(Reason::Bug, format!("the plan contradicts itself: {}", lint.message))
                .hint(format!("please report this with the plan above and the word `{}`", lint.code)));
        }
        if self.report.blockers.is_empty() {
            return Ok(&self.plan);
        }
        let mut codes: Vec<&str> = self.report.blockers.iter().map(|blocker| blocker.code.as_str()).collect();
        codes.dedup();
        // A single blocker that has a word of its own among the reasons keeps it.
        let reason = match codes.as_slice() {
            ["image_not_allowed"] => Reason::ImageNotAllowed,
            ["no_earlier_release"] => Reason::NoEarlierRelease,
            _ => Reason::Blocked,
        };
        let message = format!(
            "the deployment of `{}` to `{}` is blocked by {}; nothing was changed",
            self.report.service,
            self.report.environment,
            codes.join(", ")
        );
        let failure = Failure::new(reason, message).hint("each blocker above names what to change");
        Err(if reason == Reason::Blocked { failure.kind(Kind::Preflight) } else { failure })
    }
}
