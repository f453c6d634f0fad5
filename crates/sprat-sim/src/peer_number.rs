//! How a simulation calls its peers, and where they live.

use std::net::{Ipv4Addr, SocketAddr};

pub(crate) const LISTEN_PORT: u16 = 6881;

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
        SocketAddr::from((Ipv4Addr::new(first, b, c, a.max(1)), LISTEN_PORT))
    }
}
