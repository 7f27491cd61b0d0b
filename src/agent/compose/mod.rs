//! Compose by argument vector: what the compose files say, and new containers as compose itself would make them.
//!
//! Never a shell, never `up`: containers are created here and started through the engine, so that nothing is recreated.

mod call;
mod known;
mod program;
mod resolved;
mod service;
mod stamp;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::store::{Lock, remove_file, write_atomic};
use crate::domain::{ServiceName, one_line};

use call::run;
use known::{Known, Seen};
pub use resolved::Resolved;
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
    known: Arc<Known>,
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
        let known = Arc::default();
        Self { project: project.to_owned(), dir: dir.to_owned(), files: files.to_vec(), env, known }
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
        let output = run(env, Path::new("/"), vec!["version".into(), "--short".into()], None, None).await?;
        Ok(output.trim().trim_start_matches('v').to_owned())
    }

    /// What the files say, everything in them resolved.
    ///
    /// # Errors
    /// [`ComposeError`], for example of a file that does not parse.
    pub async fn resolve(&self, with: With) -> Result<Resolved, ComposeError> {
        Resolved::read(&self.call(with, &["config", "--format", "json"], None).await?)
    }

    /// Compose's hash of a service's configuration, as it labels containers with it. Of a configuration that it was asked
    /// about before, it is not asked again.
    ///
    /// # Errors
    /// [`ComposeError`], for example where there is no such service.
    pub async fn hash(&self, resolved: &Resolved, service: &ServiceName) -> Result<String, ComposeError> {
        let seen = Seen::by(&self.env, resolved.text.expose());
        if let Some(hash) = seen.as_ref().and_then(|seen| self.known.hash(service, seen)) {
            return Ok(hash);
        }
        let mut all = self.begin();
        all.extend(["--file", "-", "config", "--hash", service.as_str()].map(OsString::from));
        let output = self.run(all, Some(resolved.text.expose()), None).await?;
        let hash = output.split_whitespace().nth(1).filter(|hash| hash.len() == 64).map(str::to_owned);
        let unexpected = || ComposeError::Unexpected { call: "config --hash".to_owned(), why: one_line(&output, 300) };
        let hash = hash.ok_or_else(unexpected)?;
        if let Some(seen) = seen {
            self.known.learn(service, seen, &hash);
        }
        Ok(hash)
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

    /// Starts one more container of the service with another command, with the candidate override; `name` is its own. For
    /// compose it is none of the service's containers, and it is not called by the service's name.
    ///
    /// # Errors
    /// [`ComposeError`]; the container may exist then.
    pub async fn run_once(
        &self,
        service: &ServiceName,
        name: &str,
        command: &[String],
        lock: &Lock,
    ) -> Result<(), ComposeError> {
        // Whatever its labels say: no request is for it.
        let unrouted = ["--label", "traefik.enable=false"];
        // Nobody types anything: a command that asks reads the end of its input.
        let call = ["run", "--detach", "--no-deps", "--no-TTY", "--interactive=false", "--name", name];
        let words = command.iter().map(String::as_str);
        let call: Vec<&str> = call.into_iter().chain(unrouted).chain([service.as_str()]).chain(words).collect();
        self.call(With::Candidate, &call, Some(lock)).await.map(drop)
    }

    /// Writes the candidate: images by service, nothing else.
    ///
    /// # Errors
    /// [`ComposeError::Write`].
    pub fn write_candidate(&self, images: &BTreeMap<ServiceName, String>) -> Result<(), ComposeError> {
        self.write(&self.candidate(), images)
    }

    /// Writes the candidate for [`Compose::run_once`]: the service's image as it is on this host, whatever the compose file
    /// says of fetching or building it, and a host name that nobody calls it by.
    ///
    /// # Errors
    /// [`ComposeError::Write`].
    pub fn write_once(
        &self,
        images: &BTreeMap<ServiceName, String>,
        service: &ServiceName,
        hostname: &str,
    ) -> Result<(), ComposeError> {
        let mut all = overrides(images);
        if let Some(one) = all.get_mut(service.as_str()) {
            one["pull_policy"] = "never".into();
            one["hostname"] = hostname.into();
        }
        self.write_text(&self.candidate(), &override_text(&all))
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
        self.write_text(path, &override_text(&overrides(images)))
    }

    fn write_text(&self, path: &Path, text: &str) -> Result<(), ComposeError> {
        write_atomic(path, &self.staging(), text.as_bytes(), 0o644)
            .map_err(|source| ComposeError::Write { path: path.to_owned(), source })
    }

    /// How every call begins.
    fn begin(&self) -> Vec<OsString> {
        let project = ["--project-name".into(), self.project.clone().into()];
        project.into_iter().chain(["--project-directory".into(), self.dir.clone().into()]).collect()
    }

    async fn call(&self, with: With, arguments: &[&str], lock: Option<&Lock>) -> Result<String, ComposeError> {
        let mut all = self.begin();
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
        self.run(all, None, lock).await
    }

    async fn run(
        &self,
        arguments: Vec<OsString>,
        input: Option<&str>,
        lock: Option<&Lock>,
    ) -> Result<String, ComposeError> {
        if !self.dir.is_dir() {
            // Else the system says "no such file", and nobody knows which.
            return Err(ComposeError::NoFolder(self.dir.clone()));
        }
        run(&self.env, &self.dir, arguments, input, lock).await
    }
}

/// What is said of each service: its image.
fn overrides(images: &BTreeMap<ServiceName, String>) -> serde_json::Map<String, Value> {
    images.iter().map(|(service, image)| (service.to_string(), serde_json::json!({ "image": image }))).collect()
}

/// The override file's text: JSON, which is YAML too.
fn override_text(services: &serde_json::Map<String, Value>) -> String {
    let body = serde_json::to_string_pretty(&serde_json::json!({ "services": services })).unwrap_or_default();
    format!("# Written by the deploy agent: the images that were proven. Do not edit.\n{body}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as `DOCKER_CONFIG` names it, with this script as compose. Another process makes the program: a fork of a
    /// test beside this one would keep a descriptor that could write to it, and nobody could run it meanwhile.
    pub(super) fn install(folder: &Path, script: &str) -> ComposeEnv {
        let plugins = folder.join("cli-plugins");
        std::fs::create_dir_all(&plugins).expect("makes");
        std::fs::write(folder.join("script"), script).expect("writes");
        let mut install = std::process::Command::new("install");
        install.arg("--mode=755").arg(folder.join("script")).arg(plugins.join("docker-compose"));
        assert!(install.status().expect("runs").success());
        let folder = folder.display().to_string();
        ComposeEnv(BTreeMap::from([("PATH", "/usr/bin:/bin".to_owned()), ("DOCKER_CONFIG", folder)]))
    }

    #[test]
    fn the_override_holds_images_only() {
        let images = BTreeMap::from([("web".parse().expect("a name"), "r/web@sha256:1".to_owned())]);
        assert_eq!(
            override_text(&overrides(&images))
                .lines()
                .skip(1)
                .collect::<String>()
                .split_whitespace()
                .collect::<String>(),
            r#"{"services":{"web":{"image":"r/web@sha256:1"}}}"#
        );
    }
}
