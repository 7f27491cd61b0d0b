//! Workflows on this machine: `act` runs them as GitHub would, with a machine for jobs and the action made here.
//!
//! Offline: act gets the job's machine, the action and every image by names that this engine already holds.

pub(crate) mod image;
mod repository;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::bed::{Machine, Output, Registry, Result, run};

pub use repository::Repository;

/// Longest a workflow may take.
const WORKFLOW: Duration = Duration::from_secs(300);

/// `act` with what it needs to run the action that is built here.
#[derive(Debug)]
pub struct Act {
    machine: Machine,
    job: String,
    action: PathBuf,
    home: PathBuf,
}

impl Act {
    /// Prepares the job's machine and the action: its `action.yml` in a folder of its own, naming the image of `program`
    /// by the digest under which `registry` has it.
    ///
    /// # Errors
    /// docker or the registry refuses something.
    pub fn prepare(machine: &Machine, registry: &Registry, program: &Path, dir: &Path) -> Result<Self> {
        Ok(Self {
            job: image::job(machine, dir)?,
            action: image::action(machine, registry, program, dir)?,
            home: dir.to_owned(),
            machine: machine.clone(),
        })
    }

    /// Runs the repository's workflows for an event, with arguments for act, and secrets and variables by name.
    ///
    /// # Errors
    /// act does not start, or goes on for five minutes.
    pub fn run(
        &self,
        event: &str,
        arguments: &[&str],
        repository: &Repository,
        secrets: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Result<Output> {
        run(&mut self.command(event, arguments, repository, secrets, variables), WORKFLOW)
    }

    /// The same, not started yet, for whoever follows what it says.
    pub fn command(
        &self,
        event: &str,
        arguments: &[&str],
        repository: &Repository,
        secrets: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Command {
        let mut command = self.machine.command("act");
        command.current_dir(repository.dir()).env("HOME", &self.home).env("XDG_CACHE_HOME", self.home.join("cache"));
        command.args([event, "--pull=false", "--rm", "--no-cache-server"]);
        for runner in ["ubuntu-latest", "ubuntu-24.04"] {
            command.arg("--platform").arg(format!("{runner}={}", self.job));
        }
        command.args(arguments);
        command.arg("--local-repository").arg(format!("badgery/deploy-action@v1={}", self.action.display()));
        for (name, value) in secrets {
            // The name alone: the value is read from the environment and stays out of the list of processes.
            command.args(["--secret", name]).env(name, value);
        }
        for (name, value) in variables {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command
    }
}
