//! The verbs that only look: plan, status, history, verify.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::load;
use super::place::{AgentPlace, Connected, Place};
use crate::agent_api::{Blocker, ServiceStatus, Wanted};
use crate::cli::{Files, Format, PlanFormat};
use crate::clients::aws::Trouble;
use crate::config::EcsTarget;
use crate::domain::{EnvName, Reason, TokenRepo, one_line, plain_json};
use crate::env::Env;
use crate::failure::Failure;
use crate::plan::ecs::ScalingHold;
use crate::plan::{self, render};
use crate::report::{self, Out};

pub(super) async fn plan(
    environment: &EnvName,
    want: &Wanted,
    format: PlanFormat,
    files: &Files,
    env: &Env,
) -> Result<(), Failure> {
    let planned = load::connect(environment, files, env).await?.plan(want, None).await?;
    Out.text(&match format {
        PlanFormat::Text => render::text(&planned.report),
        PlanFormat::Markdown => render::markdown(&planned.report),
        PlanFormat::Json => render::json(&planned),
    });
    planned.executable().map(|_| ())
}

pub(super) async fn status(environment: &EnvName, format: Format, files: &Files, env: &Env) -> Result<(), Failure> {
    let connected = load::connect(environment, files, env).await?;
    match &connected.place {
        Place::Agent(place) => {
            let status = place.observe(&connected.app, None).await?;
            Out.text(&match format {
                Format::Text => report::status(environment, &status),
                Format::Json => document(&status)?,
            });
        }
        Place::Ecs(place) => {
            let mut observed = place.observe().await?;
            observed.scaling = match place.scaling().await {
                Ok(scaling) => scaling,
                Err(error) if error.trouble == Trouble::Denied => ScalingHold::Unknown,
                Err(error) => return Err(error.to_failure()),
            };
            let status = plan::ecs::status(&connected.app, environment, &place.target, &observed);
            Out.text(&match format {
                Format::Text => report::ecs_status(environment, &connected.app, &status),
                Format::Json => document(&status)?,
            });
        }
    }
    Ok(())
}

pub(super) async fn history(environment: &EnvName, format: Format, files: &Files, env: &Env) -> Result<(), Failure> {
    let connected = load::connect(environment, files, env).await?;
    match &connected.place {
        Place::Agent(place) => {
            let history = place.client.history(&connected.app, &place.target.service).await?;
            Out.text(&match format {
                Format::Text => report::history(environment, &history),
                Format::Json => document(&history)?,
            });
        }
        Place::Ecs(place) => {
            let observed = place.observe().await?;
            if observed.service.is_none() {
                return Err(no_service(&place.target));
            }
            let revisions = place.revisions(&observed).await?;
            let releases = plan::ecs::releases(&connected.app, environment, &place.target, &revisions);
            Out.text(&match format {
                Format::Text => report::releases(environment, &releases),
                Format::Json => document(&json!({ "releases": releases }))?,
            });
        }
    }
    Ok(())
}

/// Reads the service, because account, roles and controller are what a policy is about.
pub(super) async fn iam_policy(
    environment: &EnvName,
    repository: &TokenRepo,
    files: &Files,
    env: &Env,
) -> Result<(), Failure> {
    let connected = load::connect(environment, files, env).await?;
    let Place::Ecs(place) = &connected.place else {
        return Err(Failure::new(
            Reason::Usage,
            format!("`{environment}` is behind an agent, which needs no AWS policy"),
        )
        .hint("name an environment whose target is `ecs`"));
    };
    let image = load::config(files)?.image;
    let observed = place.observe().await?;
    let policy = plan::ecs::iam_policy(environment, repository, &place.target, image.as_ref(), &observed);
    Out.text(&document(&policy.ok_or_else(|| no_service(&place.target))?)?);
    Ok(())
}

fn no_service(target: &EcsTarget) -> Failure {
    let EcsTarget { region, cluster, service, .. } = target;
    Failure::new(Reason::Blocked, format!("the cluster `{cluster}` in {region} has no service `{service}`"))
        .hint("check region, cluster and service in deploy.yml, or make the service first")
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
        let checked = match load::to(config.app.clone(), name, environment.target.clone(), files, env).await {
            Ok(connected) => check(&connected).await,
            Err(failure) => Err(failure),
        };
        let failure = match checked {
            Ok(failure) => failure,
            Err(failure) => {
                Out.text(&format!("fails {name}: {}\n", one_line(&failure.message, 500)));
                Some(failure)
            }
        };
        first = first.or(failure);
    }
    first.map_or(Ok(()), Err)
}

/// Says how an environment is, and gives the failure that it would be to deploy there.
async fn check(connected: &Connected) -> Result<Option<Failure>, Failure> {
    let mut notes = Vec::new();
    let (sentence, service, blockers) = match &connected.place {
        Place::Agent(place) => {
            let status = place.observe(&connected.app, None).await?;
            let blockers = plan::host_blockers(&place.target, &status);
            (agent_knows(connected, place, &status), status.service.to_string(), blockers)
        }
        Place::Ecs(place) => {
            let EcsTarget { region, cluster, service, .. } = &place.target;
            let mut observed = place.observe().await?;
            observed.code_deploy.configuration = place.configuration(&observed).await;
            let mut blockers = plan::ecs::blockers(&place.target, &observed);
            let (missing, unseen) = place.missing(&observed).await?;
            blockers.extend(missing);
            notes = unseen;
            let knows = if observed.service.is_some() { "knows" } else { "does not know" };
            (format!("AWS in {region} {knows} `{cluster}/{service}`"), service.to_string(), blockers)
        }
    };
    Out.text(&verified(&connected.name, &sentence, &blockers));
    for note in notes {
        Out.text(&format!("      - {}\n", one_line(&note, 500)));
    }
    Ok(blocked(&service, &blockers))
}

fn agent_knows(connected: &Connected, place: &AgentPlace, status: &ServiceStatus) -> String {
    let agent = one_line(&status.agent_id, 63);
    let version = one_line(&status.agent_version, 63);
    let (at, service) = (&place.target.agent, &place.target.service);
    format!("agent `{agent}` (version {version}) at `{at}` knows `{}/{service}`", connected.app)
}

fn verified(name: &EnvName, sentence: &str, blockers: &[Blocker]) -> String {
    let word = if blockers.is_empty() { "ok   " } else { "fails" };
    let mut out = format!("{word} {name}: {sentence}\n");
    for blocker in blockers {
        let (code, message) = (one_line(&blocker.code, 63), one_line(&blocker.message, 500));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "      ! {code}: {message}\n        hint: {}", one_line(&blocker.hint, 500));
    }
    out
}

fn blocked(service: &str, blockers: &[Blocker]) -> Option<Failure> {
    let codes: Vec<String> = blockers.iter().map(|blocker| one_line(&blocker.code, 63)).collect();
    (!codes.is_empty()).then(|| {
        Failure::new(Reason::Blocked, format!("`{service}` cannot be deployed safely yet: {}", codes.join(", ")))
            .hint("each blocker above names what to change")
    })
}
