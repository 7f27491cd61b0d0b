//! The agent as a process of this machine, started and ended as often as a test likes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::error::{BedError, Result};
use super::machine::Machine;
use super::process::Process;
use super::wait::wait_for_some;
use super::{http, run};

/// Longest the agent may take to answer after its start; resuming a swap may come first.
const START: Duration = Duration::from_secs(60);
/// Longest it may take to end after SIGTERM.
const END: Duration = Duration::from_secs(30);

/// One agent: its configuration, its key, and the process while it runs.
#[derive(Debug)]
pub struct Agent {
    machine: Machine,
    dir: PathBuf,
    program: PathBuf,
    wrapper: Vec<String>,
    address: SocketAddr,
    key: String,
    process: Option<Process>,
}

impl Agent {
    pub(super) fn new(
        machine: &Machine,
        dir: &Path,
        program: &Path,
        wrapper: &[String],
        address: SocketAddr,
        key: String,
    ) -> Self {
        let (machine, dir, program) = (machine.clone(), dir.to_owned(), program.to_owned());
        Self { machine, dir, program, wrapper: wrapper.to_vec(), address, key, process: None }
    }

    /// Its configuration file; rewritten, it counts from the next start.
    pub fn config(&self) -> PathBuf {
        self.dir.join("agent.yml")
    }

    /// Where it keeps its state.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The private key that its caller uses.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Starts it, with further variables in its environment, and waits until it answers.
    ///
    /// # Errors
    /// It ends instead (the error quotes its log), or does not answer within a minute.
    pub fn start(&mut self, env: &[(&str, &str)]) -> Result<()> {
        self.start_unwatched(env)?;
        let address = self.address;
        wait_for_some("the agent to answer", START, || match self.ended(Duration::ZERO)? {
            Some(code) => {
                Err(BedError::new(format!("bed: the agent ended with exit code {code}:\n{}", self.last_log())))
            }
            None => Ok(http::request(address, "GET", &address.to_string(), "/", &[]).ok().map(drop)),
        })
    }

    /// Starts it and does not wait: for a start that is meant to fail, or to be killed on its way.
    ///
    /// # Errors
    /// The program cannot be started, or runs already.
    pub fn start_unwatched(&mut self, env: &[(&str, &str)]) -> Result<()> {
        if self.ended(Duration::ZERO)?.is_none() && self.process.is_some() {
            return Err(BedError::new("bed: the agent runs already"));
        }
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([self.program.clone()]);
        let mut command = self.machine.command(words.next().unwrap_or_default());
        command.args(words).args(["agent", "serve", "--config"]).arg(self.config());
        command.env("HOME", &self.dir).envs(env.iter().copied());
        self.process = Some(Process::start(&mut command, &self.dir, "agent")?);
        Ok(())
    }

    /// Its exit code once it has ended (137 after SIGKILL), waiting no longer than `limit`. `None` while it runs, or
    /// if it was never started.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self, limit: Duration) -> Result<Option<i32>> {
        self.process.as_mut().map_or(Ok(None), |process| process.ended(limit))
    }

    /// Kills it as a crash would.
    pub fn kill9(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// Signals it by the signal's name, for example `STOP`: it hangs then, and connections to it do.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, name: &str) -> Result<()> {
        let process = self.process.as_ref().ok_or_else(|| BedError::new("bed: the agent was never started"))?;
        process.signal(name)
    }

    /// Asks it to end, and waits for that. Gives its exit code.
    ///
    /// # Errors
    /// It does not run, or goes on for 30 s.
    pub fn stop(&mut self) -> Result<i32> {
        let process = self.process.as_mut().ok_or_else(|| BedError::new("bed: the agent was never started"))?;
        process.signal("TERM")?;
        let ended = process.ended(END)?;
        ended
            .ok_or_else(|| BedError::new(format!("bed: the agent goes on {END:?} after SIGTERM:\n{}", self.last_log())))
    }

    /// Stops it if it runs, and starts it.
    ///
    /// # Errors
    /// As [`Agent::stop`] and [`Agent::start`].
    pub fn restart(&mut self, env: &[(&str, &str)]) -> Result<()> {
        if self.process.is_some() && self.ended(Duration::ZERO)?.is_none() {
            self.stop()?;
        }
        self.start(env)
    }

    /// Lets it go on without this value.
    pub(super) fn release(&mut self) {
        if let Some(process) = &mut self.process {
            process.release();
        }
    }

    /// Everything it has logged, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("agent.log")).map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default()
    }

    fn last_log(&self) -> String {
        run::last_lines(&self.log(), 30)
    }
}

/// The two halves of a key pair, as `agent keygen` prints them: private, public.
pub(super) fn keygen(mut command: Command, agent_id: &str, key_id: &str) -> Result<(String, String)> {
    command.args(["agent", "keygen", "--agent-id", agent_id, "--key-id", key_id]);
    let printed = run::run(&mut command, Duration::from_secs(30))?.ok("`agent keygen`")?;
    let private = printed.split_whitespace().find(|word| word.starts_with("deploy-agent-key-v1:"));
    let public = printed.lines().find_map(|line| line.trim().trim_start_matches("- ").strip_prefix("ed25519:"));
    match (private, public) {
        (Some(private), Some(public)) => Ok((private.to_owned(), public.trim().trim_matches('"').to_owned())),
        // The text is not quoted: half of it is a secret, and tests look for secrets in what is printed.
        _ => Err(BedError::new("bed: `agent keygen` prints no line `ed25519: …`, or no word `deploy-agent-key-v1:…`")),
    }
}
