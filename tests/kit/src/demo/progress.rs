//! Following a run: what it says, as it comes, as lines for people.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::show::say;
use super::{events, log};
use crate::bed::{Bed, BedError, Result};

/// Longest silence of a run; its own deadline is shorter.
const SILENCE: Duration = Duration::from_secs(150);

/// What a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// One JSON object per line.
    Events,
    /// The log of a step.
    Log,
    /// The log of a job, as `act` shows it.
    Act,
}

/// Runs a program to its end; gives its exit code and all lines of its standard output.
pub(super) fn follow(bed: &Bed, mut command: Command, speech: Speech) -> Result<(i32, Vec<String>)> {
    let failed = |error: &dyn std::fmt::Display| BedError::new(format!("demo: deploy-action: {error}"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failed(&error))?;
    bed.takes(&child)?;
    let start = Instant::now();
    let (send, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(|line| line.ok()).try_for_each(|it| send.send(it))
        });
    }
    let errors = child.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        })
    });
    let mut all = Vec::new();
    let silent = loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                let shown = match speech {
                    Speech::Events => events::shown(&line),
                    Speech::Log => log::shown(&line),
                    Speech::Act => log::under_act(&line).and_then(log::shown),
                };
                if let Some(text) = shown {
                    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
                    // A line that is indented belongs to the one before.
                    match first.starts_with(' ') {
                        true => say(&format!("           {first}")),
                        false => say(&format!("  {:5.2} s  {first}", start.elapsed().as_secs_f64())),
                    }
                    rest.lines().for_each(|line| say(&format!("           {line}")));
                }
                all.push(line);
            }
            Err(error) => break matches!(error, mpsc::RecvTimeoutError::Timeout),
        }
    };
    if silent {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    let errors = errors.and_then(|reader| reader.join().ok()).unwrap_or_default();
    match status.code() {
        Some(exit_code) if !silent => {
            // Without a word on standard output there is nothing else that would tell why.
            if all.is_empty() {
                say(errors.trim_end());
            }
            Ok((exit_code, all))
        }
        _ => Err(failed(&format!("it was ended after {SILENCE:?} of silence, or by a signal:\n{errors}"))),
    }
}
