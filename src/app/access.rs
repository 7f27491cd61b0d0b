//! What a run of the action brings to its target: the connection, the key or the login it needs, the name it asks under.

use std::path::Path;

use super::checked_out;
use super::place::{AgentPlace, Connected, EcsPlace, Place};
use super::settings::Settings;
use super::task::Task;
use crate::agent_api::{PullCredential, Wanted};
use crate::clients::agent::AgentClient;
use crate::clients::aws::WebIdentity;
use crate::clients::docker::RegistryLogin;
use crate::clients::registry::is_for;
use crate::config::{Target, VpsTarget};
use crate::domain::{IdempotencyKey, Reason};
use crate::env::Env;
use crate::failure::Failure;
use crate::plan::{Plan, Step, ecs};
use crate::signing::AgentKey;
use crate::trigger::Inputs;

/// To where the task deploys.
pub(super) async fn connect(task: &Task, env: &Env) -> Result<Connected, Failure> {
    let Settings { app, environment, target, .. } = &task.settings;
    let place = match target {
        Target::Vps(target) => {
            Place::Agent(Box::new(AgentPlace { client: agent(task, target, env)?, target: target.clone() }))
        }
        Target::Ecs(target) => {
            // What is named in the file is relative to the file.
            let folder = task.inputs.config.as_ref().and_then(|config| config.parent()).unwrap_or(Path::new(""));
            let workspace = &task.context.workspace;
            let files =
                ecs::Files::of(target, |path| checked_out::read(workspace, &folder.join(path).to_string_lossy()));
            Place::Ecs(Box::new(EcsPlace::connect((**target).clone(), files, identity(task, env)?, env).await?))
        }
    };
    let commit = Some(task.commit.head.clone());
    Ok(Connected { app: app.clone(), name: environment.clone(), commit, place })
}

/// The role that the job is to take on.
pub(super) fn identity(task: &Task, env: &Env) -> Result<Option<WebIdentity>, Failure> {
    let Some(role) = task.inputs.role_to_assume.clone() else { return Ok(None) };
    let (url, token) = env.id_token.clone().ok_or_else(|| {
        Failure::new(Reason::AwsCredentials, "the job may not ask GitHub for a token, with which the role is taken on")
            .hint("give the job `permissions: id-token: write`; a pull request from a fork never gets it")
    })?;
    // What AWS's logs show: which run it was.
    let session = format!("deploy-action-{}-{}", task.context.run_id, task.context.run_attempt);
    let (audience, session) = (task.inputs.audience.clone(), session.chars().take(64).collect());
    Ok(Some(WebIdentity { role, audience, session, url, token }))
}

/// A client with the key that was given.
fn agent(task: &Task, target: &VpsTarget, env: &Env) -> Result<AgentClient, Failure> {
    let missing = || {
        Failure::new(Reason::KeyInvalid, "there is no agent key: the input `agent-key` is not set")
            .hint("keep the key as a secret and give it as `agent-key: ${{ secrets.DEPLOY_AGENT_KEY }}`")
    };
    let text = task.inputs.agent_key.as_ref().or(env.agent_key.as_ref()).ok_or_else(missing)?;
    let key = AgentKey::parse(text.expose()).map_err(|error| {
        Failure::new(Reason::KeyInvalid, "the input `agent-key` holds no agent key")
            .because(error)
            .hint("make one on the host with `deploy-action agent keygen`")
    })?;
    AgentClient::new(target.agent.clone(), key)
}

/// With which the agent pulls: what was given for this run, or what it got for the image's registry by itself, not what a
/// docker config holds of others. A login for another registry stays here: the agent would send it to the image's.
pub(super) fn credential(
    inputs: &Inputs,
    env: &Env,
    want: &Wanted,
    own: Option<&RegistryLogin>,
) -> Result<Option<PullCredential>, Failure> {
    let own = own.map(|RegistryLogin { username, password }| PullCredential {
        username: username.clone(),
        password: password.clone(),
    });
    let Some((username, password)) = inputs.registry_username.clone().zip(inputs.registry_password.clone()) else {
        return env.pull_credential().map(|given| given.or(own));
    };
    let fits = match (&inputs.registry, want) {
        (None, _) => true,
        (Some(registry), Wanted::Image(image)) => is_for(registry, image.repository()),
        // Of an image that the host has nothing is pulled.
        (Some(_), Wanted::Rollback) => false,
    };
    Ok(if fits { Some(PullCredential { username, password }) } else { own })
}

/// The same for a job that runs twice by mistake; another for a repeated run, for another image, and for another state
/// that was planned for.
pub(super) fn key(task: &Task, plan: &Plan, want: &Wanted) -> Result<IdempotencyKey, Failure> {
    let what = match want {
        Wanted::Image(image) => image.digest().short(),
        Wanted::Rollback => "rollback",
    };
    let seen = plan.steps.iter().find_map(Step::expects).unwrap_or_default();
    // Of an ARN the end is what differs.
    let seen = seen.rsplit('/').next().unwrap_or_default();
    // A key has 200 characters: names of ECS may be longer than what is left.
    let service: String = task.settings.service().as_str().chars().take(63).collect();
    let seen: String = seen.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
    let key = format!("{}{what}:{seen}:{service}", task.key_begins());
    key.parse().map_err(|error| Failure::new(Reason::Bug, "no idempotency key can be made").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(registry: &str, repository: &str) -> bool {
        let vars = [("REGISTRY", registry), ("REGISTRY-USERNAME", "acme"), ("REGISTRY-PASSWORD", "word")];
        let vars = vars.map(|(name, value)| (format!("INPUT_{name}"), value.to_owned()));
        let image = format!("{repository}@sha256:{}", "ab".repeat(32)).parse().unwrap();
        let inputs = Inputs::read(&vars.into()).unwrap();
        credential(&inputs, &Env::default(), &Wanted::Image(image), None).unwrap().is_some()
    }

    #[test]
    fn a_login_goes_only_to_the_registry_that_it_is_for() {
        for (registry, repository) in [
            ("", "ghcr.io/acme/web"),
            ("ghcr.io", "ghcr.io/acme/web"),
            ("docker.io", "acme/web"),
            ("index.docker.io", "docker.io/acme/web"),
            ("docker.io", "registry-1.docker.io/acme/web"),
            ("registry.example:5000", "registry.example:5000/web"),
        ] {
            assert!(sent(registry, repository), "{registry} is of {repository}");
        }
        for (registry, repository) in [
            ("docker.io", "ghcr.io/acme/web"),
            ("ghcr.io", "acme/web"),
            ("registry.example", "registry.example:5000/web"),
            ("example", "registry.example/web"),
        ] {
            assert!(!sent(registry, repository), "{registry} is not of {repository}");
        }
    }
}
