//! What a runner of GitHub Actions gives a step: files, folders and variables (docs.github.com, "Default environment
//! variables"; actions/runner's ContainerActionHandler).

mod docker;
mod files;
mod inputs;
mod interrupt;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bed::{BedError, Machine, Result, run};

pub use docker::{ActionImage, Running};
pub use files::Files;
pub use told::Told;

/// Longest a step may take.
const STEP: Duration = Duration::from_secs(300);

/// A run of a workflow with one job. Its variables are those of a push to `main` of `acme/hello` until they are set.
#[derive(Debug, Clone)]
pub struct Job {
    machine: Machine,
    dir: PathBuf,
    workspace: PathBuf,
    event: PathBuf,
    token: Option<String>,
    variables: BTreeMap<String, String>,
    steps: u32,
}

impl Job {
    /// Begins run `id`, which keeps its files in `dir`, with what is checked out in `workspace`. `api_url` is GitHub's.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn new(machine: &Machine, dir: &Path, workspace: &Path, api_url: &str, id: u64) -> Result<Self> {
        let event = dir.join("workflow/event.json");
        for folder in ["workflow", "home", "temp", "file_commands"] {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder).map_err(|error| BedError::file(&folder, &error))?;
        }
        let usual = [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTOR", "eve"),
            ("GITHUB_API_URL", api_url),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_REPOSITORY", "acme/hello"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_SERVER_URL", "https://github.com"),
        ];
        let mut variables: BTreeMap<String, String> =
            usual.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables.insert("GITHUB_RUN_ID".to_owned(), id.to_string());
        let (machine, dir, workspace) = (machine.clone(), dir.to_owned(), workspace.to_owned());
        Ok(Self { machine, dir, workspace, event, token: None, variables, steps: 0 })
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Its home folder.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// The job's token, which `github.token` gives.
    pub fn token(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// The event that set it off, with `GITHUB_SHA`.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn event(&mut self, name: &str, payload: &Value, sha: &str) -> Result<()> {
        self.raw_event(name, payload.to_string().as_bytes(), sha)
    }

    /// The same, with bytes that need not be JSON.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn raw_event(&mut self, name: &str, payload: &[u8], sha: &str) -> Result<()> {
        self.set("GITHUB_EVENT_NAME", name);
        self.set("GITHUB_SHA", sha);
        fs::write(&self.event, payload).map_err(|error| BedError::file(&self.event, &error))
    }

    /// Runs a step `uses: badgery/deploy-action@v1` with these inputs, as a process of this machine.
    ///
    /// # Errors
    /// It does not start, goes on for five minutes, or leaves files that a runner refuses.
    pub fn step(&mut self, program: &Path, inputs: &[(&str, &str)]) -> Result<Told> {
        let (mut command, files) = self.prepare(program, inputs)?;
        Told::of(run(&mut command, STEP)?, &files)
    }

    /// The step's process, not started yet, for whoever follows what it says; and its files.
    ///
    /// # Errors
    /// A file cannot be made.
    pub fn prepare(&mut self, program: &Path, inputs: &[(&str, &str)]) -> Result<(Command, Files)> {
        self.steps += 1;
        let files = Files::create(&self.dir.join("file_commands"), self.steps)?;
        let mut command = self.machine.command(program);
        // Here the folders have their own names; in a container a runner mounts them below `/github`.
        command.current_dir(&self.workspace).envs(&self.variables).envs(files.variables());
        command.env("HOME", self.dir.join("home")).env("RUNNER_TEMP", self.dir.join("temp"));
        command.env("GITHUB_WORKSPACE", &self.workspace).env("GITHUB_EVENT_PATH", &self.event);
        command.envs(inputs::of_action(self.token.as_deref(), inputs)?);
        Ok((command, files))
    }
}
