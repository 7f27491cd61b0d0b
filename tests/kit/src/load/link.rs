//! A connection whose every read and write has one deadline in common.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::failure::{Failure, Kind};

/// Opens a connection. Any error is of kind `connect`: nothing has been sent yet.
pub(super) fn connect(target: SocketAddr, timeout: Duration) -> Result<TcpStream, Failure> {
    let open = || {
        let stream = TcpStream::connect_timeout(&target, timeout)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    open().map_err(|error: io::Error| Failure::new(Kind::Connect, error.to_string()))
}

/// What can be known of a kept connection without writing to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Idle {
    Open,
    Closed,
    /// Bytes nobody asked for: the next answer would be read from them.
    Unsolicited,
}

/// Looks at a kept connection before it is used.
pub(super) fn look(stream: &TcpStream) -> Idle {
    let peek = || {
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        peeked
    };
    match peek() {
        Ok(0) => Idle::Closed,
        Ok(_) => Idle::Unsolicited,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Idle::Open,
        Err(_) => Idle::Closed,
    }
}

/// A connection with a deadline.
#[derive(Debug)]
pub(super) struct Timed<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) deadline: Instant,
}

impl Timed<'_> {
    /// The time left. A socket takes a zero timeout as none at all, hence the error.
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buf)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
