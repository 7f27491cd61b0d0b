//! What a snapshot holds: texts without what differs from run to run, and what must be the same before and after.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kit::bed::{Bed, Output, run};

use crate::stage::Stage;

/// What differs from run to run and its name in snapshots, in the order in which it is replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plain(Vec<(String, &'static str)>);

impl Plain {
    pub(super) fn and(mut self, text: impl ToString, name: &'static str) -> Self {
        self.0.push((text.to_string(), name));
        self
    }

    /// Of a bed. Its name comes last: folders hold it too.
    pub(crate) fn of(bed: &mut Bed) -> Self {
        let plain = Self::default()
            .and(bed.project.dir().display(), "<project>")
            .and(bed.proxy.folder().display(), "<traefik>")
            .and(bed.dir().display(), "<bed>")
            .and(bed.registry.address(), "<registry>")
            .and(bed.proxy.api_url(), "<traefik-api>")
            .and(bed.proxy.web(), "<web>")
            .and(bed.proxy.websecure(), "<websecure>");
        let name = bed.name().to_owned();
        let agent = bed.agent().expect("an agent");
        plain.and(agent.address(), "<agent>").and(name, "<stage>")
    }

    pub(crate) fn tidy(&self, text: &str) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let text = hidden(&text, "sha256:", 64, "<digest>");
        // Its first digits, where there is room for no more.
        let text = hidden(&text, "sha256:", 12, "<12 digits>");
        let text = hidden(&text, "shell-", 32, "<key>");
        hidden(&text, "d-", 12, "<id>")
    }

    /// Command line, exit code and both streams.
    pub(super) fn transcript(&self, line: &str, output: &Output) -> String {
        let stream = |name: &str, text: &str| {
            if text.is_empty() { String::new() } else { format!("--- {name}\n{}", self.tidy(text)) }
        };
        let (out, err) = (stream("stdout", &output.stdout), stream("stderr", &output.stderr));
        format!("$ deploy-action {}\nexit {}\n{out}{err}", self.tidy(line), output.code)
    }
}

/// Replaces so many hexadecimal digits behind `prefix`.
fn hidden(text: &str, prefix: &str, digits: usize, name: &str) -> String {
    let mut parts = text.split(prefix);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let count = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(prefix);
        out.push_str(if count == digits { name } else { "" });
        out.push_str(if count == digits { &part[digits..] } else { part });
    }
    out
}

/// The command in an empty environment, in `folder`; ended after 20 s, for an agent that starts although it must not.
pub(super) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/timeout");
    command.args(["20", env!("CARGO_BIN_EXE_deploy-action")]).args(arguments).env_clear().current_dir(folder);
    #[expect(clippy::disallowed_methods, reason = "programs are found where the machine has them")]
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(super) fn ended(command: &mut Command) -> Output {
    run(command, Duration::from_secs(60)).expect("the command ends")
}

/// An address that nobody listens on.
pub(super) fn deserted() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

/// Every file below a folder with what it holds, given paths relative to it.
pub(super) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                files.insert(path.strip_prefix(folder).expect("below").to_owned(), bytes);
            }
        }
    }
    files
}

/// Everything that a refused request must leave alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct World {
    containers: String,
    routes: BTreeMap<PathBuf, Vec<u8>>,
    project: BTreeMap<PathBuf, Vec<u8>>,
    state: BTreeMap<PathBuf, Vec<u8>>,
}

impl World {
    pub(crate) fn of(stage: &mut Stage) -> Self {
        let project = format!("label=com.docker.compose.project={}", stage.bed.name());
        let format = "{{.ID}} {{.Names}} {{.State}} {{.CreatedAt}}";
        let listed = ["ps", "-a", "--no-trunc", "--filter", &project, "--format", format];
        let mut state = tree(&stage.bed.agent().expect("an agent").state_dir());
        // A request that was signed well is noted, whatever comes of it.
        state.remove(Path::new("nonces"));
        // A file on its way to take another's place is no change before it does.
        state.retain(|path, _| path.extension().is_none_or(|extension| extension != "tmp"));
        Self {
            containers: stage.bed.machine.docker(&listed).expect("docker answers"),
            routes: tree(stage.bed.proxy.folder()),
            project: tree(stage.bed.project.dir()),
            state,
        }
    }

    /// The same but for what the agent keeps of a deployment that it took on and gave up.
    pub(super) fn serves_as(&self, before: &Self) -> bool {
        (&self.containers, &self.routes) == (&before.containers, &before.routes)
    }
}
