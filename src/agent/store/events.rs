//! The event stream of one deployment: appended to a file so that it outlives the agent, kept in memory for readers.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::DeploymentId;
use crate::event::{DeployEvent, Stamped};

/// A stream that several readers may follow. A failure to write the file is logged and changes nothing: events report,
/// the journal decides.
#[derive(Debug, Clone)]
pub struct EventLog {
    inner: Arc<Mutex<Inner>>,
    grown: Arc<watch::Sender<u64>>,
}

#[derive(Debug)]
struct Inner {
    events: Vec<Stamped>,
    file: Option<File>,
}

impl EventLog {
    /// Opens a deployment's stream in `folder`, with what an earlier process wrote.
    #[must_use]
    pub fn open(folder: &Path, id: &DeploymentId) -> Self {
        let path = path_of(folder, id);
        let events = read(&path);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).and_then(|mut file| {
            // What a crash left of a line must not swallow the next one.
            if fs::read(&path)?.last().is_some_and(|last| *last != b'\n') {
                file.write_all(b"\n")?;
            }
            Ok(file)
        });
        let file = file.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "events are not kept")).ok();
        let (grown, _) = watch::channel(events.last().map_or(0, |last: &Stamped| last.seq));
        Self { inner: Arc::new(Mutex::new(Inner { events, file })), grown: Arc::new(grown) }
    }

    /// The events of a deployment that ended, from its file.
    #[must_use]
    pub fn stored(folder: &Path, id: &DeploymentId) -> Vec<Stamped> {
        read(&path_of(folder, id))
    }

    /// Removes the streams of all other deployments than these.
    pub fn forget_all_but(folder: &Path, known: &BTreeSet<DeploymentId>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix("events-")?.strip_suffix(".jsonl"));
            if id.is_some_and(|id| !known.iter().any(|known| known.as_str() == id)) {
                // Tried again with the next deployment.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Appends an event.
    pub fn emit(&self, event: DeployEvent) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let stamped = Stamped { seq: inner.events.last().map_or(0, |last| last.seq) + 1, at: Timestamp::now(), event };
        if let (Some(file), Ok(mut line)) = (inner.file.as_mut(), serde_json::to_vec(&stamped)) {
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                tracing::warn!(%error, "an event is not kept");
            }
        }
        inner.events.push(stamped);
        let count = inner.events.last().map_or(0, |last| last.seq);
        drop(inner);
        self.grown.send_replace(count);
    }

    /// Events after `seq`, and whether the last one is among those known.
    #[must_use]
    pub fn after(&self, seq: u64) -> (Vec<Stamped>, bool) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let events: Vec<Stamped> = inner.events.iter().filter(|event| event.seq > seq).cloned().collect();
        let done = inner.events.last().is_some_and(|last| matches!(last.event, DeployEvent::Finished { .. }));
        (events, done)
    }

    /// Waits until there is an event after `seq`.
    pub async fn grown_past(&self, seq: u64) {
        let mut grown = self.grown.subscribe();
        // The sender lives as long as `self`.
        let _ = grown.wait_for(|count| *count > seq).await;
    }
}

fn path_of(folder: &Path, id: &DeploymentId) -> PathBuf {
    folder.join(format!("events-{id}.jsonl"))
}

fn read(path: &Path) -> Vec<Stamped> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // A torn last line of a crash does not parse and is left out.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_outlives_its_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let id: DeploymentId = "d1".parse().expect("an id");
        let note = |text: &str| DeployEvent::Note { text: text.to_owned() };
        EventLog::open(folder.path(), &id).emit(note("one"));
        let again = EventLog::open(folder.path(), &id);
        again.emit(note("two"));
        again.grown_past(1).await;
        let (events, done) = again.after(1);
        assert_eq!((events.len(), events[0].seq, done), (1, 2, false));
        assert_eq!(EventLog::stored(folder.path(), &id).len(), 2);
        // Half a line of a crash is lost, and nothing else.
        let path = path_of(folder.path(), &id);
        let text = fs::read_to_string(&path).expect("reads");
        fs::write(&path, &text[..text.len() - 9]).expect("writes");
        EventLog::open(folder.path(), &id).emit(note("three"));
        let kept: Vec<u64> = EventLog::stored(folder.path(), &id).iter().map(|event| event.seq).collect();
        assert_eq!(kept, [1, 2]);
    }

    #[test]
    fn streams_that_nobody_can_ask_for_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let ids: Vec<DeploymentId> = ["d-1", "d-2", "d-3"].iter().map(|id| id.parse().expect("an id")).collect();
        for id in &ids {
            EventLog::open(folder.path(), id).emit(DeployEvent::Switched);
        }
        EventLog::forget_all_but(folder.path(), &ids[1..].iter().cloned().collect());
        let left: Vec<usize> = ids.iter().map(|id| EventLog::stored(folder.path(), id).len()).collect();
        assert_eq!(left, [0, 1, 1]);
    }
}
