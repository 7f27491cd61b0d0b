//! What a step left behind.

use std::collections::BTreeMap;

use super::files::Files;
use crate::bed::{Output, Result};

/// All that a step told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Its outputs by name.
    pub outputs: BTreeMap<String, String>,
    /// What its post step gets, by name.
    pub state: BTreeMap<String, String>,
    /// Its part of the job's summary, as markdown.
    pub summary: String,
}

impl Told {
    pub(super) fn of(output: Output, files: &Files) -> Result<Self> {
        let Output { code, stdout, stderr } = output;
        Ok(Self { code, stdout, stderr, outputs: files.outputs()?, state: files.state()?, summary: files.summary()? })
    }

    /// Both streams.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// An output; empty where it was not set.
    #[must_use]
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}
