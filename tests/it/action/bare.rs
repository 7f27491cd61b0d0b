//! A runner without any bed: for what must be told before anything is touched, and for what nobody may bring in.

use std::cell::Cell;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kit::bed::Machine;
use kit::github::GitHubDouble;
use kit::runner::{Job, Told};
use tempfile::TempDir;

use super::agree::agree;

/// The commit of every event, unless its payload says another.
pub(super) const SHA: &str = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";
/// What hostile texts give as a property.
pub(super) const HOSTILE: &str = "pwned";

/// A checkout, GitHub's double, one door for agent and registry, and one for the engine.
pub(super) struct Bare {
    machine: Machine,
    dir: TempDir,
    github: GitHubDouble,
    door: Door,
    engine: Door,
    runs: Cell<u64>,
}

/// Nobody is behind it; it counts who knocks.
struct Door {
    address: String,
    knocks: Arc<AtomicUsize>,
}

impl Door {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let knocks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&knocks);
        thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, knocks }
    }

    fn knocks(&self) -> usize {
        self.knocks.load(Ordering::SeqCst)
    }
}

impl Bare {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("workspace")).expect("a folder");
        let (machine, github) = (Machine::find().expect("a machine"), GitHubDouble::start().expect("GitHub's double"));
        Self { machine, dir, github, door: Door::new(), engine: Door::new(), runs: Cell::new(0) }
    }

    /// The checkout.
    pub(super) fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    /// The whole run for a snapshot.
    pub(super) fn shown(&self, told: &Told) -> String {
        let text = format!("exit {}\n{}--\n{}", told.code, told.stdout, told.stderr);
        let text = text.replace(&self.door.address, "door").replace(&self.engine.address, "engine");
        // How a connection breaks off is the system's choice.
        let cut = |line: &str| match line.split_once("tcp://engine does not answer: ") {
            Some((said, _)) => format!("{said}tcp://engine does not answer: ...\n"),
            None => format!("{line}\n"),
        };
        text.lines().map(cut).collect()
    }

    /// Inputs that need no file: an environment at the door. There is no key, so whatever is taken on ends there.
    pub(super) fn place(&self) -> [(String, String); 4] {
        [
            ("environment", "production".to_owned()),
            ("agent-url", format!("http://{}", self.door.address)),
            ("service", "web".to_owned()),
            ("image", format!("{}/hello", self.door.address)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Runs the step for an event, with variables changed.
    #[track_caller]
    pub(super) fn run(
        &self,
        (event, payload): (&str, &[u8]),
        variables: &[(&str, &str)],
        inputs: &[(&str, &str)],
    ) -> Told {
        let id = self.runs.get() + 1;
        self.runs.set(id);
        let dir = self.dir.path().join(format!("run-{id}"));
        let mut job = Job::new(&self.machine, &dir, &self.workspace(), &self.github.url(), id).expect("a job");
        job.raw_event(event, payload, SHA).expect("an event");
        job.set("DOCKER_HOST", &format!("tcp://{}", self.engine.address));
        for (name, value) in variables {
            job.set(name, value);
        }
        let told = job.step(Path::new(env!("CARGO_BIN_EXE_deploy-action")), inputs).expect("the step runs");
        assert_no_foreign_command(&told.log());
        // A log that cannot be set up ends the program before it is the action.
        if !variables.iter().any(|(name, _)| *name == "DEPLOY_LOG") {
            agree(&told, &self.github);
        }
        told
    }

    /// Neither GitHub nor agent or registry heard of it.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        assert_eq!(self.github.calls(), vec![], "GitHub was called");
        assert_eq!(self.door.knocks(), 0, "something was connected to");
    }

    /// Nor was the engine asked of which platform it is.
    #[track_caller]
    pub(super) fn assert_engine_untouched(&self) {
        assert_eq!(self.engine.knocks(), 0, "the engine was connected to");
    }
}

/// A runner takes a line for a command that begins with `::`, spaces aside, or that holds `##[` anywhere; its reader ends
/// lines at a lone carriage return too.
#[track_caller]
pub(crate) fn assert_no_foreign_command(log: &str) {
    const OURS: [&str; 8] = [
        "::add-mask::",
        "::group::Build",
        "::group::Last lines of the containers",
        "::endgroup::",
        "::error file=",
        "::error title=failed (",
        "::error title=production%3A ",
        "::warning title=secrets::",
    ];
    for line in log.split(['\n', '\r']) {
        let command = line.trim_start().starts_with("::");
        assert!(!command || OURS.iter().any(|ours| line.starts_with(ours)), "a command from outside: {line:?}\n{log}");
        assert!(!line.contains("##["), "a command from outside: {line:?}\n{log}");
        // Behind the second `::` a command only says something.
        let properties = line.split("::").nth(1).filter(|_| command).unwrap_or_default();
        let brought = properties.split(',').any(|property| property.ends_with(&format!("title={HOSTILE}")));
        assert!(!brought, "a property from outside: {line:?}\n{log}");
        assert!(!line.contains(char::is_control), "a control character: {line:?}\n{log}");
    }
}
