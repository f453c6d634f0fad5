//! Announce, scrape, expire.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, ScrapeEntry};
use thiserror::Error;

use crate::access::Access;
use crate::config::{ClaimedAddress, TrackerConfig};
use crate::connection_id;
use crate::keys::Keys;
use crate::members::{Minute, Role, Sighting};
use crate::origin::{Origin, Protocol};
use crate::statistics::Statistics;
use crate::store::{Cursor, Place, Room, Store};
use crate::swarm::Wanted;

/// One call of [`Tracker::expire`] looks at so many peers and swarms, or at 1/64 of all if that is more.
const EXPIRE_BATCH: usize = 4096;

/// Why an announce gets no peers. The text is for the client's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The allow or deny list says so.
    #[error("this torrent is not served by this tracker")]
    NotPermitted,
    /// No place is left for a new swarm.
    #[error("this tracker is full; try again later")]
    Full,
}

/// What one call of [`Tracker::expire`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Peers forgotten.
    pub peers: usize,
    /// Swarms dropped because nobody was left or because the list says so.
    pub swarms: usize,
    /// All swarms have been visited since the last call that said so.
    pub round_ended: bool,
}

/// The tracker.
pub struct Tracker {
    config: TrackerConfig,
    access: Access,
    keys: Keys,
    random: fastrand::Rng,
    store: Store,
    cursor: Cursor,
    statistics: Statistics,
    /// The latest time seen: time does not run backwards here, whatever the caller's clock does.
    now: Duration,
}

impl Tracker {
    /// A tracker without swarms. The seed must be unpredictable where strangers can reach the tracker: connection ids
    /// are as hard to guess as it is.
    #[must_use]
    pub fn new(config: TrackerConfig, seed: [u8; 32]) -> Self {
        let keys = Keys::new(seed);
        Self {
            config,
            access: Access::Open,
            keys,
            random: fastrand::Rng::with_seed(keys.random),
            store: Store::new(),
            cursor: Cursor::default(),
            statistics: Statistics::default(),
            now: Duration::ZERO,
        }
    }

    /// The limits in force.
    #[must_use]
    pub const fn config(&self) -> &TrackerConfig {
        &self.config
    }

    /// Which swarms are served from now on. Those that no longer are disappear with the next round of
    /// [`Self::expire`], and are not answered before that.
    pub fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// Answers an announce, and lists the peer. `now` is the time since the tracker was made.
    pub fn announce(
        &mut self,
        now: Duration,
        origin: Origin,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, Refusal> {
        self.advance(now);
        self.statistics.announces.count(origin);
        if !self.access.permits(&request.info_hash) {
            self.statistics.refused_not_permitted += 1;
            return Err(Refusal::NotPermitted);
        }
        let peer = self.peer_address(origin, request);
        let external_ip = Some(origin.address.ip().to_canonical());
        let mut response = AnnounceResponse {
            interval: self.interval(),
            min_interval: self.config.min_interval.map(seconds),
            complete: Some(0),
            incomplete: Some(0),
            external_ip,
            ..AnnounceResponse::default()
        };
        let leaves = request.event == AnnounceEvent::Stopped;
        let reachable = peer.port() != 0;
        let Some(place) = self.place(request.info_hash, !leaves && reachable)? else { return Ok(response) };

        let role = if request.left == 0 { Role::Seeder } else { Role::Leecher };
        if leaves {
            let order = self.keys.order;
            self.store.update(place, |swarm| swarm.remove(order, peer));
        } else {
            if reachable {
                let completed = request.event == AnnounceEvent::Completed;
                let sighting = Sighting { address: peer, role, minute: Minute::at(self.now), completed };
                response.warning = self.list(place, sighting).err().map(String::from);
            }
            let wanted = self.wanted(origin.protocol, peer, role, request.num_want);
            response.peers = self.store.swarm(place).sample(self.keys.order, &wanted, &mut self.random);
        }
        let census = self.store.swarm(place).census();
        response.complete = Some(count(census.seeders));
        response.incomplete = Some(count(census.leechers));
        self.drop_if_empty(place);
        Ok(response)
    }

    /// What is known of each swarm, in the order of `info_hashes`. Swarms that are unknown, or not served, are empty.
    pub fn scrape(&mut self, now: Duration, origin: Origin, info_hashes: &[InfoHash]) -> Vec<ScrapeEntry> {
        self.advance(now);
        self.statistics.scrapes.count(origin);
        info_hashes.iter().map(|info_hash| self.scrape_one(info_hash)).collect()
    }

    /// A connection id for `address` (BEP 15). Nothing is remembered.
    pub fn connect(&mut self, now: Duration, address: IpAddr) -> u64 {
        self.advance(now);
        self.statistics.connects += 1;
        connection_id::issue(&self.keys, self.now, address)
    }

    /// Whether [`Self::connect`] gave `id` to `address` within the last two minutes or little more. A request whose id
    /// is not valid must be dropped without an answer: its source address may be a victim's.
    #[must_use]
    pub fn is_valid_connection_id(&self, now: Duration, address: IpAddr, id: u64) -> bool {
        connection_id::is_valid(&self.keys, now.max(self.now), address, id)
    }

    /// Forgets silent peers. To be called about once a second; a call does a bounded piece of a round over all swarms,
    /// and 64 calls or so are a round. Announces and scrapes do not depend on it: they sweep the swarm they
    /// touch.
    pub fn expire(&mut self, now: Duration) -> Expired {
        self.advance(now);
        let mut expired = Expired::default();
        let mut budget = EXPIRE_BATCH.max((self.store.peers() + self.store.len()) / 64);
        while budget > 0 {
            let Some(place) = self.store.at_cursor(&mut self.cursor) else {
                expired.round_ended = true;
                break;
            };
            budget = budget.saturating_sub(1 + self.store.swarm(place).len());
            if !self.access.permits(&self.store.swarm(place).info_hash) {
                self.store.remove(&self.keys, place);
                expired.swarms += 1;
                continue;
            }
            expired.peers += self.sweep(place);
            if self.drop_if_empty(place) {
                expired.swarms += 1;
            } else {
                self.cursor.advance();
            }
        }
        expired
    }

    /// Numbers.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let census = self.store.census();
        Statistics {
            swarms: self.store.len(),
            seeders: census.seeders,
            leechers: census.leechers,
            peers_ipv4: census.peers_ipv4,
            peers_ipv6: census.peers_ipv6,
            memory: self.store.bytes(),
            evicted_swarms: self.store.evicted(),
            ..self.statistics
        }
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// The address under which the peer of an announce is listed.
    fn peer_address(&self, origin: Origin, request: &AnnounceRequest) -> SocketAddr {
        let source = origin.address.ip().to_canonical();
        let trusted = match self.config.claimed_address {
            ClaimedAddress::Ignore => false,
            ClaimedAddress::TrustLoopback => source.is_loopback(),
            ClaimedAddress::TrustAll => true,
        };
        let claimed = request.ip.map(|ip| ip.to_canonical()).filter(|ip| trusted && is_unicast(*ip));
        SocketAddr::new(claimed.unwrap_or(source), request.port)
    }

    fn interval(&mut self) -> u32 {
        let jitter = self.config.interval_jitter.min(self.config.interval / 2);
        seconds(self.config.interval) + self.random.u32(..=seconds(jitter))
    }

    /// The swarm of `info_hash`, without silent peers; a new one where `create` and there is room.
    fn place(&mut self, info_hash: InfoHash, create: bool) -> Result<Option<Place>, Refusal> {
        if let Some(place) = self.store.find(&self.keys, &info_hash) {
            self.sweep(place);
            // What an emptied swarm knew of completed downloads goes with its last peer, even if the next one
            // announces before the emptied swarm was visited.
            if !self.drop_if_empty(place) {
                return Ok(Some(place));
            }
        }
        if !create {
            return Ok(None);
        }
        let room = Room {
            swarms: self.config.max_swarms,
            peers: seven_eighths(self.config.max_peers),
            bytes: seven_eighths(self.config.max_memory),
        };
        let admitted = self.store.admit(&self.keys, info_hash, Minute::at(self.now), room, &mut self.random);
        self.statistics.refused_full += u64::from(admitted.is_none());
        admitted.map(Some).ok_or(Refusal::Full)
    }

    /// Lists a peer, or says why not.
    fn list(&mut self, place: Place, sighting: Sighting<SocketAddr>) -> Result<(), &'static str> {
        let order = self.keys.order;
        let swarm = self.store.swarm(place);
        if !swarm.is_listed(order, sighting.address) {
            let full = if swarm.len() >= self.config.max_peers_per_swarm {
                Some("this swarm is full: you are not listed")
            } else if swarm.neighbours(order, sighting.address) >= self.config.max_peers_per_network {
                Some("too many peers from your network in this swarm: you are not listed")
            } else if self.store.peers() >= self.config.max_peers
                || self.store.bytes() + swarm.growth(sighting.address) > self.config.max_memory
            {
                Some("this tracker is full: you are not listed")
            } else {
                None
            };
            if let Some(reason) = full {
                self.statistics.unlisted += 1;
                return Err(reason);
            }
        }
        let completed = self.store.update(place, |swarm| swarm.record(order, sighting));
        self.statistics.completed += u64::from(completed);
        Ok(())
    }

    fn wanted(&self, protocol: Protocol, asker: SocketAddr, role: Role, num_want: Option<u32>) -> Wanted {
        let most = match protocol {
            Protocol::Http => self.config.max_peers_http,
            Protocol::Udp => self.config.max_peers_udp,
        };
        let asked = num_want
            .map_or(self.config.default_peers, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
        Wanted { asker, count: asked.min(most), both_families: protocol == Protocol::Http, role }
    }

    fn scrape_one(&mut self, info_hash: &InfoHash) -> ScrapeEntry {
        if !self.access.permits(info_hash) {
            return ScrapeEntry::default();
        }
        let Ok(Some(place)) = self.place(*info_hash, false) else { return ScrapeEntry::default() };
        let swarm = self.store.swarm(place);
        let census = swarm.census();
        ScrapeEntry {
            complete: count(census.seeders),
            downloaded: swarm.downloaded,
            incomplete: count(census.leechers),
        }
    }

    fn sweep(&mut self, place: Place) -> usize {
        let (minute, lifetime) = (Minute::at(self.now), self.config.lifetime_minutes());
        let expired = self.store.update(place, |swarm| swarm.sweep(minute, lifetime));
        self.statistics.expired_peers += expired as u64;
        expired
    }

    fn drop_if_empty(&mut self, place: Place) -> bool {
        let empty = self.store.swarm(place).len() == 0;
        if empty {
            self.store.remove(&self.keys, place);
        }
        empty
    }
}

const fn seven_eighths(limit: usize) -> usize {
    limit - limit / 8
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX / 2)
}

fn count(peers: usize) -> u32 {
    u32::try_from(peers).unwrap_or(u32::MAX)
}

/// Whether a peer can have this address.
fn is_unicast(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests;
