//! The files through which a step talks to its runner.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bed::{BedError, Result};

/// One step's files, empty at its start.
#[derive(Debug)]
pub struct Files {
    output: PathBuf,
    state: PathBuf,
    summary: PathBuf,
}

impl Files {
    pub(super) fn create(dir: &Path, step: u32) -> Result<Self> {
        let file = |name: &str| dir.join(format!("{name}_{step}"));
        let files = Self { output: file("set_output"), state: file("save_state"), summary: file("step_summary") };
        for path in [&files.output, &files.state, &files.summary] {
            fs::write(path, "").map_err(|error| BedError::file(path, &error))?;
        }
        Ok(files)
    }

    /// Their names, for a step that finds them in another folder.
    pub(super) fn named(&self) -> [(&'static str, String); 3] {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.variables().map(|(variable, path)| (variable, name(path)))
    }

    pub(super) fn variables(&self) -> [(&'static str, &Path); 3] {
        [("GITHUB_OUTPUT", &self.output), ("GITHUB_STATE", &self.state), ("GITHUB_STEP_SUMMARY", &self.summary)]
    }

    /// The step's outputs by name.
    ///
    /// # Errors
    /// A runner refuses the file.
    pub fn outputs(&self) -> Result<BTreeMap<String, String>> {
        pairs(&read(&self.output)?)
    }

    /// What the step leaves for its post step, by name.
    ///
    /// # Errors
    /// A runner refuses the file.
    pub fn state(&self) -> Result<BTreeMap<String, String>> {
        pairs(&read(&self.state)?)
    }

    pub(super) fn summary(&self) -> Result<String> {
        read(&self.summary)
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| BedError::file(path, &error))
}

/// As a runner reads them: `name=value`, or `name<<END`, lines, `END`; whichever sign comes first decides. The last value
/// of a name counts.
fn pairs(text: &str) -> Result<BTreeMap<String, String>> {
    let wrong = |what: &str, line: &str| BedError::new(format!("a runner refuses the file: {what}: {line}"));
    let mut all = BTreeMap::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\n').ok_or_else(|| wrong("no newline at the end", line))?;
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=').unwrap_or(usize::MAX);
        let here = line.find("<<").unwrap_or(usize::MAX);
        if equals == usize::MAX && here == usize::MAX {
            return Err(wrong("neither `=` nor `<<`", line));
        }
        if equals < here {
            all.insert(line[..equals].to_owned(), line[equals + 1..].to_owned());
            continue;
        }
        let (name, end) = (&line[..here], &line[here + 2..]);
        let mut value: Vec<&str> = Vec::new();
        loop {
            let next = lines.next().ok_or_else(|| wrong("the end marker is missing", line))?;
            let next = next.strip_suffix('\n').ok_or_else(|| wrong("no newline at the end", line))?;
            if next == end {
                break;
            }
            value.push(next);
        }
        all.insert(name.to_owned(), value.join("\n"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_a_runner_reads_them() {
        let all = pairs("a=1\nb<<E\nx=1\n\ny\nE\na=2<<\nc=\n").expect("a good file");
        let wanted = [("a", "2<<"), ("b", "x=1\n\ny"), ("c", "")];
        assert_eq!(all, wanted.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        for bad in ["a=1", "a<<E\nx\n", "a<<E\nx\nE", "nothing\n"] {
            assert!(pairs(bad).is_err(), "{bad:?}");
        }
    }
}
