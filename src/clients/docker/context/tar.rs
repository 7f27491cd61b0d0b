//! Writing a tar: POSIX ustar headers, with pax records where a name does not fit.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hyper::body::Bytes;

use super::{Entry, Kind};

/// Bytes of a header and of what everything is padded to.
const BLOCK: usize = 512;
/// Bytes that go out at once.
const CHUNK: usize = 128 << 10;
/// Longest name in a ustar header.
const NAME: usize = 100;

/// Writes entries into chunks, which `send` takes; `send` gives false when nobody wants more.
pub(super) struct Writer<S> {
    send: S,
    chunk: Vec<u8>,
}

impl<S: FnMut(Bytes) -> bool> Writer<S> {
    pub(super) fn new(send: S) -> Self {
        Self { send, chunk: Vec::with_capacity(CHUNK) }
    }

    pub(super) fn entry(&mut self, path: &Path, entry: &Entry) -> io::Result<()> {
        let mut name = entry.path.as_os_str().as_bytes().to_vec();
        let (kind, size, link) = match &entry.kind {
            Kind::Folder => {
                name.push(b'/');
                (b'5', 0, &[][..])
            }
            Kind::File { size } => (b'0', *size, &[][..]),
            Kind::Link { to } => (b'2', 0, to.as_os_str().as_bytes()),
        };
        let mut records = Vec::new();
        for (key, value) in [("path", &name[..]), ("linkpath", link)] {
            if value.len() > NAME {
                records.extend(record(key, value));
            }
        }
        if !records.is_empty() {
            let length = records.len() as u64;
            self.write(&header(b"pax", 0o644, length, 0, b'x', &[]))?;
            self.write(&records)?;
            self.pad(length)?;
        }
        self.write(&header(&name, entry.mode, size, entry.modified, kind, link))?;
        if kind == b'0' { self.file(path, size) } else { Ok(()) }
    }

    /// The two empty blocks at the end, and what is left in the buffer.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.write(&[0; 2 * BLOCK])?;
        self.flush()
    }

    fn file(&mut self, path: &Path, size: u64) -> io::Result<()> {
        // The header has promised this size: a file that grows meanwhile is cut there, one that shrinks is an error.
        let mut file = File::open(path)?.take(size);
        let mut buffer = vec![0; CHUNK];
        let mut read = 0;
        loop {
            match file.read(&mut buffer)? {
                0 if read == size => return self.pad(size),
                0 => return Err(io::Error::other("it became shorter while it was read")),
                count => {
                    read += count as u64;
                    self.write(&buffer[..count])?;
                }
            }
        }
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.write(&[0; BLOCK][over..]) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        if (self.send)(Bytes::from(chunk)) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

/// A pax record: `length key=value\n`, where the length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn header(name: &[u8], mode: u32, size: u64, modified: i64, kind: u8, link: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    // Cut where it is too long: the pax record before it has the whole.
    put(0, &name[..name.len().min(NAME)]);
    put(100, format!("{mode:07o}\0").as_bytes());
    // Owner and group: as the docker command sends them, 0.
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    // Eleven digits reach to the year 2242; a clock before 1970 is 1970.
    put(136, format!("{:011o}\0", modified.clamp(0, 0o77_777_777_777)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, &link[..link.len().min(NAME)]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
