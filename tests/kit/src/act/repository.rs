//! A repository with a workflow, as a user of the action has one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bed::{BedError, Machine, Result, run};

/// A git repository in a folder of its own.
#[derive(Debug)]
pub struct Repository {
    machine: Machine,
    dir: PathBuf,
}

impl Repository {
    /// Begins one that says it is `acme/hello` at github.com.
    ///
    /// # Errors
    /// The folder cannot be made, or git refuses.
    pub fn create(machine: &Machine, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|error| BedError::file(dir, &error))?;
        let repository = Self { machine: machine.clone(), dir: dir.to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch", "main"])?;
        repository.git(&["remote", "add", "origin", "https://github.com/acme/hello"])?;
        Ok(repository)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file, with its folders.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.dir.join(path);
        let folder = file.parent().unwrap_or(&self.dir);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text));
        written.map_err(|error| BedError::file(&file, &error))
    }

    /// Commits everything and gives the commit's sha.
    ///
    /// # Errors
    /// git refuses.
    pub fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.machine.command("git");
        command.args(["-c", "user.name=Eve", "-c", "user.email=eve@example.com"]).args(arguments);
        // Nothing of whoever runs the tests: no signing, no hooks.
        command.current_dir(&self.dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        run(&mut command, Duration::from_secs(30))?.ok(&format!("`git {}`", arguments.join(" ")))
    }
}
