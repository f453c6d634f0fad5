//! What a tracker can say about itself.

use std::net::IpAddr;

use crate::origin::{Origin, Protocol};

/// A snapshot of a tracker's numbers. The first group are levels, the others count since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Swarms.
    pub swarms: usize,
    /// Seeders over all swarms.
    pub seeders: usize,
    /// Leechers over all swarms.
    pub leechers: usize,
    /// Peers with IPv4 addresses over all swarms.
    pub peers_ipv4: usize,
    /// Peers with IPv6 addresses over all swarms.
    pub peers_ipv6: usize,
    /// Bytes allocated for all of them.
    pub memory: usize,

    /// Announces, refused ones included.
    pub announces: PerOrigin,
    /// Scrapes, whatever the number of their info-hashes.
    pub scrapes: PerOrigin,
    /// Connection ids handed out.
    pub connects: u64,
    /// Downloads completed.
    pub completed: u64,

    /// Announces refused because of the allow or deny list.
    pub refused_not_permitted: u64,
    /// Announces refused because no place was left for a new swarm.
    pub refused_full: u64,
    /// Announces answered although the peer could not be listed.
    pub unlisted: u64,
    /// Unsettled swarms that made room for others.
    pub evicted_swarms: u64,
    /// Peers forgotten because they were silent.
    pub expired_peers: u64,
}

impl Statistics {
    /// Peers over all swarms.
    #[must_use]
    pub const fn peers(&self) -> usize {
        self.seeders + self.leechers
    }
}

/// One count for each protocol and address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerOrigin {
    /// HTTP over IPv4.
    pub http_ipv4: u64,
    /// HTTP over IPv6.
    pub http_ipv6: u64,
    /// UDP over IPv4.
    pub udp_ipv4: u64,
    /// UDP over IPv6.
    pub udp_ipv6: u64,
}

impl PerOrigin {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.http_ipv4 + self.http_ipv6 + self.udp_ipv4 + self.udp_ipv6
    }

    pub(crate) fn count(&mut self, origin: Origin) {
        let counter = match (origin.protocol, origin.address.ip().to_canonical()) {
            (Protocol::Http, IpAddr::V4(_)) => &mut self.http_ipv4,
            (Protocol::Http, IpAddr::V6(_)) => &mut self.http_ipv6,
            (Protocol::Udp, IpAddr::V4(_)) => &mut self.udp_ipv4,
            (Protocol::Udp, IpAddr::V6(_)) => &mut self.udp_ipv6,
        };
        *counter += 1;
    }
}
