//! Programs that are run to their end, with all they said and a limit to how long they may take.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{BedError, Result};

/// How a program ended and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 128 and the signal's number where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output, if the program succeeded; else an error that quotes what it said.
    ///
    /// # Errors
    /// Any exit code but 0.
    pub fn ok(self, what: &str) -> Result<String> {
        if self.code == 0 {
            return Ok(self.stdout);
        }
        Err(BedError::new(format!(
            "bed: {what} ended with exit code {}:\n{}",
            self.code,
            last_lines(&format!("{}{}", self.stdout, self.stderr), 30)
        )))
    }
}

/// Runs a program with nothing on its standard input. One that takes longer than `limit` is killed.
///
/// # Errors
/// It cannot be started, or took too long.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| BedError::new(format!("bed: {}: {error}", shown(command))))?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let status = wait(&mut child, limit)?;
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let read = |reader: Option<thread::JoinHandle<String>>| reader.and_then(|it| it.join().ok()).unwrap_or_default();
    let (stdout, stderr) = (read(stdout), read(stderr));
    match status {
        Some(status) => Ok(Output { code: code(status), stdout, stderr }),
        None => Err(BedError::new(format!(
            "bed: {} did not end within {limit:?}:\n{}",
            shown(command),
            last_lines(&format!("{stdout}{stderr}"), 30)
        ))),
    }
}

/// Waits for a child; `None` if it goes on after `limit`.
///
/// # Errors
/// The system does not say.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        let status = child.try_wait().map_err(|error| BedError::new(format!("bed: waiting for a child: {error}")))?;
        if status.is_some() || Instant::now() >= end {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A status as a shell would number it.
pub(super) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The end of a text.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Program and arguments only: an environment may hold a key.
fn shown(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let words: Vec<_> = std::iter::once(command.get_program().to_string_lossy()).chain(arguments).collect();
    format!("`{}`", words.join(" "))
}
