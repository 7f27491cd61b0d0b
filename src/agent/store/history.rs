//! Every deployment that ended, one line each, never changed and never removed: `history.jsonl`.
//!
//! The state keeps the last of them for what the agent decides; this file is for people, and for as long as they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent_api::HistoryEntry;
use crate::domain::{DeploymentId, ServiceName};

/// The format of the lines that this version writes.
const FORMAT: u32 = 1;
/// Deployments shown per service.
const SHOWN: usize = 200;
/// The part at its end that is read, in bytes: some ten thousand deployments.
const TAIL: u64 = 4 * 1024 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The format of this line.
    format: u32,
    /// The service.
    pub service: ServiceName,
    /// The deployment.
    pub entry: HistoryEntry,
    /// How it ended, in a sentence.
    #[serde(default)]
    pub message: String,
}

impl Line {
    /// A deployment of a service.
    #[must_use]
    pub fn new(service: ServiceName, entry: HistoryEntry, message: String) -> Self {
        Self { format: FORMAT, service, entry, message }
    }
}

/// The file.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
}

impl History {
    /// Opens the history in `folder`, and appends what the state knows and it does not: where an older agent kept none,
    /// where it was removed, or where the disk was full.
    pub fn open(folder: &Path, known: impl Iterator<Item = Line>) -> Self {
        let history = Self { path: folder.join("history.jsonl") };
        let there: BTreeSet<DeploymentId> = history.lines().into_iter().map(|line| line.entry.deployment).collect();
        for line in known.filter(|line| !there.contains(&line.entry.deployment)) {
            history.append(&line);
        }
        history
    }

    /// Appends a deployment, durably. Repeating the last one changes nothing. A failure is told and changes nothing: the
    /// state holds the deployment too, and the next start appends it.
    pub fn append(&self, line: &Line) {
        let last = self.lines().pop().map(|line| line.entry.deployment);
        if last.as_ref() == Some(&line.entry.deployment) {
            return;
        }
        if let Err(error) = self.write(line) {
            tracing::error!(path = %self.path.display(), %error, "a deployment is not in the history; it is added at the next start");
        }
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if !ends_a_line(&mut file)? {
            // What a crash left of a line stays a line of its own, which no reader understands.
            text.insert(0, b'\n');
        }
        file.write_all(&text)?;
        file.sync_all()
    }

    /// What can be read of it, oldest first. Lines of a newer format are left out, as are torn ones.
    fn lines(&self) -> Vec<Line> {
        let bytes = match tail(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the history cannot be read");
                Vec::new()
            }
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        lines.filter(|line| line.format <= FORMAT).collect()
    }

    /// The newest deployments of each service, oldest first.
    #[must_use]
    pub fn shown(&self) -> Vec<Line> {
        let mut counts: BTreeMap<ServiceName, usize> = BTreeMap::new();
        let mut lines = self.lines();
        lines.reverse();
        lines.retain(|line| {
            let count = counts.entry(line.service.clone()).or_default();
            *count += 1;
            *count <= SHOWN
        });
        lines.reverse();
        lines
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;

    fn line(service: &str, id: &str) -> Line {
        let entry = HistoryEntry {
            deployment: id.parse().expect("an id"),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            finished_at: jiff::Timestamp::UNIX_EPOCH,
            image: "r/web".to_owned(),
            rollback: false,
            outcome: Outcome::Deployed,
            reason: None,
            release: Some(1),
            requested_by: String::new(),
            idempotency_key: None,
            fence: Some(1),
        };
        Line::new(service.parse().expect("a name"), entry, "it serves".to_owned())
    }

    fn ids(history: &History) -> Vec<String> {
        history.shown().into_iter().map(|line| line.entry.deployment.to_string()).collect()
    }

    #[test]
    fn an_end_that_is_taken_in_twice_is_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        History::open(folder.path(), std::iter::empty()).append(&line("web", "d-1"));
        // The crash came before the state was stored: the state does not know it, and the journal is settled again.
        let again = History::open(folder.path(), std::iter::empty());
        again.append(&line("web", "d-1"));
        again.append(&line("web", "d-2"));
        assert_eq!(ids(&again), ["d-1", "d-2"]);
        let text = fs::read_to_string(folder.path().join("history.jsonl")).expect("reads");
        assert_eq!(text.lines().count(), 2);
        // It came after: both know it.
        let known = [line("web", "d-1"), line("web", "d-2")];
        assert_eq!(ids(&History::open(folder.path(), known.into_iter())), ["d-1", "d-2"]);
    }

    #[test]
    fn what_only_the_state_knows_is_added() {
        let folder = tempfile::tempdir().expect("a folder");
        let known = || [line("web", "d-1"), line("jobs", "d-2")].into_iter();
        assert_eq!(ids(&History::open(folder.path(), known())), ["d-1", "d-2"]);
        fs::remove_file(folder.path().join("history.jsonl")).expect("removes");
        assert_eq!(ids(&History::open(folder.path(), known())), ["d-1", "d-2"]);
    }

    #[test]
    fn a_torn_line_hides_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.jsonl");
        History::open(folder.path(), [line("web", "d-1")].into_iter());
        let whole = fs::read_to_string(&path).expect("reads");
        for cut in 1..whole.len() {
            fs::write(&path, format!("{whole}{}", &whole.replace("d-1", "d-2")[..cut])).expect("writes");
            let history = History::open(folder.path(), std::iter::empty());
            history.append(&line("web", "d-3"));
            let found = ids(&history);
            assert_eq!(
                (found.first().map(String::as_str), found.last().map(String::as_str)),
                (Some("d-1"), Some("d-3"))
            );
        }
        fs::write(&path, format!("{}\n{whole}", whole.trim().replace("\"format\":1", "\"format\":2"))).expect("writes");
        assert_eq!(ids(&History::open(folder.path(), std::iter::empty())), ["d-1"], "of a newer format");
    }

    #[test]
    fn each_service_has_its_own_newest() {
        let folder = tempfile::tempdir().expect("a folder");
        let busy = (0..SHOWN + 5).map(|at| line("web", &format!("w-{at}")));
        let history = History::open(folder.path(), [line("jobs", "j-0")].into_iter().chain(busy));
        let shown = ids(&history);
        assert_eq!(shown.len(), SHOWN + 1);
        assert_eq!((shown[0].as_str(), shown[1].as_str()), ("j-0", "w-5"));
    }
}
