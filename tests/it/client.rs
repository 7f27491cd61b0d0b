//! The caller of a deployment whose agent dies: it runs in the background, and its lines are read as they come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use kit::bed::{Bed, wait_for_some};
use serde_json::Value;

/// A running `deploy` or `rollback` with `--format json`.
pub(crate) struct Client {
    child: Child,
    lines: Receiver<(Instant, Value)>,
    /// Every line so far.
    pub(crate) seen: Vec<Value>,
}

impl Client {
    /// Starts it. `hook` is called with each line, at once.
    pub(crate) fn start(bed: &Bed, arguments: &[&str], hook: impl Fn(&Value) + Send + 'static) -> Result<Self, String> {
        Self::start_with(bed, arguments, &[], hook)
    }

    /// The same, with further variables in its environment.
    pub(crate) fn start_with(
        bed: &Bed,
        arguments: &[&str],
        env: &[(&str, &str)],
        hook: impl Fn(&Value) + Send + 'static,
    ) -> Result<Self, String> {
        let mut command = bed.command(arguments).map_err(|error| error.to_string())?;
        command
            .args(["--format", "json"])
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        bed.takes(&child).map_err(|error| error.to_string())?;
        let (send, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    hook(&line);
                    if send.send((Instant::now(), line)).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines, seen: Vec::new() })
    }

    /// When the first line came for which this is true; `None` if none came in time or at all.
    pub(crate) fn until(&mut self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Instant> {
        let end = Instant::now() + limit;
        loop {
            let (at, line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            let found = wanted(&line);
            self.seen.push(line);
            if found {
                return Some(at);
            }
        }
    }

    /// Its exit code, once it has ended.
    pub(crate) fn end(&mut self, limit: Duration) -> Result<i32, String> {
        let code = wait_for_some("the command to end", limit, || Ok(self.child.try_wait().ok().flatten()));
        let code = code.map_err(|error| error.to_string())?.code();
        self.seen.extend(self.lines.iter().map(|(_, line)| line));
        code.ok_or_else(|| "the command was killed".to_owned())
    }

    /// What it said, for a failure.
    pub(crate) fn said(&mut self) -> String {
        let mut text: Vec<String> = self.seen.iter().map(ToString::to_string).collect();
        if let (Ok(Some(_)), Some(mut stderr)) = (self.child.try_wait(), self.child.stderr.take()) {
            let mut rest = String::new();
            let _ = stderr.read_to_string(&mut rest);
            text.push(rest);
        }
        text.join("\n")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
