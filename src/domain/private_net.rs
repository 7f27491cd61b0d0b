//! Which addresses stay inside a private network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// True for loopback, private (RFC 1918), unique local (RFC 4193) and link-local addresses, also where an IPv4
/// address is written as IPv6. False for `0.0.0.0` and `::`, which stand for every address.
#[must_use]
pub fn is_private_address(address: IpAddr) -> bool {
    let v4 = |a: Ipv4Addr| a.is_loopback() || a.is_private() || a.is_link_local();
    let v6 = |a: Ipv6Addr| a.is_loopback() || a.is_unique_local() || a.is_unicast_link_local();
    match address {
        IpAddr::V4(a) => v4(a),
        IpAddr::V6(a) => a.to_ipv4_mapped().map_or_else(|| v6(a), v4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private_address(private.parse().expect(private)), "{private}");
        }
        for public in
            ["0.0.0.0", "::", "8.8.8.8", "172.32.0.1", "172.15.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8"]
        {
            assert!(!is_private_address(public.parse().expect(public)), "{public}");
        }
    }
}
