//! The checkout that is built from: which commit it is, and what somebody changed since. Reads git's files itself: the
//! action's image has no git.

mod ignored;
mod index;
mod place;
#[cfg(test)]
pub(crate) mod sample;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::docker::BuildContext;
use index::{Entry, Index, Kind};
pub use place::Checkout;

impl Checkout {
    /// The files of a build context that are not as the checkout wrote them: changed, removed, or new and not ignored by
    /// git; and the folders, with a `/`, in which something was staged and not committed. Paths relative to the
    /// checkout, in order. `None` where it cannot be told: an index that is not read here, or a context outside of it.
    /// Blocks: it reads the files.
    #[must_use]
    pub fn changed(&self, context: &BuildContext) -> Option<Vec<String>> {
        let config = fs::read_to_string(self.shared.join("config")).unwrap_or_default();
        let at = fs::canonicalize(context.dir()).ok()?;
        let at = at.strip_prefix(&self.root).ok()?;
        let index = self.git.join("index");
        let Index { tracked, staged } = index::parse(&fs::read(&index).ok()?)?;
        let look = Look {
            root: &self.root,
            tracked,
            written: modified(&fs::metadata(&index).ok()?),
            modes: !config.to_ascii_lowercase().contains("filemode = false"),
        };
        let own = |path: &&String| *path != ".git" && !path.starts_with(".git/");
        let paths: Vec<String> = context.paths().map(|path| at.join(path).to_string_lossy().into_owned()).collect();
        let (known, new): (Vec<&String>, Vec<&String>) =
            paths.iter().filter(own).partition(|path| look.tracked.contains_key(*path));
        let new = new.into_iter().map(String::as_str).filter(|path| !look.in_folder_of_another(path));
        let new: Vec<&str> = new.collect();
        let rules = ignored::rules(&self.root, &self.shared.join("info/exclude"), &new).ok()?;
        let mut found: Vec<String> = known.into_iter().filter(|path| look.differs(path)).cloned().collect();
        found.extend(new.into_iter().filter(|path| !rules.ignores(path)).map(str::to_owned));
        found.extend(look.removed(at, context));
        // Named by the folder: which of its files it is would take reading the commit.
        found.extend(look.added(staged, at));
        found.sort();
        found.dedup();
        Some(found)
    }
}

struct Look<'a> {
    root: &'a Path,
    tracked: BTreeMap<String, Entry>,
    /// When git wrote the index.
    written: (u32, u32),
    /// Whether the file system knows what is executable.
    modes: bool,
}

impl Look<'_> {
    fn differs(&self, path: &str) -> bool {
        let Some(entry) = self.tracked.get(path).filter(|entry| !entry.unwatched) else { return false };
        let full = self.root.join(path);
        let Ok(meta) = fs::symlink_metadata(&full) else { return true };
        let same_kind = match entry.kind {
            Kind::Folder => return false,
            Kind::Link => meta.is_symlink(),
            Kind::File { executable } => meta.is_file() && (!self.modes || executable == (meta.mode() & 0o100 != 0)),
        };
        if entry.conflict || !same_kind {
            return true;
        }
        // As git does: what has the times and the size that git saw is not read, unless it may have changed in that moment.
        // The time of the inode is one that nobody can set back; in a copy it is another, and the content decides.
        let times = (modified(&meta), inode_changed(&meta)) == (entry.modified, entry.inode_changed);
        if times && meta.len() & 0xffff_ffff == u64::from(entry.size) && modified(&meta) < self.written {
            return false;
        }
        blob(&full, &meta).is_none_or(|blob| blob != entry.blob)
    }

    /// Below a submodule, or below a folder that a sparse index does not spell out.
    fn in_folder_of_another(&self, path: &str) -> bool {
        let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.any(|folder| {
            [folder, &format!("{folder}/")]
                .iter()
                .any(|name| self.tracked.get(*name).is_some_and(|entry| entry.kind == Kind::Folder))
        })
    }

    /// The staged folders that reach into the context. Git lists those of which it was told not to look at a file, too:
    /// then nobody knows.
    fn added(&self, staged: Vec<String>, at: &Path) -> impl Iterator<Item = String> {
        let told = !self.tracked.values().any(|entry| entry.unwatched);
        let reaches = move |folder: &String| Path::new(folder).starts_with(at);
        staged.into_iter().filter(move |folder| told && reaches(folder)).map(|folder| format!("{folder}/"))
    }

    /// Tracked paths of the context that are gone.
    fn removed(&self, at: &Path, context: &BuildContext) -> impl Iterator<Item = String> {
        let gone = self.tracked.iter().filter(move |(path, entry)| {
            let inside = Path::new(path.as_str()).strip_prefix(at).is_ok_and(|path| !context.leaves_out(path));
            let watched = !entry.unwatched && entry.kind != Kind::Folder;
            inside && watched && fs::symlink_metadata(self.root.join(path)).is_err()
        });
        gone.map(|(path, _)| path.clone())
    }
}

fn modified(meta: &fs::Metadata) -> (u32, u32) {
    time(meta.mtime(), meta.mtime_nsec())
}

fn inode_changed(meta: &fs::Metadata) -> (u32, u32) {
    time(meta.ctime(), meta.ctime_nsec())
}

fn time(seconds: i64, nanoseconds: i64) -> (u32, u32) {
    let number = |value: i64| u32::try_from(value).unwrap_or_default();
    (number(seconds), number(nanoseconds))
}

/// What git calls this content.
fn blob(path: &Path, meta: &fs::Metadata) -> Option<[u8; 20]> {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(format!("blob {}\0", meta.len()).as_bytes());
    if meta.is_symlink() {
        context.update(fs::read_link(path).ok()?.as_os_str().as_bytes());
    } else {
        let mut file = File::open(path).ok()?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                count => context.update(&buffer[..count]),
            }
        }
    }
    context.finish().as_ref().try_into().ok()
}

#[cfg(test)]
mod tests;
