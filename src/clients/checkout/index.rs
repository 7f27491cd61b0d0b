//! Git's index, as its documentation `gitformat-index` has it: what the checkout wrote, and how it looked then.

use std::collections::BTreeMap;

/// What it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Every tracked path.
    pub(super) tracked: BTreeMap<String, Entry>,
    /// Folders with something that was added or removed and is in no commit yet, the innermost ones; the root is empty.
    pub(super) staged: Vec<String>,
}

/// A tracked path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Seconds and nanoseconds of the file's last change when git last looked.
    pub(super) modified: (u32, u32),
    /// The same of its inode: content, name, owner or mode.
    pub(super) inode_changed: (u32, u32),
    /// Its size then, the lower 32 bits.
    pub(super) size: u32,
    /// SHA-1 of the blob.
    pub(super) blob: [u8; 20],
    /// Git was told not to look at it, or not to write it.
    pub(super) unwatched: bool,
    /// A merge left more than one version of it.
    pub(super) conflict: bool,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        executable: bool,
    },
    Link,
    /// A submodule, or a folder that a sparse index has as one entry.
    Folder,
}

/// `None` where this is no index, or of a kind that is not read here (split, or with SHA-256).
pub(super) fn parse(bytes: &[u8]) -> Option<Index> {
    let rest = bytes.strip_prefix(b"DIRC")?;
    let (version, count) = (number(rest, 0)?, number(rest, 4)?);
    if !(2..=4).contains(&version) {
        return None;
    }
    let mut at = 12;
    let mut path = Vec::new();
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let raw = bytes.get(at..)?;
        let flags = u16::from_be_bytes(raw.get(60..62)?.try_into().ok()?);
        let extended = flags & 0x4000 != 0;
        let more = if extended { u16::from_be_bytes(raw.get(62..64)?.try_into().ok()?) } else { 0 };
        let mut name = if extended { 64 } else { 62 };
        let mut kept = 0;
        if version == 4 {
            let (dropped, length) = offset(raw.get(name..)?)?;
            kept = path.len().checked_sub(dropped)?;
            name += length;
        }
        let length = raw.get(name..)?.iter().position(|byte| *byte == 0)?;
        path.truncate(kept);
        path.extend_from_slice(&raw[name..name + length]);
        let end = name + length + 1;
        at += if version == 4 { end } else { end.next_multiple_of(8) };
        let mode = number(raw, 24)?;
        let entry = Entry {
            kind: match mode >> 12 {
                0o10 => Kind::File { executable: mode & 0o100 != 0 },
                0o12 => Kind::Link,
                _ => Kind::Folder,
            },
            modified: (number(raw, 8)?, number(raw, 12)?),
            inode_changed: (number(raw, 0)?, number(raw, 4)?),
            size: number(raw, 36)?,
            blob: raw.get(40..60)?.try_into().ok()?,
            unwatched: flags & 0x8000 != 0 || more & 0x4000 != 0,
            conflict: flags & 0x3000 != 0,
        };
        entries.insert(String::from_utf8_lossy(&path).into_owned(), entry);
    }
    // Extensions follow, then the checksum of 20 bytes.
    let mut after = bytes.get(at..bytes.len().checked_sub(20)?)?;
    let mut staged = Vec::new();
    while let Some((name, rest)) = after.split_at_checked(4) {
        let size = usize::try_from(number(rest, 0)?).ok()?;
        let (body, rest) = rest.get(4..)?.split_at_checked(size)?;
        match name {
            // The rest of a split index is in another file.
            b"link" => return None,
            b"TREE" => staged = not_written(body)?,
            _ => {}
        }
        after = rest;
    }
    Some(Index { tracked: entries, staged })
}

/// The innermost folders without a tree object: a commit writes one for each folder, and adding a file takes away
/// those on its path.
fn not_written(mut body: &[u8]) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    // The folders that are being listed, with how many of theirs are still to come.
    let mut open: Vec<(String, u32)> = Vec::new();
    while !body.is_empty() {
        let (name, rest) = body.split_at_checked(body.iter().position(|byte| *byte == 0)?)?;
        let (counts, rest) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'\n')?)?;
        let (entries, folders) = std::str::from_utf8(counts.get(1..)?).ok()?.split_once(' ')?;
        let name = String::from_utf8_lossy(name);
        while open.pop_if(|(_, left)| *left == 0).is_some() {}
        let path = match open.last_mut() {
            None => String::new(),
            Some((above, left)) => {
                *left -= 1;
                if above.is_empty() { name.into_owned() } else { format!("{above}/{name}") }
            }
        };
        let written = !entries.starts_with('-');
        if !written {
            // Whatever is above an inner one is taken away with it.
            found.retain(|outer| !outer.is_empty() && !path.starts_with(&format!("{outer}/")));
            found.push(path.clone());
        }
        open.push((path, folders.parse().ok()?));
        body = rest.get(if written { 21 } else { 1 }..)?;
    }
    Some(found)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A number of version 4, and how many bytes it takes.
fn offset(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (position, byte) in bytes.iter().enumerate().take(8) {
        value = (value << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, position + 1));
        }
        value += 1;
    }
    None
}
