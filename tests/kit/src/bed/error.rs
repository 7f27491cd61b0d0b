//! Why a bed is not what a test needs.

use std::fmt;
use std::io;
use std::path::Path;

/// What failed, in sentences for whoever reads the failed test. `Debug` prints the same, so that `unwrap` in a test
/// shows text and not a structure.
pub struct BedError(String);

/// What everything in this module returns.
pub type Result<T> = std::result::Result<T, BedError>;

impl BedError {
    /// An error that says `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// An error of a file or folder.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self(format!("bed: {}: {error}", path.display()))
    }
}

impl fmt::Display for BedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BedError {}
