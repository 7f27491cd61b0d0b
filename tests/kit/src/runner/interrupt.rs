//! A step that somebody cancels.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::{Job, Told};
use crate::bed::{BedError, Output, Result, run, wait_for_some};

/// Longest wait for what the step is to say first, and for its end after that.
const PATIENCE: Duration = Duration::from_secs(120);

impl Job {
    /// Runs a step as a process of this machine and interrupts it as soon as its log holds `said`.
    ///
    /// # Errors
    /// It does not start, never says that, or does not end.
    pub fn interrupted(&mut self, program: &Path, inputs: &[(&str, &str)], said: &str) -> Result<Told> {
        let (mut command, files) = self.prepare(program, inputs)?;
        let (out, err) = (self.dir.join("interrupted.out"), self.dir.join("interrupted.err"));
        let file = |path: &Path| File::create(path).map_err(|error| BedError::file(path, &error));
        command.stdin(Stdio::null()).stdout(file(&out)?).stderr(file(&err)?);
        let started = command.spawn().map_err(|error| BedError::new(format!("bed: the step: {error}")));
        let mut child = started?;
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let heard = wait_for_some(&format!("the step to say `{said}`"), PATIENCE, || {
            let ended = child.try_wait().is_ok_and(|status| status.is_some());
            if ended {
                Err(BedError::new(format!("bed: it ended first:\n{}{}", read(&out), read(&err))))
            } else {
                Ok(read(&out).contains(said).then_some(()))
            }
        });
        let signal = if heard.is_ok() { "INT" } else { "KILL" };
        let mut kill = self.machine.command("kill");
        run(kill.args(["-s", signal, &child.id().to_string()]), Duration::from_secs(10))?.ok("kill")?;
        let status = wait_for_some("the interrupted step to end", PATIENCE, || {
            child.try_wait().map_err(|error| BedError::new(format!("bed: the step: {error}")))
        })?;
        heard?;
        let output = Output { code: status.code().unwrap_or(-1), stdout: read(&out), stderr: read(&err) };
        for path in [&out, &err] {
            fs::remove_file(path).map_err(|error| BedError::file(path, &error))?;
        }
        Told::of(output, &files)
    }
}
