//! Git itself, for tests: what it writes is what is read here.

use std::path::Path;
use std::process::Command;

/// Runs it, with nothing of whoever runs the tests.
pub(crate) fn git(root: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(root).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.args(["-c", "user.name=Eve", "-c", "user.email=eve@example.com"]).args(arguments);
    let output = command.output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
