//! The plan for a service of Amazon ECS: which revision it shall run, who replaces its tasks and how, what stands in the way.

mod app_spec;
mod blockers;
mod check;
mod files;
mod iam;
mod key_like;
mod lines;
mod needs;
mod one_off;
mod release;
mod role;
mod rollout;
mod status;
mod task_definition;

use serde::Deserialize;
use serde_json::Value;

use super::{Later, Place, Plan, PlanInput, PlanReport, Step, Version};
use crate::agent_api::{Blocker, Wanted};
use crate::aws_api::codedeploy::{Configuration, Group};
use crate::aws_api::ecs::{Service, TaskDefinition};
use crate::config::{AutoScaling, EcsTarget};
use crate::domain::{EcsName, ImageRef};

pub use app_spec::{AppSpec, Capacity, Network};
pub use files::{Files, Found};
pub use iam::iam_policy;
pub use needs::{Need, Needs, needs};
pub use one_off::OneOff;
pub use release::{Mark, Release, releases, was_asked_by};
pub use rollout::{Closing, CodeDeployRollout, EcsRollout, HeldScaling, Register, Rollout, ShiftPace};
pub use status::{EcsStatus, blockers, running, status};
pub use task_definition::same;

pub use crate::config::{CodeDeploy, OnActive, OnCancel, Poll, WaitUntil};

/// What was read before planning.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EcsObserved {
    /// The service; absent where there is none.
    pub service: Option<Service>,
    /// The revision that has the traffic.
    pub running: Option<TaskDefinition>,
    /// The newest revisions of its family, where they were asked for: what can be gone back to is among them.
    pub revisions: Vec<TaskDefinition>,
    /// The configured files.
    pub files: Files,
    /// For a service whose deployments CodeDeploy does.
    pub code_deploy: CodeDeployObserved,
    /// The deployment of ECS itself that goes back.
    pub goes_back: Option<String>,
    /// Who holds the service's scaling.
    pub scaling: ScalingHold,
}

impl EcsObserved {
    /// Whether a deployment is under way, whoever does it.
    pub(super) fn is_in_motion(&self) -> bool {
        self.under_way().is_some() || !self.code_deploy.active.is_empty()
    }

    /// The deployment of ECS itself that is under way, forward or back.
    fn under_way(&self) -> Option<&str> {
        self.service.as_ref().and_then(Service::under_way).or(self.goes_back.as_deref())
    }
}

/// Who holds a service's automatic scaling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingHold {
    /// Nobody looked, or nobody may.
    #[default]
    Unknown,
    /// No run does.
    Nobody,
    /// The run with this key: one that is under way, or one that was killed.
    Run(String),
}

/// What was read of CodeDeploy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodeDeployObserved {
    /// The group; absent where it, or its application, does not exist.
    pub group: Option<Group>,
    /// The deployment configuration.
    pub configuration: Configuration,
    /// Deployments of the group that are under way.
    pub active: Vec<String>,
    /// The deployment that made the tasks which have the traffic, where it failed and was not undone.
    pub failed: Option<String>,
}

pub(super) fn build(input: &PlanInput, target: &EcsTarget, observed: &EcsObserved) -> (Plan, PlanReport) {
    let nothing = Service::default();
    let service = observed.service.as_ref().unwrap_or(&nothing);
    let running = observed.running.as_ref();
    let container = container(target, running);
    let (chosen, mut blockers) = match &input.want {
        Wanted::Image(image) => document(image, target, observed, container.as_deref()),
        Wanted::Rollback => match release::earlier(&input.app, &input.environment, target, observed) {
            Some((release, revision)) => (Some(Chosen::Release(release, revision.definition.clone())), Vec::new()),
            None => (None, vec![blockers::no_earlier(target)]),
        },
    };
    let equal = match (&chosen, running) {
        (Some(chosen), Some(running)) => task_definition::same(chosen.document(), &running.definition),
        _ => false,
    };
    let short = (1..service.desired_count).contains(&service.running_count) && service.pending_count == 0;
    let changed = chosen.is_some() && !equal;
    if changed {
        blockers.extend(blockers::all(target, observed, service, chosen.as_ref().map(Chosen::document)));
    } else if equal {
        blockers.extend(blockers::alive(target, service));
        blockers.extend(blockers::unsettled(service, observed).or_else(|| blockers::asleep(service)));
    } else if observed.service.is_none() {
        blockers.extend(blockers::service(target, None));
    }
    let mut report = PlanReport {
        environment: input.environment.clone(),
        app: input.app.clone(),
        service: label(&target.service),
        place: Place::Ecs { region: target.region.clone(), cluster: target.cluster.clone() },
        running: running.map(|running| version(running, container.as_deref(), service.running_count)),
        wanted: wanted(chosen.as_ref(), input, service.desired_count),
        rollback: input.want == Wanted::Rollback,
        changed,
        gate: None,
        actions: Vec::new(),
        downtime: super::Downtime { expected: false, why: "nothing is done".to_owned() },
        notes: lines::notes(target, observed, service, changed, equal && short),
        blockers,
    };
    let document = chosen.as_ref().map(Chosen::document).unwrap_or(&Value::Null);
    report.notes.extend(key_like::variables(document).iter().map(|name| key_like::note(name)));
    let mut plan = Plan { steps: Vec::new(), left_held: None };
    // A deployment that is under way may be of the run that holds it.
    if equal
        && report.blockers.is_empty()
        && status::active(observed).is_empty()
        && let ScalingHold::Run(key) = observed.scaling.clone()
    {
        let EcsTarget { cluster, service, .. } = target.clone();
        plan.left_held = Some(HeldScaling { cluster, service, key });
        report.notes.push("automatic scaling, which an earlier run left standing still, is set back".to_owned());
    }
    if let (true, true, Some(chosen)) = (changed, report.blockers.is_empty(), chosen) {
        report.actions = lines::actions(target, observed, service, &chosen);
        report.downtime = lines::downtime(service);
        if target.auto_scaling == AutoScaling::Hold {
            report.notes.push("automatic scaling, where there is any, stands still until the run ends".to_owned());
        }
        plan.steps = steps(input, target, observed, service, chosen);
    }
    (plan, report)
}

/// What shall run.
enum Chosen {
    /// A document that becomes a revision.
    Document(Value),
    /// A revision that was proven, and its document.
    Release(Release, Value),
}

impl Chosen {
    fn document(&self) -> &Value {
        match self {
            Self::Document(document) | Self::Release(_, document) => document,
        }
    }
}

/// The container that gets the image: the one that is named, else the only one.
fn container(target: &EcsTarget, running: Option<&TaskDefinition>) -> Option<String> {
    if let Some(container) = &target.container {
        return Some(container.to_string());
    }
    let containers = running?.definition["containerDefinitions"].as_array()?;
    match containers.as_slice() {
        [only] => only["name"].as_str().map(str::to_owned),
        _ => None,
    }
}

/// The document that shall run, and what is wrong with it.
fn document(
    image: &ImageRef,
    target: &EcsTarget,
    observed: &EcsObserved,
    container: Option<&str>,
) -> (Option<Chosen>, Vec<Blocker>) {
    let service = observed.service.clone().unwrap_or_default();
    let named = target.task_definition.as_ref().zip(observed.files.task_definition.as_ref());
    let (base, tags, origin) = match (named, &observed.running) {
        (Some((path, Found::Text(text))), _) => match serde_json::from_str::<Value>(text) {
            Ok(base) => (base, Vec::new(), format!("`{}`", path.display())),
            Err(error) => return (None, vec![blockers::unreadable(path, &error)]),
        },
        (Some((path, Found::Unreadable(why))), _) => {
            let path = path.display().to_string();
            let code = "task_definition_invalid";
            return (None, vec![blockers::missing_file(code, "task_definition", &path, why)]);
        }
        (None, Some(running)) => {
            (running.definition.clone(), release::inherited(&running.tags), format!("`{}`", running.arn.short()))
        }
        (None, None) if observed.service.is_some() => return (None, vec![blockers::no_task_definition(target)]),
        (None, None) => return (None, Vec::new()),
    };
    let named = container.map(str::to_owned).or_else(|| only_container(&base));
    let problems = check::problems(&base, named.as_deref(), &service, &origin);
    if !problems.is_empty() {
        return (None, problems);
    }
    let named = named.unwrap_or_default();
    let document = task_definition::wanted(&base, &tags, &named, image, &target.variables);
    let problems = role::problems(&document, &service, &origin);
    (problems.is_empty().then_some(Chosen::Document(document)), problems)
}

fn only_container(base: &Value) -> Option<String> {
    match base["containerDefinitions"].as_array()?.as_slice() {
        [only] => only["name"].as_str().map(str::to_owned),
        _ => None,
    }
}

fn label(service: &EcsName) -> crate::domain::ServiceLabel {
    crate::domain::ServiceLabel::from(service)
}

/// The image of the container that is deployed to.
fn image_in(target: &EcsTarget, revision: &TaskDefinition) -> Option<String> {
    version(revision, container(target, Some(revision)).as_deref(), 0).image_id
}

fn version(running: &TaskDefinition, container: Option<&str>, tasks: u64) -> Version {
    let containers = running.definition["containerDefinitions"].as_array();
    let ours = containers.into_iter().flatten().find(|definition| definition["name"].as_str() == container);
    let image = ours.and_then(|definition| definition["image"].as_str());
    Version {
        release: Some(running.arn.revision()),
        image: image.and_then(|image| image.parse().ok()),
        image_id: image.map(str::to_owned),
        containers: tasks,
    }
}

fn wanted(chosen: Option<&Chosen>, input: &PlanInput, tasks: u64) -> Option<Version> {
    match (&input.want, chosen) {
        (Wanted::Image(image), _) => {
            Some(Version { release: None, image: Some(image.clone()), image_id: None, containers: tasks })
        }
        (Wanted::Rollback, Some(Chosen::Release(release, _))) => Some(Version {
            release: Some(release.revision.revision()),
            image: release.image.as_ref().and_then(|image| image.parse().ok()),
            image_id: release.image.clone(),
            containers: tasks,
        }),
        (Wanted::Rollback, _) => None,
    }
}

fn steps(
    input: &PlanInput,
    target: &EcsTarget,
    observed: &EcsObserved,
    service: &Service,
    chosen: Chosen,
) -> Vec<Step> {
    let app_spec = AppSpec::chosen(target, observed, service, Some(chosen.document())).ok();
    let image = wanted(Some(&chosen), input, 0).and_then(|version| version.image);
    let (register, one_off, task_definition, commit) = match chosen {
        Chosen::Document(document) => {
            let container = container(target, observed.running.as_ref()).or_else(|| only_container(&document));
            let one_off = target
                .before_deploy
                .as_ref()
                .zip(container)
                .map(|(before, container)| Step::OneOff(Box::new(OneOff::of(before, target, service, container))));
            let family = document["family"].as_str().unwrap_or_default().to_owned();
            let register = Step::Register(Box::new(Register { family, document }));
            (Some(register), one_off, Later::Registered, input.commit.clone())
        }
        // Its tags name the commit already.
        Chosen::Release(release, _) => (None, None, Later::Known(release.revision), None),
    };
    let rollout = Rollout {
        cluster: target.cluster.clone(),
        service: target.service.clone(),
        task_definition,
        image,
        expected: service.serving(),
        before: service.proven(),
        image_before: observed.running.as_ref().and_then(|running| image_in(target, running)),
        mark: Mark { app: input.app.clone(), environment: input.environment.clone(), commit },
        vouch: observed.running.as_ref().is_some_and(release::was_begun_only),
        hold_scaling: target.auto_scaling == AutoScaling::Hold,
        on_cancel: target.on_cancel,
        poll: target.poll,
    };
    let replace = match app_spec.filter(|_| service.controller() == "CODE_DEPLOY") {
        Some(app_spec) => Step::CodeDeploy(Box::new(CodeDeployRollout {
            rollout,
            names: target.code_deploy.clone(),
            app_spec,
            wait_until: target.wait_until,
            on_active: target.on_active,
            active_timeout: target.active_timeout,
            pace: pace(observed),
        })),
        None => Step::EcsService(Box::new(EcsRollout {
            rollout,
            staged: service.strategy() != "ROLLING",
            wait_until: target.wait_until,
        })),
    };
    register.into_iter().chain(one_off).chain([replace]).collect()
}

fn pace(observed: &EcsObserved) -> ShiftPace {
    let CodeDeployObserved { group, configuration, .. } = &observed.code_deploy;
    let minutes = |of: fn(&Group) -> u64| group.as_ref().map_or(0, of);
    ShiftPace {
        shift: configuration.shift().cloned(),
        ready_minutes: minutes(|group| group.ready_wait_minutes),
        termination_minutes: minutes(|group| group.termination_wait_minutes),
    }
}
