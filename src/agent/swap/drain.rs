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

/// Waits until no peer among `proxy` has a connection to `port` of the container, or until `limit`.
/// Gives the number that was left.
pub async fn drained(container: &Container, port: u16, proxy: &[IpAddr], limit: Duration) -> u64 {
    let until = Instant::now() + limit;
    let mut quiet = 0;
    loop {
        let open = container.pid.map_or(0, |pid| open_connections(pid, port, proxy));
        quiet = if open == 0 { quiet + 1 } else { 0 };
        if quiet == 2 {
            return 0;
        }
        if Instant::now() >= until {
            return open;
        }
        tokio::time::sleep(APART).await;
    }
}

/// Established connections in a process's network namespace, read without entering it. A process that is gone has none.
fn open_connections(pid: i64, port: u16, peers: &[IpAddr]) -> u64 {
    let count = |table: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines()
            .skip(1)
            .filter_map(established)
            .filter(|(local, peer)| *local == port && peers.contains(peer))
            .count() as u64
    };
    count("tcp") + count("tcp6")
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
