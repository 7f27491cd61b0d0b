//! Whether somebody edited the compose files, told without reading them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Compose;

/// Each file's inode, time of change and size; nothing for one that is not there. The same stamp: not edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<Option<(u64, i64, i64, u64)>>);

impl Stamp {
    /// That of these files.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let of = |path: &Path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
        };
        Self(files.into_iter().map(of).collect())
    }
}

impl Compose {
    /// The stamp of the user's compose files and of the `.env` beside them.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let env = self.dir().join(".env");
        Stamp::of(self.files().iter().map(AsRef::as_ref).chain([env.as_path()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::compose::ComposeEnv;

    #[test]
    fn an_edit_is_seen_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("compose.yaml");
        let compose = Compose::new("p", folder.path(), std::slice::from_ref(&file), ComposeEnv::default());
        let none = compose.stamp();
        std::fs::write(&file, "services: {}\n").expect("writes");
        let first = compose.stamp();
        assert_ne!(none, first);
        std::fs::write(folder.path().join("other"), "x").expect("writes");
        assert_eq!(compose.stamp(), first);
        std::fs::write(folder.path().join(".env"), "A=1\n").expect("writes");
        let second = compose.stamp();
        assert_ne!(second, first);
        std::fs::write(folder.path().join("new"), "services: {}\n").expect("writes");
        std::fs::rename(folder.path().join("new"), &file).expect("renames");
        assert_ne!(compose.stamp(), second, "another file in its place");
    }
}
