//! Disk: whether there is room for an image before it is fetched, and what to say where it is full after all.

use std::path::PathBuf;

use super::{Fault, Swap};
use crate::clients::registry::{Credentials, Layer, Registry};
use crate::domain::{ImageRef, Reason};

/// What a fetched byte takes on disk: itself until it is unpacked, and about twice as much once it is.
const UNPACKED: u64 = 3;
/// What is left alone, in bytes: the new container, its log, and whatever else is written meanwhile.
const RESERVE: u64 = 64 * MIB;
/// So much is room for any image: its size is not even asked for, which spares a deployment some questions.
const PLENTY: u64 = 32 * 1024 * MIB;
const MIB: u64 = 1024 * 1024;

/// The disk of the engine's images.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Disk {
    path: PathBuf,
    free: u64,
}

/// Bytes to fetch for an image: all but the layers that begin some image that is here.
fn to_fetch(layers: &[Layer], here: &[Vec<String>]) -> u64 {
    let common = |image: &Vec<String>| image.iter().zip(layers).take_while(|(id, layer)| **id == layer.content).count();
    let known = here.iter().map(common).max().unwrap_or(0);
    layers[known..].iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
}

/// Bytes that an image of which so many are fetched needs on disk; none for one that is here but for its name.
fn needed(fetched: u64) -> u64 {
    if fetched == 0 { 0 } else { fetched.saturating_mul(UNPACKED).saturating_add(RESERVE) }
}

/// Whole MiB: what is free rounded down, what is needed rounded up.
fn sizes(disk: &Disk, needed: u64) -> String {
    format!(
        "{} has {} MiB free and about {} MiB are needed",
        disk.path.display(),
        disk.free / MIB,
        needed.div_ceil(MIB)
    )
}

/// True for the words of somebody whose disk is full (`strerror` of `ENOSPC` and `EDQUOT`).
pub(super) fn tells_full(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    words.contains("no space left on device") || words.contains("disk quota exceeded")
}

fn full(message: String) -> Fault {
    Fault::new(Reason::DiskFull, message).hint(
        "free space there: `docker image prune` (without `-a`, or a rollback has to fetch its image), `docker builder prune`; or enlarge the disk; then deploy again",
    )
}

impl Swap {
    /// Refuses an image for which there is no room, before anything of it is fetched. Where the registry does not tell its
    /// size, or the engine's disk cannot be seen from here, the engine has to find out.
    pub(super) async fn has_room(&self, image: &ImageRef) -> Result<(), Fault> {
        let Some(disk) = self.disk().await.filter(|disk| disk.free < PLENTY) else { return Ok(()) };
        let Some(needed) = self.needed(image).await.filter(|needed| disk.free < *needed) else { return Ok(()) };
        Err(full(format!("there is no room for {image}: {}", sizes(&disk, needed))))
    }

    /// A fault whose words tell of a full disk gets its own reason, and the numbers.
    pub(super) async fn told_full(&self, fault: Fault, image: Option<&ImageRef>) -> Fault {
        if !tells_full(&fault.message) {
            return fault;
        }
        let disk = self.disk().await;
        let needed = match image {
            Some(image) => self.needed(image).await,
            None => None,
        };
        let numbers = match (disk, needed) {
            (Some(disk), Some(needed)) => format!("; {}", sizes(&disk, needed)),
            (Some(disk), None) => format!("; {} has {} MiB free", disk.path.display(), disk.free / MIB),
            (None, _) => String::new(),
        };
        full(format!("the disk is full: {}{numbers}", fault.message))
    }

    async fn needed(&self, image: &ImageRef) -> Option<u64> {
        let registry = image.repository().registry();
        let login = self.credential.clone();
        let credentials =
            login.map_or_else(Credentials::default, |login| Credentials::default().with(&registry, login));
        let layers = Registry::new(credentials).layers(image).await?;
        let mut here = Vec::new();
        // What the service ran before is where most layers of the next version come from.
        for release in &self.state.releases {
            here.extend(self.site.engine.image(&release.image_id).await.ok().flatten().map(|image| image.layers));
        }
        Some(needed(to_fetch(&layers, &here)))
    }

    /// `None` for an engine on another machine, and for one whose folder cannot be seen from here.
    async fn disk(&self) -> Option<Disk> {
        if !self.site.engine.is_local() {
            return None;
        }
        let path = self.site.engine.image_folder().await.ok()?;
        let stat = rustix::fs::statvfs(&path).ok()?;
        Some(Disk { path, free: stat.f_bavail.saturating_mul(stat.f_frsize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(of: &[(&str, u64)]) -> Vec<Layer> {
        of.iter().map(|(content, size)| Layer { size: *size, content: (*content).to_owned() }).collect()
    }

    #[test]
    fn only_what_is_not_here_is_fetched() {
        let image = layers(&[("base", 30), ("libs", 20), ("app", 5)]);
        let here = |images: &[&[&str]]| -> Vec<Vec<String>> {
            images.iter().map(|image| image.iter().map(|id| (*id).to_owned()).collect()).collect()
        };
        for (images, fetched) in [
            (here(&[]), 55),
            (here(&[&["other"]]), 55),
            (here(&[&["base", "old libs", "app"]]), 25),
            (here(&[&["base"], &["base", "libs", "old app"]]), 5),
            (here(&[&["base", "libs", "app", "more"]]), 0),
            // A layer counts only upon the same ones: that is how the engine knows it.
            (here(&[&["libs", "app"]]), 55),
        ] {
            assert_eq!(to_fetch(&image, &images), fetched, "{images:?}");
        }
        assert_eq!(to_fetch(&layers(&[("", 7), ("", 8)]), &here(&[&["base"]])), 15, "contents that nobody told");
        assert_eq!(to_fetch(&layers(&[("a", u64::MAX), ("b", 1)]), &[]), u64::MAX);
    }

    #[test]
    fn what_is_needed_is_more_than_what_is_fetched() {
        for (fetched, mib) in [(0, 0), (1, 65), (MIB, 67), (100 * MIB, 364), (u64::MAX, u64::MAX.div_ceil(MIB))] {
            assert_eq!(needed(fetched).div_ceil(MIB), mib, "{fetched}");
        }
        let disk = Disk { path: "/var/lib/docker".into(), free: 200 * MIB - 1 };
        assert_eq!(sizes(&disk, needed(100 * MIB)), "/var/lib/docker has 199 MiB free and about 364 MiB are needed");
    }

    #[test]
    fn full_disks_are_told_in_many_words() {
        for words in [
            "the Docker Engine refused: write /data/tmp/GetImageBlob1: no space left on device",
            "compose.deploy-agent.candidate.yaml cannot be written: No space left on device (os error 28)",
            "open /x: disk quota exceeded",
        ] {
            assert!(tells_full(words), "{words}");
        }
        assert!(!tells_full("manifest unknown: no such device"));
    }
}
