//! Peers of swarms (BEP 5), with what BEP 33 and BEP 51 want to know of them.
//!
//! Everything is bounded: swarms, peers of a swarm, what one network may take up of either. A newcomer to a full store
//! takes the place of a swarm with few peers; one network cannot push out the others, because it has used up its share
//! before.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::hash::InfoHash;
use sprat_wire::krpc::{Samples, ScrapeFilters};

use crate::bloom::Bloom;
use crate::subnet::Subnet;
use crate::time::Time;

/// Swarms (other implementations: 2,000).
const MAX_SWARMS: usize = 2000;

/// Peers of one swarm (other implementations: 500).
const MAX_PEERS: usize = 500;

/// Peers of all swarms: 10 MB of them, and as much again where lists have grown.
const MAX_PEERS_IN_ALL: usize = 400_000;

/// Peers of one swarm that may share a network.
const MAX_PEERS_PER_SUBNET: usize = 16;

/// Swarms that one network may have begun.
const MAX_SWARMS_PER_SUBNET: u16 = 100;

/// A peer that is not announced again is forgotten. Clients announce themselves every 5 to 30 minutes.
const LIFETIME: Duration = Duration::from_secs(45 * 60);

/// Swarms that are compared to find one that makes room.
const COMPARED: usize = 16;

/// The same samples are given for this long (BEP 51).
const SAMPLING_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How often swarms without peers are looked for.
const SWEEP: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
pub(crate) struct PeerStore {
    swarms: BTreeMap<InfoHash, Swarm>,
    /// Peers of all swarms.
    peers: usize,
    /// How many swarms a network has begun.
    founders: BTreeMap<Subnet, u16>,
    random: fastrand::Rng,
    samples: Vec<InfoHash>,
    sampled: Option<Time>,
    next_sweep: Time,
}

#[derive(Debug)]
struct Swarm {
    peers: Vec<Peer>,
    founder: Option<Subnet>,
}

/// 24 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Peer {
    /// IPv4 as mapped IPv6.
    ip: [u8; 16],
    port: u16,
    is_seed: bool,
    /// When it was announced last, seconds.
    heard: u32,
}

impl Peer {
    fn ip(&self) -> IpAddr {
        IpAddr::from(Ipv6Addr::from(self.ip)).to_canonical()
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    fn is_alive(&self, now: Time) -> bool {
        u64::from(seconds(now).saturating_sub(self.heard)) < LIFETIME.as_secs()
    }
}

impl PeerStore {
    pub(crate) fn new(random: &mut fastrand::Rng) -> Self {
        Self {
            swarms: BTreeMap::new(),
            peers: 0,
            founders: BTreeMap::new(),
            random: random.fork(),
            samples: Vec::new(),
            sampled: None,
            next_sweep: Time::ZERO,
        }
    }

    /// Stores a peer, or that it is still there. `false` when its network has had its share.
    pub(crate) fn announce(
        &mut self,
        now: Time,
        info_hash: InfoHash,
        peer: SocketAddr,
        is_seed: bool,
    ) -> bool {
        let subnet = Subnet::of(peer.ip());
        if !self.swarms.contains_key(&info_hash) && !self.begin(now, info_hash, subnet) {
            return false;
        }
        while self.peers >= MAX_PEERS_IN_ALL {
            self.expire(now);
            self.make_room();
        }
        // It may just have made room itself.
        let Some(swarm) = self.swarms.get_mut(&info_hash) else { return false };
        let before = swarm.peers.len();
        let admitted = swarm.announce(now, peer, is_seed);
        self.peers += swarm.peers.len() - before;
        admitted
    }

    /// At most `count` peers of a family, drawn at random; seeds only after all others, if so wanted.
    pub(crate) fn peers(
        &mut self,
        now: Time,
        info_hash: InfoHash,
        family: Family,
        no_seed: bool,
        count: usize,
    ) -> Vec<SocketAddr> {
        let Some(swarm) = self.swarms.get(&info_hash) else { return Vec::new() };
        let alive =
            swarm.peers.iter().filter(|peer| peer.is_alive(now) && Family::of(peer.address()) == family);
        let mut peers: Vec<&Peer> = alive.collect();
        self.random.shuffle(&mut peers);
        if no_seed {
            peers.sort_by_key(|peer| peer.is_seed);
        }
        peers.truncate(count);
        peers.into_iter().map(Peer::address).collect()
    }

    /// Seeds and other peers of a swarm as filters, if it is known.
    pub(crate) fn filters(&self, now: Time, info_hash: InfoHash) -> Option<ScrapeFilters> {
        let swarm = self.swarms.get(&info_hash)?;
        let (mut seeds, mut peers) = (Bloom::default(), Bloom::default());
        for peer in swarm.peers.iter().filter(|peer| peer.is_alive(now)) {
            if peer.is_seed { &mut seeds } else { &mut peers }.insert(peer.ip());
        }
        Some(ScrapeFilters { seeds: *seeds.as_bytes(), peers: *peers.as_bytes() })
    }

    /// At most `count` info-hashes, drawn at random; the same ones for some minutes.
    pub(crate) fn samples(&mut self, now: Time, count: usize) -> Samples {
        let age = self.sampled.map(|sampled| now.since(sampled));
        let age = if let Some(age) = age.filter(|age| *age < SAMPLING_INTERVAL) {
            age
        } else {
            self.sampled = Some(now);
            self.samples = self.swarms.keys().copied().collect();
            self.random.shuffle(&mut self.samples);
            self.samples.truncate(count);
            Duration::ZERO
        };
        Samples {
            hashes: self.samples.clone(),
            total: u64::try_from(self.swarms.len()).unwrap_or(u64::MAX),
            interval: u32::try_from(SAMPLING_INTERVAL.saturating_sub(age).as_secs()).unwrap_or(0),
        }
    }

    /// Swarms that are known.
    pub(crate) fn len(&self) -> usize {
        self.swarms.len()
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) const fn next_sweep(&self) -> Time {
        self.next_sweep
    }

    /// Forgets who was not announced again. Cheap when it is not time yet.
    pub(crate) fn expire(&mut self, now: Time) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        let mut ended = Vec::new();
        for (info_hash, swarm) in &mut self.swarms {
            let before = swarm.peers.len();
            swarm.peers.retain(|peer| peer.is_alive(now));
            self.peers -= before - swarm.peers.len();
            if swarm.peers.is_empty() {
                ended.push(*info_hash);
            }
        }
        for info_hash in ended {
            self.end(info_hash);
        }
    }

    fn begin(&mut self, now: Time, info_hash: InfoHash, founder: Option<Subnet>) -> bool {
        if founder.is_some_and(|subnet| {
            self.founders.get(&subnet).is_some_and(|begun| *begun >= MAX_SWARMS_PER_SUBNET)
        }) {
            return false;
        }
        if self.swarms.len() >= MAX_SWARMS {
            self.expire(now);
        }
        if self.swarms.len() >= MAX_SWARMS {
            self.make_room();
        }
        if let Some(subnet) = founder {
            *self.founders.entry(subnet).or_default() += 1;
        }
        self.swarms.insert(info_hash, Swarm { peers: Vec::new(), founder });
        true
    }

    /// Ends one of the smaller swarms, and of those the one that was silent for longest.
    fn make_room(&mut self) {
        let mut weakest: Option<((usize, u32), InfoHash)> = None;
        for _ in 0..COMPARED {
            let mut start = InfoHash([0; 20]);
            self.random.fill(&mut start.0);
            let next = self.swarms.range(start..).next().or_else(|| self.swarms.iter().next());
            let Some((info_hash, swarm)) = next else { return };
            let heard = swarm.peers.iter().map(|peer| peer.heard).max().unwrap_or(0);
            let worth = (swarm.peers.len(), heard);
            if weakest.is_none_or(|(least, _)| worth < least) {
                weakest = Some((worth, *info_hash));
            }
        }
        if let Some((_, info_hash)) = weakest {
            self.end(info_hash);
        }
    }

    fn end(&mut self, info_hash: InfoHash) {
        let swarm = self.swarms.remove(&info_hash);
        self.peers -= swarm.as_ref().map_or(0, |swarm| swarm.peers.len());
        let founder = swarm.and_then(|swarm| swarm.founder);
        if let Some(subnet) = founder
            && let Some(begun) = self.founders.get_mut(&subnet)
        {
            *begun = begun.saturating_sub(1);
            if *begun == 0 {
                self.founders.remove(&subnet);
            }
        }
    }
}

impl Swarm {
    /// BEP 33: an address is there once, whatever its port. In a private network it may be several peers.
    fn announce(&mut self, now: Time, address: SocketAddr, is_seed: bool) -> bool {
        let ip = match address.ip().to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let subnet = Subnet::of(address.ip());
        let new = Peer { ip, port: address.port(), is_seed, heard: seconds(now) };
        let same = |known: &Peer| known.ip == ip && (subnet.is_some() || known.port == new.port);
        if let Some(known) = self.peers.iter_mut().find(|known| same(known)) {
            *known = new;
            return true;
        }
        let neighbours =
            self.peers.iter().filter(|known| subnet.is_some() && Subnet::of(known.ip()) == subnet);
        if neighbours.count() >= MAX_PEERS_PER_SUBNET {
            return false;
        }
        if self.peers.len() >= MAX_PEERS {
            // The one that was silent for longest is the likeliest to be gone.
            let Some(oldest) = self.peers.iter_mut().min_by_key(|known| known.heard) else { return false };
            *oldest = new;
            return true;
        }
        self.peers.push(new);
        true
    }
}

/// Enough for 136 years.
fn seconds(time: Time) -> u32 {
    u32::try_from(time.since(Time::ZERO).as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1000);

    fn store() -> PeerStore {
        PeerStore::new(&mut fastrand::Rng::with_seed(1))
    }

    fn hash(number: u32) -> InfoHash {
        let mut hash = InfoHash([0; 20]);
        fastrand::Rng::with_seed(number.into()).fill(&mut hash.0);
        hash
    }

    /// Each in a network of its own.
    fn peer(number: u32) -> SocketAddr {
        SocketAddr::new(IpAddr::V4((0x1400_0001 + (number << 8)).into()), 6881)
    }

    fn all(store: &mut PeerStore, now: Time) -> Vec<SocketAddr> {
        let mut peers = store.peers(now, hash(1), Family::V4, false, usize::MAX);
        peers.sort_unstable();
        peers
    }

    #[test]
    fn peers_are_kept_for_their_lifetime_and_by_their_address() {
        let mut store = store();
        assert!(store.announce(NOW, hash(1), peer(1), false));
        assert!(store.announce(NOW, hash(1), SocketAddr::new(peer(1).ip(), 7), true));
        assert_eq!(all(&mut store, NOW), [SocketAddr::new(peer(1).ip(), 7)]);
        let later = NOW + LIFETIME;
        assert!(all(&mut store, later).is_empty());
        store.expire(later);
        assert_eq!(store.len(), 0);
        assert!(store.founders.is_empty());
    }

    #[test]
    fn families_do_not_mix_and_seeds_come_last_for_a_seed() {
        let mut store = store();
        for number in 0..20 {
            store.announce(NOW, hash(1), peer(number), number >= 5);
        }
        store.announce(NOW, hash(1), "[2001:db8::1]:1".parse().unwrap(), false);
        assert_eq!(store.peers(NOW, hash(1), Family::V6, false, 9).len(), 1);
        let mut leechers = store.peers(NOW, hash(1), Family::V4, true, 5);
        leechers.sort_unstable();
        assert_eq!(leechers, (0..5).map(peer).collect::<Vec<_>>());
        let filters = store.filters(NOW, hash(1)).unwrap();
        assert!((Bloom::from(filters.seeds).estimate() - 15.0).abs() < 1.0);
        assert!((Bloom::from(filters.peers).estimate() - 6.0).abs() < 1.0);
        assert_eq!(store.filters(NOW, hash(2)), None);
    }

    #[test]
    fn limits_hold_exactly() {
        let mut store = store();
        for number in 0..1000 {
            assert!(store.announce(NOW, hash(1), peer(number), false));
            assert_eq!(all(&mut store, NOW).len(), MAX_PEERS.min(number as usize + 1));
        }
        let neighbour = |host: u8| SocketAddr::from(([30, 1, 1, host], 1));
        for host in 0..20 {
            assert_eq!(
                store.announce(NOW, hash(2), neighbour(host), false),
                usize::from(host) < MAX_PEERS_PER_SUBNET
            );
        }
        for number in 0..150 {
            let admitted = store.announce(NOW, hash(1000 + number), neighbour(1), false);
            assert_eq!(
                admitted,
                number + 1 < u32::from(MAX_SWARMS_PER_SUBNET),
                "{number}: one was begun before"
            );
        }
    }

    #[test]
    fn a_flood_of_info_hashes_pushes_out_itself() {
        let mut store = store();
        for swarm in 0..100 {
            for number in 0..5 {
                store.announce(NOW, hash(swarm), peer(number), false);
            }
        }
        for number in 0..30_000 {
            store.announce(NOW, hash(1000 + number), peer(number), false);
            assert!(store.len() <= MAX_SWARMS);
        }
        let alive = (0..100).filter(|swarm| store.filters(NOW, hash(*swarm)).is_some()).count();
        assert_eq!(alive, 100);
    }

    #[test]
    fn a_million_hostile_announces_find_a_bounded_store() {
        const _: () = assert!(size_of::<Peer>() == 24);
        let mut store = store();
        for number in 0..1_000_000_u32 {
            store.announce(NOW, hash(number % 2000), peer(number / 4), false);
        }
        let counted: usize = store.swarms.values().map(|swarm| swarm.peers.len()).sum();
        assert_eq!(store.peers, counted);
        assert!(counted <= MAX_PEERS_IN_ALL);
        let bytes: usize =
            store.swarms.values().map(|swarm| swarm.peers.capacity() * size_of::<Peer>()).sum();
        assert!(bytes <= 24 << 20, "{bytes}");
        store.expire(NOW + LIFETIME);
        assert_eq!((store.peers, store.len()), (0, 0));
    }

    #[test]
    fn samples_are_drawn_anew_after_their_interval() {
        let mut store = store();
        for number in 0..200 {
            store.announce(NOW, hash(number), peer(number), false);
        }
        let first = store.samples(NOW, 20);
        assert_eq!((first.hashes.len(), first.total, first.interval), (20, 200, 300));
        let again = store.samples(NOW + Duration::from_secs(100), 20);
        assert_eq!((&again.hashes, again.interval), (&first.hashes, 200));
        assert_ne!(store.samples(NOW + SAMPLING_INTERVAL, 20).hashes, first.hashes);
    }
}
