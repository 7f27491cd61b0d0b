//! An engine whose disk is nearly full: what does not fit is refused with the numbers, and the old version serves.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use kit::bed::{AgentOptions, BedOptions, EngineOptions};

use crate::stage::{Run, Setting, Stage};

const MIB: u64 = 1024 * 1024;

/// A stage on an engine with a small disk; the agent sees the disk as the engine does.
fn small(disk: &str) -> (Stage, PathBuf) {
    let engine = EngineOptions { disk: Some(disk.to_owned()), ..EngineOptions::default() };
    let bed = BedOptions { engine: Some(engine), ..BedOptions::with(env!("CARGO_BIN_EXE_deploy-action")) };
    let mut stage = Stage::set(Setting { bed, ..Setting::default() });
    let disk = stage.bed.engine().expect("an engine").disk();
    stage.bed.agent().expect("an agent").stop().expect("stops");
    let holder = disk.components().nth(2).expect("/proc/<id>").as_os_str().to_string_lossy().into_owned();
    let wrapper = ["nsenter", "--target", &holder, "--mount"].map(str::to_owned).to_vec();
    stage.bed.start_agent(&AgentOptions { wrapper, ..AgentOptions::default() }).expect("starts beside the engine");
    (stage, disk)
}

fn free(disk: &Path) -> u64 {
    let stat = rustix::fs::statvfs(disk).expect("the disk");
    stat.f_bavail * stat.f_frsize
}

/// Leaves so much of the disk free.
fn fill(disk: &Path, left: u64) -> PathBuf {
    let path = disk.join("filler");
    let file = File::create(&path).expect("a file");
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, free(disk) - left).expect("takes the space");
    path
}

/// The only two numbers of MiB in a sentence: free, needed.
fn numbers(run: &Run) -> (u64, u64) {
    let message = run.result()["message"].as_str().unwrap_or_default();
    let words: Vec<&str> = message.split_whitespace().collect();
    let found = words.windows(2).filter(|pair| pair[1] == "MiB").filter_map(|pair| pair[0].parse().ok());
    let found: Vec<u64> = found.collect();
    assert_eq!(found.len(), 2, "{message}");
    (found[0], found[1])
}

/// The sample app with a file beside it, in the registry only.
fn with_file(stage: &Stage, version: &str, bytes: &[u8]) -> String {
    let context = stage.bed.dir().join(version);
    fs::create_dir_all(&context).expect("a folder");
    fs::write(context.join("file"), bytes).expect("writes");
    let (repository, _) = stage.v1.split_once('@').expect("a digest");
    let text = format!("FROM {repository}:v1\nENV VERSION={version}\nCOPY file /file\n");
    fs::write(context.join("Dockerfile"), text).expect("writes");
    let docker = |arguments: &[&str]| stage.bed.machine.docker(arguments).expect("docker answers");
    let tag = format!("{repository}:{version}");
    docker(&["build", "--quiet", "--tag", &tag, &context.to_string_lossy()]);
    docker(&["push", "--quiet", &tag]);
    docker(&["rmi", &tag]);
    docker(&["builder", "prune", "--all", "--force"]);
    format!("{repository}@{}", stage.bed.registry.digest("hello", version).expect("a digest"))
}

#[test]
fn what_does_not_fit_is_not_even_fetched() {
    let (stage, disk) = small("160m");
    // Random bytes: they take as much when they are compressed.
    let mut bytes = vec![0; 4 * MIB as usize];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("random bytes");
    let v2 = with_file(&stage, "v2", &bytes);
    let filler = fill(&disk, 30 * MIB);
    let run = stage.deploy(&v2).expect(30);
    assert_eq!(run.reason(), "disk_full", "{}", run.shown());
    let message = run.result()["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("there is no room for ") && message.contains("engine/data has "), "{message}");
    let (has, needs) = numbers(&run);
    assert!((20..=30).contains(&has) && (76..90).contains(&needs), "{message}");
    assert_eq!(run.events("phase_started").last().map(|event| event["phase"].clone()), Some("back".into()));
    assert_eq!(stage.containers("web").len(), 1, "{}", run.shown());
    stage.assert_serves("v1");

    fs::remove_file(filler).expect("room again");
    stage.deploy(&v2).expect(0);
    stage.assert_serves("v2");
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_told_with_the_numbers() {
    let (stage, disk) = small("400m");
    // Nothing when it is fetched, 100 MiB when it is unpacked: the most that an estimate can be wrong.
    let big = with_file(&stage, "big", &vec![0; 100 * MIB as usize]);
    fill(&disk, 80 * MIB);
    let run = stage.deploy(&big).expect(30);
    assert_eq!(run.reason(), "disk_full", "{}", run.shown());
    let message = run.result()["message"].as_str().unwrap_or_default();
    assert!(message.contains("no space left on device"), "{message}");
    let (has, needs) = numbers(&run);
    assert!(has <= 80 && needs < 80, "{message}");
    stage.assert_serves("v1");
    assert_eq!(stage.containers("web").len(), 1);
}
