//! The verbs that act: deploy and rollback. Plans first, shows the plan, refuses what is blocked, then executes it.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::load;
use super::place::Connected;
use crate::agent_api::PullCredential;
use crate::cli::{Files, Format};
use crate::domain::{IdempotencyKey, Reason, hex};
use crate::env::Env;
use crate::event::Stamped;
use crate::execute::{self, Cancel, Context};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Planned, render};
use crate::report::{self, Ending, Model, Out};
use crate::signing::fresh_nonce;
use crate::trigger::Deploy;

/// Plans that are made at most, where what they rest on changes before anything was begun.
pub(super) const PLANS: u32 = 3;

pub(super) async fn run(wanted: &Deploy, files: &Files, env: &Env, cancel: Cancel) -> Result<(), Failure> {
    let mut model = Model::default();
    let mut planned = None;
    let result = go(wanted, files, env, cancel, &mut model, &mut planned).await;
    if wanted.format == Format::Json {
        let ending = Ending {
            changed: if wanted.dry_run { planned == Some(true) } else { model.changed() },
            nothing_to_do: planned == Some(false),
            failure: result.as_ref().err(),
        };
        Out.text(&report::result(&model, &ending));
    }
    result
}

async fn go(
    wanted: &Deploy,
    files: &Files,
    env: &Env,
    cancel: Cancel,
    model: &mut Model,
    change_planned: &mut Option<bool>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + wanted.timeout;
    let credential = env.pull_credential()?;
    let connected = tokio::select! {
        connected = load::connect(&wanted.environment, files, env) => connected?,
        () = cancel.first() => return Err(Failure::new(Reason::Cancelled, "cancelled; nothing was changed")),
    };
    let key = wanted.idempotency_key.clone();
    let mut attempt = Attempt { wanted, env, connected: &connected, cancel, deadline, credential, key };
    for _ in 1..PLANS {
        match attempt.run(model, change_planned).await {
            Err(failure) if failure.asks_for_a_new_plan() => {
                if wanted.format == Format::Text {
                    Out.text(&format!("note: {failure}; planning again\n"));
                }
            }
            ended => return ended,
        }
    }
    attempt.run(model, change_planned).await
}

/// A plan and its execution.
struct Attempt<'a> {
    wanted: &'a Deploy,
    env: &'a Env,
    connected: &'a Connected,
    cancel: Cancel,
    deadline: Instant,
    credential: Option<PullCredential>,
    /// Given, or made for the first plan that has something to do.
    key: Option<IdempotencyKey>,
}

impl Attempt<'_> {
    async fn run(&mut self, model: &mut Model, change_planned: &mut Option<bool>) -> Result<(), Failure> {
        let Deploy { want, format, dry_run, timeout, .. } = self.wanted;
        let planned = tokio::select! {
            planned = self.connected.plan(want, None) => planned?,
            () = self.cancel.first() => return Err(Failure::new(Reason::Cancelled, "cancelled; nothing was changed")),
            () = tokio::time::sleep_until(self.deadline) => {
                return Err(Failure::new(
                    Reason::TimedOut,
                    format!("the deadline passed while {} was asked; nothing was changed", self.connected.asked()),
                )
                .hint("see why it is slow, or raise `--timeout`"));
            }
        };
        show(&planned, *format);
        let plan = planned.executable()?;
        *change_planned = Some(planned.report.changed);
        if plan.steps.is_empty() || *dry_run {
            if *dry_run && *format == Format::Text {
                Out.text("dry run: nothing was changed\n");
            }
            if !*dry_run {
                let (mut events, mut reader) = execute::event_channel();
                let setting_back = self.connected.set_back(plan, &mut events);
                telling(setting_back, &mut reader, |stamped| tell(stamped, *format)).await?;
            }
            return Ok(());
        }
        let key = match &self.key {
            Some(key) => key.clone(),
            None => random_key()?,
        };
        if *format == Format::Text {
            Out.text(&format!("idempotency key: {key}\n"));
        }
        self.key = Some(key.clone());
        let (events, reader) = execute::event_channel();
        let mut cx = Context {
            remote: self.connected.remote(),
            events,
            cancel: self.cancel.clone(),
            deadline: self.deadline,
            timeout: *timeout,
            idempotency_key: key,
            requested_by: self.env.requested_by.clone(),
            credential: self.credential.clone(),
        };
        execute(plan, &mut cx, reader, *format, model).await
    }
}

fn tell(stamped: &Stamped, format: Format) {
    Out.text(&match format {
        Format::Text => report::lines(stamped),
        Format::Json => report::event(stamped),
    });
}

async fn execute(
    plan: &Plan,
    cx: &mut Context<'_>,
    mut reader: UnboundedReceiver<Stamped>,
    format: Format,
    model: &mut Model,
) -> Result<(), Failure> {
    let finish = telling(execute::run(plan, cx), &mut reader, |stamped| {
        model.apply(stamped);
        tell(stamped, format);
    });
    match finish.await?.and_then(|finish| finish.to_failure()) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Runs something and tells its events as they come; those that are left are told before the end.
pub(super) async fn telling<T>(
    running: impl Future<Output = T>,
    reader: &mut UnboundedReceiver<Stamped>,
    mut tell: impl FnMut(&Stamped),
) -> T {
    tokio::pin!(running);
    let result = loop {
        tokio::select! {
            biased;
            Some(stamped) = reader.recv() => tell(&stamped),
            result = &mut running => break result,
        }
    };
    while let Ok(stamped) = reader.try_recv() {
        tell(&stamped);
    }
    result
}

fn show(planned: &Planned, format: Format) {
    match format {
        Format::Text => Out.text(&render::text(&planned.report)),
        Format::Json => {
            let plan: Value = serde_json::from_str(&render::json(planned)).unwrap_or_default();
            Out.text(&report::object(&json!({"kind": "plan", "plan": plan})));
        }
    }
}

/// For a run from a shell: nothing else tells two of them apart.
fn random_key() -> Result<IdempotencyKey, Failure> {
    let failure = |what: &str| Failure::new(Reason::Bug, format!("no idempotency key can be made: {what}"));
    let bytes = fresh_nonce().map_err(|error| failure("no random bytes").kind(Kind::Preflight).because(error))?;
    format!("shell-{}", hex(&bytes)).parse().map_err(|error| failure("its form").because(error))
}
