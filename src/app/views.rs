//! The verbs that only look: plan, status, history, verify.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::load::{self, Connected};
use crate::agent_api::{ServiceStatus, Wanted};
use crate::cli::{Files, Format, PlanFormat};
use crate::clients::agent::AgentClient;
use crate::config::Target;
use crate::domain::{EnvName, Reason, one_line, plain_json};
use crate::env::Env;
use crate::failure::Failure;
use crate::plan::render;
use crate::report::{self, Out};

pub(super) async fn plan(
    environment: &EnvName,
    want: &Wanted,
    format: PlanFormat,
    files: &Files,
    env: &Env,
) -> Result<(), Failure> {
    let planned = load::connect(environment, files, env)?.plan(want).await?;
    Out.text(&match format {
        PlanFormat::Text => render::text(&planned.report),
        PlanFormat::Markdown => render::markdown(&planned.report),
        PlanFormat::Json => render::json(&planned),
    });
    planned.executable().map(|_| ())
}

pub(super) async fn status(environment: &EnvName, format: Format, files: &Files, env: &Env) -> Result<(), Failure> {
    let status = load::connect(environment, files, env)?.observe(None).await?;
    Out.text(&match format {
        Format::Text => report::status(environment, &status),
        Format::Json => document(&status)?,
    });
    Ok(())
}

pub(super) async fn history(environment: &EnvName, format: Format, files: &Files, env: &Env) -> Result<(), Failure> {
    let connected = load::connect(environment, files, env)?;
    let history = connected.client.history(&connected.app, &connected.target.service).await?;
    Out.text(&match format {
        Format::Text => report::history(environment, &history),
        Format::Json => document(&history)?,
    });
    Ok(())
}

/// The agent's answer as one JSON document with sorted keys.
fn document(answer: &impl Serialize) -> Result<String, Failure> {
    let value: Value = serde_json::to_value(answer)
        .map_err(|error| Failure::new(Reason::Bug, "the answer cannot be written as JSON").because(error))?;
    Ok(plain_json(&format!("{value:#}\n")))
}

/// Checks the configuration, then every environment; the exit code is the first failure's.
pub(super) async fn verify(only: Option<&EnvName>, offline: bool, files: &Files, env: &Env) -> Result<(), Failure> {
    let config = load::config(files)?;
    if let Some(name) = only {
        load::environment(&config, name, files)?;
    }
    let count = config.environments.len();
    let environments = if count == 1 { "1 environment".to_owned() } else { format!("{count} environments") };
    Out.text(&format!("ok    `{}`: application `{}`, {environments}\n", files.config.display(), config.app));
    if offline {
        return Ok(());
    }
    let mut first = None;
    for (name, environment) in config.environments.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let Target::Vps(target) = environment.target.clone();
        let key = load::key(files, env)?;
        let client = AgentClient::new(target.agent.clone(), key)?;
        let connected = Connected { app: config.app.clone(), name: name.clone(), target, client };
        let failure = match connected.observe(None).await {
            Ok(status) => {
                Out.text(&verified(&connected, &status));
                blocked(&status)
            }
            Err(failure) => {
                Out.text(&format!("fails {name}: {}\n", one_line(&failure.message, 500)));
                Some(failure)
            }
        };
        first = first.or(failure);
    }
    first.map_or(Ok(()), Err)
}

fn verified(connected: &Connected, status: &ServiceStatus) -> String {
    let word = if status.blockers.is_empty() { "ok   " } else { "fails" };
    let agent = one_line(&status.agent_id, 63);
    let version = one_line(&status.agent_version, 63);
    let mut out = format!(
        "{word} {}: agent `{agent}` (version {version}) at `{}` knows `{}/{}`\n",
        connected.name, connected.target.agent, connected.app, connected.target.service
    );
    for blocker in &status.blockers {
        let (code, message) = (one_line(&blocker.code, 63), one_line(&blocker.message, 500));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "      ! {code}: {message}\n        hint: {}", one_line(&blocker.hint, 500));
    }
    out
}

fn blocked(status: &ServiceStatus) -> Option<Failure> {
    let codes: Vec<String> = status.blockers.iter().map(|blocker| one_line(&blocker.code, 63)).collect();
    (!codes.is_empty()).then(|| {
        Failure::new(
            Reason::Blocked,
            format!("`{}` cannot be deployed safely yet: {}", status.service, codes.join(", ")),
        )
        .hint("each blocker above names what to change")
    })
}
