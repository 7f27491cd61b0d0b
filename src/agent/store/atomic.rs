//! Files that are whole or absent, also after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Replaces `target` by `content`: temporary file at `staging`, fsync, rename, fsync of the folder.
/// `staging` must be on the same file system. `mode` holds whatever the process's umask is: the unit's 0077 would hide the
/// route file from Traefik and the override from the user whose project it is.
///
/// # Errors
/// The first step that fails; the target is then as before.
pub fn write_atomic(target: &Path, staging: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // A leftover of a crash may have another mode.
    remove_file(staging)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(staging)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(staging, target)?;
    sync_parent(target)
}

/// Removes a file that may be absent, durably.
///
/// # Errors
/// Anything but its absence.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
