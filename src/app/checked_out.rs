//! A text file of the checkout: whoever opened the pull request wrote it, and chose what it is.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use crate::clients::bounded;

/// Reads `name` below `workspace`, where it is a file there and not a way out.
///
/// # Errors
/// It is not, or it is larger than 1 MiB.
pub(super) fn read(workspace: &Path, name: &str) -> Result<String> {
    let workspace = workspace.canonicalize()?;
    let path = workspace.join(name).canonicalize()?;
    if !path.starts_with(&workspace) {
        return Err(Error::new(ErrorKind::PermissionDenied, "it leads out of the checkout"));
    }
    bounded::read(&path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_a_bounded_file_inside_of_the_checkout_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let checkout = dir.path().join("checkout");
        fs::create_dir_all(checkout.join("ci")).unwrap();
        fs::write(dir.path().join("key"), "canary").unwrap();
        fs::write(checkout.join("good.yml"), "app: web").unwrap();
        symlink("../good.yml", checkout.join("ci/link.yml")).unwrap();
        symlink("../key", checkout.join("out.yml")).unwrap();
        symlink("/dev/zero", checkout.join("zero.yml")).unwrap();
        mknodat(CWD, checkout.join("pipe.yml"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::write(checkout.join("big.yml"), "# padding\n".repeat(200 * 1024)).unwrap();
        // What the checkout is reached by may be a link itself.
        symlink(&checkout, dir.path().join("work")).unwrap();

        let read = |name: &str| super::read(&dir.path().join("work"), name).map_err(|error| error.to_string());
        assert_eq!(read("good.yml").unwrap(), "app: web");
        assert_eq!(read("ci/link.yml").unwrap(), "app: web");
        for (name, why) in [
            ("out.yml", "it leads out of the checkout"),
            ("../key", "it leads out of the checkout"),
            ("zero.yml", "it leads out of the checkout"),
            ("/dev/zero", "it leads out of the checkout"),
            ("pipe.yml", "it is not a regular file"),
            ("ci", "it is not a regular file"),
            ("big.yml", "it is larger than 1 MiB"),
        ] {
            assert_eq!(read(name), Err(why.to_owned()), "{name}");
        }
        let missing = super::read(&checkout, "none.yml").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
