//! An emulator of AWS that others wrote, on a free port.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kit::bed::{Machine, run, wait_for};
use serde_json::Value;

/// Longest wait for its start, and for one answer.
const LIMIT: Duration = Duration::from_secs(60);

/// It runs until this is dropped.
pub(super) struct Emulator {
    process: Child,
    port: u16,
    log: PathBuf,
    machine: Machine,
}

impl Emulator {
    /// `set` tells the program where to listen.
    pub(super) fn start(machine: &Machine, dir: &Path, program: &str, set: impl FnOnce(&mut Command, u16)) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let path = dir.join("emulator.log");
        let log = std::fs::File::create(&path).expect("a file");
        let mut command = machine.command(program);
        set(&mut command, port);
        command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let process = command.spawn().expect("the emulator starts");
        let emulator = Self { process, port, log: path, machine: machine.clone() };
        wait_for("the emulator", LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok())
            .unwrap_or_else(|error| panic!("{error}\n{}", emulator.log()));
        emulator
    }

    /// What leads a client to it.
    pub(super) fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Asks it by AWS's own client.
    pub(super) fn aws(&self, words: &[&str]) -> Value {
        let mut command = self.machine.command("aws");
        command.envs(self.variables()).env("AWS_PAGER", "");
        command.args(["--region", "eu-west-1", "--output", "json"]).args(words);
        let told = run(&mut command, LIMIT).and_then(|output| output.ok("aws")).expect("AWS answers");
        serde_json::from_str(&told).unwrap_or_default()
    }

    /// What it said, for a failure.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Told to end, it removes what it made.
        let id = self.process.id().to_string();
        let _ = Command::new("/bin/kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}
