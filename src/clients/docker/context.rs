//! A build context: the files of a folder as `.dockerignore` leaves them, as one tar stream.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures_util::Stream;
use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::ignore::{Ignore, IgnoreError, clean};
use crate::clients::bounded;

mod tar;

/// Largest context that is sent, in bytes. Nearly always it is a forgotten `.dockerignore` line; the engine would take
/// it, minutes later.
pub const LARGEST: u64 = 2 << 30;

/// Why a context cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The file system.
    #[error("{path} cannot be read", path = path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Dockerfile's path leads out of the context.
    #[error("the Dockerfile `{0}` is outside of the build context")]
    Outside(String),
    /// There is no Dockerfile.
    #[error("the build context {context} has no file `{dockerfile}`", context = context.display())]
    NoDockerfile {
        /// The context.
        context: PathBuf,
        /// The path in it.
        dockerfile: String,
    },
    /// The ignore file.
    #[error("{file}: {source}")]
    Ignore {
        /// Its path in the context.
        file: String,
        /// What is wrong with it.
        source: IgnoreError,
    },
    /// More than the limit.
    #[error("the build context is {size} MiB, more than {limit} MiB; most of it is in {biggest}", size = size >> 20, limit = limit >> 20)]
    TooBig {
        /// Its size in bytes.
        size: u64,
        /// The largest that is sent, in bytes.
        limit: u64,
        /// Its three biggest folders with their sizes.
        biggest: String,
    },
}

/// A context, listed and measured, not yet read.
#[derive(Debug)]
pub struct BuildContext {
    dir: PathBuf,
    dockerfile: String,
    ignore_file: String,
    ignore: Ignore,
    entries: Vec<Entry>,
    size: u64,
}

/// One file, folder or link.
#[derive(Debug)]
struct Entry {
    /// Relative to the context.
    path: PathBuf,
    mode: u32,
    /// Seconds since 1970.
    modified: i64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    File { size: u64 },
    Link { to: PathBuf },
}

impl BuildContext {
    /// Lists what `dir` has to send. The Dockerfile and the ignore file are sent even if they are ignored: the engine
    /// reads them. Blocks: it walks the folder.
    ///
    /// # Errors
    /// [`ContextError`], for example when it is larger than `limit` bytes ([`LARGEST`]).
    pub fn list(dir: &Path, dockerfile: &str, limit: u64) -> Result<Self, ContextError> {
        let dockerfile_path = clean(dockerfile);
        if dockerfile.starts_with('/') || dockerfile_path.starts_with("..") {
            return Err(ContextError::Outside(dockerfile.to_owned()));
        }
        if !dir.join(&dockerfile_path).is_file() {
            return Err(ContextError::NoDockerfile { context: dir.to_owned(), dockerfile: dockerfile_path });
        }
        let own = format!("{dockerfile_path}.dockerignore");
        let ignore_file = if dir.join(&own).is_file() { own } else { ".dockerignore".to_owned() };
        let ignore = match bounded::read(&dir.join(&ignore_file)) {
            Ok(text) => {
                Ignore::parse(&text).map_err(|source| ContextError::Ignore { file: ignore_file.clone(), source })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ignore::default(),
            Err(source) => return Err(ContextError::Io { path: dir.join(&ignore_file), source }),
        };
        let (entries, dockerfile) = (Vec::new(), dockerfile_path);
        let mut context =
            Self { dir: dir.to_owned(), dockerfile, ignore_file, ignore: Ignore::default(), entries, size: 0 };
        context.walk(Path::new(""), &ignore)?;
        context.ignore = ignore;
        match context.size {
            size if size > limit => Err(ContextError::TooBig { size, limit, biggest: context.biggest() }),
            _ => Ok(context),
        }
    }

    /// How many files it has, links included.
    #[must_use]
    pub fn files(&self) -> usize {
        self.paths().count()
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its files, links included, relative to the folder.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.entries.iter().filter(|entry| !matches!(entry.kind, Kind::Folder)).map(|entry| entry.path.as_path())
    }

    /// Whether a file with this path, relative to the folder, would be left out.
    #[must_use]
    pub fn leaves_out(&self, path: &Path) -> bool {
        self.ignore.ignores(&path.to_string_lossy())
    }

    /// Bytes in its files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Dockerfile's path in it, without `.` and `..`.
    #[must_use]
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// The text of the Dockerfile.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn dockerfile_text(&self) -> Result<String, ContextError> {
        let path = self.dir.join(&self.dockerfile);
        let bytes = fs::read(&path).map_err(|source| ContextError::Io { path, source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn walk(&mut self, folder: &Path, ignore: &Ignore) -> Result<(), ContextError> {
        let at = self.dir.join(folder);
        let failed = |source| ContextError::Io { path: at.clone(), source };
        let names: io::Result<Vec<_>> =
            fs::read_dir(&at).map_err(failed)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names.map_err(failed)?;
        // One order everywhere: the same files give the same stream.
        names.sort();
        for name in names {
            let path = folder.join(name);
            let shown = path.to_string_lossy();
            let needed = shown == self.dockerfile || shown == self.ignore_file;
            let ignored = !needed && ignore.ignores(&shown);
            let full = self.dir.join(&path);
            let io_error = |source| ContextError::Io { path: full.clone(), source };
            let meta = fs::symlink_metadata(&full).map_err(io_error)?;
            let kind = if meta.is_dir() {
                Kind::Folder
            } else if meta.is_file() {
                Kind::File { size: meta.len() }
            } else if meta.is_symlink() {
                Kind::Link { to: fs::read_link(&full).map_err(io_error)? }
            } else {
                // Sockets and devices mean nothing elsewhere.
                continue;
            };
            let entry = Entry { path: path.clone(), mode: meta.mode() & 0o7777, modified: meta.mtime(), kind };
            let is_folder = meta.is_dir();
            if !ignored {
                self.size += if meta.is_file() { meta.len() } else { 0 };
                self.entries.push(entry);
                if is_folder {
                    self.walk(&path, ignore)?;
                }
            } else if is_folder && (ignore.opens(&shown) || self.needs_inside(&shown)) {
                let before = self.entries.len();
                self.walk(&path, ignore)?;
                if self.entries.len() > before {
                    self.entries.insert(before, entry);
                }
            }
        }
        Ok(())
    }

    fn needs_inside(&self, folder: &str) -> bool {
        [&self.dockerfile, &self.ignore_file]
            .iter()
            .any(|file| file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }

    /// `` `data/` (1900 MiB), … ``: the three largest parts directly in the context.
    fn biggest(&self) -> String {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for entry in &self.entries {
            let Kind::File { size } = entry.kind else { continue };
            let first = entry.path.iter().next().unwrap_or_default().to_string_lossy();
            let slash = if entry.path.iter().nth(1).is_some() { "/" } else { "" };
            *sizes.entry(format!("{first}{slash}")).or_default() += size;
        }
        let mut sizes: Vec<(u64, String)> = sizes.into_iter().map(|(name, size)| (size, name)).collect();
        sizes.sort_by(|a, b| b.cmp(a));
        let shown: Vec<String> =
            sizes.iter().take(3).map(|(size, name)| format!("`{name}` ({} MiB)", size >> 20)).collect();
        shown.join(", ")
    }

    /// Reads and sends it: a tar with owner 0. A file that cannot be read ends the stream with an error, and `failed` says
    /// which it was: to the engine's side it is only a request that broke off.
    pub(super) fn stream(
        self,
        failed: oneshot::Sender<ContextError>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        // Two chunks on their way are enough to keep both sides busy.
        let (sender, receiver) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || {
            let mut writer = tar::Writer::new(|chunk| sender.blocking_send(Ok(chunk)).is_ok());
            let mut path = self.dir.clone();
            let written = self.entries.iter().try_for_each(|entry| {
                path = self.dir.join(&entry.path);
                writer.entry(&path, entry)
            });
            // Where the engine has hung up, nobody is left to tell.
            if let Err(source) = written.and_then(|()| writer.finish())
                && source.kind() != io::ErrorKind::BrokenPipe
            {
                let broken = io::Error::other(format!("{}: {source}", path.display()));
                let _ = failed.send(ContextError::Io { path, source });
                let _ = sender.blocking_send(Err(broken));
            }
        });
        futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
    }
}

#[cfg(test)]
mod tests;
