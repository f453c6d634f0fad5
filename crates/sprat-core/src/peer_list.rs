//! The addresses known for one torrent: which to try next, which never again.
//!
//! Addresses come from strangers. Whatever they say, no endpoint is dialled more than once a minute, no address more than
//! three times in ten minutes, and no port that belongs to a well-known service. Only after our own network has changed those
//! that were lost with it are called again at once, within the same three times.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sprat_wire::hash::PeerId;

use crate::time::Time;

mod bans;
mod dial_budget;
mod priority;
#[cfg(test)]
mod tests;

pub use bans::BanScope;
pub use priority::canonical_priority;

use bans::Bans;
use dial_budget::DialBudget;

/// The shortest time between two attempts at one endpoint; doubles with every failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(60);

/// The same on our own machine, where nobody is hurt and processes restart.
const FIRST_LOCAL_BACKOFF: Duration = Duration::from_secs(5);

/// The same for a while after our own network has changed: whom we were connected to may take us for our own twin until it
/// has noticed that the other one is gone.
const MOVED_BACKOFF: Duration = Duration::from_secs(8);

/// How long that while is.
const MOVING: Duration = Duration::from_secs(60);

/// The longest.
const LAST_BACKOFF: Duration = Duration::from_secs(60 * 60);

/// Ports below are those of other services (RFC 6335 "system ports").
const FIRST_PEER_PORT: u16 = 1024;

/// Where an address comes from. Those from nearby are tried first.
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
    /// Do not bound the attempts per address in private networks, where one machine may run many clients.
    pub trust_private: bool,
}

impl Default for PeerListConfig {
    /// 3,000 addresses, as libtorrent.
    fn default() -> Self {
        Self { capacity: 3000, allow_low_ports: false, trust_private: false }
    }
}

/// Addresses known for one torrent. IPv4 addresses that are written as IPv6 count as what they are.
#[derive(Debug)]
pub struct PeerList {
    config: PeerListConfig,
    rng: fastrand::Rng,
    peers: BTreeMap<SocketAddr, Peer>,
    /// Idle peers that may be dialled now, the best first.
    ready: BTreeSet<(Rank, SocketAddr)>,
    /// Idle peers that may not be dialled before that time. [`NEVER`] for seeds while we seed.
    waiting: BTreeSet<(Time, SocketAddr)>,
    budget: DialBudget,
    bans: Bans,
    external: Vec<SocketAddr>,
    /// When our own network has changed last.
    moved: Option<Time>,
    seeding: bool,
    seeds: usize,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    source: PeerSource,
    /// By BEP 40, or by lot while we do not know our own address.
    priority: u32,
    /// Attempts or connections that led to nothing since one that did.
    failures: u8,
    tried: bool,
    seed: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May be dialled from then on.
    Idle(Time),
    Dialling,
    Connected,
}

/// Smaller is dialled earlier: failures, tried before, not from nearby, then by priority.
type Rank = (u8, bool, bool, Reverse<u32>);

const NEVER: Time = Time::from_nanos(u64::MAX);

impl Peer {
    fn rank(&self) -> Rank {
        (self.failures, self.tried, self.source > PeerSource::Lsd, Reverse(self.priority))
    }
}

impl PeerList {
    /// An empty list.
    #[must_use]
    pub fn new(config: PeerListConfig, rng: fastrand::Rng) -> Self {
        Self {
            config,
            rng,
            peers: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            budget: DialBudget::default(),
            bans: Bans::default(),
            external: Vec::new(),
            moved: None,
            seeding: false,
            seeds: 0,
        }
    }

    /// Changes how many addresses are held; the worst are forgotten. Peers being dialled or connected stay.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.config.capacity = capacity;
        while self.peers.len() > capacity {
            let Some(worst) = self.worst() else { break };
            self.remove(worst);
        }
    }

    /// Our own address as others see it, with the listening port: decides the order of BEP 40 for its family.
    pub fn set_external(&mut self, external: SocketAddr) {
        let external = canonical(external);
        if self.external.contains(&external) {
            return;
        }
        self.external.retain(|known| known.is_ipv4() != external.is_ipv4());
        self.external.push(external);
        let family: Vec<SocketAddr> =
            self.peers.keys().copied().filter(|address| address.is_ipv4() == external.is_ipv4()).collect();
        for address in family {
            self.change(address, |peer| peer.priority = canonical_priority(external, address));
        }
    }

    /// Whether we have everything: then addresses that are known to have everything, too, are left alone.
    pub fn set_seeding(&mut self, seeding: bool) {
        if self.seeding == seeding {
            return;
        }
        let seeds: Vec<SocketAddr> =
            self.peers.iter().filter(|(_, peer)| peer.seed).map(|(address, _)| *address).collect();
        for address in &seeds {
            self.unlist(*address);
        }
        self.seeding = seeding;
        for address in seeds {
            self.list(address);
        }
    }

    /// Remembers an address. `false` when it was known already, is not worth knowing, or there is no room.
    pub fn add(&mut self, now: Time, address: SocketAddr, source: PeerSource) -> bool {
        let address = canonical(address);
        if !self.is_acceptable(address, source) {
            return false;
        }
        if self.peers.contains_key(&address) {
            self.change(address, |peer| peer.source = peer.source.min(source));
            return false;
        }
        if self.peers.len() >= self.config.capacity && !self.make_room(now, source) {
            return false;
        }
        let own = self.external.iter().find(|own| own.is_ipv4() == address.is_ipv4());
        let priority = own.map_or_else(|| self.rng.u32(..), |own| canonical_priority(*own, address));
        let state = State::Idle(now);
        self.peers.insert(address, Peer { source, priority, failures: 0, tried: false, seed: false, state });
        self.list(address);
        true
    }

    /// The address to dial now, if any; from here on it counts as being dialled, until [`Self::connected`] or
    /// [`Self::failed`].
    pub fn next_candidate(&mut self, now: Time) -> Option<SocketAddr> {
        self.wake(now);
        while let Some((_, address)) = self.ready.first().copied() {
            let ip = address.ip();
            let bounded = !(ip.is_loopback() || self.config.trust_private && is_private(ip));
            let permission = if bounded { self.budget.spend(now, network(ip)) } else { Ok(()) };
            match permission {
                Ok(()) => {
                    self.change(address, |peer| {
                        peer.state = State::Dialling;
                        peer.tried = true;
                    });
                    return Some(address);
                }
                Err(later) => self.change(address, |peer| peer.state = State::Idle(later)),
            }
        }
        None
    }

    /// When [`Self::next_candidate`] may have something; in the past when it may now. `None` when nobody is left to try.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Time> {
        if !self.ready.is_empty() {
            return Some(Time::ZERO);
        }
        self.waiting.first().map(|(time, _)| *time).filter(|time| *time < NEVER)
    }

    /// Whether somebody may be dialled now, as far as is known without trying.
    #[must_use]
    pub fn has_candidate(&self, now: Time) -> bool {
        self.next_attempt().is_some_and(|at| at <= now)
    }

    /// The handshake with a dialled address succeeded, or its owner connected to us.
    pub fn connected(&mut self, now: Time, address: SocketAddr) {
        let _ = now;
        self.change(canonical(address), |peer| {
            peer.state = State::Connected;
            peer.tried = true;
        });
    }

    /// Dialling or the handshake failed.
    pub fn failed(&mut self, now: Time, address: SocketAddr) {
        self.ended(now, address, false);
    }

    /// Dialling was given up for reasons of our own: it may be tried again at once.
    pub fn set_free(&mut self, now: Time, address: SocketAddr) {
        self.change(canonical(address), |peer| peer.state = State::Idle(now));
    }

    /// A connection ended; `useful` when payload was exchanged.
    pub fn disconnected(&mut self, now: Time, address: SocketAddr, useful: bool) {
        self.ended(now, address, useful);
    }

    /// Our own network has changed: whom we have lost, or not reached once, may have been there all the time.
    pub fn network_changed(&mut self, now: Time) {
        self.moved = Some(now);
        let lost = |peer: &Peer| peer.tried && peer.failures <= 1 && matches!(peer.state, State::Idle(_));
        let lost: Vec<SocketAddr> =
            self.peers.iter().filter(|(_, peer)| lost(peer)).map(|(address, _)| *address).collect();
        for address in lost {
            self.change(address, |peer| (peer.failures, peer.state) = (0, State::Idle(now)));
        }
    }

    /// The peer at this address has every piece.
    pub fn seen_complete(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.peers.get(&address).is_some_and(|peer| !peer.seed) {
            self.seeds += 1;
            self.change(address, |peer| peer.seed = true);
        }
    }

    /// Never deal with this peer again.
    pub fn ban(&mut self, address: SocketAddr, peer_id: PeerId) -> BanScope {
        let address = canonical(address);
        let scope = self.bans.convict(address, peer_id);
        let banned: Vec<SocketAddr> =
            self.peers.keys().copied().filter(|address| self.bans.has_endpoint(*address)).collect();
        for address in banned {
            self.remove(address);
        }
        scope
    }

    /// Whether a peer was convicted, or so many at its address that nobody there is trusted.
    #[must_use]
    pub fn is_banned(&self, ip: IpAddr, peer_id: PeerId) -> bool {
        self.bans.has_peer(ip, peer_id)
    }

    /// Whether nobody at this address is trusted: for turning away connections before the handshake.
    #[must_use]
    pub fn is_banned_address(&self, ip: IpAddr) -> bool {
        self.bans.has_network(ip)
    }

    /// Addresses known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// How much a connection between this address and us matters, by BEP 40; 0 while we do not know our own address.
    #[must_use]
    pub fn priority(&self, address: SocketAddr) -> u32 {
        let own = self.external.iter().find(|own| own.is_ipv4() == address.is_ipv4());
        own.map_or(0, |own| canonical_priority(*own, address))
    }

    /// No address is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Addresses known to have every piece.
    #[must_use]
    pub const fn known_seeds(&self) -> usize {
        self.seeds
    }

    /// By whom an address is known.
    #[must_use]
    pub fn source_of(&self, address: SocketAddr) -> Option<PeerSource> {
        self.peers.get(&address).map(|peer| peer.source)
    }

    fn is_acceptable(&self, address: SocketAddr, source: PeerSource) -> bool {
        let port = address.port();
        let low_allowed = source == PeerSource::User || self.config.allow_low_ports;
        port != 0
            && (port >= FIRST_PEER_PORT || low_allowed)
            && is_unicast(address.ip())
            && !self.external.contains(&address)
            && !self.bans.has_endpoint(address)
    }

    fn ended(&mut self, now: Time, address: SocketAddr, useful: bool) {
        let address = canonical(address);
        let is_moving = self.moved.is_some_and(|moved| now.since(moved) < MOVING);
        self.change(address, |peer| {
            peer.failures = if useful { 0 } else { peer.failures.saturating_add(1) };
            let usual = backoff(address.ip(), peer.failures);
            let pause = if is_moving && peer.failures <= 2 { usual.min(MOVED_BACKOFF) } else { usual };
            peer.state = State::Idle(now + pause);
        });
    }

    /// Finds room for a newcomer: one who waits, else one who failed before. For a peer that the user named, anyone.
    fn make_room(&mut self, now: Time, source: PeerSource) -> bool {
        self.wake(now);
        let Some(worst) = self.worst() else { return false };
        let waits = self.waiting.last().is_some();
        let failed = self.peers.get(&worst).is_some_and(|peer| peer.failures > 0);
        let room = waits || failed || source == PeerSource::User;
        if room {
            self.remove(worst);
        }
        room
    }

    /// The idle peer that is missed least: who has to wait longest, else who would be dialled last.
    fn worst(&self) -> Option<SocketAddr> {
        let waiting = self.waiting.last().map(|(_, address)| *address);
        waiting.or_else(|| self.ready.last().map(|(_, address)| *address))
    }

    /// Moves those whose time has come to the ready ones.
    fn wake(&mut self, now: Time) {
        while let Some((time, address)) = self.waiting.first().copied()
            && time <= now
        {
            self.waiting.pop_first();
            if let Some(peer) = self.peers.get(&address) {
                self.ready.insert((peer.rank(), address));
            }
        }
    }

    /// Changes a peer, if known, and keeps the lists in step.
    fn change(&mut self, address: SocketAddr, change: impl FnOnce(&mut Peer)) {
        self.unlist(address);
        if let Some(peer) = self.peers.get_mut(&address) {
            change(peer);
        }
        self.list(address);
    }

    fn remove(&mut self, address: SocketAddr) {
        self.unlist(address);
        if self.peers.remove(&address).is_some_and(|peer| peer.seed) {
            self.seeds -= 1;
        }
    }

    fn list(&mut self, address: SocketAddr) {
        let Some(peer) = self.peers.get(&address) else { return };
        if let State::Idle(from) = peer.state {
            self.waiting.insert((if peer.seed && self.seeding { NEVER } else { from }, address));
        }
    }

    fn unlist(&mut self, address: SocketAddr) {
        let Some(peer) = self.peers.get(&address) else { return };
        if let State::Idle(from) = peer.state {
            self.ready.remove(&(peer.rank(), address));
            self.waiting.remove(&(from, address));
            self.waiting.remove(&(NEVER, address));
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What one party has at least: one IPv4 address, or one IPv6 /64.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether this can be the address of one machine.
fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        // 0/8 is "this network", 240/4 and broadcast are reserved (RFC 6890).
        IpAddr::V4(ip) => !ip.is_multicast() && !matches!(ip.octets()[0], 0 | 240..),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    }
}

fn backoff(ip: IpAddr, failures: u8) -> Duration {
    let first = if ip.is_loopback() { FIRST_LOCAL_BACKOFF } else { FIRST_BACKOFF };
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    (first * (1 << doublings)).min(LAST_BACKOFF)
}
