//! Text files that somebody else wrote, and chose what they are: a pipe is not waited for, a device not read for ever.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Reads a file.
///
/// # Errors
/// It is not there, no regular file, no text, or larger than 1 MiB.
pub fn read(path: &Path) -> Result<String> {
    // A pipe without a writer would be waited for.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(text)
}
