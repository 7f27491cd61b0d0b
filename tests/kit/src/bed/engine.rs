//! A Docker Engine of a bed's own, which tests may kill, starve and configure: network, data, sockets and mounts are
//! apart from those of the machine's engine.
//!
//! The thread that starts it enters its network, and all that this thread starts from then on is in it: so addresses of
//! containers and published ports are reached as always, and outlive the engine's process.

use std::collections::HashSet;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::error::{BedError, Result};
use super::machine::Machine;
use super::netns::Inside;
use super::process::{self, Process};
use super::run;
use super::wait::wait_for_some;

/// Longest it may take to answer: first it ends what another process of it left running.
const START: Duration = Duration::from_secs(60);
/// Longest it may take to end with all its containers.
const END: Duration = Duration::from_secs(60);
/// The folder in a bed's folder.
const FOLDER: &str = "engine";

/// Holds the namespaces. Programs that look for the machine's containerd do not find it there. A newer C library serves
/// older programs, so all may have it.
const HOLDER: &str = r#"
    PATH=$PATH:/usr/sbin:/sbin
    ip link set lo up && mkdir -p /run/containerd && mount -t tmpfs tmpfs /run/containerd || exit 1
    [ -z "$2" ] || mount -t tmpfs -o "size=$2" tmpfs "$1/data" || exit 1
    libraries=/usr/lib/$(uname -m)-linux-gnu
    [ -z "$3" ] || mount -t overlay -o "ro,lowerdir=$3:$libraries" overlay "$libraries" || exit 1
    : >"$1/ready"
    exec sleep infinity
"#;

/// How an engine is made.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Whether it is the newest one that packages offer, with its docker command and compose, instead of the machine's.
    pub newest: bool,
    /// Whether containers outlive the engine's process.
    pub live_restore: bool,
    /// The size of its disk, for example `64m`, which is in memory then. Default: as much as this machine has.
    pub disk: Option<String>,
    /// Whether images are in containerd's store instead of the engine's own. Engine 24 or newer.
    pub containerd_store: bool,
    /// The oldest version of its API that it speaks. Default: what it speaks by itself.
    pub oldest_api: Option<&'static str>,
}

/// A running engine. Dropped, it is gone.
#[derive(Debug)]
pub struct Engine {
    machine: Machine,
    dir: PathBuf,
    oldest_api: Option<&'static str>,
    holder: Process,
    containerd: Process,
    daemon: Option<Process>,
    _inside: Inside,
}

impl Engine {
    pub(super) fn start_for(machine: &Machine, bed: &str, dir: &Path, options: &EngineOptions) -> Result<Self> {
        let folder = dir.join(FOLDER);
        let data = folder.join("data");
        fs::create_dir_all(&data).map_err(|error| BedError::file(&data, &error))?;
        let programs = if options.newest { Some(machine.newest()?) } else { None };
        let holder = Self::hold(machine, dir, options, programs.as_deref())?;
        let (socket, containers) = (folder.join("docker.sock"), folder.join("exec/containerd.sock"));
        let machine = machine.with_engine(&socket, programs.as_deref());
        let containerd = Self::start_containerd(&machine, dir, &holder, &containers)?;
        let mut config = serde_json::json!({
            "data-root": data,
            "exec-root": folder.join("exec"),
            "pidfile": folder.join("docker.pid"),
            "hosts": [format!("unix://{}", socket.display())],
            "containerd": containers,
            "live-restore": options.live_restore,
            // The same with and without systemd; its containers are found by it.
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": format!("/{bed}"),
        });
        if options.containerd_store {
            config["features"] = serde_json::json!({"containerd-snapshotter": true});
        }
        let file = folder.join("daemon.json");
        fs::write(&file, config.to_string()).map_err(|error| BedError::file(&file, &error))?;
        let inside = Inside::of(holder.id())?;
        let (oldest_api, dir) = (options.oldest_api, dir.to_owned());
        let mut engine = Self { machine, dir, oldest_api, holder, containerd, daemon: None, _inside: inside };
        engine.start()?;
        Ok(engine)
    }

    fn hold(machine: &Machine, dir: &Path, options: &EngineOptions, programs: Option<&Path>) -> Result<Process> {
        let folder = dir.join(FOLDER);
        let mut command = machine.command("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "sh", "-c", HOLDER, "holder"]);
        command.arg(&folder).arg(options.disk.as_deref().unwrap_or_default());
        command.arg(programs.map(|programs| programs.join("lib")).unwrap_or_default());
        let mut holder = Process::start(&mut command, dir, "engine-holder")?;
        wait_for_some("the engine's namespaces", Duration::from_secs(10), || {
            if let Some(code) = holder.ended(Duration::ZERO)? {
                let said = holder.said();
                return Err(BedError::new(format!("bed: namespaces, which only root may make: {code}\n{said}")));
            }
            Ok(folder.join("ready").exists().then_some(()))
        })?;
        Ok(holder)
    }

    /// As on a host, where it is a service beside the engine: one that the engine starts dies with it, and then keeps the
    /// next engine from starting.
    fn start_containerd(machine: &Machine, dir: &Path, holder: &Process, socket: &Path) -> Result<Process> {
        let folder = dir.join(FOLDER);
        let config = folder.join("containerd.toml");
        let text = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n",
            folder.join("data/containerd"),
            folder.join("exec/containerd"),
        );
        fs::write(&config, text).map_err(|error| BedError::file(&config, &error))?;
        let mut command = within(machine, holder, "containerd");
        let mut process = Process::start(command.arg("--config").arg(config), dir, "containerd")?;
        wait_for_some("containerd to listen", START, || match process.ended(Duration::ZERO)? {
            Some(code) => {
                let said = run::last_lines(&process.said(), 30);
                Err(BedError::new(format!("bed: containerd ended with {code}:\n{said}")))
            }
            None => Ok(UnixStream::connect(socket).ok().map(drop)),
        })?;
        Ok(process)
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// It ends instead (the error quotes its log), or does not answer within a minute.
    pub fn start(&mut self) -> Result<()> {
        let folder = self.dir.join(FOLDER);
        // One that was killed leaves it, and its number may be another program's by now.
        let _ = fs::remove_file(folder.join("docker.pid"));
        let mut command = within(&self.machine, &self.holder, "dockerd");
        command.arg("--config-file").arg(folder.join("daemon.json"));
        if let Some(version) = self.oldest_api {
            command.env("DOCKER_MIN_API_VERSION", version);
        }
        let mut daemon = Process::start(&mut command, &self.dir, "dockerd")?;
        wait_for_some("the engine to answer", START, || {
            if let Some(code) = daemon.ended(Duration::ZERO)? {
                let said = run::last_lines(&daemon.said(), 30);
                return Err(BedError::new(format!("bed: the engine ended with {code}:\n{said}")));
            }
            let answer = self.machine.docker_output(&["version", "--format", "{{.Server.Version}}"])?;
            Ok((answer.code == 0).then_some(()))
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Kills it as a crash would; its containers run on.
    pub fn kill9(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Asks it to end, and waits for that: without live-restore its containers end first.
    ///
    /// # Errors
    /// It does not run, or goes on for a minute.
    pub fn stop(&mut self) -> Result<()> {
        let daemon = self.daemon.as_mut().ok_or_else(|| BedError::new("bed: the engine does not run"))?;
        daemon.signal("TERM")?;
        if daemon.ended(END)?.is_none() {
            let said = run::last_lines(&daemon.said(), 30);
            return Err(BedError::new(format!("bed: the engine goes on {END:?} after SIGTERM:\n{said}")));
        }
        self.daemon = None;
        Ok(())
    }

    /// Signals the daemon by the signal's name, for example `STOP`: it hangs then.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, name: &str) -> Result<()> {
        let daemon = self.daemon.as_ref().ok_or_else(|| BedError::new("bed: the engine does not run"))?;
        daemon.signal(name)
    }

    /// The machine whose engine this is.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The folder with its images and containers, as it sees it.
    pub fn disk(&self) -> PathBuf {
        let seen = self.dir.join(FOLDER).join("data");
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(seen.strip_prefix("/").unwrap_or(&seen))
    }

    /// Everything it has logged, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("dockerd.log")).map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default()
    }

    /// Lets it go on without this value.
    pub(super) fn release(&mut self) {
        self.holder.release();
        self.containerd.release();
        self.daemon.iter_mut().for_each(Process::release);
    }
}

/// A program in the engine's namespaces.
fn within(machine: &Machine, holder: &Process, program: &str) -> Command {
    let mut command = machine.command("nsenter");
    command.args(["--target", &holder.id().to_string(), "--mount", "--net", "sh", "-c"]);
    // A port forwarder takes several descriptors for a connection.
    command.arg("PATH=$PATH:/usr/sbin:/sbin; ulimit -n 1048576 2>/dev/null; exec \"$0\" \"$@\"");
    command.arg(program);
    command
}

/// Ends what is left of the engine in a bed's folder: the containers and those who hold them. Gives whether there was
/// one.
pub(super) fn end(dir: &Path, bed: &str) -> bool {
    let folder = dir.join(FOLDER);
    if !folder.is_dir() {
        return false;
    }
    let mark = folder.join("").to_string_lossy().into_owned();
    let groups = groups(bed);
    // A process that was just being made is found the next time.
    for _ in 0..50 {
        let found = members(&mark, &groups);
        if found.is_empty() {
            break;
        }
        for id in found {
            let _ = process::signal(id, "KILL");
        }
        thread::sleep(Duration::from_millis(10));
    }
    // The kernel holds a group for a moment after its last process was killed.
    for _ in 0..300 {
        groups.iter().for_each(|group| remove_group(group));
        if !groups.iter().any(|group| group.exists()) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// The control groups that hold an engine's containers: one, or one for each controller.
fn groups(bed: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path().join(bed));
    controllers.chain([root.join(bed)]).filter(|group| group.is_dir()).collect()
}

/// The living processes whose arguments name the engine's folder, those that descend from them, and those in its groups.
fn members(mark: &str, groups: &[PathBuf]) -> Vec<u32> {
    let all = process::all();
    let named = |id: &u32| {
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(mark)
    };
    let mut found: HashSet<u32> = all.iter().map(|(id, _)| *id).filter(named).collect();
    let inside = groups.iter().flat_map(|group| folders(group)).flat_map(|group| {
        let ids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        ids.lines().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    });
    found.extend(inside);
    loop {
        let more = all.iter().filter(|(id, parent)| found.contains(parent) && !found.contains(id));
        let more: Vec<u32> = more.map(|(id, _)| *id).collect();
        if more.is_empty() {
            return found.into_iter().filter(|id| process::started(*id).is_some()).collect();
        }
        found.extend(more);
    }
}

fn folders(of: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// Removes a control group without processes, and those in it.
fn remove_group(group: &Path) {
    for inner in folders(group) {
        remove_group(&inner);
    }
    let _ = fs::remove_dir(group);
}
