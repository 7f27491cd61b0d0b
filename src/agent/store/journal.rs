//! The journal of one application: one line a record, `crc32c seq json`, each on disk before the next step begins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::record::{Point, Record};

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk said no.
    #[error("the journal {path} cannot be {what}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `written` or `emptied`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    seq: u64,
    /// Length of what is known to be good.
    good: u64,
}

impl Journal {
    /// Opens the journal in `folder` and reads what it holds. A torn last line is dropped (the effect that it announces
    /// was not begun). Damage before the end ends the reading there: what follows cannot be trusted, so the file is kept
    /// aside as `journal.damaged` for people.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn open(folder: &Path) -> Result<(Self, Vec<Record>), JournalError> {
        let path = folder.join("journal");
        let io = |what| {
            let path = path.clone();
            move |source| JournalError::Io { path, what, source }
        };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io("read")(error)),
        };
        let (records, good) = parse(&bytes);
        if good < bytes.len() && bytes[good..].iter().filter(|byte| **byte == b'\n').count() > 1 {
            tracing::error!(path = %path.display(), "the journal is damaged; kept aside as journal.damaged");
            fs::write(folder.join("journal.damaged"), &bytes).map_err(io("written"))?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(io("written"))?;
        file.set_len(good as u64).and_then(|()| file.sync_all()).map_err(io("written"))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("written"))?;
        let seq = records.len() as u64;
        Ok((Self { path, file, seq, good: good as u64 }, records))
    }

    /// Appends a record and waits until it is on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the caller must not begin the effect then.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        Point::Before(record.word()).pass();
        let line = encode(self.seq + 1, record);
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Half a line would hide every record after it.
            if let Err(error) = self.file.set_len(self.good) {
                tracing::error!(%error, "the journal keeps half a record");
            }
            return Err(JournalError::Io { path: self.path.clone(), what: "written", source });
        }
        self.seq += 1;
        self.good += line.len() as u64;
        Point::After(record.word()).pass();
        Ok(())
    }

    /// True where it holds no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.seq == 0
    }

    /// Empties the journal after its end was taken into the state.
    ///
    /// # Errors
    /// [`JournalError::Io`]; reading it again is then harmless.
    pub fn clear(&mut self) -> Result<(), JournalError> {
        self.seq = 0;
        self.good = 0;
        let emptied = self.file.set_len(0).and_then(|()| self.file.sync_all());
        emptied.map_err(|source| JournalError::Io { path: self.path.clone(), what: "emptied", source })
    }
}

fn encode(seq: u64, record: &Record) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    let body = format!("{seq} {json}");
    format!("{:08x} {body}\n", crc32c::crc32c(body.as_bytes()))
}

/// The records up to the first line that is torn, damaged or out of order, and the length of that good part.
#[must_use]
pub fn parse(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut good = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match decode(line, records.len() as u64 + 1) {
            Some(record) => records.push(record),
            None => break,
        }
        good += line.len();
    }
    (records, good)
}

fn decode(line: &[u8], expected_seq: u64) -> Option<Record> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, body) = line.split_once(' ')?;
    if crc.len() != 8 || u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(body.as_bytes()) {
        return None;
    }
    let (seq, json) = body.split_once(' ')?;
    if seq.parse() != Ok(expected_seq) {
        return None;
    }
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> Vec<Record> {
        vec![Record::Pulling, Record::Pulled { image_id: "sha256:1".to_owned() }, Record::Creating, Record::Gated]
    }

    fn bytes_of(records: &[Record]) -> Vec<u8> {
        records.iter().enumerate().map(|(at, record)| encode(at as u64 + 1, record)).collect::<String>().into_bytes()
    }

    #[test]
    fn what_is_written_is_read_again_and_clearing_starts_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, found) = Journal::open(folder.path()).expect("opens");
        assert_eq!(found, []);
        for record in records() {
            journal.append(&record).expect("appends");
        }
        drop(journal);
        let (mut journal, found) = Journal::open(folder.path()).expect("opens again");
        assert_eq!(found, records());
        journal.clear().expect("clears");
        journal.append(&Record::Creating).expect("appends");
        assert_eq!(Journal::open(folder.path()).expect("opens").1, [Record::Creating]);
    }

    #[test]
    fn damage_in_the_middle_is_kept_for_people() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bytes = bytes_of(&records());
        bytes[12] ^= 1;
        fs::write(folder.path().join("journal"), &bytes).expect("writes");
        assert_eq!(Journal::open(folder.path()).expect("opens").1, []);
        assert_eq!(fs::read(folder.path().join("journal.damaged")).ok(), Some(bytes));
    }

    proptest! {
        #[test]
        fn a_cut_or_a_flipped_bit_never_invents_a_record(cut in 0usize..400, flip in 0usize..400, bit in 0u8..8) {
            let mut bytes = bytes_of(&records());
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= 1 << bit;
            }
            let (found, good) = parse(&bytes);
            prop_assert!(records().starts_with(&found));
            prop_assert!(good <= bytes.len());
        }
    }
}
