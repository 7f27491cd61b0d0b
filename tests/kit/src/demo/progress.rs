//! Following a run of the command: its events, as they come, as lines for people.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::show::say;
use crate::bed::{BedError, Result};

/// Longest silence of the command; its own deadline is shorter.
const SILENCE: Duration = Duration::from_secs(150);

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit_code: i32,
    /// Milliseconds by phase, in the order in which they ended.
    pub(super) phases: Vec<(String, u64)>,
}

/// Runs the command, which prints one JSON object per line.
pub(super) fn follow(mut command: Command) -> Result<Ended> {
    let failed = |error: &dyn std::fmt::Display| BedError::new(format!("demo: deploy-action: {error}"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failed(&error))?;
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
    let mut phases = Vec::new();
    let silent = loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                let event: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
                if let (Some("phase_finished"), Some(phase)) = (event["kind"].as_str(), event["phase"].as_str()) {
                    phases.push((phase.to_owned(), event["took_ms"].as_u64().unwrap_or(0)));
                }
                if let Some(text) = sentence(&event) {
                    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
                    say(&format!("  {:5.2} s  {first}", start.elapsed().as_secs_f64()));
                    rest.lines().for_each(|line| say(&format!("           {line}")));
                }
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
            // Without events there is nothing else that would tell why.
            if phases.is_empty() {
                say(errors.trim_end());
            }
            Ok(Ended { exit_code, phases })
        }
        _ => Err(failed(&format!("it was ended after {SILENCE:?} of silence, or by a signal:\n{errors}"))),
    }
}

/// An event as text, if it is worth a line.
fn sentence(event: &Value) -> Option<String> {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    match event["kind"].as_str()? {
        "phase_finished" => Some(format!("{:<9} {} ms", text("phase"), event["took_ms"])),
        "note" => Some(text("text")),
        "switched" => Some("the new version gets the traffic".to_owned()),
        "proven" => Some(format!("release {} is proven to serve", event["release"])),
        "drained" => Some(format!("old connections drained in {} ms, {} left open", event["took_ms"], event["open"])),
        "diagnosis" => {
            let container = &event["container"];
            let log = container["log"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let name = container["name"].as_str().unwrap_or("the container");
            Some(log.fold(format!("last words of {name}:"), |all, line| format!("{all}\n  {line}")))
        }
        "finished" => Some(match text("hint") {
            hint if hint.is_empty() => text("message"),
            hint => format!("{}\nhint: {hint}", text("message")),
        }),
        "result" => Some(format!("exit code {}", event["exit_code"])),
        _ => None,
    }
}
