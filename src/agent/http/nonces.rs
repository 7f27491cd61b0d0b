//! Requests that were seen: a nonce counts once, also across restarts.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::agent::store::write_atomic;
use crate::agent_api::MAX_SKEW;

/// Nonces of one agent, with the time that each was signed at.
#[derive(Debug)]
pub struct Nonces {
    seen: BTreeMap<String, i64>,
    file: File,
}

impl Nonces {
    /// Opens `folder`'s nonces and forgets those that the clock alone refuses by now.
    ///
    /// # Errors
    /// What reading or writing says.
    pub fn open(folder: &Path, now: i64) -> io::Result<Self> {
        let path = folder.join("nonces");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let parsed = text.lines().filter_map(|line| {
            let (unix, nonce) = line.split_once(' ')?;
            Some((nonce.to_owned(), unix.parse().ok()?))
        });
        let seen: BTreeMap<String, i64> = parsed.filter(|(_, unix)| *unix >= now - 2 * MAX_SKEW).collect();
        let kept: String = seen.iter().map(|(nonce, unix)| format!("{unix} {nonce}\n")).collect();
        write_atomic(&path, &folder.join("nonces.tmp"), kept.as_bytes(), 0o600)?;
        let file = OpenOptions::new().append(true).mode(0o600).open(&path)?;
        Ok(Self { seen, file })
    }

    /// Takes a nonce; false where it was taken before. `durable`: also for the time after a restart.
    ///
    /// # Errors
    /// What writing says; the nonce then counts as not taken.
    pub fn take(&mut self, nonce: &str, unix: i64, now: i64, durable: bool) -> io::Result<bool> {
        self.seen.retain(|_, at| *at >= now - 2 * MAX_SKEW);
        if self.seen.contains_key(nonce) {
            return Ok(false);
        }
        if durable {
            self.file.write_all(format!("{unix} {nonce}\n").as_bytes())?;
            self.file.sync_data()?;
        }
        self.seen.insert(nonce.to_owned(), unix);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut nonces = Nonces::open(folder.path(), 1000).expect("opens");
        assert!(nonces.take("a", 1000, 1000, true).expect("takes"));
        assert!(nonces.take("read", 1000, 1000, false).expect("takes"));
        assert!(!nonces.take("a", 1000, 1000, true).expect("takes"));
        assert!(!nonces.take("read", 1000, 1000, false).expect("takes"));
        drop(nonces);
        let mut nonces = Nonces::open(folder.path(), 1300).expect("opens again");
        assert!(!nonces.take("a", 1000, 1300, true).expect("takes"));
        let mut nonces = Nonces::open(folder.path(), 1000 + 2 * MAX_SKEW + 1).expect("opens much later");
        assert!(nonces.take("a", 1700, 1700, true).expect("the clock refuses it by now anyway"));
    }
}
