//! Addresses that are likely to belong to the same somebody.

use std::net::{IpAddr, SocketAddr};

/// Addresses that are cheap to get together, and therefore count as one when slots are scarce: whoever has one address of
/// a /24 (or an IPv6 /48, what a provider gives to one site) easily has many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subnet {
    V4([u8; 3]),
    V6([u16; 3]),
    /// In a private network each host is one.
    Host(IpAddr),
    /// On our own machine each process is one.
    Endpoint(SocketAddr),
}

impl Subnet {
    pub(crate) fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            ip if ip.is_loopback() => Self::Endpoint(address),
            IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Self::Host(ip.into()),
            IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Self::Host(ip.into()),
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, ..] = ip.segments();
                Self::V6([a, b, c])
            }
        }
    }
}
