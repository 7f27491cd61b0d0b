//! Looks for planted secrets in whatever a run leaves behind: text, folders, and images as a registry stores them.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::bed::BedError;

/// Secrets that must not be found.
#[derive(Debug, Clone, Default)]
pub struct Canaries(Vec<(String, Vec<Vec<u8>>)>);

impl Canaries {
    /// These, each with a name that may be told.
    #[must_use]
    pub fn of(secrets: &[(&str, &str)]) -> Self {
        secrets.iter().fold(Self::default(), |canaries, (name, secret)| canaries.and(name, secret.as_bytes()))
    }

    /// And this one.
    #[must_use]
    pub fn and(mut self, name: &str, secret: &[u8]) -> Self {
        assert!(secret.len() >= 8, "{name} is too short to be told from chance");
        self.0.push((name.to_owned(), spellings(secret)));
        self
    }

    /// Which of them is in `bytes`, with what is around it; `None` where none is.
    pub fn find(&self, bytes: &[u8]) -> Option<String> {
        self.0.iter().find_map(|(name, spellings)| {
            let at = spellings.iter().find_map(|spelling| position(bytes, spelling))?;
            let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 100)];
            Some(format!("{name}, near {:?}", String::from_utf8_lossy(around)))
        })
    }

    /// Which of them is in which file below a folder, decompressed where it is gzip; `None` where none is. A registry's
    /// folder holds manifests, configurations and layers of its images. `allowed` are files, relative to the folder,
    /// where they may be.
    ///
    /// # Errors
    /// A file cannot be read, or there is no file at all: then nothing was looked at.
    pub fn below(&self, folder: &Path, allowed: &[&str]) -> Result<Option<String>, BedError> {
        let mut left = vec![folder.to_owned()];
        let mut seen = 0;
        while let Some(at) = left.pop() {
            let failed = |error| BedError::file(&at, &error);
            for entry in fs::read_dir(&at).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                let meta = fs::symlink_metadata(&path).map_err(failed)?;
                if meta.is_dir() {
                    left.push(path);
                } else if meta.is_file() && !allowed.contains(&name.as_str()) {
                    seen += 1;
                    let content = content(&path).map_err(|error| BedError::file(&path, &error))?;
                    if let Some(found) = self.find(&content) {
                        return Ok(Some(format!("{name}: {found}")));
                    }
                }
            }
        }
        if seen == 0 {
            Err(BedError::new(format!("bed: {} has no files to look at", folder.display())))
        } else {
            Ok(None)
        }
    }
}

/// A secret as it could get out: itself, escaped for a URL, in hexadecimal, and in base64 at any position of a longer text.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let escape = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    let escaped: String = secret.iter().map(escape).collect();
    let mut found = vec![secret.to_owned(), escaped.into_bytes(), hex.into_bytes()];
    for before in 0..3 {
        let text = STANDARD.encode([&vec![b'x'; before], secret].concat());
        // The first and the last characters hold bits of the neighbours.
        let inside = text.trim_end_matches('=');
        let inside = &inside[if before == 0 { 0 } else { 4 }..inside.len() - 1];
        found.extend([inside.to_owned(), inside.replace('+', "-").replace('/', "_")].map(String::into_bytes));
    }
    found.sort();
    found.dedup();
    found
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    // Far faster in a build without optimisation than comparing at each byte.
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let output = Command::new("gzip").arg("-dc").stdin(File::open(path)?).stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_any_spelling() {
        let secret = "can/ary:7f3a+x";
        let canaries = Canaries::of(&[("it", secret)]);
        let spelt = [
            format!("a {secret} b"),
            "x%20can%2Fary%3A7f3a%2Bx".to_owned(),
            STANDARD.encode(format!("ab{secret}c")),
            STANDARD.encode(format!("abc{secret}")).replace('/', "_").replace('+', "-"),
        ];
        for text in spelt {
            assert!(canaries.find(text.as_bytes()).is_some_and(|found| found.starts_with("it, near")), "{text}");
        }
        assert_eq!(canaries.find(b"can/ary:7f3a-x"), None);
    }

    #[test]
    fn folders_are_looked_through_and_layers_unpacked() {
        let folder = std::env::temp_dir().join(format!("kit-scan-{}", std::process::id()));
        let blobs = folder.join("blobs");
        fs::create_dir_all(&blobs).expect("folders");
        let canaries = Canaries::of(&[("it", "canary-7f3a")]);
        assert!(canaries.below(&folder, &[]).is_err(), "nothing was looked at");
        fs::write(blobs.join("data"), "harmless canary-7f3b").expect("writes");
        assert_eq!(canaries.below(&folder, &[]).expect("looks"), None);
        fs::write(blobs.join("data"), "has the canary-7f3a in it").expect("writes");
        fs::write(blobs.join("other"), "harmless").expect("writes");
        assert!(Command::new("gzip").arg("-n").arg(blobs.join("data")).status().expect("gzip").success());
        let found = canaries.below(&folder, &[]).expect("looks").expect("found");
        assert!(found.starts_with("blobs/data.gz: it, near"), "{found}");
        assert_eq!(canaries.below(&folder, &["blobs/data.gz"]).expect("looks"), None);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
