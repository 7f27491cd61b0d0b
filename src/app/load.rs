//! From files and environment to values: the configuration, the key, a connected environment, a plan.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::place::{AgentPlace, Connected, EcsPlace, Place};
use crate::cli::Files;
use crate::clients::agent::AgentClient;
use crate::config::{self, Config, Environment, Target};
use crate::domain::{AppName, EnvName, Reason};
use crate::env::{AGENT_KEY, Env};
use crate::failure::Failure;
use crate::plan::ecs;
use crate::signing::AgentKey;

/// Largest configuration or key file in bytes; both are written by hand.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads the configuration.
pub(super) fn config(files: &Files) -> Result<Config, Failure> {
    let name = files.config.display().to_string();
    let text = read(&files.config).map_err(|error| {
        Failure::new(Reason::ConfigInvalid, format!("`{name}` cannot be read"))
            .because(error)
            .hint("run this where the file is, or name it with `--config`")
    })?;
    config::parse(&name, &text).map_err(|problems| {
        let all = problems.to_string();
        Failure::new(Reason::ConfigInvalid, format!("{}\n{}", problems.summary(), all.trim_end()))
    })
}

/// The environment of that name.
pub(super) fn environment<'a>(config: &'a Config, name: &EnvName, files: &Files) -> Result<&'a Environment, Failure> {
    config.environments.get(name).ok_or_else(|| {
        let known: Vec<String> = config.environments.keys().map(|name| format!("`{name}`")).collect();
        Failure::new(Reason::ConfigInvalid, format!("there is no environment `{name}` in `{}`", files.config.display()))
            .hint(format!("it knows {}", known.join(", ")))
    })
}

/// The key with which requests to the agent are signed.
pub(super) fn key(files: &Files, env: &Env) -> Result<AgentKey, Failure> {
    let invalid = |message: String| Failure::new(Reason::KeyInvalid, message);
    let make = "make one on the host with `deploy-action agent keygen`";
    if let Some(path) = &files.agent_key_file {
        let name = path.display().to_string();
        let text = read(path)
            .map_err(|error| invalid(format!("the agent key file `{name}` cannot be read")).because(error))?;
        return AgentKey::parse(&text)
            .map_err(|error| invalid(format!("the file `{name}` holds no agent key")).because(error).hint(make));
    }
    let text = env.agent_key.as_ref().ok_or_else(|| {
        invalid(format!("there is no agent key: `{}` is not set", AGENT_KEY.name))
            .hint(format!("set it, or name a file with `--agent-key-file`; {make}"))
    })?;
    AgentKey::parse(text.expose())
        .map_err(|error| invalid(format!("`{}` holds no agent key", AGENT_KEY.name)).because(error).hint(make))
}

/// Not only of a regular file: a shell hands over a pipe where it is told `<(command)`.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other("the file is larger than 1 MiB"));
    }
    Ok(text)
}

/// Everything needed to ask an environment.
pub(super) async fn connect(name: &EnvName, files: &Files, env: &Env) -> Result<Connected, Failure> {
    let config = config(files)?;
    let target = environment(&config, name, files)?.target.clone();
    to(config.app, name, target, files, env).await
}

/// The same where the target is known.
pub(super) async fn to(
    app: AppName,
    name: &EnvName,
    target: Target,
    files: &Files,
    env: &Env,
) -> Result<Connected, Failure> {
    let place = match target {
        Target::Vps(target) => {
            let client = AgentClient::new(target.agent.clone(), key(files, env)?)?;
            Place::Agent(Box::new(AgentPlace { target, client }))
        }
        Target::Ecs(target) => {
            // What is named in the file is relative to the file.
            let folder = files.config.parent().unwrap_or_else(|| Path::new(""));
            let files = ecs::Files::of(&target, |path| read(&folder.join(path)));
            Place::Ecs(Box::new(EcsPlace::connect(*target, files, None, env).await?))
        }
    };
    Ok(Connected { app, name: name.clone(), commit: None, place })
}
