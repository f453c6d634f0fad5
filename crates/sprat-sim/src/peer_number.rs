//! How a simulation calls its peers, and where they live.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub(crate) const LISTEN_PORT: u16 = 6881;

/// How often a peer had crashed when something was set in motion: answers to a session that is gone are for nobody.
pub(crate) type Life = u32;

/// A peer of a simulation, in the order of being added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNumber(pub u32);

impl PeerNumber {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Where it listens: every peer in a network of its own.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        let [_, a, b, c] = self.0.to_be_bytes();
        // 20 to 119: neither private nor loopback nor multicast.
        let first = 20 + c % 100;
        SocketAddr::from((Ipv4Addr::new(first, b, c, a.saturating_add(1)), LISTEN_PORT))
    }

    /// Who lives at this address, whatever the port: callers come from ports of their own.
    pub(crate) fn living_at(address: SocketAddr) -> Option<Self> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let [_, b, c, d] = ip.octets();
        let number = Self(u32::from_be_bytes([0, d.checked_sub(1)?, b, c]));
        (number.address().ip() == ip).then_some(number)
    }
}
