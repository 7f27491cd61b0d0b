//! Standard output, the one place where results go.

use std::io::{self, Write};

/// Writes results to standard output. Whoever closes the other end early (`| head`) ends no deployment.
#[derive(Debug, Default)]
pub struct Out;

impl Out {
    /// Writes a text as it is and hands it over at once.
    pub fn text(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }
}
