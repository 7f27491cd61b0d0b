//! What `script/bootstrap` put on this machine, and running it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::error::{BedError, Result};
use super::run::{Output, run};

/// Longest a call of docker or compose may take.
const DOCKER: Duration = Duration::from_secs(120);
/// The variables that `.bed/env` sets and the bed needs.
const NEEDED: [&str; 4] = ["DOCKER_CONFIG", "TRAEFIK_BIN", "REGISTRY_BIN", "GITHUB_OPENAPI"];

/// The programs of this machine.
#[derive(Debug, Clone)]
pub struct Machine {
    env: Vec<(OsString, OsString)>,
    /// The sample app, static.
    pub(super) kit_app: PathBuf,
    pub(super) traefik: PathBuf,
    pub(super) registry: PathBuf,
    /// GitHub's description of its API.
    pub github_openapi: PathBuf,
}

impl Machine {
    /// Finds everything. Variables come from the environment, else from the `.bed/env` of this repository, so that a
    /// plain `cargo test` works too.
    ///
    /// # Errors
    /// Something is missing; the error says which command provides it.
    pub fn find() -> Result<Self> {
        let mut env: Vec<(OsString, OsString)> = env::vars_os().collect();
        if NEEDED.iter().any(|name| env::var_os(name).is_none()) {
            env = sourced()?;
        }
        let get = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| PathBuf::from(value));
        let need = |name: &str| {
            let path = get(name).filter(|path| path.exists());
            path.ok_or_else(|| BedError::new(format!("bed: {name} names nothing that exists: run script/bootstrap")))
        };
        let kit_app = get("KIT_APP").or_else(built_app).filter(|path| path.is_file());
        Ok(Self {
            traefik: need("TRAEFIK_BIN")?,
            registry: need("REGISTRY_BIN")?,
            github_openapi: need("GITHUB_OPENAPI")?,
            kit_app: kit_app.ok_or_else(|| {
                BedError::new(
                    "bed: the sample app is not built: \
                     cargo build --release -p kit --no-default-features --bin kit-app --target \"$(uname -m)-unknown-linux-musl\"",
                )
            })?,
            env,
        })
    }

    /// The file with the example payloads of GitHub's webhooks: `@octokit/webhooks-examples`.
    ///
    /// # Errors
    /// It is not there.
    pub fn webhooks(&self) -> Result<PathBuf> {
        let path = self.env.iter().find(|(key, _)| key == "GITHUB_WEBHOOKS").map(|(_, value)| PathBuf::from(value));
        path.filter(|path| path.is_file()).ok_or_else(|| {
            BedError::new("bed: GITHUB_WEBHOOKS names nothing that exists: run script/bootstrap".to_owned())
        })
    }

    /// Nothing of the caller's environment but what finds programs and the engine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        const KEPT: [&str; 6] = ["PATH", "HOME", "DOCKER_CONFIG", "DOCKER_HOST", "DOCKER_CONTEXT", "TMPDIR"];
        let mut command = Command::new(program);
        command.env_clear();
        command.envs(self.env.iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept)).cloned());
        command
    }

    /// Its cores, memory, kernel and engine, for what was measured on it.
    pub fn described(&self) -> String {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let kib = read("/proc/meminfo").split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        let gib = kib.unwrap_or_default() / (1024 * 1024);
        let engine = self.docker(&["version", "--format", "{{.Server.Version}}"]).unwrap_or_default();
        format!("{cores} cores, {gib} GiB, Linux {}, Docker Engine {}", kernel.trim(), engine.trim())
    }

    /// The commit that is measured: `-dirty` is added where files differ from it, other than results, which a measurement
    /// writes part by part. Empty outside of a clone.
    pub fn commit() -> String {
        let git = |args: &[&str]| Command::new("git").args(args).output().ok().filter(|output| output.status.success());
        let Some(said) = git(&["rev-parse", "--short", "HEAD"]) else { return String::new() };
        let same = git(&["diff", "--quiet", "HEAD", "--", ":/", ":(top,exclude)benches/results"]).is_some();
        let commit = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        if same { commit } else { format!("{commit}-dirty") }
    }

    /// Makes `dir` a folder for `DOCKER_CONFIG` whose compose is this shell script; `compose "$@"` in it is the real one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn compose_as(&self, dir: &Path, script: &str) -> Result<()> {
        let text = |name: &str| {
            let found = self.env.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let (path, config) = (text("PATH"), text("DOCKER_CONFIG"));
        let real = format!("compose() {{ PATH='{path}' DOCKER_CONFIG='{config}' exec docker compose \"$@\"; }}");
        let plugin = dir.join("cli-plugins/docker-compose");
        fs::create_dir_all(dir.join("cli-plugins")).map_err(|error| BedError::file(dir, &error))?;
        fs::write(&plugin, format!("#!/bin/sh\n{real}\n{script}\n"))
            .map_err(|error| BedError::file(&plugin, &error))?;
        let runs = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&plugin, runs).map_err(|error| BedError::file(&plugin, &error))
    }

    /// The folder with the newest engine that packages offer.
    pub(super) fn newest(&self) -> Result<PathBuf> {
        let bed = self.env.iter().find(|(name, _)| name == "BED").map(|(_, value)| PathBuf::from(value).join("newest"));
        bed.filter(|path| path.join("bin/dockerd").is_file())
            .ok_or_else(|| BedError::new("bed: the newest engine is not there: run script/bootstrap --tests"))
    }

    /// The same machine with another engine, and with what that came with: the docker command, compose.
    pub(super) fn with_engine(&self, socket: &Path, programs: Option<&Path>) -> Self {
        let mut machine = self.clone();
        machine.set("DOCKER_HOST", format!("unix://{}", socket.display()).into());
        machine.env.retain(|(name, _)| name != "DOCKER_CONTEXT");
        if let Some(programs) = programs {
            let mut path = programs.join("bin").into_os_string();
            if let Some((_, value)) = machine.env.iter().find(|(name, _)| name == "PATH") {
                path.push(":");
                path.push(value);
            }
            machine.set("PATH", path);
            machine.set("DOCKER_CONFIG", programs.join("docker-config").into());
        }
        machine
    }

    fn set(&mut self, name: &str, value: OsString) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value));
    }

    /// The engine's socket on this machine.
    #[must_use]
    pub fn socket(&self) -> String {
        let host = self.env.iter().find(|(name, _)| name == "DOCKER_HOST");
        let host = host.and_then(|(_, value)| value.to_str()?.strip_prefix("unix://").map(str::to_owned));
        host.unwrap_or_else(|| "/var/run/docker.sock".to_owned())
    }

    /// Runs `docker` and gives its standard output.
    ///
    /// # Errors
    /// It fails, or takes longer than two minutes.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        self.docker_output(arguments)?.ok(&format!("`docker {}`", arguments.join(" ")))
    }

    /// Runs `docker`, whatever comes of it.
    ///
    /// # Errors
    /// It cannot be started, or takes longer than two minutes.
    pub fn docker_output(&self, arguments: &[&str]) -> Result<Output> {
        run(self.command("docker").args(arguments), DOCKER)
    }
}

/// The environment after sourcing `.bed/env`: it is shell, so a shell reads it.
fn sourced() -> Result<Vec<(OsString, OsString)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join(".bed/env");
    if !file.is_file() {
        return Err(BedError::new("bed: this machine is not prepared: run script/bootstrap"));
    }
    let mut bash = Command::new("bash");
    let text = run(bash.args(["-c", ". \"$0\" && env -0"]).arg(&file), Duration::from_secs(10))?;
    let text = text.ok("sourcing .bed/env")?;
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.into(), value.into())).collect())
}

/// The newest static sample app beside the running program's own target folder.
fn built_app() -> Option<PathBuf> {
    let file = format!("{}-unknown-linux-musl/release/kit-app", env::consts::ARCH);
    let here = env::current_exe().ok()?;
    here.ancestors().map(|folder| folder.join(&file)).find(|path| path.is_file())
}
