//! A step in the container that a runner starts for it: actions/runner's ContainerActionHandler, word by word.
//!
//! One thing differs: the network is the host's, because agent, registry and GitHub's double listen on this machine's
//! loopback. A runner names the job's network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::files::Files;
use super::{Job, Told, inputs};
use crate::act::image;
use crate::bed::{LABEL, Machine, Output, Process, Registry, Result};

/// The name of the engine's socket where a runner looks for it.
const SOCKET: &str = "/var/run/docker.sock";

/// The action's image, made of a program.
#[derive(Debug, Clone)]
pub struct ActionImage {
    name: String,
}

impl ActionImage {
    /// Builds it in a folder of a bed, with a name of the bed's registry: the bed removes those with itself.
    ///
    /// # Errors
    /// docker refuses.
    pub fn build(machine: &Machine, registry: &Registry, program: &Path, dir: &Path) -> Result<Self> {
        let name = format!("{}:runner", registry.repository("deploy-action"));
        image::build(machine, program, dir, &name)?;
        Ok(Self { name })
    }
}

/// A step that runs in its container.
#[derive(Debug)]
pub struct Running {
    /// The docker command: what a runner sends its signals to.
    command: Process,
    machine: Machine,
    container: String,
    files: Files,
}

impl Job {
    /// Starts the action's step.
    ///
    /// # Errors
    /// The container cannot be started.
    pub fn start(&mut self, image: &ActionImage, bed: &str, inputs: &[(&str, &str)]) -> Result<Running> {
        let inputs = inputs::of_action(self.token.as_deref(), inputs)?;
        self.container(image, bed, &[], &inputs)
    }

    /// Starts its post step, which gets the same inputs, and what the step left as its state.
    ///
    /// # Errors
    /// The container cannot be started.
    pub fn start_post(
        &mut self,
        image: &ActionImage,
        bed: &str,
        inputs: &[(&str, &str)],
        state: &BTreeMap<String, String>,
    ) -> Result<Running> {
        let mut variables = inputs::of_action(self.token.as_deref(), inputs)?;
        variables.extend(state.iter().map(|(name, value)| (format!("STATE_{name}"), value.clone())));
        self.container(image, bed, &["--entrypoint", "/post"], &variables)
    }

    /// The post step as `act` starts it: without state, and with no more inputs than the workflow gives.
    ///
    /// # Errors
    /// The container cannot be started.
    pub fn start_bare_post(&mut self, image: &ActionImage, bed: &str, inputs: &[(&str, &str)]) -> Result<Running> {
        let given = inputs.iter().map(|(name, value)| (inputs::variable(name), (*value).to_owned())).collect();
        self.container(image, bed, &["--entrypoint", "/post"], &given)
    }

    fn container(
        &mut self,
        image: &ActionImage,
        bed: &str,
        options: &[&str],
        inputs: &BTreeMap<String, String>,
    ) -> Result<Running> {
        self.steps += 1;
        let files = Files::create(&self.dir.join("file_commands"), self.steps)?;
        let container = format!("{bed}-run-{}-step-{}", self.variables["GITHUB_RUN_ID"], self.steps);
        let mut command = self.machine.command("docker");
        command.args(["run", "--name", &container, "--label", &format!("{LABEL}={bed}")]);
        command.args(["--workdir", "/github/workspace", "--rm"]);
        let mut variables = self.variables.clone();
        variables.extend(inputs.clone());
        variables.extend(files.named().map(|(name, file)| (name.to_owned(), format!("/github/file_commands/{file}"))));
        for (name, value) in [
            ("HOME", "/github/home"),
            ("GITHUB_WORKSPACE", "/github/workspace"),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
            ("RUNNER_TEMP", "/github/runner_temp"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        pass(&mut command, &variables);
        command.args(options).args(["--network", "host"]);
        command.args(["-v", &format!("{}:{SOCKET}", self.machine.socket())]);
        for (from, to) in [
            (self.dir.join("temp"), "runner_temp"),
            (self.dir.join("home"), "home"),
            (self.dir.join("workflow"), "workflow"),
            (self.dir.join("file_commands"), "file_commands"),
            (self.workspace.clone(), "workspace"),
        ] {
            command.args(["-v", &format!("{}:/github/{to}", from.display())]);
        }
        command.arg(&image.name);
        let command = Process::start(&mut command, &self.dir, &container)?;
        Ok(Running { command, machine: self.machine.clone(), container, files })
    }
}

/// By name: the values come from the docker command's own environment. What that itself depends on is said outright.
fn pass(command: &mut Command, variables: &BTreeMap<String, String>) {
    for (name, value) in variables {
        if name == "HOME" {
            command.arg("-e").arg(format!("{name}={value}"));
        } else {
            command.args(["-e", name]).env(name, value);
        }
    }
}

impl Running {
    /// Signals the docker command, by the signal's name without `SIG`.
    ///
    /// # Errors
    /// It ended already.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.command.signal(name)
    }

    /// Kills the container, as a machine's end does.
    ///
    /// # Errors
    /// It is gone already.
    pub fn kill_container(&self) -> Result<()> {
        self.machine.docker(&["kill", &self.container]).map(drop)
    }

    /// Whether the container runs.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        let inspected = self.machine.docker_output(&["inspect", "--format", "{{.State.Running}}", &self.container]);
        inspected.is_ok_and(|output| output.stdout.trim() == "true")
    }

    /// Runs another program in its container.
    ///
    /// # Errors
    /// The container is gone.
    pub fn exec(&self, words: &[&str]) -> Result<Output> {
        self.machine.docker_output(&[&["exec", &self.container], words].concat())
    }

    /// The states of the container's processes, as `ps` writes them.
    ///
    /// # Errors
    /// The container is gone.
    pub fn processes(&self) -> Result<Vec<String>> {
        let listed = self.machine.docker(&["top", &self.container, "-eo", "pid,stat"])?;
        Ok(listed.lines().skip(1).filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned())).collect())
    }

    /// Everything it said so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.command.said()
    }

    /// What it told, once the docker command ended; `None` while it goes on after `limit`. Both streams are in `stdout`.
    ///
    /// # Errors
    /// It left files that a runner refuses.
    pub fn told(&mut self, limit: Duration) -> Result<Option<Told>> {
        let Some(code) = self.command.ended(limit)? else { return Ok(None) };
        let output = Output { code, stdout: self.said(), stderr: String::new() };
        Told::of(output, &self.files).map(Some)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Also one that outlived its docker command.
        let _ = self.machine.docker_output(&["rm", "--force", &self.container]);
        let _ = fs::remove_file(&self.command.log);
    }
}
