//! The runner's files for outputs and summary.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::outputs::{Output, file};
use crate::domain::hex;
use crate::signing::fresh_nonce;

/// The runner's files that take outputs and summary; absent outside of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// `GITHUB_OUTPUT`.
    pub output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`.
    pub summary: Option<PathBuf>,
}

impl Files {
    /// Adds both. Returns what could not be written, a sentence each.
    #[must_use]
    pub fn write(&self, outputs: &[Output], summary: &str) -> Vec<String> {
        let mut unwritten = Vec::new();
        if let Some(path) = &self.output {
            let text = match fresh_nonce() {
                Ok(delimiter) => file(outputs, &hex(&delimiter)).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let written = text.and_then(|text| append(path, &text));
            unwritten.extend(written.err().map(|error| format!("the outputs were not written: {error}")));
        }
        if let Some(path) = &self.summary {
            let written = append(path, summary);
            unwritten.extend(written.err().map(|error| format!("the job summary was not written: {error}")));
        }
        unwritten
    }
}

/// In one call: the runner may read the file at any time.
fn append(path: &Path, text: &str) -> Result<(), String> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("`{}`: {error}", path.display()))
}
