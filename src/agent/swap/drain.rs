//! Drain: an old container is done when the proxy holds no connection to it any more.
//!
//! Counts sockets, because the kernel's last-sent and last-received times tie too often to decide. That is exact as long
//! as the proxy's idle connections end soon (1 s in the transports of set-up and of our file).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::docker::Container;

/// Time between the two samples that must both be empty.
const APART: Duration = Duration::from_millis(100);
/// `st` of an established connection in `/proc/net/tcp` (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";

/// What is left after waiting for a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// So many connections; 0 = drained.
    Open(u64),
    /// The connections could not be seen; the whole time was waited.
    Unknown,
}

/// Waits until nobody among `peers` (empty: nobody at all) has a connection to `port` of the container, or until
/// `limit`. What cannot be seen never counts as drained.
pub async fn drained(container: &Container, port: u16, peers: &[IpAddr], limit: Duration) -> Left {
    let until = Instant::now() + limit;
    let mut quiet = 0;
    loop {
        let open = container.pid.map_or(Some(0), |pid| open_connections(pid, port, peers));
        quiet = if open == Some(0) { quiet + 1 } else { 0 };
        if quiet == 2 {
            return Left::Open(0);
        }
        if Instant::now() >= until {
            return open.map_or(Left::Unknown, Left::Open);
        }
        tokio::time::sleep(APART).await;
    }
}

/// Established connections in a process's network namespace, read without entering it. A process that is gone has none;
/// `None` where they cannot be read.
fn open_connections(pid: i64, port: u16, peers: &[IpAddr]) -> Option<u64> {
    let count = |table: &str| match std::fs::read_to_string(format!("/proc/{pid}/net/{table}")) {
        Ok(text) => {
            let lines = text.lines().skip(1).filter_map(established);
            Some(lines.filter(|(local, peer)| *local == port && (peers.is_empty() || peers.contains(peer))).count()
                as u64)
        }
        Err(_) if !std::path::Path::new(&format!("/proc/{pid}")).exists() => Some(0),
        // A kernel without IPv6 has no such table.
        Err(error) if table == "tcp6" && error.kind() == std::io::ErrorKind::NotFound => Some(0),
        Err(_) => None,
    };
    Some(count("tcp")? + count("tcp6")?)
}

/// Local port and peer of an established connection's line (Documentation/networking/proc_net_tcp.rst).
fn established(line: &str) -> Option<(u16, IpAddr)> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, peer, state) = (columns.next()?, columns.next()?, columns.next()?);
    if state != ESTABLISHED {
        return None;
    }
    let port = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
    Some((port, address(peer.split_once(':')?.0)?))
}

/// Words of 32 bits in the machine's byte order; IPv4 in IPv6 is IPv4.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let bytes: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn reads_the_kernels_table() {
        let v4 = "   1: 020012AC:1F90 030012AC:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1";
        assert_eq!(established(v4), Some((8080, "172.18.0.3".parse().expect("an address"))));
        assert_eq!(established(&v4.replace(" 01 ", " 06 ")), None, "TIME_WAIT is not open");
        let v6 = "0: 0000000000000000FFFF0000020012AC:1F90 0000000000000000FFFF0000030012AC:D2F0 01 0:0";
        assert_eq!(established(v6), Some((8080, "172.18.0.3".parse().expect("an address"))));
        for bad in ["", "x", "0: 02:1F90 0300:D2F0 01"] {
            assert_eq!(established(bad), None, "{bad}");
        }
    }
}
