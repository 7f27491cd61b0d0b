//! Being in another network namespace.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::{self, ThreadId};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::error::{BedError, Result};

/// This thread is in another network namespace, and so is all that it starts, threads and programs, until this value is
/// dropped.
#[derive(Debug)]
pub(super) struct Inside {
    before: File,
    thread: ThreadId,
}

impl Inside {
    /// Enters the network namespace of a process.
    pub(super) fn of(process: u32) -> Result<Self> {
        let before = open(Path::new("/proc/thread-self/ns/net"))?;
        enter(&open(Path::new(&format!("/proc/{process}/ns/net")))?)?;
        Ok(Self { before, thread: thread::current().id() })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Another thread is where it is.
        if thread::current().id() == self.thread {
            let _ = enter(&self.before);
        }
    }
}

fn open(link: &Path) -> Result<File> {
    File::open(link).map_err(|error| BedError::file(link, &error))
}

fn enter(link: &File) -> Result<()> {
    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| BedError::new(format!("bed: entering a network namespace, which only root may: {error}")))
}
