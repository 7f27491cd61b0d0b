//! With which the registry is asked and pushed to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clients::docker::RegistryLogin;
use crate::clients::registry::Credentials;
use crate::domain::{Redact, Repository};
use crate::env::{DOCKER_CONFIG, Env, HOME};
use crate::failure::Failure;
use crate::report::Out;
use crate::trigger::{Inputs, login_masks};

/// The docker config's logins, and above them the one that was given for this run.
/// `redact` learns to hide them.
pub(super) fn credentials(
    inputs: &Inputs,
    env: &Env,
    repository: &Repository,
    redact: &mut Redact,
) -> Result<Credentials, Failure> {
    let in_home = || env.for_compose.get(HOME.name).map(|home| Path::new(home).join(".docker"));
    let folder = env.for_compose.get(DOCKER_CONFIG.name).map(PathBuf::from).or_else(in_home);
    let text = folder.and_then(|folder| fs::read_to_string(folder.join("config.json")).ok());
    let credentials = text.map(|text| Credentials::from_docker_config(&text)).transpose()?.unwrap_or_default();
    hide(credentials.logins().values(), redact);
    let Some((username, password)) = inputs.registry_username.clone().zip(inputs.registry_password.clone()) else {
        return Ok(credentials);
    };
    let registry = inputs.registry.clone().unwrap_or_else(|| repository.registry());
    Ok(credentials.with(&registry, RegistryLogin { username, password }))
}

/// Lets neither the runner nor this program print them.
pub(super) fn hide<'a>(logins: impl IntoIterator<Item = &'a RegistryLogin>, redact: &mut Redact) {
    let logins = logins.into_iter().map(|login| (login.username.as_str(), login.password.expose().as_str()));
    let logins: Vec<_> = logins.collect();
    Out.text(&login_masks(logins.iter().copied()));
    logins.into_iter().for_each(|(username, password)| redact.hide_login(username, password));
}
