//! The disk of the agent's state is full in the middle of a swap: what cannot be journaled is not begun, and what was begun
//! is taken back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use kit::bed::{AgentOptions, wait_for};
use kit::load::{Load, LoadConfig};

use crate::client::Client;
use crate::stage::{HOST, PATIENCE, Setting, Stage};

/// A file system of 1 KiB blocks, so that a few records fill one; in namespaces of its own, at a folder.
const HOLDER: &str = r#"
    PATH=$PATH:/usr/sbin:/sbin
    truncate -s 4M "$1.img" && mke2fs -q -t ext4 -b 1024 -O ^has_journal -m 0 "$1.img" || exit 1
    mount -o loop "$1.img" "$1" && : >"$1.ready" || exit 1
    exec sleep infinity
"#;

/// Keeps the file system of the state as long as it lives.
struct Disk {
    holder: Child,
    folder: PathBuf,
}

impl Disk {
    fn make(stage: &Stage, folder: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", HOLDER, "holder"]).arg(folder);
        let holder = command.spawn().expect("starts");
        stage.bed.takes(&holder).expect("is noted");
        let mut disk = Self { holder, folder: folder.to_owned() };
        let ready = folder.with_extension("ready");
        wait_for("the file system", Duration::from_secs(20), || {
            assert!(
                disk.holder.try_wait().expect("waits").is_none(),
                "a file system of its own, which only root may mount"
            );
            ready.exists()
        })
        .expect("it is mounted");
        disk
    }

    fn wrapper(&self) -> Vec<String> {
        ["nsenter", "--target", &self.holder.id().to_string(), "--mount"].map(str::to_owned).into()
    }

    /// A file of it, for those who are in other namespaces.
    fn inside(&self, file: &str) -> PathBuf {
        let folder = self.folder.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(folder).join(file)
    }

    /// Leaves not one block.
    fn fill(&self) {
        let mut file = File::create(self.inside("filler")).expect("a file");
        loop {
            match file.write(&[0; 1024]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.inside("filler")).expect("room again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_state_that_cannot_be_written_in_mid_swap_is_gone_back_from_and_told() {
    let mut stage = Stage::set(Setting::default());
    let agent = stage.bed.agent().expect("an agent");
    agent.stop().expect("stops");
    let folder = agent.state_dir();
    let disk = Disk::make(&stage, &folder);
    stage
        .bed
        .start_agent(&AgentOptions { wrapper: disk.wrapper(), ..AgentOptions::default() })
        .expect("starts on the small disk");
    stage.deploy(&stage.version("v2")).expect(0);
    let v3 = stage.version("v3");

    for phase in ["pull", "start", "gate", "switch", "verify"] {
        let target = stage.bed.proxy.web_for_load().expect("an address");
        let load = Load::start(LoadConfig::new(target, HOST, 100));
        let mut client =
            Client::start(&stage.bed, &["deploy", "production", "--image", &v3], |_| {}).expect("a command");
        let begun = client.until(PATIENCE, |line| line["kind"] == "phase_started" && line["phase"] == phase);
        assert!(begun.is_some(), "{}", client.said());
        disk.fill();
        let code = client.end(PATIENCE).expect("it ends");
        let journal = fs::read_to_string(disk.inside(stage.bed.name()).join("journal")).expect("reads");
        disk.free();
        let result = client.seen.last().cloned().unwrap_or_default();
        stage.wait("one container, and nobody who holds the application", || {
            stage.containers("web").len() == 1 && stage.state()["holder"].is_null()
        });
        let report = load.stop();
        assert_eq!(report.failed, 0, "{phase}: {:?}", report.failures);
        match code {
            // What was left of the last block was enough for every record: its end could not be stored, so they are there.
            0 => {
                let missed = ["gated", "switching", "switched", "proven", "retiring"]
                    .iter()
                    .find(|word| !journal.contains(*word));
                assert_eq!(missed, None, "{phase}: {journal}");
                stage.assert_serves("v3");
                stage.rollback().expect(0);
            }
            30 => {
                assert_eq!(result["reason"], "state_unusable", "{phase}: {result}");
                let message = result["message"].as_str().unwrap_or_default();
                assert!(message.contains("/journal cannot be written: No space left on device"), "{phase}: {message}");
            }
            code => panic!("{phase}: exit {code}: {}", client.said()),
        }
        if phase == "pull" {
            assert_eq!(code, 30, "most of the records are still to be written");
        }
        stage.assert_serves("v2");
        let newest = stage.newest();
        assert_eq!(newest["outcome"], if code == 0 { "deployed" } else { "rolled_back" }, "{phase}: {newest}");
    }
    // Nothing of it is left: the agent starts from what it could write, and deploys.
    stage.bed.agent().expect("an agent").restart(&[]).expect("starts again");
    stage.deploy(&v3).expect(0);
    stage.assert_serves("v3");
}
