//! Who shares a provider, and when each was given something last.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::time::Time;

/// How long a subnet is remembered after it was given something.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// How many subnets are remembered at most.
const MOST: usize = 4096;

/// Addresses that are cheap to get together, and therefore count as one when slots are scarce: whoever has one address of
/// a /24 (or an IPv6 /48, what a provider gives to one site) easily has many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subnet {
    V4([u8; 3]),
    V6([u16; 3]),
    /// In a private network each host is one.
    Host(IpAddr),
    /// On our own machine each process is one.
    Endpoint(SocketAddr),
}

impl Subnet {
    pub(super) fn of(address: SocketAddr) -> Self {
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

/// When subnets were given something last.
#[derive(Debug, Default)]
pub(super) struct SubnetMemory(BTreeMap<Subnet, Time>);

impl SubnetMemory {
    pub(super) fn note(&mut self, subnet: Subnet, now: Time) {
        self.0.insert(subnet, now);
    }

    pub(super) fn last(&self, subnet: Subnet) -> Option<Time> {
        self.0.get(&subnet).copied()
    }

    pub(super) fn forget(&mut self, now: Time) {
        self.0.retain(|_, last| now.since(*last) < MEMORY);
        while self.0.len() > MOST {
            let oldest = self.0.iter().min_by_key(|(subnet, last)| (**last, **subnet));
            let Some(oldest) = oldest.map(|(subnet, _)| *subnet) else { break };
            self.0.remove(&oldest);
        }
    }
}
