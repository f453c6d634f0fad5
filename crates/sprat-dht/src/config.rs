//! What a node is told once.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::table::FRESH;

/// How long a contact of a read-only node may be silent: it recommends nobody, and every datagram counts.
const READER_PATIENCE: Duration = Duration::from_secs(45 * 60);

/// How a [`Node`](crate::Node) behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Take part in the network of IPv4.
    pub v4: bool,
    /// Take part in the network of IPv6.
    pub v6: bool,
    /// Our address as others see it, if we know it. Otherwise they will tell.
    pub external_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub external_v6: Option<Ipv6Addr>,
    /// Ask and do not answer (BEP 43): behind a firewall, or where traffic costs money.
    pub read_only: bool,
    /// Bytes of answers to others per second, over all of them. A bootstrap node wants more than the default.
    pub reply_bytes_per_second: u32,
    /// How we call ourselves to others (BEP 5, `v`).
    pub version: [u8; 4],
}

impl NodeConfig {
    /// How long a contact may be silent before it is asked whether it is still there.
    pub(crate) const fn patience(&self) -> Duration {
        if self.read_only { READER_PATIENCE } else { FRESH }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            v4: true,
            v6: true,
            external_v4: None,
            external_v6: None,
            read_only: false,
            // What other implementations allow.
            reply_bytes_per_second: 8000,
            version: *b"SP01",
        }
    }
}
