//! Files that are more than they seem: each is refused at once, in little memory, with a place in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::watched::Watched;

/// Longest that refusing a file may take here, where two cores are shared by many tests: it takes some milliseconds.
const TIME: Duration = Duration::from_secs(5);
/// Most memory in MiB.
const MEMORY: u64 = 64;

/// Aliases of aliases: 10^20 values in half a kilobyte, before and after `padding` bytes of comment.
fn bomb(padding: usize) -> String {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..20 {
        let before = vec![format!("*a{}", i - 1); 10].join(",");
        text.push_str(&format!("a{i}: &a{i} [{before}]\n"));
    }
    while text.len() < padding {
        text.push_str("# padding padding padding padding padding padding padding padding\n");
    }
    text
}

fn verify(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-action"));
    command.args(["verify", "--offline"]).env_clear().current_dir(folder);
    command
}

fn doctor(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-action"));
    command.args(["agent", "doctor", "--config", "agent.yml"]).env_clear().current_dir(folder);
    command
}

/// Both files, with this text and by what makes a file of it.
#[track_caller]
fn refused(what: &str, place: &str, make: impl Fn(&Path)) {
    for (name, command) in [("deploy.yml", verify as fn(&Path) -> Command), ("agent.yml", doctor)] {
        let folder = tempfile::tempdir().expect("a folder");
        make(&folder.path().join(name));
        let watched = Watched::run(&mut command(folder.path()), TIME * 4);
        watched.assert_within(&format!("{what} as {name}"), 10, MEMORY, TIME);
        assert!(watched.said().contains(&format!("{name}{place}")), "{what}: {}", watched.said());
    }
}

#[test]
fn an_alias_bomb_is_refused_at_its_line() {
    refused("half a kilobyte", ":3:", |path| fs::write(path, bomb(0)).expect("writes"));
    refused("as large as a file may be", ":3:", |path| fs::write(path, bomb(250_000)).expect("writes"));
    refused("1 MiB", "", |path| fs::write(path, bomb(1 << 20)).expect("writes"));
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    refused("zeros", "", |path| symlink("/dev/zero", path).expect("a link"));
    refused("10 GB", "", |path| {
        fs::File::create(path).and_then(|file| file.set_len(10_000_000_000)).expect("a sparse file");
    });
}

#[test]
fn depth_and_breadth_are_refused() {
    refused("deep", ":1:", |path| fs::write(path, "[".repeat(250_000)).expect("writes"));
    refused("deep, as lines", ":3", |path| {
        let lines: String = (0..400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        fs::write(path, lines).expect("writes");
    });
    refused("broad", ":", |path| {
        let lines: String = (0..20_000).map(|key| format!("k{key}: 1\n")).collect();
        fs::write(path, lines).expect("writes");
    });
    refused("escapes", ":1:", |path| fs::write(path, "\"\\".repeat(120_000)).expect("writes"));
}
