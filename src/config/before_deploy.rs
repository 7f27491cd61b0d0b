//! A command that runs before the traffic goes to a new version: migrations, mostly.

use std::time::Duration;

use crate::domain::parse_span;
use crate::yaml::{Cursor, Report};

/// How long it may take where nothing says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The command, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeDeploy {
    /// Program and arguments. No shell reads them.
    pub command: Vec<String>,
    /// Longest time until its end.
    pub timeout: Duration,
}

fn some_time(text: &str) -> Result<Duration, String> {
    match parse_span(text) {
        Ok(span) if span.is_zero() => Err("a command needs some time: write for example `10m`".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn read(entry: &Cursor<'_>, report: &mut Report) -> Option<BeforeDeploy> {
    let fields = entry.fields(&["command", "timeout"], &[], report)?;
    let command = fields.required("command", report).map(|it| {
        let words = it.items("program", report);
        words.iter().filter_map(|word| word.text(report).map(str::to_owned)).collect()
    });
    let timeout = fields.optional("timeout").and_then(|it| it.parse_with(report, some_time));
    Some(BeforeDeploy { command: command?, timeout: timeout.unwrap_or(TIMEOUT) })
}
