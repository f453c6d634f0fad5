//! What an operator may choose.

use std::time::Duration;

/// Limits and habits of a [`crate::Tracker`]. Every limit is enforced by the machine, not by its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerConfig {
    /// How long clients should wait between announces. 30 minutes by default, as most public trackers say.
    /// A peer is forgotten after twice this time.
    pub interval: Duration,
    /// Up to this much is added at random to each client's interval, so that clients which came together (a
    /// restart, a link on a busy page) drift apart. At most half the interval counts.
    pub interval_jitter: Duration,
    /// What clients are told as the shortest time between two announces.
    pub min_interval: Option<Duration>,
    /// Peers in an answer to a client that does not say how many it wants. BEP 3 names 50.
    pub default_peers: usize,
    /// Most peers in an answer over HTTP. 200 are 1.2 KB in the compact form.
    pub max_peers_http: usize,
    /// Most peers in an answer over UDP: 50 are 320 bytes for IPv4 and 920 for IPv6, which fits any path in one packet.
    pub max_peers_udp: usize,
    /// Most swarms.
    pub max_swarms: usize,
    /// Most peers of both families over all swarms.
    pub max_peers: usize,
    /// Most peers of both families in one swarm.
    pub max_peers_per_swarm: usize,
    /// Most peers of one network in one swarm, where a network is one IPv4 address or one IPv6 /64, the least a
    /// single customer is given. Loopback is exempt.
    pub max_peers_per_network: usize,
    /// Bytes that swarms, peers and their indexes may take.
    pub max_memory: usize,
    /// Whether the address that an announce claims is believed.
    pub claimed_address: ClaimedAddress,
}

/// Whether `ip=` in an announce is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClaimedAddress {
    /// Never: a believed claim would direct a swarm's connections at anybody.
    #[default]
    Ignore,
    /// When the announce comes from this machine, as that of a seeder beside its own tracker does. Not for trackers
    /// behind a proxy on the same machine.
    TrustLoopback,
    /// Always: only for closed networks.
    TrustAll,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            interval_jitter: Duration::from_secs(3 * 60),
            min_interval: Some(Duration::from_secs(5 * 60)),
            default_peers: 50,
            max_peers_http: 200,
            max_peers_udp: 50,
            max_swarms: 1_000_000,
            max_peers: 10_000_000,
            max_peers_per_swarm: 100_000,
            max_peers_per_network: 32,
            max_memory: 256 * 1024 * 1024,
            claimed_address: ClaimedAddress::Ignore,
        }
    }
}

impl TrackerConfig {
    /// Whole minutes after its last announce for which a peer is remembered: twice the interval, at least one, and
    /// well below the span of the 15-bit minute that a peer is stamped with.
    pub(crate) fn lifetime_minutes(&self) -> u16 {
        let minutes = self.interval.saturating_mul(2).as_secs().div_ceil(60);
        u16::try_from(minutes.clamp(1, 7 * 24 * 60)).unwrap_or(u16::MAX)
    }
}
