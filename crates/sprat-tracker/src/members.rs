//! The peers of one address family in one swarm, packed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;

use crate::keys::Order;

/// A minute on the tracker's clock, of which 15 bits are kept (22 days). Peers are looked at far more often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Minute(u16);

impl Minute {
    const MASK: u16 = 0x7fff;

    pub(crate) const fn at(now: std::time::Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is a clock that wraps")]
        Self((now.as_secs() / 60) as u16 & Self::MASK)
    }

    const fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0) & Self::MASK
    }
}

/// What a peer is to its swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Seeder,
    Leecher,
}

/// An address in as few bytes as it takes.
pub(crate) trait Packed: Copy + Ord {
    /// What limits and order go by: an IPv4 address, or an IPv6 /64.
    fn network(self) -> u64;
    fn unpack(self) -> SocketAddr;
    fn is_loopback(self) -> bool {
        self.unpack().ip().is_loopback()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedV4 {
    address: [u8; 4],
    port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedV6 {
    address: [u8; 16],
    port: u16,
}

impl From<SocketAddrV4> for PackedV4 {
    fn from(address: SocketAddrV4) -> Self {
        Self { address: address.ip().octets(), port: address.port() }
    }
}

impl From<SocketAddrV6> for PackedV6 {
    fn from(address: SocketAddrV6) -> Self {
        Self { address: address.ip().octets(), port: address.port() }
    }
}

impl Packed for PackedV4 {
    fn network(self) -> u64 {
        u32::from_be_bytes(self.address).into()
    }

    fn unpack(self) -> SocketAddr {
        (Ipv4Addr::from(self.address), self.port).into()
    }
}

impl Packed for PackedV6 {
    fn network(self) -> u64 {
        Ipv6Addr::from(self.address)
            .to_bits()
            .to_be_bytes()
            .first_chunk()
            .copied()
            .map_or(0, u64::from_be_bytes)
    }

    fn unpack(self) -> SocketAddr {
        (Ipv6Addr::from(self.address), self.port).into()
    }
}

#[derive(Clone, Copy)]
struct Entry<A> {
    address: A,
    /// 15 bits of minute and, on top, whether the completion of this peer was counted.
    stamp: u16,
}

const COUNTED: u16 = 0x8000;

// The packing is the point of this module.
const _: () = assert!(size_of::<Entry<PackedV4>>() == 8);
const _: () = assert!(size_of::<Entry<PackedV6>>() == 20);

impl<A> Entry<A> {
    const fn age(&self, now: Minute) -> u16 {
        now.since(Minute(self.stamp & Minute::MASK))
    }
}

/// Peers: seeders first, then leechers, each part sorted by keyed network, then address, then port.
pub(crate) struct Members<A> {
    entries: Vec<Entry<A>>,
    seeders: usize,
}

/// What an announce says that concerns its entry.
#[derive(Clone, Copy)]
pub(crate) struct Sighting<A> {
    pub(crate) address: A,
    pub(crate) role: Role,
    pub(crate) minute: Minute,
    /// The announce says that the download has just become complete.
    pub(crate) completed: bool,
}

/// What came of recording one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Recorded {
    /// The peer was listed before; minutes since it was last heard.
    pub(crate) silent_for: Option<u16>,
    /// A completion that had not been counted yet.
    pub(crate) completed: bool,
}

impl<A> Default for Members<A> {
    fn default() -> Self {
        Self { entries: Vec::new(), seeders: 0 }
    }
}

impl<A: Packed> Members<A> {
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn seeders(&self) -> usize {
        self.seeders
    }

    pub(crate) const fn leechers(&self) -> usize {
        self.entries.len() - self.seeders
    }

    pub(crate) const fn count(&self, role: Role) -> usize {
        match role {
            Role::Seeder => self.seeders(),
            Role::Leecher => self.leechers(),
        }
    }

    /// The role under which `address` is listed.
    pub(crate) fn role_of(&self, order: Order, address: A) -> Option<Role> {
        [Role::Leecher, Role::Seeder].into_iter().find(|&role| self.position(order, role, address).is_ok())
    }

    /// How many peers share the network of `address`.
    pub(crate) fn neighbours(&self, order: Order, address: A) -> usize {
        let place = order.of(address.network());
        [Role::Leecher, Role::Seeder]
            .into_iter()
            .map(|role| {
                let part = &self.entries[self.range(role)];
                let start = part.partition_point(|entry| order.of(entry.address.network()) < place);
                let end = part.partition_point(|entry| order.of(entry.address.network()) <= place);
                end - start
            })
            .sum()
    }

    /// The network of some peer, if there is one.
    pub(crate) fn any_network(&self) -> Option<u64> {
        self.entries.first().map(|entry| entry.address.network())
    }

    /// Notes that a peer was heard, and lists it if it is not listed yet. The caller has asked
    /// [`Self::growth`] whether there is room.
    pub(crate) fn record(&mut self, order: Order, sighting: Sighting<A>) -> Recorded {
        let known = self.role_of(order, sighting.address).and_then(|role| {
            let position = self.position(order, role, sighting.address).ok()?;
            Some((role, position, self.entries[position]))
        });
        let counted = known.map_or(0, |(_, _, entry)| entry.stamp & COUNTED);
        let recorded = Recorded {
            silent_for: known.map(|(_, _, entry)| entry.age(sighting.minute)),
            completed: sighting.completed && counted == 0,
        };
        let flag = if sighting.completed { COUNTED } else { counted };
        let entry = Entry { address: sighting.address, stamp: sighting.minute.0 | flag };
        match known {
            Some((role, position, _)) if role == sighting.role => self.entries[position] = entry,
            Some((role, position, _)) => {
                self.take(role, position);
                self.put(order, sighting.role, entry);
            }
            None => {
                let capacity = self.capacity_for_one_more();
                self.entries.reserve_exact(capacity - self.entries.len());
                self.put(order, sighting.role, entry);
            }
        }
        recorded
    }

    /// Forgets a peer.
    pub(crate) fn remove(&mut self, order: Order, address: A) {
        for role in [Role::Leecher, Role::Seeder] {
            if let Ok(position) = self.position(order, role, address) {
                self.take(role, position);
                self.give_back();
                return;
            }
        }
    }

    /// Forgets the peers that have been silent for more than `lifetime` minutes; returns how many.
    pub(crate) fn sweep(&mut self, now: Minute, lifetime: u16) -> usize {
        let before = self.entries.len();
        let (mut index, mut seeders) = (0, 0);
        self.entries.retain(|entry| {
            let stays = entry.age(now) <= lifetime;
            seeders += usize::from(stays && index < self.seeders);
            index += 1;
            stays
        });
        self.seeders = seeders;
        if self.entries.len() < before {
            self.give_back();
        }
        before - self.entries.len()
    }

    /// Appends `count` peers of one role to `found`, neighbours in the order from a random start, without `asker`.
    pub(crate) fn sample(
        &self,
        role: Role,
        count: usize,
        asker: Option<A>,
        random: &mut fastrand::Rng,
        found: &mut Vec<SocketAddr>,
    ) {
        let part = &self.entries[self.range(role)];
        if part.is_empty() || count == 0 {
            return;
        }
        let (end, start) = part.split_at(random.usize(..part.len()));
        let others = start.iter().chain(end).filter(|entry| Some(entry.address) != asker);
        found.extend(others.take(count).map(|entry| entry.address.unpack()));
    }

    /// Bytes to be allocated, beside those that are, before one more peer can be listed.
    pub(crate) fn growth(&self) -> usize {
        let capacity = self.capacity_for_one_more();
        if capacity == self.entries.capacity() { 0 } else { allocated(capacity * size_of::<Entry<A>>()) }
    }

    /// Bytes allocated.
    pub(crate) const fn bytes(&self) -> usize {
        allocated(self.entries.capacity() * size_of::<Entry<A>>())
    }

    const fn range(&self, role: Role) -> Range<usize> {
        match role {
            Role::Seeder => 0..self.seeders,
            Role::Leecher => self.seeders..self.entries.len(),
        }
    }

    /// Where `address` is, or where it would have to be put.
    fn position(&self, order: Order, role: Role, address: A) -> Result<usize, usize> {
        let range = self.range(role);
        let start = range.start;
        let target = (order.of(address.network()), address);
        self.entries[range]
            .binary_search_by(|entry| (order.of(entry.address.network()), entry.address).cmp(&target))
            .map(|position| start + position)
            .map_err(|position| start + position)
    }

    fn put(&mut self, order: Order, role: Role, entry: Entry<A>) {
        if let Err(position) = self.position(order, role, entry.address) {
            self.entries.insert(position, entry);
            self.seeders += usize::from(role == Role::Seeder);
        }
    }

    fn take(&mut self, role: Role, position: usize) {
        self.entries.remove(position);
        self.seeders -= usize::from(role == Role::Seeder);
    }

    const fn capacity_for_one_more(&self) -> usize {
        let capacity = self.entries.capacity();
        // Half as much again, not twice: unused entries are the larger part of a tracker's waste.
        if self.entries.len() < capacity { capacity } else { capacity + capacity / 2 + 1 }
    }

    /// Shrinks a vector that is three quarters empty.
    fn give_back(&mut self) {
        if self.entries.len() * 4 <= self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() + self.entries.len() / 2);
        }
    }
}

/// What an allocation of `bytes` costs: common allocators add a word and round up to 16, to at least 32.
const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=24 => 32,
        _ => (bytes + 8).next_multiple_of(16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        crate::keys::Keys::new([3; 32]).order
    }

    fn v6(text: &str) -> PackedV6 {
        SocketAddrV6::new(text.parse().unwrap(), 1, 0, 0).into()
    }

    fn v4(last: u8, port: u16) -> PackedV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, last), port).into()
    }

    fn sighting<A>(address: A, role: Role) -> Sighting<A> {
        Sighting { address, role, minute: Minute(0), completed: false }
    }

    #[test]
    fn addresses_survive_packing() {
        assert_eq!(v4(7, 6881).unpack(), "192.0.2.7:6881".parse().unwrap());
        assert_eq!(v6("2001:db8::7").unpack(), "[2001:db8::7]:1".parse().unwrap());
    }

    #[test]
    fn an_ipv6_network_is_a_64() {
        let mut members = Members::default();
        for address in ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"] {
            members.record(order(), sighting(v6(address), Role::Leecher));
        }
        assert_eq!(members.neighbours(order(), v6("2001:db8::2")), 2);
        assert_eq!(members.neighbours(order(), v6("2001:db8:0:1::2")), 1);
        assert_eq!(members.neighbours(order(), v6("2001:db8:0:2::2")), 0);
    }

    #[test]
    fn a_completion_is_counted_once() {
        let mut members = Members::default();
        members.record(order(), sighting(v4(1, 1), Role::Leecher));
        let done = Sighting { completed: true, ..sighting(v4(1, 1), Role::Seeder) };
        assert!(members.record(order(), done).completed);
        assert!(!members.record(order(), done).completed, "a repeated packet");
        members.record(order(), sighting(v4(1, 1), Role::Seeder));
        assert!(!members.record(order(), done).completed, "the mark outlives regular announces");
        assert_eq!((members.seeders(), members.leechers()), (1, 0));
    }

    #[test]
    fn every_other_peer_is_as_likely_as_any_other() {
        let mut members = Members::default();
        for port in 1..=20 {
            members.record(order(), sighting(v4(1, port), Role::Leecher));
        }
        let asker = v4(1, 7);
        let mut random = fastrand::Rng::with_seed(1);
        let mut seen = [0_u32; 21];
        for _ in 0..20_000 {
            let mut found = Vec::new();
            members.sample(Role::Leecher, 5, Some(asker), &mut random, &mut found);
            assert_eq!(found.len(), 5);
            for address in found {
                seen[usize::from(address.port())] += 1;
            }
        }
        assert_eq!(seen[7], 0);
        let others = seen.iter().enumerate().filter(|(port, _)| ![0, 7].contains(port));
        // 100 000 places over 19 peers. The asker's followers in the order gain a little by its being skipped.
        assert!(others.clone().all(|(_, &times)| (4_500..6_500).contains(&times)), "{seen:?}");
    }

    #[test]
    fn memory_is_given_back() {
        let mut members = Members::default();
        for port in 1..=1000 {
            let announced = members.growth();
            let before = members.bytes();
            members.record(order(), sighting(v4(1, port), Role::Leecher));
            assert_eq!(
                members.bytes(),
                if announced == 0 { before } else { announced },
                "growth is foretold"
            );
        }
        assert!(members.bytes() <= 1000 * 8 * 3 / 2 + 32);
        for port in 1..=1000 {
            members.remove(order(), v4(1, port));
        }
        assert_eq!(members.bytes(), 0);
    }

    #[test]
    fn the_clock_may_wrap() {
        let mut members = Members::default();
        let late = Minute(Minute::MASK - 1);
        members.record(order(), Sighting { minute: late, ..sighting(v4(1, 1), Role::Leecher) });
        assert_eq!(members.sweep(Minute(8), 10), 0);
        assert_eq!(members.sweep(Minute(9), 10), 1);
    }
}
