//! One call of compose: bounded in time and in what is read of it, and nothing of it goes on afterwards.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::program::program;
use super::{ComposeEnv, ComposeError, LIMIT, MAX_OUTPUT};
use crate::agent::store::Lock;
use crate::domain::one_line;

/// Longest call that is repeated in a message, in characters.
const SHOWN: usize = 200;

/// Runs it with these arguments, reading `input`, and gives what it printed.
pub(super) async fn run(
    env: &ComposeEnv,
    dir: &Path,
    arguments: Vec<OsString>,
    input: Option<&str>,
    lock: Option<&Lock>,
) -> Result<String, ComposeError> {
    let verb = |arguments: &[OsString]| {
        let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let at =
            words.iter().position(|word| ["config", "create", "run", "version"].contains(&word.as_str())).unwrap_or(0);
        one_line(&words[at..].join(" "), SHOWN)
    };
    let call = verb(&arguments);
    let (program, first) = program(&env.0);
    let mut command = Command::new(program);
    command.args(first).args(&arguments).current_dir(dir);
    command.env_clear().envs(&env.0);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.process_group(0);
    die_with_us(&mut command, lock);
    let mut child = command.spawn().map_err(ComposeError::Spawn)?;
    let mut group = Group::of(&child);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let collected = async {
        let write_in = async {
            if let Some((mut pipe, input)) = stdin.zip(input) {
                // One that ends without reading it says why itself.
                let _ = pipe.write_all(input.as_bytes()).await;
            }
        };
        let read_out = async {
            if let Some(pipe) = stdout {
                let _ = pipe.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut out).await;
            }
        };
        let read_err = async {
            if let Some(pipe) = stderr {
                let _ = pipe.take(MAX_OUTPUT as u64).read_to_end(&mut err).await;
            }
        };
        tokio::join!(write_in, read_out, read_err);
        child.wait().await
    };
    let status = tokio::time::timeout(LIMIT, collected)
        .await
        .map_err(|_| ComposeError::TimedOut(call.clone()))?
        .map_err(ComposeError::Spawn)?;
    group.ended();
    if out.len() > MAX_OUTPUT {
        return Err(ComposeError::Unexpected { call, why: format!("more than {} MiB", MAX_OUTPUT >> 20) });
    }
    if status.success() {
        return Ok(String::from_utf8_lossy(&out).into_owned());
    }
    let words = String::from_utf8_lossy(&err);
    let lines: Vec<String> =
        words.lines().map(|line| one_line(line, 500)).filter(|line| !line.trim().is_empty()).collect();
    Err(ComposeError::Failed {
        call,
        code: status.code().unwrap_or(-1),
        words: lines[lines.len().saturating_sub(3)..].join(" | "),
    })
}

/// Compose may have children of its own, as Docker's command has compose: given up, all are killed.
#[derive(Debug)]
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        Self(child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// The call came to its own end; its number may be another process's soon.
    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself a moment ago.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// The child is killed when the agent dies, and holds a copy of the lock until it is gone.
#[expect(
    unsafe_code,
    reason = "what happens between fork and exec cannot be said in safe std; both calls are async-signal-safe"
)]
fn die_with_us(command: &mut Command, lock: Option<&Lock>) {
    use std::os::fd::BorrowedFd;
    let descriptor = lock.map(Lock::descriptor);
    // SAFETY: only prctl(2) and fcntl(2) run in the child, neither allocates nor takes locks; the descriptor stays open
    // because the caller holds the lock across the spawn.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            if let Some(descriptor) = descriptor {
                rustix::io::fcntl_setfd(BorrowedFd::borrow_raw(descriptor), rustix::io::FdFlags::empty())?;
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::install;
    use super::*;

    #[tokio::test]
    async fn a_call_that_is_given_up_leaves_no_child() {
        let folder = tempfile::tempdir().expect("a folder");
        let env = install(folder.path(), "#!/bin/sh\nsleep 1000 &\necho $! >child\nwait\n");
        let child = folder.path().join("child");
        let started = async {
            while !std::fs::read_to_string(&child).is_ok_and(|text| text.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = run(&env, folder.path(), vec!["config".into()], None, None) => panic!("{ended:?}"),
            () = started => {}
        }
        let id = std::fs::read_to_string(&child).expect("reads");
        let gone =
            || std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..1000 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{id} goes on");
    }
}
