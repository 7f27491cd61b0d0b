//! Why new tasks did not serve: stopped tasks, the service's events, the load balancer's view and the last log lines, joined.
//!
//! Read at once, because ECS forgets stopped tasks. Each part is left out where a permission for it is missing, or AWS does
//! not tell; that is said once.

mod advice;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::watch::Followed;
use crate::aws_api::ecs::{Container, Service, Task};
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{Reason, TaskDefinitionArn, exit_meaning, one_line};
use crate::event::{ContainerReport, DeployEvent};
use crate::execute::{Context, Emitter};
use crate::failure::Failure;
use crate::plan::ecs::Rollout;

/// Containers that are shown: a crash loop makes many of the same.
const SHOWN: usize = 3;
/// Events of the service that are shown.
const EVENTS: usize = 8;
/// Log lines of a container.
const LINES: u16 = 50;
/// Log lines of a task that ended well.
const LAST_WORDS: u16 = 10;
/// Longest look at a deployment that did not end in time.
const OPEN: Duration = Duration::from_secs(10);
/// Longest text of AWS's that is repeated, in characters.
const LONGEST: usize = 500;

/// What ECS says of a service where nothing is wrong.
const ROUTINE: &[&str] = &[
    "has started ",
    "has reached a steady state",
    "registered ",
    "has begun draining",
    "has stopped ",
    "deployment completed",
];

/// What the service showed before: what happened since then is told.
#[derive(Debug, Default)]
pub(super) struct Known {
    events: BTreeSet<String>,
}

impl Known {
    pub(super) fn of(service: &Service) -> Self {
        Self { events: service.events.iter().map(|event| event.id.clone()).collect() }
    }
}

/// What to do about a failure of this kind, where nothing more is known.
pub(super) fn advice(reason: Reason, why: &str) -> &'static str {
    match reason {
        _ if why.contains("IAM_ROLE") => {
            "attach the managed policy AWSCodeDeployRoleForECS to the deployment group's service role, and let it pass the task's roles"
        }
        _ if why.contains("scaling activity") => {
            "auto scaling changed the number of tasks in the middle of the deployment: suspend it while you deploy"
        }
        Reason::HookFailed => "the hook's own log in CloudWatch says why; mend it, then deploy again",
        Reason::AlarmFired => "look at the alarm's metric; deploy again once it is quiet",
        Reason::StoppedByHand => "ask who stopped it, then deploy again",
        Reason::NotApproved => "deploy again, and let the traffic shift in time",
        Reason::DeploymentFailed => {
            "AWS's words say why, and a diagnosis, where there is one, what to mend; then deploy again"
        }
        _ => "the diagnosis names what to mend; then deploy again",
    }
}

/// Tells all that is known.
pub(super) async fn tell(rollout: &Rollout, arn: &TaskDefinitionArn, aws: &Aws, known: &Known, events: &mut Emitter) {
    let mut diagnosis = Diagnosis::new(arn, aws, events);
    diagnosis.tasks(rollout).await;
    diagnosis.service(rollout, known).await;
    diagnosis.end();
}

/// Passes on what following a deployment gave. One that did not end in time is told about as one that failed is: its tasks
/// may fail again and again, or find no room.
pub(super) async fn if_late(
    followed: Result<Followed, Failure>,
    (rollout, arn, known): (&Rollout, &TaskDefinitionArn, &Known),
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Followed, Failure> {
    if followed.as_ref().is_err_and(|failure| failure.reason == Reason::TimedOut) {
        tokio::select! {
            _ = timeout(OPEN, tell(rollout, arn, aws, known, &mut cx.events)) => {}
            () = cx.cancel.first() => {}
        }
    }
    followed
}

/// Tells how a task that ran once ended: where it failed with all that is known, else with the last lines of its log.
pub(super) async fn tell_one_off(
    task: &Task,
    container: &str,
    arn: &TaskDefinitionArn,
    aws: &Aws,
    events: &mut Emitter,
) {
    let mut diagnosis = Diagnosis::new(arn, aws, events);
    let logs = diagnosis.log_options().await;
    let ours = task.containers.iter().filter(|it| it.name == container || failed(it));
    for container in ours.take(SHOWN) {
        if failed(container) {
            diagnosis.container(task, container, logs.as_ref()).await;
            continue;
        }
        for line in diagnosis.log(task, container, logs.as_ref(), LAST_WORDS).await {
            diagnosis.events.note(format!("| {}", one_line(&line, LONGEST)));
        }
    }
    diagnosis.end();
}

struct Diagnosis<'a> {
    arn: &'a TaskDefinitionArn,
    aws: &'a Aws,
    events: &'a mut Emitter,
    /// Calls that are not allowed.
    missing: BTreeSet<&'static str>,
    /// Calls that went wrong otherwise, and how.
    lost: BTreeMap<&'static str, String>,
    /// Advice that was given.
    advised: BTreeSet<&'static str>,
    /// Whether tasks of the revision stopped.
    stopped: bool,
}

impl<'a> Diagnosis<'a> {
    fn new(arn: &'a TaskDefinitionArn, aws: &'a Aws, events: &'a mut Emitter) -> Self {
        Self {
            arn,
            aws,
            events,
            missing: BTreeSet::new(),
            lost: BTreeMap::new(),
            advised: BTreeSet::new(),
            stopped: false,
        }
    }

    /// Says what is left out, and which permissions would have told more.
    fn end(self) {
        let missing: Vec<&str> = self.missing.into_iter().collect();
        if !missing.is_empty() {
            self.events.note(format!("parts of the diagnosis are missing: grant {} to see them", missing.join(", ")));
        }
        for (call, why) in self.lost {
            self.events.note(format!("part of the diagnosis is missing: {call}: {}", one_line(&why, LONGEST)));
        }
    }

    async fn tasks(&mut self, rollout: &Rollout) {
        let Rollout { cluster, service, .. } = rollout;
        let stopped = self.aws.stopped_tasks(cluster, service).await;
        let Some(stopped) = self.allowed(stopped) else { return };
        let ours: Vec<Task> =
            stopped.into_iter().filter(|it| it.task_definition_arn == self.arn.as_str() && !went_well(it)).collect();
        self.stopped = !ours.is_empty();
        let logs = if ours.is_empty() { None } else { self.log_options().await };
        let mut said = BTreeSet::new();
        let (mut shown, mut told) = (0, 0);
        for task in &ours {
            let reason = task.stopped_reason.clone().unwrap_or_default();
            let new = !reason.is_empty() && said.len() < SHOWN && said.insert(without_ids(&reason));
            told += usize::from(new || (shown < SHOWN && task.containers.iter().any(failed)));
            if new {
                let code = task.stop_code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
                self.found(format!("task {} stopped{code}: {reason}", task.id()));
            }
            for container in task.containers.iter().filter(|container| failed(container)) {
                if shown < SHOWN {
                    self.container(task, container, logs.as_ref()).await;
                    shown += 1;
                }
            }
        }
        let more = ours.len().saturating_sub(told);
        if more > 0 {
            let tasks = if more == 1 { "1 more task".to_owned() } else { format!("{more} more tasks") };
            self.events.note(format!("{tasks} stopped like that"));
        }
    }

    async fn container(&mut self, task: &Task, container: &Container, logs: Option<&Value>) {
        let log = self.log(task, container, logs, LINES).await;
        let reason = container.reason.as_deref().map(|reason| one_line(reason, LONGEST));
        self.advise(reason.as_deref().unwrap_or_default());
        self.advise(log.last().map(String::as_str).unwrap_or_default());
        let oom = reason.as_deref().is_some_and(|reason| reason.starts_with("OutOfMemory"));
        let meaning = container.exit_code.map(|code| match code {
            137 if oom => "killed by the kernel: out of memory".to_owned(),
            code => exit_meaning(code),
        });
        self.events.tell(DeployEvent::Diagnosis {
            container: ContainerReport {
                name: format!("{}/{}", task.id(), container.name),
                state: container.last_status.to_lowercase(),
                health: container.health_status.clone().filter(|health| health != "UNKNOWN"),
                exit_code: container.exit_code,
                meaning,
                error: reason,
                log: log.into_iter().map(|line| one_line(&line, LONGEST)).collect(),
            },
        });
    }

    async fn log(&mut self, task: &Task, container: &Container, logs: Option<&Value>, lines: u16) -> Vec<String> {
        let Some((group, stream)) = logs.and_then(|logs| stream(logs, task, container)) else { return Vec::new() };
        match self.aws.last_log_lines(&group, &stream, lines).await {
            // A container that never started has none.
            Err(error) if error.trouble == Trouble::Refused => Vec::new(),
            lines => self.allowed(lines).unwrap_or_default(),
        }
    }

    /// The log options of the revision's containers, by name.
    async fn log_options(&mut self) -> Option<Value> {
        let definition = self.aws.task_definition(self.arn.as_str()).await;
        self.allowed(definition).map(|found| found.definition)
    }

    async fn service(&mut self, rollout: &Rollout, known: &Known) {
        let Rollout { cluster, service, .. } = rollout;
        let answer = self.aws.service(cluster, service).await;
        let Some(Some(service)) = self.allowed(answer) else { return };
        let fresh = service.events.iter().filter(|event| !known.events.contains(&event.id));
        let telling = fresh.filter(|event| !ROUTINE.iter().any(|words| event.message.contains(words)));
        let mut said = BTreeSet::new();
        // The newest of those that say the same, the oldest of all first.
        let each: Vec<_> = telling.filter(|event| said.insert(without_ids(&event.message))).take(EVENTS).collect();
        for event in each.into_iter().rev() {
            self.found(event.message.clone());
        }
        // Where others stopped, these follow them.
        let ours = service.deployments.iter().find(|it| it.task_definition == self.arn.as_str() && !self.stopped);
        if let Some(ours) = ours.filter(|it| it.pending_count > 0 && it.running_count == 0) {
            let tasks = if ours.pending_count == 1 {
                "1 task is".to_owned()
            } else {
                format!("{} tasks are", ours.pending_count)
            };
            self.found(format!("{tasks} still pending, and none of revision `{}` runs yet", self.arn.short()));
        }
        let mut groups: BTreeSet<String> = BTreeSet::new();
        let sets = service.task_sets.iter().filter(|set| set.task_definition == self.arn.as_str());
        for balancer in sets.flat_map(|set| &set.load_balancers).chain(&service.load_balancers) {
            groups.extend(balancer.target_group_arn.clone());
            let other = balancer.advanced_configuration.as_ref();
            groups.extend(other.and_then(|other| other.alternate_target_group_arn.clone()));
        }
        for group in groups {
            self.group(&group).await;
        }
    }

    async fn group(&mut self, group: &str) {
        let health = self.aws.target_health(group).await;
        let Some(health) = self.allowed(health) else { return };
        let sick: Vec<_> = health.into_iter().filter(|target| target.state == "unhealthy").collect();
        if sick.is_empty() {
            return;
        }
        let check = self.aws.health_check(group).await;
        let asked = self.allowed(check).flatten().map(|check| {
            let path = check.path.map(|path| format!(" {path}")).unwrap_or_default();
            let matcher = check.matcher.map(|matcher| format!(", expects {matcher}")).unwrap_or_default();
            format!("; `{}` asks {} on {}{path}{matcher}", check.group, check.protocol, check.port)
        });
        for target in sick.iter().take(SHOWN) {
            let reason = target.reason.as_deref().unwrap_or("no reason");
            let said = target.description.as_deref().unwrap_or_default();
            let asked = asked.clone().unwrap_or_default();
            self.found(format!("target {} is unhealthy ({reason}): {said}{asked}", target.target));
        }
    }

    fn found(&mut self, text: String) {
        self.events.tell(DeployEvent::Finding { text: one_line(&text, LONGEST) });
        self.advise(&text);
    }

    /// One sentence for a known family of reasons, once.
    fn advise(&mut self, text: &str) {
        if let Some(sentence) = advice::of(text)
            && self.advised.insert(sentence)
        {
            self.events.tell(DeployEvent::Finding { text: format!("advice: {sentence}") });
        }
    }

    /// What was answered; else the part is left out, and why is remembered.
    fn allowed<T>(&mut self, answer: Result<T, AwsError>) -> Option<T> {
        answer
            .map_err(|error| match error.trouble {
                Trouble::Denied => _ = self.missing.insert(error.call),
                _ => _ = self.lost.insert(error.call, error.message),
            })
            .ok()
    }
}

/// A message without the names of tasks and container instances: what else it says is the same each time.
fn without_ids(message: &str) -> String {
    let id = |word: &&str| word.len() < 32 || !word.bytes().all(|byte| byte.is_ascii_hexdigit());
    message.split(|c: char| !c.is_ascii_alphanumeric()).filter(id).collect::<Vec<_>>().join(" ")
}

/// A task that ended because there were to be fewer of them.
fn went_well(task: &Task) -> bool {
    task.stopped_reason.as_deref().is_some_and(|reason| reason.starts_with("Scaling activity initiated"))
}

/// A container that ended badly, or never started.
fn failed(container: &Container) -> bool {
    container.exit_code.is_some_and(|code| code != 0) || container.reason.is_some()
}

/// Group and stream of a container that logs to CloudWatch: `prefix/container/task` (ECS developer guide, awslogs).
fn stream(definition: &Value, task: &Task, container: &Container) -> Option<(String, String)> {
    let all = definition["containerDefinitions"].as_array()?;
    let ours = all.iter().find(|definition| definition["name"] == container.name.as_str())?;
    let options = ours["logConfiguration"].get("options")?;
    let group = options["awslogs-group"].as_str()?;
    let prefix = options["awslogs-stream-prefix"].as_str()?;
    Some((group.to_owned(), format!("{prefix}/{}/{}", container.name, task.id())))
}
