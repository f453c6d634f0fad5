//! Where the peers of a simulation listen: each in a network of its own, or a crowd of them in one (Sybils: many names,
//! one owner).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::peer_number::{LISTEN_PORT, PeerNumber};

/// Peers of one subnet at most: the hosts of a /24.
pub(crate) const MOST_OF_SUBNET: u32 = 254;

#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// In the order of their numbers.
    homes: Vec<Ipv4Addr>,
    residents: BTreeMap<Ipv4Addr, PeerNumber>,
    /// How many live in each subnet.
    crowds: BTreeMap<u8, u8>,
}

impl Addresses {
    /// Gives the next peer an address, in this subnet or in one of its own.
    pub(crate) fn settle(&mut self, number: PeerNumber, subnet: Option<u8>) {
        let home = subnet.map_or_else(|| lone_home(number), |subnet| self.next_of(subnet));
        self.homes.push(home);
        self.residents.insert(home, number);
    }

    fn next_of(&mut self, subnet: u8) -> Ipv4Addr {
        let host = self.crowds.entry(subnet).or_default();
        *host = host.saturating_add(1);
        Ipv4Addr::new(130, 0, subnet, *host)
    }

    /// Where it listens.
    pub(crate) fn of(&self, number: PeerNumber) -> SocketAddr {
        let home = self.homes.get(number.index()).copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
        SocketAddr::from((home, LISTEN_PORT))
    }

    /// Who lives at this address, whatever the port: callers come from ports of their own.
    pub(crate) fn living_at(&self, address: SocketAddr) -> Option<PeerNumber> {
        match address.ip() {
            IpAddr::V4(home) => self.residents.get(&home).copied(),
            IpAddr::V6(_) => None,
        }
    }
}

/// A home in a /24 that nobody else lives in.
const fn lone_home(number: PeerNumber) -> Ipv4Addr {
    let [_, a, b, c] = number.0.to_be_bytes();
    // 20 to 119: neither private nor loopback nor multicast.
    Ipv4Addr::new(20 + c % 100, b, c, a.saturating_add(1))
}
