//! The addresses known for one torrent: which to try next, which never again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use sprat_wire::hash::PeerId;

use crate::time::Time;

/// Where an address comes from. Earlier ones are tried first when all else is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerSource {
    /// The user named it: a command line, `x.pe` of a magnet link.
    User,
    /// Local service discovery.
    Lsd,
    /// It connected to us and told its listening port.
    Incoming,
    /// A tracker.
    Tracker,
    /// Another peer.
    Pex,
    /// The DHT.
    Dht,
}

/// What a list may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerListConfig {
    /// At most so many addresses.
    pub capacity: usize,
    /// Also dial ports below 1024 that strangers name.
    pub allow_low_ports: bool,
    /// Do not bound attempts per address in private networks (the user's own).
    pub trust_private: bool,
}

impl Default for PeerListConfig {
    fn default() -> Self {
        Self { capacity: 3000, allow_low_ports: false, trust_private: false }
    }
}

/// How far a conviction reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BanScope {
    /// This peer id at this address.
    Identity,
    /// Everybody at this address: it was the second conviction.
    Network,
}

/// Addresses known for one torrent.
#[derive(Debug)]
pub struct PeerList {
    config: PeerListConfig,
    rng: fastrand::Rng,
    peers: BTreeMap<SocketAddr, ()>,
}

impl PeerList {
    /// An empty list.
    #[must_use]
    pub fn new(config: PeerListConfig, rng: fastrand::Rng) -> Self {
        Self { config, rng, peers: BTreeMap::new() }
    }

    /// Changes how many addresses are held; the worst are forgotten.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.config.capacity = capacity;
    }

    /// Our own address as others see it, with the listening port: decides the order of BEP 40.
    pub fn set_external(&mut self, external: SocketAddr) {
        let _ = (external, self.rng.bool());
    }

    /// Whether we have everything: then addresses that are known to have everything, too, are left alone.
    pub fn set_seeding(&mut self, seeding: bool) {
        let _ = (seeding, self.rng.bool());
    }

    /// Remembers an address. `false` when it was known already or is not worth knowing.
    pub fn add(&mut self, now: Time, address: SocketAddr, source: PeerSource) -> bool {
        let _ = (now, source);
        self.peers.len() < self.config.capacity && self.peers.insert(address, ()).is_none()
    }

    /// The address to dial now, if any; from here on it counts as being dialled, until [`Self::connected`] or
    /// [`Self::failed`].
    pub fn next_candidate(&mut self, now: Time) -> Option<SocketAddr> {
        let _ = now;
        self.peers.pop_first().map(|(address, ())| address)
    }

    /// When [`Self::next_candidate`] will have something; in the past when it has.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Time> {
        self.peers.first_key_value().map(|_| Time::ZERO)
    }

    /// The handshake with a dialled address succeeded, or its owner connected to us.
    pub fn connected(&mut self, now: Time, address: SocketAddr) {
        let _ = (now, address, self.rng.bool());
    }

    /// Dialling or the handshake failed.
    pub fn failed(&mut self, now: Time, address: SocketAddr) {
        let _ = (now, address, self.rng.bool());
    }

    /// A connection ended; `useful` when payload was exchanged.
    pub fn disconnected(&mut self, now: Time, address: SocketAddr, useful: bool) {
        let _ = (now, address, useful, self.rng.bool());
    }

    /// The peer at this address has every piece.
    pub fn seen_complete(&mut self, address: SocketAddr) {
        let _ = (address, self.rng.bool());
    }

    /// Never deal with this peer again.
    pub fn ban(&mut self, address: SocketAddr, peer_id: PeerId) -> BanScope {
        let _ = (address, peer_id, self.rng.bool());
        BanScope::Identity
    }

    /// Whether a peer was convicted.
    #[must_use]
    pub fn is_banned(&self, ip: IpAddr, peer_id: PeerId) -> bool {
        let _ = (ip, peer_id);
        false
    }

    /// Addresses known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// No address is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Addresses known to have every piece.
    #[must_use]
    pub fn known_seeds(&self) -> usize {
        0
    }
}
