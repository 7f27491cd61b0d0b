//! The action's post step: closes what the step before it left open, and never starts anything.
//!
//! It may run beside that step, whose container outlives the docker command: both ask the same agent, and this one speaks
//! last. It never fails a job: how the deployment ended is the other step's exit code.

mod find;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use self::find::{Found, Left, find};
use super::SHOWN;
use super::access::connect;
use super::action::{NO_VARS, REPORTING_CANCELLED};
use super::deploy::telling;
use super::early;
use super::place::{Connected, EcsPlace, Place};
use super::settings::Settings;
use super::state;
use super::task::{Ready, Task, client, prepare, run_of};
use super::telling::{hidden, secrets};
use crate::config::EcsTarget;
use crate::domain::{DeploymentId, EnvName, HttpUrl, Reason, Redact, one_line};
use crate::env::Env;
use crate::execute::{self, Cancel, Context, Emitter, Finish, Remote};
use crate::failure::Failure;
use crate::plan::ecs::{Closing, Mark};
use crate::report::{self, Ended, Ending, Files, Late, Out, Story, warning};
use crate::trigger::{Verb, masks, value_masks};

/// Longest wait for the agent's end: a hosted runner gives a cancelled job five minutes.
const LONGEST: Duration = Duration::from_secs(4 * 60);
/// How long the step before may still speak: it ends within 7 s of the signal that this step follows.
const OTHER_STEP: Duration = Duration::from_millis(7_500);

/// What to do where a command may still run.
const LOOK_FOR_TASKS: &str =
    "look at the tasks of the cluster whose `startedBy` begins with `deploy-action`, and stop what runs";

pub(super) async fn run(env: &Env, cancel: &Cancel) {
    let vars = env.runner.as_ref().map_or(&NO_VARS, |vars| vars.expose());
    Out.text(&masks(vars));
    Out.text(&value_masks(env.secrets()));
    // Where all is closed, scaling may still be held: setting it back may have failed.
    if state::is_closed(vars) && !state::may_hold(vars) {
        return Out.text("nothing is open\n");
    }
    let task = match prepare(vars) {
        // For a fork nothing was begun.
        Ok(Ready::Task(task)) if !task.commit.from_fork => *task,
        Ok(_) => return,
        Err(failure) => return warn(&format!("nothing was closed: {failure}")),
    };
    tokio::select! {
        biased;
        () = close(&task, vars, env, cancel) => {}
        () = cancel.first_and(REPORTING_CANCELLED) => {
            warn("cancelled while something did not answer: GitHub may not show how the deployment ended");
        }
    }
}

fn warn(sentence: &str) {
    Out.text(&warning(&one_line(sentence, SHOWN)));
}

async fn close(task: &Task, vars: &BTreeMap<String, String>, env: &Env, cancel: &Cancel) {
    let mut post = Post {
        task,
        cancel,
        begun: Instant::now(),
        place: connect(task, env).await,
        story: Story { plan: state::plan(vars), ..task.story() },
        late: Late::new(client(task), run_of(task)),
        files: Files { output: None, ..early::files(vars) },
        redact: secrets(vars, env),
    };
    let deployment = state::deployment(vars);
    if state::is_closed(vars) {
        post.release_scaling().await;
    } else if state::is_settled(vars) {
        post.tell_again(deployment).await;
    } else {
        post.close(deployment).await;
    }
    for sentence in post.late.trouble() {
        warn(&sentence);
    }
}

struct Post<'a> {
    task: &'a Task,
    cancel: &'a Cancel,
    begun: Instant,
    place: Result<Connected, Failure>,
    story: Story,
    late: Late,
    files: Files,
    redact: Redact,
}

impl Post<'_> {
    /// The step before did not come to its end.
    async fn close(&mut self, deployment: Option<DeploymentId>) {
        let left = match deployment {
            Some(id) => Left::Deployment(id),
            None => match self.find().await {
                Found::Closed | Found::Quiet(None) => {
                    self.release_scaling().await;
                    return match self.command_left().await {
                        Some(Ok(tasks)) if !tasks.is_empty() => Out.text(&format!("{}\n", stopped(&tasks))),
                        Some(Err(failure)) => {
                            warn(&format!(
                                "the command before the deployment may still run; {LOOK_FOR_TASKS}: {failure}"
                            ));
                        }
                        _ => Out.text("nothing is open\n"),
                    };
                }
                Found::Quiet(Some(why)) => return warn(&format!("whether something is open is not known: {why}")),
                Found::Open(left) => left,
            },
        };
        let failure = self.end(left).await;
        self.release_scaling().await;
        self.other_step().await;
        self.ends(failure.as_ref());
        if let Some(failure) = &failure {
            Out.text(&failure.render());
        }
        if !self.story.is_settled() {
            warn(&failure.map_or_else(String::new, |failure| failure.message));
        }
        let open = self.late.look(&self.story).await;
        self.late.close(&open, &self.story, &self.files).await;
    }

    /// The step before came to its end and wrote its summary, and GitHub did not take all of it: that is said again, as
    /// the agent tells it. Without a deployment nobody is left who could.
    async fn tell_again(&mut self, deployment: Option<DeploymentId>) {
        let mut heard = Vec::new();
        let (Some(id), Ok(connected)) = (deployment, &self.place) else {
            return warn("GitHub may not show how the run ended; its log and its summary do");
        };
        let (mut events, mut reader) = execute::event_channel();
        let following = async {
            match &connected.place {
                Place::Agent(place) => execute::follow(&place.client, &id, &mut events).await,
                // It is at its end: AWS only tells it once more.
                Place::Ecs(place) => self.at_aws(place, &id, false, events).await.map(Some),
            }
        };
        let told = telling(following, &mut reader, |stamped| {
            heard.push(hidden(stamped, &self.redact));
        });
        let (told, url) = tokio::join!(told, url(connected, self.cancel));
        heard.iter().for_each(|stamped| self.story.apply(stamped));
        self.story.url = url;
        match told {
            Ok(Some(finish)) => self.ends(finish.to_failure().as_ref()),
            Ok(None) => return,
            Err(failure) => return warn(&format!("GitHub may not show how the run ended: {failure}")),
        }
        let open = self.late.look(&self.story).await;
        self.late.close(&open, &self.story, &Files::default()).await;
    }

    /// A command before the deployment goes on when its run is killed: nobody waits for it any more, so it is stopped.
    async fn nothing_begun(&self) -> Failure {
        let ended = |of_it: &str| Failure::new(Reason::Cancelled, format!("the run ended before {of_it}"));
        let untold = "a deployment was begun; the command before it may have run, and may still run";
        match self.command_left().await {
            Some(Ok(tasks)) if tasks.is_empty() => {
                ended("a deployment was begun; the command before it may have run, and runs no more")
                    .hint("what it had changed by then stays changed; deploy again")
            }
            Some(Ok(tasks)) => ended(&format!("a deployment was begun; {}", stopped(&tasks)))
                .hint("what it had changed by then stays changed; deploy again"),
            Some(Err(failure)) => ended(untold).because(failure).hint(LOOK_FOR_TASKS),
            None if matches!(self.place, Ok(Connected { place: Place::Ecs(_), .. })) => {
                ended("a deployment was begun; at most a revision was registered, which nothing uses")
            }
            None => ended("anything was changed"),
        }
    }

    /// The tasks of a command before the deployment that still ran, which are stopped; `None` where there is no such
    /// command.
    async fn command_left(&self) -> Option<Result<Vec<String>, Failure>> {
        let Ok(Connected { place: Place::Ecs(place), .. }) = &self.place else { return None };
        let EcsTarget { cluster, service, before_deploy, .. } = &place.target;
        before_deploy.as_ref().filter(|_| !self.task.only_looks())?;
        Some(execute::stop_one_off(cluster, service, &self.task.key_begins(), &place.aws).await)
    }

    fn ends(&mut self, failure: Option<&Failure>) {
        let changed = self.story.model.changed();
        self.story.ended = Some(Ended::of(&Ending { changed, nothing_to_do: false, failure }));
    }

    /// Looks, and looks again once the step before has spoken: until then it may hand the deployment over.
    async fn find(&mut self) -> Found {
        let found = find(self.task, &self.late.look(&self.story).await, &self.place).await;
        if !found.may_change() {
            return found;
        }
        self.other_step().await;
        find(self.task, &self.late.look(&self.story).await, &self.place).await
    }

    /// Waits until the step before has spoken, or somebody is in a hurry.
    async fn other_step(&self) {
        tokio::select! {
            () = sleep_until(self.begun + OTHER_STEP) => {}
            () = self.cancel.first() => {}
        }
    }

    /// Closes at the agent what is open there. Gives the failure that the deployment ended with, if it is one.
    async fn end(&mut self, left: Left) -> Option<Failure> {
        let environment = &self.task.settings.environment;
        let id = match left {
            Left::Deployment(id) => id,
            Left::Nothing => return Some(self.nothing_begun().await),
            Left::Unknown(id, why) => {
                self.story.model.deployment = id;
                return Some(unknown(environment, &why));
            }
        };
        self.story.model.deployment = Some(id.clone());
        let connected = match &self.place {
            Ok(connected) => connected,
            Err(failure) => return Some(unknown(environment, &failure.to_string())),
        };
        let (mut events, mut reader) = execute::event_channel();
        let closing = async {
            match &connected.place {
                Place::Agent(place) => {
                    execute::close(&place.client, &id, &mut events, self.cancel, self.begun + LONGEST).await
                }
                Place::Ecs(place) => self.at_aws(place, &id, true, events).await.map(Some),
            }
        };
        let mut heard = Vec::new();
        let closed = telling(closing, &mut reader, |stamped| {
            let stamped = hidden(stamped, &self.redact);
            Out.text(&report::lines(&stamped));
            heard.push(stamped);
        });
        let (closed, url) = tokio::join!(closed, url(connected, self.cancel));
        heard.iter().for_each(|stamped| self.story.apply(stamped));
        self.story.url = url;
        match closed {
            Ok(Some(finish)) => Finish::to_failure(&finish),
            Ok(None) => {
                let message = format!("the agent is still at deployment `{id}`");
                Some(look(environment, Failure::new(Reason::Cancelled, message)))
            }
            Err(failure) => Some(unknown(environment, &failure.to_string())),
        }
    }
}

impl Post<'_> {
    /// Closes a deployment at AWS.
    async fn at_aws(
        &self,
        place: &EcsPlace,
        id: &DeploymentId,
        may_stop: bool,
        events: Emitter,
    ) -> Result<Finish, Failure> {
        let mut cx = Context {
            remote: Remote::Aws(&place.aws),
            events,
            cancel: self.cancel.clone(),
            deadline: self.begun + LONGEST,
            timeout: LONGEST,
            idempotency_key: self.task.any_key()?,
            requested_by: self.task.context.actor.clone(),
            credential: None,
        };
        execute::close_at_aws(&closing(self.task, place), id, may_stop, &place.aws, &mut cx).await
    }
}

impl Post<'_> {
    /// Sets back the scaling that a run held which was killed.
    async fn release_scaling(&self) {
        let Ok(Connected { place: Place::Ecs(place), .. }) = &self.place else { return };
        if !self.task.holds_scaling() {
            return;
        }
        let EcsTarget { cluster, service, .. } = &place.target;
        let (mut events, mut reader) = execute::event_channel();
        let key = self.task.key_begins();
        let releasing = execute::release_scaling((cluster, service), &key, &place.aws, &mut events);
        let released = telling(releasing, &mut reader, |stamped| Out.text(&report::lines(stamped))).await;
        if let Err(failure) = released {
            warn(&format!("whether automatic scaling is still held is not known: {failure}"));
        }
    }
}

/// Of tasks of a command before the deployment.
fn stopped(tasks: &[String]) -> String {
    format!("the command before the deployment still ran and was stopped (task `{}`)", tasks.join("`, `"))
}

/// Of a rollback the commit is another one than the run's, and noted at the revision already.
fn closing(task: &Task, place: &EcsPlace) -> Closing {
    let Settings { app, environment, .. } = &task.settings;
    let commit = (task.verb != Verb::Rollback).then(|| task.commit.head.clone());
    let mark = Mark { app: app.clone(), environment: environment.clone(), commit };
    Closing::of(&place.target, mark)
}

/// The environment's address, where it is told before somebody is in a hurry.
async fn url(connected: &Connected, cancel: &Cancel) -> Option<HttpUrl> {
    // Only an agent knows it.
    connected.agent()?;
    tokio::select! {
        looked = connected.look() => looked.ok()?.address,
        () = cancel.first() => None,
    }
}

fn unknown(environment: &EnvName, why: &str) -> Failure {
    let message = format!("how the deployment ended is not known: {}", one_line(why, SHOWN));
    look(environment, Failure::new(Reason::Unknown, message))
}

fn look(environment: &EnvName, failure: Failure) -> Failure {
    failure.hint(format!("`deploy-action status {environment}` shows what serves"))
}
