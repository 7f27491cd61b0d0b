//! Where a checkout has its files and where git keeps its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::domain::GitSha;

/// A checkout on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its folder, without links on the way.
    pub(super) root: PathBuf,
    /// What git keeps of this checkout alone: `HEAD` and the index.
    pub(super) git: PathBuf,
    /// What it shares with other worktrees: branches and settings.
    pub(super) shared: PathBuf,
}

impl Checkout {
    /// The one that a folder is part of, looking upwards as far as `top`: `actions/checkout` may have put it into a
    /// folder of its own. `None` where there is none, or where git's own files are not on this machine.
    #[must_use]
    pub fn around(folder: &Path, top: &Path) -> Option<Self> {
        let (folder, top) = (fs::canonicalize(folder).ok()?, fs::canonicalize(top).ok()?);
        let mut up_to_top = folder.ancestors().take_while(|folder| folder.starts_with(&top));
        let root = up_to_top.find(|folder| fs::symlink_metadata(folder.join(".git")).is_ok())?;
        let at = root.join(".git");
        if at.is_dir() {
            return Some(Self { root: root.to_owned(), git: at.clone(), shared: at });
        }
        // A worktree or a submodule: a line with the place.
        let text = fs::read_to_string(at).ok()?;
        let git = fs::canonicalize(root.join(text.strip_prefix("gitdir: ")?.trim_end())).ok()?;
        let shared = match fs::read_to_string(git.join("commondir")) {
            Ok(path) => fs::canonicalize(git.join(path.trim_end())).ok()?,
            // Which of its commits a submodule has to have is told by the checkout around it: not looked up here.
            Err(_) if root != top && git.iter().any(|part| part == "modules") => return None,
            Err(_) => git.clone(),
        };
        Some(Self { root: root.to_owned(), git, shared })
    }

    /// The commit that is checked out.
    #[must_use]
    pub fn head(&self) -> Option<GitSha> {
        let head = fs::read_to_string(self.git.join("HEAD")).ok()?;
        let Some(name) = head.trim().strip_prefix("ref: ") else { return head.trim().parse().ok() };
        if let Ok(loose) = fs::read_to_string(self.shared.join(name)) {
            return loose.trim().parse().ok();
        }
        let packed = fs::read_to_string(self.shared.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| line.split_once(' ').filter(|(_, at)| *at == name)?.0.parse().ok())
    }
}
