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
/// A pause between two samples that took longer than this: the host stood still, the proxy too.
const STOOD_STILL: Duration = Duration::from_millis(300);
/// How long after a route left a container its proxy may still open a connection to it, for a request that it had already
/// given to it: a SYN that was lost is sent again after 1 s (RFC 6298, section 2.1).
const SETTLE: Duration = Duration::from_millis(1200);
/// The same where it asks Docker for the address first: as long as our route lets it dial (3 s), which includes that.
const NAMED: Duration = Duration::from_millis(3200);
/// `st` of an established connection in `/proc/net/tcp` (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";
/// The same of one that is being opened by the other side.
const OPENING: &str = "03";
/// The same of one that listens.
const LISTENING: &str = "0A";

/// What is left after waiting for a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// So many connections; 0 = drained.
    Open(u64),
    /// The connections could not be seen; the whole time was waited.
    Unknown,
}

/// Waits until nobody among `peers` has a connection to a port that the container listens on, or until `limit`. Where no
/// peer is known, everybody's to `port` count; where no port is known either, to all that it listens on. What cannot be
/// seen never counts as drained; neither does what is seen soon after the route `left` it, when the last connection may not
/// have been opened yet. Without `left` what is seen is only told.
pub async fn drained(
    container: &Container,
    port: Option<u16>,
    peers: &[IpAddr],
    left: Option<Instant>,
    limit: Instant,
) -> Left {
    let Some(pid) = container.pid else { return Left::Open(0) };
    let settle = if container.kept.is_some() { SETTLE } else { NAMED };
    let (mut quiet, mut settled) = (0, left.map(|left| left + settle));
    loop {
        let open = open_connections(pid, port, peers);
        quiet = if open == Some(0) { quiet + 1 } else { 0 };
        let now = Instant::now();
        if quiet >= 2 && settled.is_none_or(|settled| now >= settled) {
            return Left::Open(0);
        }
        if now >= limit {
            return open.map_or(Left::Unknown, Left::Open);
        }
        tokio::time::sleep(APART).await;
        if now.elapsed() > STOOD_STILL {
            (quiet, settled) = (0, settled.map(|settled| settled.max(Instant::now() + settle)));
        }
    }
}

/// Connections in a process's network namespace, read without entering it. A process that is gone has none;
/// `None` where they cannot be read.
fn open_connections(pid: i64, port: Option<u16>, peers: &[IpAddr]) -> Option<u64> {
    let table = |name: &str| match std::fs::read_to_string(format!("/proc/{pid}/net/{name}")) {
        Ok(text) => Some(text),
        Err(_) if !std::path::Path::new(&format!("/proc/{pid}")).exists() => Some(String::new()),
        // A kernel without IPv6 has no such table.
        Err(error) if name == "tcp6" && error.kind() == std::io::ErrorKind::NotFound => Some(String::new()),
        Err(_) => None,
    };
    Some(open(&(table("tcp")? + &table("tcp6")?), port, peers))
}

/// Connections of others to the container. Traefik may reach it on more than one port, and on another one than the next
/// version has; a connection that the container made itself, to an address of Traefik, is not one of them.
fn open(tables: &str, port: Option<u16>, peers: &[IpAddr]) -> u64 {
    let sockets: Vec<Socket> = tables.lines().filter_map(socket).collect();
    let listens = |local: u16| sockets.iter().any(|socket| socket.listens && socket.local == local);
    let counts = |socket: &&Socket| {
        !socket.listens
            && match peers {
                [] => port.map_or_else(|| listens(socket.local), |port| socket.local == port),
                peers => (port == Some(socket.local) || listens(socket.local)) && peers.contains(&socket.peer),
            }
    };
    sockets.iter().filter(counts).count() as u64
}

/// A socket that listens, or is connected.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    listens: bool,
    local: u16,
    peer: IpAddr,
}

/// A line of the kernel's table (Documentation/networking/proc_net_tcp.rst); nothing for sockets in other states.
fn socket(line: &str) -> Option<Socket> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, peer, state) = (columns.next()?, columns.next()?, columns.next()?);
    if ![ESTABLISHED, OPENING, LISTENING].contains(&state) {
        return None;
    }
    let local = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
    Some(Socket { listens: state == LISTENING, local, peer: address(peer.split_once(':')?.0)? })
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
        let of = |local, peer: &str| Some(Socket { listens: false, local, peer: peer.parse().expect("an address") });
        assert_eq!(socket(v4), of(8080, "172.18.0.3"));
        assert_eq!(socket(&v4.replace(" 01 ", " 03 ")), of(8080, "172.18.0.3"), "SYN_RECV will be open");
        assert_eq!(socket(&v4.replace(" 01 ", " 06 ")), None, "TIME_WAIT is not open");
        let v6 = "0: 0000000000000000FFFF0000020012AC:1F90 0000000000000000FFFF0000030012AC:D2F0 01 0:0";
        assert_eq!(socket(v6), of(8080, "172.18.0.3"));
        for bad in ["", "x", "0: 02:1F90 0300:D2F0 01"] {
            assert_eq!(socket(bad), None, "{bad}");
        }
    }
    #[cfg(target_endian = "little")]
    #[test]
    fn what_traefik_still_asks_for_counts_whatever_its_port() {
        let line = |local: &str, peer: &str, state: &str| format!("0: 020012AC:{local} {peer} {state} 0:0\n");
        let (proxy, other) = ("030012AC:D2F0", "040012AC:D2F0");
        let listens = line("1F90", "00000000:0000", "0A") + &line("2382", "00000000:0000", "0A");
        let tables = "  sl  local_address rem_address   st\n".to_owned()
            + &listens
            + &line("1F90", proxy, "01")
            + &line("2382", proxy, "01")
            + &line("1F90", other, "01")
            // One that the container made itself, to Traefik.
            + &line("C000", "030012AC:1F40", "01");
        let traefik: IpAddr = "172.18.0.3".parse().expect("an address");
        assert_eq!(open(&tables, Some(8080), &[traefik]), 2);
        assert_eq!(open(&tables, Some(9999), &[traefik]), 2, "the next version's port is another one");
        assert_eq!(open(&tables.replace(&listens, ""), Some(8080), &[traefik]), 1, "an application on its way out");
        assert_eq!(open(&tables, Some(8080), &[]), 2, "everybody's, where nobody is known");
        assert_eq!(open(&tables, None, &[traefik]), 2, "the port is lost");
        assert_eq!(open(&tables, None, &[]), 3, "and nobody is known");
    }
}
