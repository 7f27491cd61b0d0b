//! A compose project, set up as `README.md` says a host is, and used as its owner uses it: by plain compose.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{BedError, Result};
use super::machine::Machine;
use super::run::{Output, run};

/// The agent's override file, last in `COMPOSE_FILE`.
const OVERRIDE: &str = "compose.deploy-agent.yaml";

/// One project.
#[derive(Debug, Clone)]
pub struct Project {
    machine: Machine,
    name: String,
    dir: PathBuf,
}

/// A container of a service, in whatever state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its whole id.
    pub id: String,
    /// Docker's word: `running`, `exited`, `created` …
    pub state: String,
    /// Docker's phrase, for example `Up 5 seconds (healthy)`.
    pub status: String,
    /// The image it was made from, as it was named.
    pub image: String,
}

impl Project {
    pub(super) fn new(machine: &Machine, name: &str, dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(|error| BedError::file(&dir, &error))?;
        let project = Self { machine: machine.clone(), name: name.to_owned(), dir };
        project.write(OVERRIDE, "services: {}\n")?;
        project.set_env(&[])?;
        Ok(project)
    }

    /// Its name, as in `com.docker.compose.project`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file of the folder, for example `compose.yaml`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.dir.join(file);
        fs::write(&path, text).map_err(|error| BedError::file(&path, &error))
    }

    /// Reads a file of the folder.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, file: &str) -> Result<String> {
        let path = self.dir.join(file);
        fs::read_to_string(&path).map_err(|error| BedError::file(&path, &error))
    }

    /// Writes `.env`: what makes this a project with our override, and then `variables`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_env(&self, variables: &[(&str, &str)]) -> Result<()> {
        let mut text = format!("COMPOSE_PROJECT_NAME={}\nCOMPOSE_FILE=compose.yaml:{OVERRIDE}\n", self.name);
        for (name, value) in variables {
            text.push_str(&format!("{name}={value}\n"));
        }
        self.write(".env", &text)
    }

    /// Runs `docker compose` in the folder, whatever comes of it.
    ///
    /// # Errors
    /// It cannot be started, or takes longer than two minutes.
    pub fn compose_output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.machine.command("docker");
        command.current_dir(&self.dir).arg("compose").args(arguments);
        run(&mut command, Duration::from_secs(120))
    }

    /// Runs `docker compose` in the folder and gives its standard output.
    ///
    /// # Errors
    /// It fails, or takes longer than two minutes.
    pub fn compose(&self, arguments: &[&str]) -> Result<String> {
        self.compose_output(arguments)?.ok(&format!("`docker compose {}`", arguments.join(" ")))
    }

    /// `docker compose up -d`, waiting until everything runs, and is healthy where that can be told.
    ///
    /// # Errors
    /// It fails.
    pub fn up(&self) -> Result<()> {
        self.compose(&["up", "-d", "--wait"]).map(drop)
    }

    /// The containers of a service in any state, by name.
    ///
    /// # Errors
    /// Docker does not answer.
    pub fn containers_of(&self, service: &str) -> Result<Vec<Container>> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let service = format!("label=com.docker.compose.service={service}");
        let format = "{{.Names}}\t{{.ID}}\t{{.State}}\t{{.Status}}\t{{.Image}}";
        let arguments = ["ps", "-a", "--no-trunc", "--filter", &project, "--filter", &service, "--format", format];
        let listed = self.machine.docker(&arguments)?;
        let mut containers: Vec<Container> = listed.lines().filter_map(container).collect();
        containers.sort();
        Ok(containers)
    }
}

fn container(line: &str) -> Option<Container> {
    let mut fields = line.split('\t').map(str::to_owned);
    Some(Container {
        name: fields.next()?,
        id: fields.next()?,
        state: fields.next()?,
        status: fields.next()?,
        image: fields.next()?,
    })
}
