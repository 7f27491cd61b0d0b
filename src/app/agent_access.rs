//! What a run of the action brings to the agent: the key it signs with, the login for its pull, the name it asks under.

use super::load::Connected;
use super::settings::Settings;
use super::task::Task;
use crate::agent_api::{PullCredential, Wanted};
use crate::clients::agent::AgentClient;
use crate::clients::registry::is_for;
use crate::domain::{IdempotencyKey, Reason};
use crate::env::Env;
use crate::failure::Failure;
use crate::plan::{Plan, Step};
use crate::signing::AgentKey;
use crate::trigger::Inputs;

/// A client with the key that was given.
pub(super) fn connect(task: &Task, env: &Env) -> Result<Connected, Failure> {
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
    let Settings { app, environment, target, .. } = &task.settings;
    let client = AgentClient::new(target.agent.clone(), key)?;
    Ok(Connected { app: app.clone(), name: environment.clone(), target: target.clone(), client })
}

/// With which the agent pulls: what was given for this run, not what a docker config holds of others. A login for another
/// registry stays here: the agent would send it to the image's.
pub(super) fn credential(inputs: &Inputs, env: &Env, want: &Wanted) -> Result<Option<PullCredential>, Failure> {
    let Some((username, password)) = inputs.registry_username.clone().zip(inputs.registry_password.clone()) else {
        return env.pull_credential();
    };
    let fits = match (&inputs.registry, want) {
        (None, _) => true,
        (Some(registry), Wanted::Image(image)) => is_for(registry, image.repository()),
        // Of an image that the host has nothing is pulled.
        (Some(_), Wanted::Rollback) => false,
    };
    Ok(fits.then_some(PullCredential { username, password }))
}

/// The same for a job that runs twice by mistake; another for a repeated run, for another image, and for another state
/// that was planned for.
pub(super) fn key(task: &Task, plan: &Plan, want: &Wanted) -> Result<IdempotencyKey, Failure> {
    let what = match want {
        Wanted::Image(image) => image.digest().short(),
        Wanted::Rollback => "rollback",
    };
    let seen =
        plan.steps.iter().map(|Step::AgentSwap(swap)| swap.expected_revision.as_str()).next().unwrap_or_default();
    let key = format!("{}{what}:{seen}:{}", task.key_begins(), task.settings.target.service);
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
        credential(&inputs, &Env::default(), &Wanted::Image(image)).unwrap().is_some()
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
