//! Compose by argument vector: what the compose files say, and new containers as compose itself would make them.
//!
//! Never a shell, never `up`: containers are created here and started through the engine, so that nothing is recreated.

mod program;
mod service;
mod stamp;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::store::{Lock, remove_file, write_atomic};
use crate::domain::{ServiceName, one_line};

pub use service::{ComposeService, Volume};
pub use stamp::Stamp;

/// The override file that pins images, in the project's folder, last in `COMPOSE_FILE`.
pub const OVERRIDE: &str = "compose.deploy-agent.yaml";
/// The same while a deployment is not proven yet.
pub const CANDIDATE: &str = "compose.deploy-agent.candidate.yaml";
/// Longest call of compose; creating a container takes well under a second, reading a config 0.1 s.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest answer that is read, in bytes: of fifty services it is some 100 KB.
const MAX_OUTPUT: usize = 4 * 1024 * 1024;

/// Why compose did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The project's folder is not there.
    #[error("the project's folder {0} does not exist")]
    NoFolder(PathBuf),
    /// The command could not be run.
    #[error("`docker compose` could not be run")]
    Spawn(#[source] io::Error),
    /// It took too long.
    #[error("`docker compose {0}` did not end within 60 s")]
    TimedOut(String),
    /// It ended with an error.
    #[error("`docker compose {call}` ended with exit code {code}: {words}")]
    Failed {
        /// The verb and its arguments.
        call: String,
        /// Exit code; -1 for a signal.
        code: i32,
        /// Its last words, cleaned.
        words: String,
    },
    /// It answered something else than documented.
    #[error("`docker compose {call}` answered something unexpected: {why}")]
    Unexpected {
        /// The verb.
        call: String,
        /// What is off.
        why: String,
    },
    /// A file of ours could not be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The environment that compose runs in: nothing of the agent's own beyond this.
#[derive(Debug, Clone, Default)]
pub struct ComposeEnv(pub BTreeMap<&'static str, String>);

/// One compose project on this host.
#[derive(Debug, Clone)]
pub struct Compose {
    project: String,
    dir: PathBuf,
    files: Vec<PathBuf>,
    env: ComposeEnv,
}

/// Which of our override files a call includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// The live one, where it exists: what a plain `docker compose` on the host sees.
    Live,
    /// The candidate.
    Candidate,
}

impl Compose {
    /// A project by its folder and files (absolute, our override aside).
    #[must_use]
    pub fn new(project: &str, dir: &Path, files: &[PathBuf], env: ComposeEnv) -> Self {
        Self { project: project.to_owned(), dir: dir.to_owned(), files: files.to_vec(), env }
    }

    /// The project's name.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The project's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The user's compose files.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Where the live override is.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        self.dir.join(OVERRIDE)
    }

    /// Where the candidate override is.
    #[must_use]
    pub fn candidate(&self) -> PathBuf {
        self.dir.join(CANDIDATE)
    }

    /// Compose's version, for example `2.26.1`.
    ///
    /// # Errors
    /// [`ComposeError`] where compose is missing.
    pub async fn version(env: &ComposeEnv) -> Result<String, ComposeError> {
        let output = run(env, Path::new("/"), vec!["version".into(), "--short".into()], None).await?;
        Ok(output.trim().trim_start_matches('v').to_owned())
    }

    /// What the files say of every service.
    ///
    /// # Errors
    /// [`ComposeError`], for example of a file that does not parse.
    pub async fn services(&self, with: With) -> Result<BTreeMap<String, ComposeService>, ComposeError> {
        let output = self.call(with, &["config", "--format", "json"], None).await?;
        let unexpected = |why: String| ComposeError::Unexpected { call: "config".to_owned(), why };
        let config: Value = serde_json::from_str(&output).map_err(|error| unexpected(error.to_string()))?;
        let services =
            config.get("services").and_then(Value::as_object).ok_or_else(|| unexpected("no services".to_owned()))?;
        Ok(services.iter().map(|(name, service)| (name.clone(), ComposeService::read(service))).collect())
    }

    /// Compose's hash of a service's configuration, as it labels containers with it.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn hash(&self, with: With, service: &ServiceName) -> Result<String, ComposeError> {
        let output = self.call(with, &["config", "--hash", service.as_str()], None).await?;
        let hash = output.split_whitespace().nth(1).filter(|hash| hash.len() == 64);
        hash.map(str::to_owned)
            .ok_or_else(|| ComposeError::Unexpected { call: "config --hash".to_owned(), why: one_line(&output, 300) })
    }

    /// Creates containers until the service has `total`, with the candidate override. Existing ones stay as they are.
    /// The child inherits `lock`: should the agent die, the next one waits for it.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn create(&self, service: &ServiceName, total: u64, lock: &Lock) -> Result<(), ComposeError> {
        let scale = format!("{service}={total}");
        let call = ["create", "--no-recreate", "--no-build", "--pull", "never", "--scale", &scale, service.as_str()];
        self.call(With::Candidate, &call, Some(lock)).await.map(drop)
    }

    /// Writes the candidate: images by service, nothing else.
    ///
    /// # Errors
    /// [`ComposeError::Write`].
    pub fn write_candidate(&self, images: &BTreeMap<ServiceName, String>) -> Result<(), ComposeError> {
        self.write(&self.candidate(), images)
    }

    /// Writes the live override.
    ///
    /// # Errors
    /// [`ComposeError::Write`].
    pub fn write_live(&self, images: &BTreeMap<ServiceName, String>) -> Result<(), ComposeError> {
        self.write(&self.live(), images)
    }

    /// Makes the candidate the live override. A candidate that is gone was promoted already.
    ///
    /// # Errors
    /// [`ComposeError::Write`].
    pub fn promote(&self, images: &BTreeMap<ServiceName, String>) -> Result<(), ComposeError> {
        self.write_live(images)?;
        self.drop_candidate()
    }

    /// Removes the candidate.
    ///
    /// # Errors
    /// [`ComposeError::Write`].
    pub fn drop_candidate(&self) -> Result<(), ComposeError> {
        // The staging file too: a crash may have left it.
        for path in [self.candidate(), self.staging()] {
            remove_file(&path).map_err(|source| ComposeError::Write { path, source })?;
        }
        Ok(())
    }

    fn staging(&self) -> PathBuf {
        self.dir.join(format!("{CANDIDATE}.tmp"))
    }

    fn write(&self, path: &Path, images: &BTreeMap<ServiceName, String>) -> Result<(), ComposeError> {
        write_atomic(path, &self.staging(), override_text(images).as_bytes(), 0o644)
            .map_err(|source| ComposeError::Write { path: path.to_owned(), source })
    }

    async fn call(&self, with: With, arguments: &[&str], lock: Option<&Lock>) -> Result<String, ComposeError> {
        let mut all: Vec<OsString> = vec!["--project-name".into(), self.project.clone().into()];
        all.extend(["--project-directory".into(), self.dir.clone().into()]);
        for file in &self.files {
            all.extend(["--file".into(), file.into()]);
        }
        let ours = match with {
            With::Live => Some(self.live()).filter(|path| path.exists()),
            With::Candidate => Some(self.candidate()),
        };
        if let Some(path) = ours {
            all.extend(["--file".into(), path.into()]);
        }
        all.extend(arguments.iter().map(OsString::from));
        if !self.dir.is_dir() {
            // Else the system says "no such file", and nobody knows which.
            return Err(ComposeError::NoFolder(self.dir.clone()));
        }
        run(&self.env, &self.dir, all, lock).await
    }
}

/// The override file's text: JSON, which is YAML too.
fn override_text(images: &BTreeMap<ServiceName, String>) -> String {
    let services: serde_json::Map<String, Value> =
        images.iter().map(|(service, image)| (service.to_string(), serde_json::json!({ "image": image }))).collect();
    let body = serde_json::to_string_pretty(&serde_json::json!({ "services": services })).unwrap_or_default();
    format!("# Written by the deploy agent: the images that were proven. Do not edit.\n{body}\n")
}

async fn run(
    env: &ComposeEnv,
    dir: &Path,
    arguments: Vec<OsString>,
    lock: Option<&Lock>,
) -> Result<String, ComposeError> {
    let verb = |arguments: &[OsString]| {
        let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let at = words.iter().position(|word| ["config", "create", "version"].contains(&word.as_str())).unwrap_or(0);
        words[at..].join(" ")
    };
    let call = verb(&arguments);
    let (program, first) = program::program(&env.0);
    let mut command = Command::new(program);
    command.args(first).args(&arguments).current_dir(dir);
    command.env_clear().envs(&env.0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.process_group(0);
    die_with_us(&mut command, lock);
    let mut child = command.spawn().map_err(ComposeError::Spawn)?;
    let mut group = Group::of(&child);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let collected = async {
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
        tokio::join!(read_out, read_err);
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
    use super::*;

    #[tokio::test]
    async fn a_call_that_is_given_up_leaves_no_child() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("cli-plugins/docker-compose");
        std::fs::create_dir(folder.path().join("cli-plugins")).expect("makes");
        let script = "#!/bin/sh\nsleep 1000 &\necho $! >child\nwait\n";
        crate::agent::store::write_atomic(&program, &folder.path().join("new"), script.as_bytes(), 0o755)
            .expect("writes");
        let path = "/usr/bin:/bin".to_owned();
        let env = ComposeEnv(BTreeMap::from([("PATH", path), ("DOCKER_CONFIG", folder.path().display().to_string())]));
        let child = folder.path().join("child");
        let started = async {
            while !std::fs::read_to_string(&child).is_ok_and(|text| text.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = run(&env, folder.path(), vec!["config".into()], None) => panic!("{ended:?}"),
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

    #[test]
    fn the_override_holds_images_only() {
        let images = BTreeMap::from([("web".parse().expect("a name"), "r/web@sha256:1".to_owned())]);
        assert_eq!(
            override_text(&images).lines().skip(1).collect::<String>().split_whitespace().collect::<String>(),
            r#"{"services":{"web":{"image":"r/web@sha256:1"}}}"#
        );
    }
}
