//! The plan: from what is wanted and what was observed to every decision of a deployment.
//!
//! Pure, synchronous, deterministic. Dry run, `plan`, `deploy` and the golden tests print the same value. Must never
//! import clients, tokio, clocks, the environment or files; executors take no decision that is missing here.

pub mod ecs;
pub mod image;
mod lint;
pub mod preview;
pub mod render;
#[cfg(test)]
mod tests;
mod vps;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agent_api::{BeforeDeploy, Blocker, Gate, ServiceStatus, Wanted};
use crate::config::{EcsTarget, Target, VpsTarget};
use crate::domain::{
    AgentUrl, AppName, EcsName, EnvName, GitSha, ImageRef, Reason, Region, ServiceLabel, ServiceName, TaskDefinitionArn,
};
use crate::event::Phase;
use crate::failure::{Failure, Kind};

use ecs::{CodeDeployRollout, EcsObserved, EcsRollout, HeldScaling, OneOff, Register};
pub use lint::{Lint, lint};

/// Everything a plan rests on.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The application.
    pub app: AppName,
    /// The environment's name.
    pub environment: EnvName,
    /// What is asked for.
    pub want: Wanted,
    /// The commit that the image was made from, where it is known.
    pub commit: Option<GitSha>,
    /// Where the environment runs, and what is there.
    pub observed: Observed,
    /// The version of this program.
    pub version: String,
}

/// A target, and what was read of it before planning.
#[derive(Debug, Clone)]
pub enum Observed {
    /// A service behind an agent, and the agent's account of it.
    Vps(VpsTarget, Box<ServiceStatus>),
    /// A service of Amazon ECS, and AWS's.
    Ecs(Box<EcsTarget>, Box<EcsObserved>),
}

impl Observed {
    /// Whether a deployment is under way there: what was read is passing.
    #[must_use]
    pub fn is_in_motion(&self) -> bool {
        match self {
            Self::Vps(_, status) => status.holder.is_some(),
            Self::Ecs(_, observed) => observed.is_in_motion(),
        }
    }
}

/// What only an earlier step can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later<T> {
    /// It is there already.
    Known(T),
    /// What the step before registers.
    Registered,
}

/// One effect, with nothing left to decide.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// An agent swaps containers.
    AgentSwap(Box<AgentSwap>),
    /// ECS gets a revision of a task definition.
    Register(Box<Register>),
    /// ECS runs a command once, as a task of its own.
    OneOff(Box<OneOff>),
    /// CodeDeploy replaces a service's tasks.
    CodeDeploy(Box<CodeDeployRollout>),
    /// ECS replaces a service's tasks.
    EcsService(Box<EcsRollout>),
}

impl Step {
    /// The state that it was planned for, where it rests on one.
    #[must_use]
    pub fn expects(&self) -> Option<&str> {
        let rollout = match self {
            Self::AgentSwap(swap) => return Some(&swap.expected_revision),
            Self::Register(_) | Self::OneOff(_) => return None,
            Self::CodeDeploy(step) => &step.rollout,
            Self::EcsService(step) => &step.rollout,
        };
        rollout.expected.as_ref().map(TaskDefinitionArn::as_str)
    }
}

/// What makes a deployment to a host impossible, whatever image is wanted.
#[must_use]
pub fn host_blockers(target: &VpsTarget, status: &ServiceStatus) -> Vec<Blocker> {
    status.blockers.iter().cloned().chain(vps::no_command(target, status)).collect()
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
    /// What runs before the new version starts.
    pub before_deploy: Option<BeforeDeploy>,
}

/// What will be done, in order. Empty where nothing is to do or the plan is blocked.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The effects.
    pub steps: Vec<Step>,
    /// What an earlier run left held, to be set back by one that has nothing else to do.
    pub left_held: Option<HeldScaling>,
}

/// A plan, what it says to people, and what is impossible about it.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
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

/// Where a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// On a host, behind the agent at this address.
    Agent(AgentUrl),
    /// In a cluster of Amazon ECS.
    Ecs {
        /// The region.
        region: Region,
        /// The cluster.
        cluster: EcsName,
    },
}

impl Place {
    /// Of a target.
    #[must_use]
    pub fn of(target: &Target) -> Self {
        match target {
            Target::Vps(target) => Self::Agent(target.agent.clone()),
            Target::Ecs(target) => Self::Ecs { region: target.region.clone(), cluster: target.cluster.clone() },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(url) => url.fmt(f),
            Self::Ecs { region, cluster } => write!(f, "cluster {cluster} in {region}"),
        }
    }
}

/// The plan as it is shown. Holds text from outside: renderers escape it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The environment.
    pub environment: EnvName,
    /// The application.
    pub app: AppName,
    /// The service.
    pub service: ServiceLabel,
    /// Where it runs.
    pub place: Place,
    /// What runs; absent where nothing does.
    pub running: Option<Version>,
    /// What is wanted; absent for a rollback without an earlier release.
    pub wanted: Option<Version>,
    /// True for a rollback.
    pub rollback: bool,
    /// Whether what is wanted differs from what runs.
    pub changed: bool,
    /// How a new version earns its traffic; absent where that is not for us to say.
    pub gate: Option<Gate>,
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
    let (plan, report) = match &input.observed {
        Observed::Vps(target, status) => vps::build(input, target, status),
        Observed::Ecs(target, observed) => ecs::build(input, target, observed),
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
