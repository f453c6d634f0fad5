//! Who was convicted of sending bad data.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use sprat_wire::hash::PeerId;

use super::network;

/// How many identities, and how many networks, are remembered. The oldest make room: by then they have other addresses.
const CAPACITY: usize = 1000;

/// How far a conviction reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BanScope {
    /// This peer id at this address.
    Identity,
    /// Everybody at this address (IPv6: in this /64): it was the second conviction there.
    Network,
}

#[derive(Debug, Default)]
pub(super) struct Bans {
    /// Network, peer id, and the endpoint that was seen.
    order: VecDeque<(IpAddr, PeerId, SocketAddr)>,
    identities: BTreeSet<(IpAddr, PeerId)>,
    endpoints: BTreeSet<SocketAddr>,
    network_order: VecDeque<IpAddr>,
    networks: BTreeSet<IpAddr>,
}

impl Bans {
    /// Convicts a peer. The first conviction reaches only its identity, as many honest people may share its address;
    /// the second at that address reaches everybody there, as peer ids cost nothing. On our own machine there are
    /// always many.
    pub(super) fn convict(&mut self, address: SocketAddr, peer_id: PeerId) -> BanScope {
        let network = network(address.ip());
        if self.networks.contains(&network) {
            return BanScope::Network;
        }
        if !self.identities.insert((network, peer_id)) {
            return BanScope::Identity;
        }
        self.endpoints.insert(address);
        self.order.push_back((network, peer_id, address));
        if self.order.len() > CAPACITY
            && let Some((network, peer_id, address)) = self.order.pop_front()
        {
            self.identities.remove(&(network, peer_id));
            self.endpoints.remove(&address);
        }
        let convictions = self
            .identities
            .range((network, PeerId([0; PeerId::LENGTH]))..=(network, PeerId([0xff; PeerId::LENGTH])))
            .count();
        if convictions < 2 || network.is_loopback() {
            return BanScope::Identity;
        }
        self.networks.insert(network);
        self.network_order.push_back(network);
        if self.network_order.len() > CAPACITY
            && let Some(oldest) = self.network_order.pop_front()
        {
            self.networks.remove(&oldest);
        }
        BanScope::Network
    }

    pub(super) fn has_peer(&self, ip: IpAddr, peer_id: PeerId) -> bool {
        let network = network(ip);
        self.networks.contains(&network) || self.identities.contains(&(network, peer_id))
    }

    pub(super) fn has_endpoint(&self, address: SocketAddr) -> bool {
        self.endpoints.contains(&address) || self.has_network(address.ip())
    }

    pub(super) fn has_network(&self, ip: IpAddr) -> bool {
        self.networks.contains(&network(ip))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn id(n: u32) -> PeerId {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&n.to_be_bytes());
        PeerId(id)
    }

    fn at(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 6881)
    }

    #[test]
    fn the_first_conviction_reaches_one_the_second_all() {
        let mut bans = Bans::default();
        let ip = at("80.1.1.1").ip();
        assert_eq!(bans.convict(at("80.1.1.1"), id(1)), BanScope::Identity);
        assert_eq!(bans.convict(at("80.1.1.1"), id(1)), BanScope::Identity, "one crime, told twice");
        assert!(bans.has_peer(ip, id(1)));
        assert!(!bans.has_peer(ip, id(2)), "others behind the same address are innocent");
        assert_eq!(bans.convict(at("80.1.1.1"), id(2)), BanScope::Network);
        assert!(bans.has_peer(ip, id(3)));
        assert!(!bans.has_peer(at("80.1.1.2").ip(), id(1)));
    }

    #[test]
    fn our_own_machine_is_never_banned_as_a_whole() {
        let mut bans = Bans::default();
        for n in 0..10 {
            assert_eq!(bans.convict(at("127.0.0.1"), id(n)), BanScope::Identity);
        }
        assert!(!bans.has_peer(at("127.0.0.1").ip(), id(99)));
    }

    #[test]
    fn a_site_with_ipv6_is_one_address() {
        let mut bans = Bans::default();
        bans.convict(at("2001:db8::1"), id(1));
        assert_eq!(bans.convict(at("2001:db8::2"), id(2)), BanScope::Network);
        assert!(bans.has_network(at("2001:db8::3").ip()));
        assert!(!bans.has_network(at("2001:db8:0:1::3").ip()));
    }

    #[test]
    fn the_oldest_make_room() {
        let mut bans = Bans::default();
        for n in 0..3000_u32 {
            let address = SocketAddr::from((Ipv4Addr::from_bits(0x5000_0000 + n / 2), 6881));
            bans.convict(address, id(n));
        }
        assert_eq!(bans.order.len(), CAPACITY);
        assert_eq!(bans.identities.len(), CAPACITY);
        assert!(bans.endpoints.len() <= CAPACITY);
        assert_eq!(bans.network_order.len(), CAPACITY);
        assert_eq!(bans.networks.len(), CAPACITY);
    }
}
