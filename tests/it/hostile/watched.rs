//! A program that is run to its end, with the most memory it held.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kit::bed::Output;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Looks that may see nothing.
const FEW: u32 = 2;

/// What it said, and what it took.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) output: Output,
    /// The most memory that it held, in MiB.
    pub(super) peak: u64,
    /// How often it was looked at: one that ends at once is gone before anything is seen of it.
    looks: u32,
    pub(super) took: Duration,
}

impl Watched {
    /// Runs it; one that goes on after `limit` fails the test.
    #[track_caller]
    pub(super) fn run(command: &mut Command, limit: Duration) -> Self {
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("it starts");
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let (mut peak, mut looks) = (0, 0);
        let status = loop {
            peak = peak.max(peak_of(child.id()));
            looks += 1;
            if let Some(status) = child.try_wait().expect("the system tells") {
                break status;
            }
            assert!(began.elapsed() < limit || ended(&mut child), "it goes on after {limit:?}");
            thread::sleep(LOOK);
        };
        let took = began.elapsed();
        let text = |reader: thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().expect("the stream is read")).into_owned()
        };
        let output = Output { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) };
        Self { output, peak, looks, took }
    }

    /// Both streams.
    pub(super) fn said(&self) -> String {
        format!("{}{}", self.output.stdout, self.output.stderr)
    }

    /// It ended so, within these bounds.
    #[track_caller]
    pub(super) fn assert_within(&self, what: &str, code: i32, peak: u64, took: Duration) {
        assert_eq!(self.output.code, code, "{what}: {}", self.said());
        let seen = self.peak > 0 || self.looks <= FEW;
        assert!(seen && self.peak <= peak, "{what}: {} MiB in {} looks", self.peak, self.looks);
        assert!(self.took <= took, "{what}: {:?}", self.took);
    }
}

/// The most memory that a process held so far, in MiB and at least 1 (`VmHWM`); 0 where there is none any more, and for a
/// moment after its start: until the kernel has given it memory of its own it shows that of these tests.
pub(super) fn peak_of(id: u32) -> u64 {
    let program = |id: &str| fs::read_link(format!("/proc/{id}/exe")).ok();
    if program(&id.to_string()) == program("self") {
        return 0;
    }
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default();
    kib.div_ceil(1024)
}

/// Ends it; always false.
fn ended(child: &mut Child) -> bool {
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn collect(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.expect("a pipe").read_to_end(&mut bytes);
        bytes
    })
}
