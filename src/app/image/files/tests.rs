use std::os::unix::fs::symlink;

use super::*;
use crate::clients::checkout::sample::git;

/// A workspace with a Dockerfile in a folder; no checkout yet.
fn workspace() -> tempfile::TempDir {
    let workspace = tempfile::tempdir().expect("a folder");
    fs::create_dir(workspace.path().join("web")).expect("a folder");
    fs::write(workspace.path().join("web/Dockerfile"), "FROM scratch\n").expect("writes");
    workspace
}

fn commit(root: &Path) {
    git(root, &["init", "--quiet"]);
    git(root, &["add", "--all"]);
    git(root, &["commit", "--quiet", "--message", "first"]);
}

fn look(workspace: &Path) -> Files {
    found(workspace, Path::new("web"), "Dockerfile").expect("looks")
}

#[test]
fn only_a_checkout_that_is_read_counts_as_the_commit() {
    let archive = workspace();
    assert_eq!(look(archive.path()), Files::Unknown, "an archive");
    assert!(!look(archive.path()).are_as_in_commit());

    // At the workspace's root, and in the folder of its own that `path:` gives it.
    for root in ["", "web"] {
        let workspace = workspace();
        commit(&workspace.path().join(root));
        let found = look(workspace.path());
        assert!(matches!(&found, Files::Of(_, changed) if changed.is_empty()), "{root}: {found:?}");
        assert!(found.are_as_in_commit() && found.note().is_none());
        fs::write(workspace.path().join("web/new"), "x").expect("writes");
        assert!(!look(workspace.path()).are_as_in_commit(), "{root}");
    }

    let broken = workspace();
    commit(broken.path());
    fs::write(broken.path().join(".git/index"), "of another kind").expect("writes");
    assert_eq!(look(broken.path()), Files::Unknown);

    // The build tells it.
    fs::remove_file(broken.path().join("web/Dockerfile")).expect("removed");
    assert_eq!(look(broken.path()), Files::NotUsed);
}

#[test]
fn a_path_stays_in_the_checkout() {
    let workspace = workspace();
    let root = workspace.path();
    let cleaned = |path: &str| folder(root, Path::new(path)).map_err(|failure| failure.to_string());
    assert_eq!(cleaned("."), Ok(PathBuf::new()));
    assert_eq!(cleaned("./x/../web/"), Ok("web".into()));
    assert_eq!(folder(root, &root.join("web")).expect("a folder"), PathBuf::from("web"));
    for path in ["..", "web/../../x", "/etc"] {
        let error = cleaned(path).expect_err(path);
        assert!(error.contains(&format!("`{path}`, the input `context`, leads out of the checkout")), "{error}");
    }

    let other = self::workspace();
    symlink(other.path().join("web"), root.join("link")).expect("a link");
    let error = found(root, Path::new("link"), "Dockerfile").expect_err("a link").to_string();
    assert!(error.contains("`link`, the input `context`, leads out"), "{error}");
    symlink(other.path().join("web/Dockerfile"), root.join("web/linked")).expect("a link");
    let error = found(root, Path::new("web"), "linked").expect_err("a link").to_string();
    assert!(error.contains("`linked`, the input `dockerfile`, leads out"), "{error}");
}

#[test]
fn a_checkout_of_another_commit_is_refused() {
    let sha = |digit: &str| digit.repeat(40).parse::<GitSha>().expect("a commit");
    let commit = Commit { head: sha("a"), pull_request: None, from_fork: false };
    assert!(Files::Of(sha("a"), Vec::new()).check(&commit).is_ok());
    let error = Files::Of(sha("b"), Vec::new()).check(&commit).expect_err("another").to_string();
    assert!(error.contains("the checkout is commit bbbb"), "{error}");
}

#[test]
fn the_first_changed_files_are_named() {
    let commit: GitSha = "a".repeat(40).parse().expect("a commit");
    let note = |count| Files::Of(commit.clone(), (1..=count).map(|number| format!("f{number}")).collect()).note();
    assert_eq!(note(0), None);
    let end = "; the image gets a tag of its own and is not used again";
    assert_eq!(note(2), Some(format!("not as in the commit: `f1`, `f2`{end}")));
    assert_eq!(note(7), Some(format!("not as in the commit: `f1`, `f2`, `f3`, `f4`, `f5` and 2 more{end}")));
    let unknown = Files::Unknown.note().expect("a note");
    assert!(unknown.starts_with("cannot tell which commit the files are of") && unknown.ends_with(end), "{unknown}");
}
