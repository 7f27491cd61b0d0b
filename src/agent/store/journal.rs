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
    /// Without its first record nobody knows which deployment it is about.
    #[error("the first line of the journal {path} is damaged, and it tells which deployment was interrupted")]
    Headless {
        /// The file.
        path: PathBuf,
    },
    /// Only the agent that wrote it knows which deployment it is about.
    #[error("the journal {path} was begun by a newer agent")]
    Newer {
        /// The file.
        path: PathBuf,
    },
}

/// What a journal holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Its records, in order; those that are damaged or not known are left out.
    pub records: Vec<Record>,
    /// True where some are: then more was done than the records say.
    pub damaged: bool,
    /// True where all of these are as a newer agent wrote them.
    pub newer: bool,
}

impl Found {
    /// What a journal's text holds.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        parse(text).found
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    seq: u64,
    /// Length of what is on disk for sure.
    good: u64,
    /// True where something may follow that.
    torn: bool,
}

impl Journal {
    /// Opens the journal in `folder` and reads what it holds. A torn last line is dropped: the effect that it announces was
    /// not begun. Of a damaged journal a copy is kept aside as `journal.damaged` for people.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(folder: &Path) -> Result<(Self, Found), JournalError> {
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
        let Parsed { found, lines, good, begun_by_newer } = parse(&bytes);
        if begun_by_newer {
            return Err(JournalError::Newer { path });
        }
        if found.damaged {
            let what = if found.newer { "has records of a newer agent" } else { "is damaged" };
            tracing::error!(path = %path.display(), "the journal {what}; a copy is kept aside as journal.damaged");
            fs::write(folder.join("journal.damaged"), &bytes).map_err(io("written"))?;
            if !matches!(found.records.first(), Some(Record::Accepted { .. })) {
                return Err(JournalError::Headless { path });
            }
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(io("written"))?;
        file.set_len(good as u64).and_then(|()| file.sync_all()).map_err(io("written"))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("written"))?;
        Ok((Self { path, file, seq: lines, good: good as u64, torn: false }, found))
    }

    /// Whether [`Journal::open`] would take the journal in `folder`; changes nothing.
    ///
    /// # Errors
    /// As there.
    pub fn check(folder: &Path) -> Result<(), JournalError> {
        let path = folder.join("journal");
        let parsed = match fs::read(&path) {
            Ok(bytes) => parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(JournalError::Io { path, what: "read", source }),
        };
        match parsed.found.records.first() {
            _ if parsed.begun_by_newer => Err(JournalError::Newer { path }),
            Some(Record::Accepted { .. }) => Ok(()),
            _ if parsed.found.damaged => Err(JournalError::Headless { path }),
            _ => Ok(()),
        }
    }

    /// Appends a record and waits until it is on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the caller must not begin the effect then.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        Point::Before(record.word()).pass();
        let line = encode(self.seq + 1, record);
        let written =
            self.mend().and_then(|()| self.file.write_all(line.as_bytes())).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.torn = true;
            if let Err(error) = self.mend() {
                tracing::error!(%error, "the journal keeps half a record until it can be written again");
            }
            return Err(JournalError::Io { path: self.path.clone(), what: "written", source });
        }
        self.seq += 1;
        self.good += line.len() as u64;
        Point::After(record.word()).pass();
        Ok(())
    }

    /// Takes half a line away: it would damage the record after it.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.good)?;
            self.torn = false;
        }
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
        let emptied = self.file.set_len(0).and_then(|()| self.file.sync_all());
        emptied.map_err(|source| JournalError::Io { path: self.path.clone(), what: "emptied", source })?;
        self.seq = 0;
        self.good = 0;
        self.torn = false;
        Ok(())
    }
}

fn encode(seq: u64, record: &Record) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    let body = format!("{seq} {json}");
    format!("{:08x} {body}\n", crc32c::crc32c(body.as_bytes()))
}

/// A journal's text, taken apart.
struct Parsed {
    found: Found,
    /// Whole lines, damaged ones too.
    lines: u64,
    /// Their length in bytes.
    good: usize,
    /// True where the first is of a newer agent.
    begun_by_newer: bool,
}

/// Reads every whole line on its own: the numbers say what is missing between two good ones. A single line that is not
/// good announces nothing that was begun, as every effect has a record of its own before it.
fn parse(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed { found: Found::default(), lines: 0, good: 0, begun_by_newer: false };
    let (mut unknown, mut damaged) = (false, false);
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        parsed.lines += 1;
        parsed.good += line.len();
        match decode(line, parsed.lines) {
            Line::Record(record) => parsed.found.records.push(*record),
            Line::Unknown => {
                unknown = true;
                parsed.begun_by_newer |= parsed.lines == 1;
            }
            Line::Damaged => damaged = true,
        }
    }
    if parsed.lines == 1 && damaged {
        return Parsed { found: Found::default(), lines: 0, good: 0, begun_by_newer: false };
    }
    parsed.found.damaged = unknown || damaged;
    parsed.found.newer = unknown && !damaged;
    parsed
}

/// What a whole line is.
enum Line {
    Record(Box<Record>),
    /// As it was written, by an agent that knows more records than this one.
    Unknown,
    Damaged,
}

fn decode(line: &[u8], expected_seq: u64) -> Line {
    match checked(line, expected_seq).map(serde_json::from_str) {
        Some(Ok(record)) => Line::Record(Box::new(record)),
        Some(Err(_)) => Line::Unknown,
        None => Line::Damaged,
    }
}

/// The JSON of a line whose sum and number are right.
fn checked(line: &[u8], expected_seq: u64) -> Option<&str> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, body) = line.split_once(' ')?;
    if crc.len() != 8 || u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(body.as_bytes()) {
        return None;
    }
    let (seq, json) = body.split_once(' ')?;
    (seq.parse() == Ok(expected_seq)).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::store::Accepted;
    use proptest::prelude::*;

    fn records() -> Vec<Record> {
        let accepted = Accepted::sample();
        vec![
            Record::Accepted { accepted: Box::new(accepted) },
            Record::Pulling,
            Record::Pulled { image_id: "sha256:1".to_owned() },
            Record::Creating,
            Record::Gated,
        ]
    }

    fn bytes_of(records: &[Record]) -> Vec<u8> {
        records.iter().enumerate().map(|(at, record)| encode(at as u64 + 1, record)).collect::<String>().into_bytes()
    }

    #[test]
    fn what_is_written_is_read_again_and_clearing_starts_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, found) = Journal::open(folder.path()).expect("opens");
        assert_eq!(found, Found::default());
        for record in records() {
            journal.append(&record).expect("appends");
        }
        drop(journal);
        let (mut journal, found) = Journal::open(folder.path()).expect("opens again");
        assert_eq!(found, Found { records: records(), ..Found::default() });
        journal.clear().expect("clears");
        journal.append(&Record::Creating).expect("appends");
        assert_eq!(Journal::open(folder.path()).expect("opens").1.records, [Record::Creating]);
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = bytes_of(&records());
        fs::write(folder.path().join("journal"), &bytes[..bytes.len() - 3]).expect("writes");
        let (mut journal, found) = Journal::open(folder.path()).expect("opens");
        assert_eq!(found, Found { records: records()[..4].to_vec(), ..Found::default() });
        journal.append(&Record::Gated).expect("appends");
        assert_eq!(fs::read(folder.path().join("journal")).ok(), Some(bytes));
        assert!(!folder.path().join("journal.damaged").exists());
    }

    #[test]
    fn damage_is_told_kept_for_people_and_hides_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let good = bytes_of(&records());
        let starts: Vec<usize> = (0..good.len()).filter(|at| *at == 0 || good[at - 1] == b'\n').collect();
        for (line, start) in starts.iter().enumerate().skip(1) {
            let mut bytes = good.clone();
            bytes[start + 12] ^= 1;
            fs::write(folder.path().join("journal"), &bytes).expect("writes");
            let (mut journal, found) = Journal::open(folder.path()).expect("opens");
            let mut rest = records();
            rest.remove(line);
            assert_eq!(found, Found { records: rest.clone(), damaged: true, newer: false });
            assert_eq!(fs::read(folder.path().join("journal.damaged")).ok(), Some(bytes));
            // What follows is read again, too, and that there was damage is not forgotten.
            journal.append(&Record::Retiring).expect("appends");
            rest.push(Record::Retiring);
            assert_eq!(
                Journal::open(folder.path()).expect("opens").1,
                Found { records: rest, damaged: true, newer: false }
            );
        }
    }

    #[test]
    fn a_record_of_a_newer_agent_is_told_from_damage() {
        let newer = |seq: usize| {
            let body = format!(r#"{seq} {{"record":"levitating","height":3}}"#);
            format!("{:08x} {body}\n", crc32c::crc32c(body.as_bytes())).into_bytes()
        };
        let mut bytes = [bytes_of(&records()), newer(6)].concat();
        assert_eq!(parse(&bytes).found, Found { records: records(), damaged: true, newer: true });
        let second = bytes.iter().position(|byte| *byte == b'\n').expect("a line");
        bytes[second + 12] ^= 1;
        assert!(!parse(&bytes).found.newer, "where there is damage, too, that is what is told");

        let folder = tempfile::tempdir().expect("a folder");
        for begun in [newer(1), [newer(1), newer(2)].concat()] {
            fs::write(folder.path().join("journal"), &begun).expect("writes");
            assert!(matches!(Journal::check(folder.path()), Err(JournalError::Newer { .. })));
            assert!(matches!(Journal::open(folder.path()), Err(JournalError::Newer { .. })));
            assert_eq!(fs::read(folder.path().join("journal")).ok(), Some(begun), "it is left as it is");
        }
    }

    #[test]
    fn without_its_first_line_a_journal_is_refused_unless_nothing_was_begun() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bytes = bytes_of(&records());
        bytes[12] ^= 1;
        fs::write(folder.path().join("journal"), &bytes).expect("writes");
        assert!(matches!(Journal::check(folder.path()), Err(JournalError::Headless { .. })));
        assert!(matches!(Journal::open(folder.path()), Err(JournalError::Headless { .. })));
        assert_eq!(fs::read(folder.path().join("journal")).ok(), Some(bytes), "it is left as it is");
        let mut bytes = bytes_of(&records()[..1]);
        bytes[12] ^= 1;
        fs::write(folder.path().join("journal"), &bytes).expect("writes");
        assert_eq!(Journal::open(folder.path()).expect("opens").1, Found::default());
        assert_eq!(fs::read(folder.path().join("journal")).ok(), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn a_cut_or_a_flipped_bit_never_invents_a_record(cut in 0usize..1200, flip in 0usize..1200, bit in 0u8..8) {
            let mut bytes = bytes_of(&records());
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= 1 << bit;
            }
            let parsed = parse(&bytes);
            let mut known = records().into_iter();
            prop_assert!(parsed.found.records.iter().all(|record| known.any(|known| known == *record)), "in order");
            prop_assert!(parsed.good <= bytes.len());
        }
    }
}
