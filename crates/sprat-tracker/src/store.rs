//! All swarms, within a budget of memory.

use sprat_wire::hash::InfoHash;

use crate::keys::Keys;
use crate::members::Minute;
use crate::slot_index::SlotIndex;
use crate::swarm::{Census, Swarm};

/// A power of two. Each shard grows on its own, so growing takes a 64th of the whole at a time.
const SHARDS: usize = 64;

/// Unsettled swarms are looked for in so many random places before a newcomer is turned away.
const EVICTION_TRIES: usize = 8;

/// Fewest swarms a shard makes room for.
const MIN_SLOTS: usize = 4;

pub(crate) struct Store {
    shards: Vec<Shard>, // SHARDS of them
    len: usize,
    census: Census,
    /// Bytes of indexes and swarm vectors.
    table_bytes: usize,
    evicted: u64,
}

#[derive(Default)]
struct Shard {
    index: SlotIndex,
    swarms: Vec<Swarm>,
}

/// Where a swarm lies, until the next swarm is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    shard: usize,
    slot: u32,
}

/// Limits on admission.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) swarms: usize,
    pub(crate) peers: usize,
    pub(crate) bytes: usize,
}

impl Store {
    pub(crate) fn new() -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        Self { shards, len: 0, census: Census::default(), table_bytes: 0, evicted: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn census(&self) -> Census {
        self.census
    }

    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All bytes allocated.
    pub(crate) const fn bytes(&self) -> usize {
        self.table_bytes + self.census.bytes
    }

    pub(crate) const fn peers(&self) -> usize {
        self.census.seeders + self.census.leechers
    }

    pub(crate) fn find(&self, keys: &Keys, info_hash: &InfoHash) -> Option<Place> {
        let (shard, hash) = address(keys, info_hash);
        let swarms = &self.shards[shard].swarms;
        let slot =
            self.shards[shard].index.find(hash, |slot| swarms[slot as usize].info_hash == *info_hash)?;
        Some(Place { shard, slot })
    }

    pub(crate) fn swarm(&self, place: Place) -> &Swarm {
        &self.shards[place.shard].swarms[place.slot as usize]
    }

    /// Changes a swarm and keeps the books.
    pub(crate) fn update<R>(&mut self, place: Place, change: impl FnOnce(&mut Swarm) -> R) -> R {
        let swarm = &mut self.shards[place.shard].swarms[place.slot as usize];
        let before = swarm.census();
        let result = change(swarm);
        let after = swarm.census();
        let total = &mut self.census;
        total.seeders = total.seeders + after.seeders - before.seeders;
        total.leechers = total.leechers + after.leechers - before.leechers;
        total.peers_ipv4 = total.peers_ipv4 + after.peers_ipv4 - before.peers_ipv4;
        total.peers_ipv6 = total.peers_ipv6 + after.peers_ipv6 - before.peers_ipv6;
        total.bytes = total.bytes + after.bytes - before.bytes;
        result
    }

    /// Makes an empty swarm, if need be in the place of an unsettled one.
    pub(crate) fn admit(
        &mut self,
        keys: &Keys,
        info_hash: InfoHash,
        now: Minute,
        room: Room,
        random: &mut fastrand::Rng,
    ) -> Option<Place> {
        let (shard, hash) = address(keys, &info_hash);
        if !self.has_room(shard, room) {
            let victim = self.unsettled(shard, random)?;
            self.remove(keys, victim);
            self.evicted += 1; // and its slot is free: nothing need grow
        }
        let before = self.shards[shard].bytes();
        let target = &mut self.shards[shard];
        target.make_room();
        // A shard has fewer than 2^32 swarms: its vector would need 400 GB.
        let slot = u32::try_from(target.swarms.len()).ok()?;
        target.swarms.push(Swarm::new(info_hash, now));
        target.index.insert(hash, slot);
        self.table_bytes = self.table_bytes + self.shards[shard].bytes() - before;
        self.len += 1;
        Some(Place { shard, slot })
    }

    /// Removes a swarm and whoever is in it. The last of the shard takes its place.
    pub(crate) fn remove(&mut self, keys: &Keys, place: Place) {
        let removed = self.swarm(place).census();
        self.census.seeders -= removed.seeders;
        self.census.leechers -= removed.leechers;
        self.census.peers_ipv4 -= removed.peers_ipv4;
        self.census.peers_ipv6 -= removed.peers_ipv6;
        self.census.bytes -= removed.bytes;
        self.len -= 1;

        let shard = &mut self.shards[place.shard];
        let gone = shard.swarms.swap_remove(place.slot as usize);
        shard.index.remove(address(keys, &gone.info_hash).1, place.slot);
        if let Some(moved) = shard.swarms.get(place.slot as usize) {
            // `swap_remove` filled the hole with what was the last slot, now one past the end.
            let last = u32::try_from(shard.swarms.len()).unwrap_or(u32::MAX);
            shard.index.relocate(address(keys, &moved.info_hash).1, last, place.slot);
        }
    }

    /// Gives back what a shard has allocated beyond its needs.
    fn shrink(&mut self, shard: usize) {
        let before = self.shards[shard].bytes();
        self.shards[shard].give_back();
        self.table_bytes = self.table_bytes + self.shards[shard].bytes() - before;
    }

    /// The first swarm at or after a cursor that visits all swarms, and goes on forever. `None` once per round, at its
    /// end.
    pub(crate) fn at_cursor(&mut self, cursor: &mut Cursor) -> Option<Place> {
        while cursor.shard < SHARDS {
            if cursor.slot < self.shards[cursor.shard].swarms.len() {
                let slot = u32::try_from(cursor.slot).ok()?;
                return Some(Place { shard: cursor.shard, slot });
            }
            self.shrink(cursor.shard);
            *cursor = Cursor { shard: cursor.shard + 1, slot: 0 };
        }
        *cursor = Cursor::default();
        None
    }

    fn has_room(&self, shard: usize, room: Room) -> bool {
        let growth = self.shards[shard].growth();
        // Beside the tables, the swarm needs room for its first peer.
        self.len < room.swarms
            && self.peers() < room.peers
            && self.bytes() + growth + FIRST_PEER <= room.bytes
    }

    fn unsettled(&self, shard: usize, random: &mut fastrand::Rng) -> Option<Place> {
        let swarms = &self.shards[shard].swarms;
        if swarms.is_empty() {
            return None;
        }
        (0..EVICTION_TRIES)
            .map(|_| random.usize(..swarms.len()))
            .find(|&slot| !swarms[slot].is_settled())
            .and_then(|slot| Some(Place { shard, slot: u32::try_from(slot).ok()? }))
    }
}

/// A walk over all swarms that may be interrupted. Swarms that are removed meanwhile may make it miss one that moved
/// to a slot already passed; the next round finds it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    shard: usize,
    slot: usize,
}

impl Cursor {
    /// Goes on to the next swarm. Not called when the current one was removed: another has taken its place.
    pub(crate) const fn advance(&mut self) {
        self.slot += 1;
    }
}

/// The least that an allocation of one peer takes.
const FIRST_PEER: usize = 32;

impl Shard {
    const fn bytes(&self) -> usize {
        self.index.bytes() + self.swarms.capacity() * size_of::<Swarm>()
    }

    /// Bytes to be allocated, beside those that are, before one more swarm fits.
    fn growth(&self) -> usize {
        let index = if self.index.is_full() { self.index.grown_bytes() } else { 0 };
        let full = self.swarms.len() == self.swarms.capacity();
        index + if full { self.grown_slots() * size_of::<Swarm>() } else { 0 }
    }

    fn make_room(&mut self) {
        if self.index.is_full() {
            self.index.grow();
        }
        if self.swarms.len() == self.swarms.capacity() {
            self.swarms.reserve_exact(self.grown_slots() - self.swarms.len());
        }
    }

    fn grown_slots(&self) -> usize {
        (self.swarms.capacity() + self.swarms.capacity() / 2).max(MIN_SLOTS)
    }

    fn give_back(&mut self) {
        self.index.shrink();
        if self.swarms.len() * 4 <= self.swarms.capacity() {
            self.swarms.shrink_to(self.swarms.len() * 2);
        }
    }
}

fn address(keys: &Keys, info_hash: &InfoHash) -> (usize, u32) {
    let [first, .., a, b, c, d] = keys.table_hash(info_hash).to_be_bytes();
    (usize::from(first) % SHARDS, u32::from_be_bytes([a, b, c, d]))
}
