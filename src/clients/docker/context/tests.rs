use std::process::{Command, Stdio};

use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::*;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    dir
}

fn listed(dir: &tempfile::TempDir, dockerfile: &str) -> Vec<String> {
    let context = BuildContext::list(dir.path(), dockerfile, LARGEST).expect("a context");
    context.entries.iter().map(|entry| entry.path.to_string_lossy().into_owned()).collect()
}

#[test]
fn ignored_files_stay_and_the_needed_ones_go() {
    let files = [
        ("Dockerfile", "FROM scratch"),
        (".dockerignore", "*\n!src\nsrc/secret\n!docs/a/keep.md"),
        ("src/main.rs", ""),
        ("src/secret/key", ""),
        ("docs/a/keep.md", ""),
        ("docs/b.md", ""),
        (".git/config", ""),
    ];
    let expected = [".dockerignore", "Dockerfile", "docs", "docs/a", "docs/a/keep.md", "src", "src/main.rs"];
    assert_eq!(listed(&tree(&files), "./x/../Dockerfile"), expected);
}

#[test]
fn a_dockerfile_in_an_ignored_folder_is_sent_and_its_own_ignore_file_wins() {
    let files =
        [("ci/web", "FROM scratch"), ("ci/web.dockerignore", "ci\nb"), (".dockerignore", "a"), ("a", ""), ("b", "")];
    assert_eq!(listed(&tree(&files), "ci/web"), [".dockerignore", "a", "ci", "ci/web", "ci/web.dockerignore"]);
}

#[test]
fn what_cannot_be_sent_says_why() {
    let dir = tree(&[("Dockerfile", "FROM scratch"), ("data/a", "123456"), ("data/b/c", "12345"), ("x", "1")]);
    let error = |dockerfile: &str, limit| {
        let error = BuildContext::list(dir.path(), dockerfile, limit).expect_err("no context").to_string();
        error.replace(&*dir.path().to_string_lossy(), "DIR")
    };
    assert_eq!(error("../Dockerfile", LARGEST), "the Dockerfile `../Dockerfile` is outside of the build context");
    assert_eq!(error("/etc/passwd", LARGEST), "the Dockerfile `/etc/passwd` is outside of the build context");
    assert_eq!(error("nope", LARGEST), "the build context DIR has no file `nope`");
    assert_eq!(
        error("Dockerfile", 10),
        "the build context is 0 MiB, more than 0 MiB; most of it is in `Dockerfile` (0 MiB), `data/` (0 MiB), `x` (0 MiB)"
    );
    fs::write(dir.path().join(".dockerignore"), "a\n[").expect("a file");
    assert_eq!(error("Dockerfile", LARGEST), ".dockerignore: line 2: `[` is not a pattern: `[` is not closed");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_is_named() {
    let dir = tree(&[("Dockerfile", "FROM scratch"), ("data/a", "123456"), ("gone", "1")]);
    for (change, file, why) in [
        (&(|path: &Path| fs::write(path, "1")) as &dyn Fn(&Path) -> io::Result<()>, "data/a", "it became shorter"),
        (&|path| fs::remove_file(path), "gone", "No such file"),
    ] {
        let context = BuildContext::list(dir.path(), "Dockerfile", LARGEST).expect("a context");
        change(&dir.path().join(file)).expect("a change");
        let (failed, said) = oneshot::channel();
        let chunks: Vec<_> = context.stream(failed).collect().await;
        assert!(chunks.last().is_some_and(Result::is_err), "the engine must not take it for the whole");
        let Ok(ContextError::Io { path, source }) = said.await else { panic!("another error") };
        assert_eq!(path, dir.path().join(file));
        assert!(source.to_string().starts_with(why), "{source}");
    }
}

#[tokio::test]
async fn another_tar_reads_what_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let long = format!("{}/{}", "d".repeat(90), "é".repeat(60));
    let big = "0123456789".repeat(40_000);
    let dir = tree(&[("Dockerfile", "FROM scratch"), (&long, "long"), ("big", &big), ("empty", "")]);
    fs::set_permissions(dir.path().join("empty"), fs::Permissions::from_mode(0o751)).expect("a mode");
    std::os::unix::fs::symlink("b".repeat(120), dir.path().join("link")).expect("a link");
    let context = BuildContext::list(dir.path(), "Dockerfile", LARGEST).expect("a context");
    let chunks: Vec<_> = context.stream(oneshot::channel().0).map(|chunk| chunk.expect("readable")).collect().await;

    let out = tempfile::tempdir().expect("a folder");
    let mut child =
        Command::new("tar").arg("-xp").arg("-C").arg(out.path()).stdin(Stdio::piped()).spawn().expect("tar");
    io::Write::write_all(&mut child.stdin.take().expect("stdin"), &chunks.concat()).expect("tar reads");
    assert!(child.wait().expect("tar").success());
    let read = |name: &str| fs::read_to_string(out.path().join(name)).expect(name);
    assert_eq!((read(&long), read("big") == big, read("empty")), ("long".to_owned(), true, String::new()));
    assert_eq!(fs::metadata(out.path().join("empty")).expect("empty").mode() & 0o7777, 0o751);
    assert_eq!(fs::read_link(out.path().join("link")).expect("link").to_string_lossy(), "b".repeat(120));
}

#[test]
fn an_ignore_file_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    let ignore = dir.path().join(".dockerignore");
    for make in [
        (|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()) as fn(&Path),
        |path| std::fs::write(path, "# padding\n".repeat(200 * 1024)).unwrap(),
        |path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap()
        },
    ] {
        make(&ignore);
        let listed = BuildContext::list(dir.path(), "Dockerfile", LARGEST);
        assert!(matches!(listed, Err(ContextError::Io { .. })), "{listed:?}");
        std::fs::remove_file(&ignore).unwrap();
    }
}
