//! Removing a bed: all that it made, found by its name, so that it works after a crash as well as at the end.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::Result;
use super::machine::Machine;
use super::process::{end_all, started};
use super::registry::ADDRESSES;
use super::{LABEL, engine};

/// The file in a bed's folder that tells who made it: process id and start time.
const OWNER: &str = "owner";
/// The file that makes [`sweep`] leave a bed alone.
const KEPT: &str = "kept";

/// A name that no other bed of this machine has: `<prefix>-<process>-<number>`.
pub(super) fn new_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Where beds keep their folders.
fn root() -> PathBuf {
    env::temp_dir().join("deploy-action-bed")
}

/// The folder of a bed.
pub(super) fn folder(name: &str) -> PathBuf {
    root().join(name)
}

/// Makes the folder of a bed and notes whose it is.
pub(super) fn claim(name: &str) -> Result<PathBuf> {
    let dir = folder(name);
    let owner = format!("{} {}", process::id(), started(process::id()).unwrap_or_default());
    let made = fs::create_dir_all(&dir).and_then(|()| fs::write(dir.join(OWNER), owner));
    made.map_err(|error| super::error::BedError::file(&dir, &error))?;
    Ok(dir)
}

/// Makes [`sweep`] leave a bed alone.
pub(super) fn keep(name: &str) -> Result<()> {
    let file = folder(name).join(KEPT);
    fs::write(&file, "").map_err(|error| super::error::BedError::file(&file, &error))
}

/// The beds that were kept on purpose.
pub fn kept() -> Vec<String> {
    names().into_iter().filter(|name| folder(name).join(KEPT).exists()).collect()
}

/// Removes what beds left behind whose process has ended; those that were kept stay. Gives their names.
///
/// # Errors
/// Docker does not answer.
pub fn sweep(machine: &Machine) -> Result<Vec<String>> {
    let mut found = names();
    let format = format!("{{{{.Label \"{LABEL}\"}}}}");
    let label = format!("label={LABEL}");
    for what in [["ps", "-a"].as_slice(), &["network", "ls"]] {
        let listed = machine.docker(&[what, &["--filter", &label, "--format", &format]].concat())?;
        found.extend(listed.lines().map(str::to_owned).filter(|name| !name.is_empty()));
    }
    found.sort();
    found.dedup();
    found.retain(|name| !lives(name) && !folder(name).join(KEPT).exists());
    for name in &found {
        remove(machine, name);
    }
    Ok(found)
}

/// Removes the beds that this process made and did not mean to keep.
pub fn remove_own(machine: &Machine) {
    let own = format!("{} ", process::id());
    for name in names() {
        let owner = fs::read_to_string(folder(&name).join(OWNER)).unwrap_or_default();
        if owner.starts_with(&own) && !folder(&name).join(KEPT).exists() {
            remove(machine, &name);
        }
    }
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(root()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether the process that made a bed still runs. Without a folder only the id in the name is known.
fn lives(name: &str) -> bool {
    let owner = fs::read_to_string(folder(name).join(OWNER)).unwrap_or_default();
    match owner.split_once(' ') {
        Some((id, then)) => id.parse().ok().and_then(started).is_some_and(|now| now == then),
        None => name.rsplit('-').nth(1).and_then(|id| id.parse().ok()).and_then(started).is_some(),
    }
}

/// Removes a bed. Goes on where something cannot be removed: the next [`sweep`] finds it again.
pub fn remove(machine: &Machine, name: &str) {
    let dir = folder(name);
    end_all(&dir);
    if engine::end(&dir, name) {
        // Everything that docker knew of this bed was in there.
        forget(&dir);
        return;
    }
    let list = |arguments: &[&str]| list(machine, arguments);
    let all = |arguments: &[&str], names: Vec<String>| all(machine, arguments, names);
    // By network too: a compose file that a test wrote itself may carry no label of ours.
    let (label, network) = (format!("label={LABEL}={name}"), format!("network={name}"));
    for filter in [&label, &network] {
        all(&["rm", "-f", "-v"], list(&["ps", "-aq", "--filter", filter]));
    }
    let project = format!("label=com.docker.compose.project={name}");
    all(&["rm", "-f", "-v"], list(&["ps", "-aq", "--filter", &project]));
    all(&["volume", "rm", "-f"], list(&["volume", "ls", "-q", "--filter", &project]));
    // What act leaves when it is ended: it names after the workflow, and a workflow here is named after its bed.
    let act = format!("name=^/?act-{name}-");
    all(&["rm", "-f", "-v"], list(&["ps", "-aq", "--filter", &act]));
    all(&["volume", "rm", "-f"], list(&["volume", "ls", "-q", "--filter", &act]));
    all(&["network", "rm"], list(&["network", "ls", "-q", "--filter", &label]));
    // Names only: the content stays cached under the bed's own names, `deploy-action-bed/…`.
    let reference = format!("reference=deploy-agent/{name}*");
    all(&["rmi"], list(&["images", "--filter", &reference, "--format", "{{.Repository}}:{{.Tag}}"]));
    for address in fs::read_to_string(dir.join(ADDRESSES)).unwrap_or_default().lines() {
        forget_images(machine, address);
    }
    forget(&dir);
}

/// Removes the names that the engine has for images of the registry at this address. Whether none is left for certain:
/// docker refuses to list at all where an image goes away meanwhile.
pub(super) fn forget_images(machine: &Machine, address: &str) -> bool {
    let filter = ["images", "--filter", &format!("reference={address}/*"), "--format"];
    let by_digest = [filter.as_slice(), &["{{.Repository}}@{{.Digest}}", "--digests"]].concat();
    let by_tag = [filter.as_slice(), &["{{.Repository}}:{{.Tag}}"]].concat();
    let listed = [by_digest, by_tag].map(|arguments| machine.docker(&arguments));
    let certain = listed.iter().all(Result::is_ok);
    let mut images: Vec<String> =
        listed.iter().flatten().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
    images.retain(|image| !image.contains("<none>"));
    let none = certain && images.is_empty();
    all(machine, &["rmi", "--force"], images);
    none
}

/// The words of what docker lists; none where it does not answer.
fn list(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let output = machine.docker_output(arguments).map(|output| output.stdout).unwrap_or_default();
    output.split_whitespace().map(str::to_owned).collect()
}

/// One call of docker for all of these names, if there are any.
fn all(machine: &Machine, arguments: &[&str], names: Vec<String>) {
    if !names.is_empty() {
        let names = names.iter().map(String::as_str);
        let _ = machine.docker_output(&arguments.iter().copied().chain(names).collect::<Vec<_>>());
    }
}

fn forget(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    // Works for the last one only.
    let _ = fs::remove_dir(root());
}

/// Removes the images that beds build once and share, unless there is a bed that may need them.
///
/// # Errors
/// Docker does not answer.
pub fn remove_images(machine: &Machine) -> Result<()> {
    if names().is_empty() {
        let reference = "reference=deploy-action-bed/*";
        let images = machine.docker(&["images", "--filter", reference, "--format", "{{.Repository}}:{{.Tag}}"])?;
        let images: Vec<&str> = images.lines().collect();
        if !images.is_empty() {
            machine.docker_output(&[&["rmi"], images.as_slice()].concat())?;
        }
    }
    Ok(())
}
