//! The verbs that act: deploy and rollback. Plans first, shows the plan, refuses what is blocked, then executes it.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::load;
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
    let connected = load::connect(&wanted.environment, files, env)?;
    let planned = tokio::select! {
        planned = connected.plan(&wanted.want) => planned?,
        () = cancel.first() => return Err(Failure::new(Reason::Cancelled, "cancelled; nothing was changed")),
        () = tokio::time::sleep_until(deadline) => {
            let agent = connected.client.url();
            return Err(Failure::new(
                Reason::TimedOut,
                format!("the deadline passed while the agent at `{agent}` was asked; nothing was changed"),
            )
            .hint("see why it is slow, or raise `--timeout`"));
        }
    };
    show(&planned, wanted.format);
    let plan = planned.executable()?;
    *change_planned = Some(planned.report.changed);
    if plan.steps.is_empty() || wanted.dry_run {
        if wanted.dry_run && wanted.format == Format::Text {
            Out.text("dry run: nothing was changed\n");
        }
        return Ok(());
    }
    let key = match &wanted.idempotency_key {
        Some(key) => key.clone(),
        None => random_key()?,
    };
    if wanted.format == Format::Text {
        Out.text(&format!("idempotency key: {key}\n"));
    }
    let (events, reader) = execute::event_channel();
    let mut cx = Context {
        agent: &connected.client,
        events,
        cancel,
        deadline,
        timeout: wanted.timeout,
        idempotency_key: key,
        requested_by: env.requested_by.clone(),
        credential,
    };
    execute(plan, &mut cx, reader, wanted.format, model).await
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
        Out.text(&match format {
            Format::Text => report::lines(stamped),
            Format::Json => report::event(stamped),
        });
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
