//! The caller's side of a bed: a folder with `deploy.yml`, and the command run in it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use super::error::{BedError, Result};
use super::process;
use super::run::{Output, run};
use super::vps::Bed;

/// Longest a run of the command may take.
const COMMAND: Duration = Duration::from_secs(180);

impl Bed {
    /// Writes the `deploy.yml` that [`Bed::deploy_action`] reads.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_deploy_yml(&self, text: &str) -> Result<()> {
        let dir = self.dir.join("client");
        let file = dir.join("deploy.yml");
        let written = fs::create_dir_all(&dir).and_then(|()| fs::write(&file, text));
        written.map_err(|error| BedError::file(&file, &error))
    }

    /// Beside `deploy.yml`, for `--agent-key-file agent.key`.
    pub(super) fn write_key(&self, key: &str) -> Result<()> {
        let path = self.dir.join("client/agent.key");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(key.as_bytes()));
        written.map_err(|error| BedError::file(&path, &error))
    }

    pub(super) fn program(&self) -> Result<&Path> {
        let none = || BedError::new("bed: `BedOptions::deploy_action` is not set");
        self.deploy_action.as_deref().ok_or_else(none)
    }

    /// The command with these arguments, ready to be run: in a folder with `deploy.yml`, with the agent's key, and with
    /// nothing else of this process's environment but `PATH`.
    ///
    /// # Errors
    /// There is no command.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let dir = self.dir.join("client");
        fs::create_dir_all(&dir).map_err(|error| BedError::file(&dir, &error))?;
        let mut command = Command::new(self.program()?);
        command.args(arguments).env_clear().current_dir(&dir).env("HOME", &dir);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Some(agent) = &self.agent {
            command.env("DEPLOY_AGENT_KEY", agent.key());
        }
        Ok(command)
    }

    /// Runs the command, for example `["status", "production"]`.
    ///
    /// # Errors
    /// There is none, or it goes on for three minutes.
    pub fn deploy_action(&self, arguments: &[&str]) -> Result<Output> {
        run(&mut self.command(arguments)?, COMMAND)
    }

    /// Takes a program in that was started beside the bed: it ends with the bed at the latest.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn takes(&self, child: &Child) -> Result<()> {
        process::note(&self.dir, child.id())
    }
}
