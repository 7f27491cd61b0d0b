//! An Amazon ECS target.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::BeforeDeploy;
use super::variables::{self, Variables};
use crate::domain::{CodeDeployName, EcsName, Region, parse_span};
use crate::yaml::{Cursor, Fields, Report};

/// Longest pause between two looks at AWS: beyond it a failure is seen minutes late.
const LONGEST_POLL: Duration = Duration::from_secs(300);
/// The pause after the first look.
const POLL: Duration = Duration::from_secs(5);
/// The pause to which it grows.
const SLOWEST_POLL: Duration = Duration::from_secs(15);
/// The pause before a call's second try.
const BACKOFF: Duration = Duration::from_secs(1);
/// How long another deployment is waited for.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// CodeDeploy's default names end here: the AWS console and command line cut them at about this length.
const CUT: usize = 46;

/// A service of Amazon ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsTarget {
    /// The region.
    pub region: Region,
    /// The cluster.
    pub cluster: EcsName,
    /// The service.
    pub service: EcsName,
    /// The container that gets the image; the only one where it is absent.
    pub container: Option<EcsName>,
    /// A task definition in the repository; absent where the running one is used.
    pub task_definition: Option<PathBuf>,
    /// Variables of that container that differ from the task definition's.
    pub variables: Variables,
    /// What runs before the traffic goes to a new revision.
    pub before_deploy: Option<BeforeDeploy>,
    /// For services whose deployments CodeDeploy does.
    pub code_deploy: CodeDeploy,
    /// Whether a deployment ends with the shift of the traffic or with the removal of the old tasks.
    pub wait_until: WaitUntil,
    /// What to do about a deployment of somebody else's.
    pub on_active: OnActive,
    /// How long it is waited for.
    pub active_timeout: Duration,
    /// What a cancelled run does about its deployment.
    pub on_cancel: OnCancel,
    /// What becomes of automatic scaling meanwhile.
    pub auto_scaling: AutoScaling,
    /// The keys above that the file sets: one that the service's controller would ignore is refused.
    pub set: Vec<&'static str>,
    /// How often AWS is looked at.
    pub poll: Poll,
    /// Pause before a call's second try.
    pub backoff: Duration,
}

/// The names that a deployment by CodeDeploy goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeDeploy {
    /// The application.
    pub application: CodeDeployName,
    /// The deployment group.
    pub group: CodeDeployName,
    /// The deployment configuration; the group's where it is absent.
    pub config: Option<String>,
    /// An AppSpec in the repository; absent where it is made from the service.
    pub app_spec: Option<PathBuf>,
}

/// The pauses between looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// The first one.
    pub first: Duration,
    /// The one to which they grow.
    pub slowest: Duration,
}

/// When a deployment counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitUntil {
    /// Once all traffic goes to the new tasks, and hooks and tests passed.
    TrafficShifted,
    /// Once the old tasks are gone too: until then CodeDeploy may still go back.
    Finished,
}

/// What to do about a deployment that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnActive {
    /// Wait for its end.
    Wait,
    /// End the wait for its old tasks' removal, and wait for everything else.
    Supersede,
    /// Give up.
    Fail,
}

/// What becomes of a service's automatic scaling while its tasks are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoScaling {
    /// It goes on.
    Leave,
    /// It stands still until the run ends.
    Hold,
}

/// What a cancelled run does about its deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// Before any traffic shifts it is stopped and undone; after that it is let finish.
    BeforeShift,
    /// It is stopped and undone, however much of the traffic shifted.
    RollBack,
    /// It is let finish.
    Finish,
}

pub(super) fn read(entry: &Cursor<'_>, report: &mut Report) -> Option<EcsTarget> {
    const KEYS: &[&str] = &[
        "region",
        "cluster",
        "service",
        "container",
        "task_definition",
        "environment",
        "secrets",
        "code_deploy",
        "wait_until",
        "on_active",
        "active_timeout",
        "on_cancel",
        "auto_scaling",
        "poll_interval",
        "retry_backoff",
    ];
    let fields = entry.fields(KEYS, &[], report)?;
    let region = fields.required("region", report).and_then(|it| it.parse(report));
    let cluster: Option<EcsName> = fields.required("cluster", report).and_then(|it| it.parse(report));
    let service: Option<EcsName> = fields.required("service", report).and_then(|it| it.parse(report));
    let container = fields.optional("container").and_then(|it| it.parse(report));
    let task_definition = fields.optional("task_definition").and_then(|it| it.parse_with(report, path));
    let wait_until = choice(&fields, "wait_until", WaitUntil::Finished, wait_until, report);
    let on_active = choice(&fields, "on_active", OnActive::Wait, on_active, report);
    let on_cancel = choice(&fields, "on_cancel", OnCancel::BeforeShift, on_cancel, report);
    let auto_scaling = choice(&fields, "auto_scaling", AutoScaling::Leave, auto_scaling, report);
    let active_timeout = span(&fields, "active_timeout", ACTIVE_TIMEOUT, report);
    let poll = fields.optional("poll_interval").and_then(|it| it.parse_with(report, poll));
    let backoff = span(&fields, "retry_backoff", BACKOFF, report);
    let given = fields.optional("code_deploy").map(|it| names(it, report));
    let set = KEYS.iter().filter(|key| fields.optional(key).is_some()).copied().collect();
    let (cluster, service) = (cluster?, service?);
    Some(EcsTarget {
        code_deploy: given.unwrap_or_default().or_default(&cluster, &service),
        region: region?,
        cluster,
        service,
        container,
        task_definition,
        variables: variables::read(&fields, report),
        before_deploy: None,
        wait_until,
        on_active,
        active_timeout,
        on_cancel,
        auto_scaling,
        set,
        poll: poll.unwrap_or(Poll { first: POLL, slowest: SLOWEST_POLL }),
        backoff,
    })
}

#[derive(Default)]
struct Names {
    application: Option<CodeDeployName>,
    group: Option<CodeDeployName>,
    config: Option<String>,
    app_spec: Option<PathBuf>,
}

impl Names {
    /// What is not named goes by the names that AWS's console and command line give.
    fn or_default(self, cluster: &EcsName, service: &EcsName) -> CodeDeploy {
        let usual = |prefix: &str| -> CodeDeployName {
            let cut = |name: &EcsName| name.as_str().chars().take(CUT).collect::<String>();
            // Letters, digits and dashes, at most 99 of them: always a name.
            let name = format!("{prefix}-{}-{}", cut(cluster), cut(service));
            name.chars().take(100).collect::<String>().parse().unwrap_or_else(|_| unreachable!("{prefix} is short"))
        };
        CodeDeploy {
            application: self.application.unwrap_or_else(|| usual("AppECS")),
            group: self.group.unwrap_or_else(|| usual("DgpECS")),
            config: self.config,
            app_spec: self.app_spec,
        }
    }
}

fn names(entry: &Cursor<'_>, report: &mut Report) -> Names {
    const KEYS: &[&str] = &["application", "deployment_group", "deployment_config", "app_spec"];
    let Some(fields) = entry.fields(KEYS, &[], report) else {
        return Names::default();
    };
    let config = fields.optional("deployment_config").and_then(|it| it.parse::<CodeDeployName>(report));
    Names {
        application: fields.optional("application").and_then(|it| it.parse(report)),
        group: fields.optional("deployment_group").and_then(|it| it.parse(report)),
        config: config.map(|name| name.to_string()),
        app_spec: fields.optional("app_spec").and_then(|it| it.parse_with(report, path)),
    }
}

fn choice<T>(
    fields: &Fields<'_>,
    key: &str,
    usual: T,
    read: impl FnOnce(&str) -> Result<T, &'static str>,
    report: &mut Report,
) -> T {
    fields.optional(key).and_then(|it| it.parse_with(report, read)).unwrap_or(usual)
}

fn wait_until(text: &str) -> Result<WaitUntil, &'static str> {
    match text {
        "traffic-shifted" => Ok(WaitUntil::TrafficShifted),
        "finished" => Ok(WaitUntil::Finished),
        _ => Err("expected `traffic-shifted` or `finished`"),
    }
}

fn on_active(text: &str) -> Result<OnActive, &'static str> {
    match text {
        "wait" => Ok(OnActive::Wait),
        "supersede" => Ok(OnActive::Supersede),
        "fail" => Ok(OnActive::Fail),
        _ => Err("expected `wait`, `supersede` or `fail`"),
    }
}

fn on_cancel(text: &str) -> Result<OnCancel, &'static str> {
    match text {
        "before-shift" => Ok(OnCancel::BeforeShift),
        "roll-back" => Ok(OnCancel::RollBack),
        "finish" => Ok(OnCancel::Finish),
        _ => Err("expected `before-shift`, `roll-back` or `finish`"),
    }
}

fn auto_scaling(text: &str) -> Result<AutoScaling, &'static str> {
    match text {
        "leave" => Ok(AutoScaling::Leave),
        "hold" => Ok(AutoScaling::Hold),
        _ => Err("expected `leave` or `hold`"),
    }
}

fn span(fields: &Fields<'_>, key: &str, usual: Duration, report: &mut Report) -> Duration {
    fields.optional(key).and_then(|it| it.parse_with(report, parse_span)).unwrap_or(usual)
}

fn poll(text: &str) -> Result<Poll, String> {
    let first = parse_span(text).map_err(|error| error.to_string())?;
    if first.is_zero() {
        return Err("at least 1ms: AWS would be asked without a pause".to_owned());
    }
    if first > LONGEST_POLL {
        return Err("at most 5m: a failure would be seen late".to_owned());
    }
    Ok(Poll { first, slowest: first })
}

/// A file of the repository: relative, and not outside of it.
fn path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if text.is_empty() || !inside {
        return Err(format!("`{text}` is not a file of the repository: name it relative to its root, without `..`"));
    }
    Ok(path.to_owned())
}
