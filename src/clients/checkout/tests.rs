use std::fs;
use std::path::Path;

use super::sample::git;
use super::*;
use crate::clients::docker::LARGEST;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, text).expect("writes");
}

/// A commit with a context in `web` and a file beside it.
fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    git(root, &["init", "--quiet", "--initial-branch", "main"]);
    for (path, text) in [
        ("web/Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("web/.dockerignore", "*.md\n"),
        ("web/src/a.rs", "one"),
        ("web/src/ab.rs", "two"),
        ("web/README.md", "text"),
        ("web/.gitignore", "dist/\n"),
        (".gitignore", "*.log\n!keep.log\n"),
        ("other", "x"),
    ] {
        write(root, path, text);
    }
    std::os::unix::fs::symlink("src", root.join("web/link")).expect("a link");
    git(root, &["add", "--all"]);
    git(root, &["commit", "--quiet", "--message", "first"]);
    folder
}

fn look(root: &Path) -> Option<Vec<String>> {
    Checkout::around(root, root)?.changed(&context(&root.join("web")))
}

fn context(dir: &Path) -> BuildContext {
    BuildContext::list(dir, "Dockerfile", LARGEST).expect("a context")
}

#[test]
fn a_checkout_is_clean_until_its_context_changes() {
    let folder = checkout();
    let root = folder.path();
    for version in ["2", "4"] {
        git(root, &["update-index", "--index-version", version]);
        assert_eq!(look(root), Some(vec![]), "index version {version}");
    }
    // None of these reaches the image, or git ignores it.
    write(root, "other", "changed");
    write(root, "new", "beside");
    write(root, "web/README.md", "changed");
    write(root, "web/dist/made.js", "made");
    write(root, "web/src/build.log", "made");
    assert_eq!(look(root), Some(vec![]));
    // The same content with another time.
    write(root, "web/src/a.rs", "one");
    assert_eq!(look(root), Some(vec![]));

    write(root, "web/src/a.rs", "two");
    write(root, "web/src/keep.log", "kept");
    write(root, "web/.npmrc", "new");
    fs::remove_file(root.join("web/src/ab.rs")).expect("removed");
    fs::remove_file(root.join("web/link")).expect("removed");
    std::os::unix::fs::symlink("dist", root.join("web/link")).expect("a link");
    let expected = ["web/.npmrc", "web/link", "web/src/a.rs", "web/src/ab.rs", "web/src/keep.log"];
    assert_eq!(look(root).expect("told"), expected);
}

#[test]
fn a_file_that_became_executable_is_a_change() {
    use std::os::unix::fs::PermissionsExt;
    let folder = checkout();
    let file = folder.path().join("web/src/a.rs");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("set");
    assert_eq!(look(folder.path()).expect("told"), ["web/src/a.rs"]);
    git(folder.path(), &["config", "core.fileMode", "false"]);
    assert_eq!(look(folder.path()), Some(vec![]));
}

#[test]
fn what_is_staged_is_a_change() {
    let folder = checkout();
    let root = folder.path();
    write(root, "web/src/a.rs", "staged");
    git(root, &["add", "--all"]);
    assert_eq!(look(root).expect("told"), ["web/src/"]);
    git(root, &["commit", "--quiet", "--message", "second"]);
    assert_eq!(look(root), Some(vec![]));
    git(root, &["rm", "--quiet", "-r", "web/src"]);
    assert!(!look(root).expect("told").is_empty());
    git(root, &["reset", "--quiet", "--hard"]);
    assert_eq!(look(root), Some(vec![]));
}

#[test]
fn a_submodule_and_a_sparse_checkout_are_no_change() {
    let (folder, other) = (checkout(), checkout());
    let root = folder.path();
    let url = other.path().to_string_lossy().into_owned();
    git(root, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "web/sub"]);
    git(root, &["commit", "--quiet", "--message", "second"]);
    assert_eq!(look(root), Some(vec![]));
    git(root, &["update-index", "--skip-worktree", "web/src/ab.rs"]);
    fs::remove_file(root.join("web/src/ab.rs")).expect("removed");
    assert_eq!(look(root), Some(vec![]));
}

#[test]
fn what_is_no_checkout_tells_nothing() {
    let folder = checkout();
    let index = folder.path().join(".git/index");
    let whole = fs::read(&index).expect("an index");
    for bytes in [&whole[..40], &whole[..whole.len() / 2], b"DIRC\0\0\0\x09\0\0\0\0", b""] {
        fs::write(&index, bytes).expect("writes");
        assert_eq!(look(folder.path()), None, "{} bytes", bytes.len());
    }
    fs::remove_dir_all(folder.path().join(".git")).expect("removed");
    assert_eq!(look(folder.path()), None);
}

#[test]
fn an_edit_with_its_time_put_back_is_a_change() {
    let folder = checkout();
    let root = folder.path();
    let file = root.join("web/src/a.rs");
    // Older than the index, so that git need not read it.
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let set_back = || File::options().write(true).open(&file).and_then(|file| file.set_modified(old)).expect("set");
    set_back();
    git(root, &["update-index", "--refresh"]);
    assert_eq!(look(root), Some(vec![]));
    write(root, "web/src/a.rs", "two");
    set_back();
    assert_eq!(look(root).expect("told"), ["web/src/a.rs"]);
    // Nothing but the inode's time differs, as in a copy of the checkout.
    write(root, "web/src/a.rs", "one");
    set_back();
    assert_eq!(look(root), Some(vec![]));
}

#[test]
fn rules_that_name_nothing_hide_no_new_file() {
    let folder = checkout();
    let root = folder.path();
    write(root, ".git/info/exclude", "/\nweb/[!a].txt\n");
    write(root, "web/a.txt", "new");
    write(root, "web/b.txt", "ignored");
    assert_eq!(look(root).expect("told"), ["web/a.txt"]);
}

#[test]
fn a_worktree_and_a_checkout_in_a_folder_are_found() {
    let folder = checkout();
    let root = folder.path();
    let head = Checkout::around(root, root).expect("a checkout").head();
    assert!(head.is_some());
    git(root, &["worktree", "add", "--quiet", "-b", "other", "tree"]);
    let tree = root.join("tree");
    let found = Checkout::around(&tree.join("web"), root).expect("a worktree");
    assert_eq!(found.head(), head);
    assert_eq!(found.changed(&context(&tree.join("web"))), Some(vec![]));
    write(&tree, "web/src/a.rs", "two");
    write(&tree, "web/src/new", "new");
    write(root, ".git/info/exclude", "new\n");
    assert_eq!(found.changed(&context(&tree.join("web"))).expect("told"), ["web/src/a.rs"]);
    // Not above the workspace, and not where git's files are elsewhere.
    assert_eq!(Checkout::around(&root.join("web"), &root.join("web")), None);
    write(&tree, ".git", "gitdir: /nowhere\n");
    assert_eq!(Checkout::around(&tree.join("web"), root), None);
}

#[test]
fn a_context_in_a_submodule_is_of_no_known_commit() {
    let (folder, other) = (checkout(), checkout());
    let root = folder.path();
    let url = other.path().to_string_lossy().into_owned();
    git(root, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    assert_eq!(Checkout::around(&root.join("sub/web"), root), None);
    assert!(Checkout::around(&root.join("sub/web"), &root.join("sub")).is_some(), "the workspace itself");
}

#[test]
fn indexes_of_other_kinds_tell_nothing() {
    let split = checkout();
    git(split.path(), &["update-index", "--split-index"]);
    assert_eq!(look(split.path()), None);
    let sha256 = tempfile::tempdir().expect("a folder");
    git(sha256.path(), &["init", "--quiet", "--object-format=sha256"]);
    write(sha256.path(), "web/Dockerfile", "FROM scratch\n");
    git(sha256.path(), &["add", "--all"]);
    git(sha256.path(), &["commit", "--quiet", "--message", "first"]);
    assert_eq!(look(sha256.path()), None);
    assert_eq!(Checkout::around(sha256.path(), sha256.path()).expect("a checkout").head(), None);
}

#[test]
fn the_checked_out_commit_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let git = folder.path().join(".git");
    let (first, second) = ("0a".repeat(20), "0b".repeat(20));
    let head = || Checkout::around(folder.path(), folder.path())?.head();
    assert_eq!(head(), None);
    fs::create_dir_all(git.join("refs/heads")).expect("folders");
    fs::write(git.join("HEAD"), format!("{first}\n")).expect("writes");
    assert_eq!(head(), first.parse().ok());
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("writes");
    assert_eq!(head(), None);
    fs::write(git.join("packed-refs"), format!("# pack-refs\n{first} refs/heads/main\n")).expect("writes");
    assert_eq!(head(), first.parse().ok());
    fs::write(git.join("refs/heads/main"), &second).expect("writes");
    assert_eq!(head(), second.parse().ok());
}
