//! Programs that go on in the background: known by id, logged to a file, ended with the bed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::error::{BedError, Result};
use super::run;

/// The file in a bed's folder that names its processes, for whoever cleans up after a crash.
const LEDGER: &str = "processes";

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    released: bool,
    /// Where its output goes; all starts of one program share the file.
    pub(crate) log: PathBuf,
}

impl Process {
    /// Starts a program, out of reach of the terminal's Ctrl-C, whose output is appended to `<dir>/<name>.log`.
    pub(crate) fn start(command: &mut Command, dir: &Path, name: &str) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let (out, err) = (append_to(&log)?, append_to(&log)?);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0).spawn();
        let child = child
            .map_err(|error| BedError::new(format!("bed: {}: {error}", command.get_program().to_string_lossy())))?;
        let process = Self { child, released: false, log };
        note(dir, process.id())?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code, once it has ended; waits for that no longer than `limit`.
    pub(crate) fn ended(&mut self, limit: Duration) -> Result<Option<i32>> {
        Ok(run::wait(&mut self.child, limit)?.map(run::code))
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by its name, for example `TERM`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        signal(self.id(), name)
    }

    /// Lets it go on when this value is dropped.
    pub(crate) fn release(&mut self) {
        self.released = true;
    }

    /// Everything it has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.released {
            self.kill();
        }
    }
}

fn append_to(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| BedError::file(path, &error))
}

/// Writes a process down in a bed's folder: it ends with the bed at the latest.
pub(super) fn note(dir: &Path, id: u32) -> Result<()> {
    let line = format!("{id} {}\n", started(id).unwrap_or_default());
    append_to(&dir.join(LEDGER))?.write_all(line.as_bytes()).map_err(|error| BedError::file(dir, &error))
}

/// Ends the processes that a bed's folder names. One whose number went to another program since is left alone.
pub(super) fn end_all(dir: &Path) {
    let ledger = fs::read_to_string(dir.join(LEDGER)).unwrap_or_default();
    for (id, then) in ledger.lines().filter_map(|line| line.split_once(' ')) {
        if let Ok(id) = id.parse()
            && started(id).is_some_and(|now| now == then)
        {
            let _ = signal(id, "KILL");
        }
    }
}

/// Signals a process through the shell's own `kill`: std cannot, and this crate has no unsafe code.
pub(super) fn signal(id: u32, name: &str) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &id.to_string()]);
    run::run(&mut shell, Duration::from_secs(5))?.ok("kill").map(drop)
}

/// All processes of this machine, with their parents.
pub(super) fn all() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some((id, stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?))
    })
    .collect()
}

/// When a process began, in the kernel's own count: with the id, it names a process for good. `None` if there is no
/// such process, or only its remains.
pub(super) fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name is in brackets and may hold anything; field 3 follows the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.nth(18).map(str::to_owned)
}
