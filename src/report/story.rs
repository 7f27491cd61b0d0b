//! Everything that the comment, the summary, the outputs and GitHub's deployment rest on: one value for all of them.

use std::collections::VecDeque;
use std::error::Error;

use super::{Ending, Model};
use crate::domain::{AppName, EnvName, GitSha, HttpUrl, Reason, ServiceLabel};
use crate::event::{ContainerReport, DeployEvent, Outcome, Stamped};
use crate::failure::{Failure, Kind};
use crate::plan::PlanReport;
use crate::plan::preview::Preview;

/// Last lines of a build that are kept: a failed step's own words are among them.
const BUILD_LINES: usize = 60;

/// The deployment of one environment by one run, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The application.
    pub app: AppName,
    /// Where to.
    pub environment: EnvName,
    /// Which service of it.
    pub service: ServiceLabel,
    /// What is deployed.
    pub commit: GitSha,
    /// The run's page.
    pub run_url: String,
    /// True where nothing is to be deployed: the plan is all.
    pub plan_only: bool,
    /// The environment's address for people, where it is known.
    pub url: Option<HttpUrl>,
    /// What is known where there is no plan yet.
    pub preview: Option<Preview>,
    /// The plan, once there is one.
    pub plan: Option<PlanReport>,
    /// The fold of the events.
    pub model: Model,
    /// What containers that failed looked like.
    pub containers: Vec<ContainerReport>,
    /// What else is known of why it failed.
    pub findings: Vec<String>,
    /// The last lines of the build.
    pub build: VecDeque<String>,
    /// The end, once it is reached.
    pub ended: Option<Ended>,
}

/// The end of a run, without what cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// True where the plan found nothing to do.
    pub nothing_to_do: bool,
    /// The failure, where it is one.
    pub failure: Option<Told>,
}

/// A failure as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its kind.
    pub kind: Kind,
    /// Its stable word.
    pub reason: Reason,
    /// What failed and because of what. May hold text from outside.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a run came to: one answer for headline, icon and deployment status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It runs.
    Running,
    /// It was a plan.
    Planned,
    /// The new release serves.
    Deployed,
    /// What is wanted ran before.
    NothingToDo,
    /// It failed; the version from before serves.
    RolledBack,
    /// It failed and a person must look.
    Stranded,
    /// Given up before the switch.
    Cancelled,
    /// Somebody else's deployment took its place.
    Superseded,
    /// The run was cancelled, the deployment goes on.
    LetGo,
    /// It failed before the agent took it on.
    Failed,
    /// The agent took it on, and nobody knows how it ended.
    Lost,
}

impl Story {
    /// Before anything happened.
    #[must_use]
    pub fn new(app: AppName, environment: EnvName, service: ServiceLabel, commit: GitSha, run_url: String) -> Self {
        Self {
            app,
            environment,
            service,
            commit,
            run_url,
            plan_only: false,
            url: None,
            preview: None,
            plan: None,
            model: Model::default(),
            containers: Vec::new(),
            findings: Vec::new(),
            build: VecDeque::new(),
            ended: None,
        }
    }

    /// Whether the run has something to say that another run's comment must make room for: a plan or a failure that ended
    /// it, or a deployment. One that another deployment keeps waiting has not, nor one that still looks.
    pub(super) fn takes_over(&self) -> bool {
        let busy = |told: &Told| told.kind == Kind::Busy;
        match &self.ended {
            Some(ended) => !ended.failure.as_ref().is_some_and(busy),
            None => self.model.deployment.is_some(),
        }
    }

    /// Whether the build is what failed.
    pub(super) fn build_failed(&self) -> bool {
        let told = self.ended.as_ref().and_then(|ended| ended.failure.as_ref());
        told.is_some_and(|told| told.kind == Kind::Build)
    }

    /// Takes one more event in.
    pub fn apply(&mut self, stamped: &Stamped) {
        self.model.apply(stamped);
        match &stamped.event {
            DeployEvent::Diagnosis { container } => self.containers.push(container.clone()),
            DeployEvent::Finding { text } => self.findings.push(text.clone()),
            DeployEvent::BuildLine { text } => {
                if self.build.len() == BUILD_LINES {
                    self.build.pop_front();
                }
                self.build.push_back(text.clone());
            }
            _ => {}
        }
    }

    /// Whether its end leaves nothing to be told later.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.verdict(), Verdict::Running | Verdict::LetGo | Verdict::Lost)
    }

    pub(super) fn verdict(&self) -> Verdict {
        let Some(ended) = &self.ended else { return Verdict::Running };
        match (self.model.outcome, &ended.failure) {
            (Some(Outcome::Stranded | Outcome::Unknown), _) => Verdict::Stranded,
            (Some(Outcome::RolledBack), _) => Verdict::RolledBack,
            (Some(Outcome::Cancelled), _) => Verdict::Cancelled,
            (Some(Outcome::Superseded), _) => Verdict::Superseded,
            (Some(Outcome::Deployed), None) => Verdict::Deployed,
            (Some(Outcome::Unchanged), None) => Verdict::NothingToDo,
            // It may have been handed over: nobody heard the answer.
            (None, Some(told)) if told.reason == Reason::Unknown => Verdict::Lost,
            (None, Some(told)) if told.kind == Kind::Cancelled => {
                // Without the agent's last word nobody knows that it stopped.
                if self.model.deployment.is_some() { Verdict::LetGo } else { Verdict::Cancelled }
            }
            (None, Some(_)) if self.model.deployment.is_some() => Verdict::Lost,
            (_, Some(_)) => Verdict::Failed,
            (None, None) if ended.nothing_to_do => Verdict::NothingToDo,
            (None, None) => Verdict::Planned,
        }
    }
}

impl Ended {
    /// From what ends a run.
    #[must_use]
    pub fn of(ending: &Ending<'_>) -> Self {
        Self { nothing_to_do: ending.nothing_to_do, failure: ending.failure.map(Told::of) }
    }
}

impl Told {
    /// With its causes in one sentence.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        let mut message = failure.message.clone();
        let mut cause = failure.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { kind: failure.kind, reason: failure.reason, message, hint: failure.hint.clone() }
    }
}
