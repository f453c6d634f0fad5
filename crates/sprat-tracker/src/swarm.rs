//! One swarm: the peers of one info-hash, of both families.

use std::net::SocketAddr;

use sprat_wire::hash::InfoHash;

use crate::keys::Order;
use crate::members::{Members, Minute, Packed, PackedV4, PackedV6, Recorded, Role, Sighting};

pub(crate) struct Swarm {
    pub(crate) info_hash: InfoHash,
    /// Completed downloads (BEP 48 `downloaded`).
    pub(crate) downloaded: u32,
    swept: Minute,
    /// Whether more than one network, or one for more than a minute, has announced here.
    settled: bool,
    v4: Members<PackedV4>,
    v6: Members<PackedV6>,
}

/// How many peers there are, and what they take.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Census {
    pub(crate) seeders: usize,
    pub(crate) leechers: usize,
    pub(crate) peers_ipv4: usize,
    pub(crate) peers_ipv6: usize,
    pub(crate) bytes: usize,
}

/// Who is to be sampled for one answer.
pub(crate) struct Wanted {
    pub(crate) asker: SocketAddr,
    /// Most peers.
    pub(crate) count: usize,
    /// Whether peers of the asker's other family are of use.
    pub(crate) both_families: bool,
    /// A seeder has no use for seeders.
    pub(crate) role: Role,
}

impl Swarm {
    pub(crate) fn new(info_hash: InfoHash, now: Minute) -> Self {
        Self {
            info_hash,
            downloaded: 0,
            swept: now,
            settled: false,
            v4: Members::default(),
            v6: Members::default(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(crate) const fn is_settled(&self) -> bool {
        self.settled
    }

    pub(crate) const fn census(&self) -> Census {
        Census {
            seeders: self.v4.seeders() + self.v6.seeders(),
            leechers: self.v4.leechers() + self.v6.leechers(),
            peers_ipv4: self.v4.len(),
            peers_ipv6: self.v6.len(),
            bytes: self.v4.bytes() + self.v6.bytes(),
        }
    }

    /// Forgets silent peers, at most once a minute; returns how many.
    pub(crate) fn sweep(&mut self, now: Minute, lifetime: u16) -> usize {
        if self.swept == now {
            return 0;
        }
        self.swept = now;
        self.v4.sweep(now, lifetime) + self.v6.sweep(now, lifetime)
    }

    pub(crate) fn is_listed(&self, order: Order, peer: SocketAddr) -> bool {
        match peer {
            SocketAddr::V4(peer) => self.v4.role_of(order, peer.into()).is_some(),
            SocketAddr::V6(peer) => self.v6.role_of(order, peer.into()).is_some(),
        }
    }

    /// Peers in the network of `peer`; none for loopback, where everything comes from one address.
    pub(crate) fn neighbours(&self, order: Order, peer: SocketAddr) -> usize {
        match peer {
            SocketAddr::V4(peer) => neighbours(&self.v4, order, peer.into()),
            SocketAddr::V6(peer) => neighbours(&self.v6, order, peer.into()),
        }
    }

    /// Bytes to be allocated before `peer` can be listed.
    pub(crate) fn growth(&self, peer: SocketAddr) -> usize {
        match peer {
            SocketAddr::V4(_) => self.v4.growth(),
            SocketAddr::V6(_) => self.v6.growth(),
        }
    }

    /// Lists a peer, or notes that it was heard again. Returns whether this completed a download.
    pub(crate) fn record(&mut self, order: Order, sighting: Sighting<SocketAddr>) -> bool {
        let recorded = match sighting.address {
            SocketAddr::V4(peer) => {
                self.settled |= self.v6.len() > 0;
                record(&mut self.v4, &mut self.settled, order, repack(sighting, peer.into()))
            }
            SocketAddr::V6(peer) => {
                self.settled |= self.v4.len() > 0;
                record(&mut self.v6, &mut self.settled, order, repack(sighting, peer.into()))
            }
        };
        self.downloaded = self.downloaded.saturating_add(recorded.completed.into());
        recorded.completed
    }

    pub(crate) fn remove(&mut self, order: Order, peer: SocketAddr) {
        match peer {
            SocketAddr::V4(peer) => self.v4.remove(order, peer.into()),
            SocketAddr::V6(peer) => self.v6.remove(order, peer.into()),
        }
    }

    /// Peers for one answer.
    pub(crate) fn sample(
        &self,
        order: Order,
        wanted: &Wanted,
        random: &mut fastrand::Rng,
    ) -> Vec<SocketAddr> {
        match wanted.asker {
            SocketAddr::V4(asker) => sample(&self.v4, &self.v6, order, asker.into(), wanted, random),
            SocketAddr::V6(asker) => sample(&self.v6, &self.v4, order, asker.into(), wanted, random),
        }
    }
}

fn repack<A: Packed>(sighting: Sighting<SocketAddr>, address: A) -> Sighting<A> {
    let Sighting { role, minute, completed, .. } = sighting;
    Sighting { address, role, minute, completed }
}

fn record<A: Packed>(
    members: &mut Members<A>,
    settled: &mut bool,
    order: Order,
    sighting: Sighting<A>,
) -> Recorded {
    *settled |= members.any_network().is_some_and(|network| network != sighting.address.network());
    let recorded = members.record(order, sighting);
    *settled |= recorded.silent_for.is_some_and(|minutes| minutes > 0);
    recorded
}

fn neighbours<A: Packed>(members: &Members<A>, order: Order, peer: A) -> usize {
    if peer.is_loopback() { 0 } else { members.neighbours(order, peer) }
}

/// `own` are the peers of the asker's family.
fn sample<A: Packed, B: Packed>(
    own: &Members<A>,
    other: &Members<B>,
    order: Order,
    asker: A,
    wanted: &Wanted,
    random: &mut fastrand::Rng,
) -> Vec<SocketAddr> {
    let listed_as = own.role_of(order, asker);
    let available = |role: Role| own.count(role) - usize::from(listed_as == Some(role));
    let with_seeders = usize::from(wanted.role == Role::Leecher);
    let own_counts = (available(Role::Seeder) * with_seeders, available(Role::Leecher));
    let other_counts = if wanted.both_families {
        (other.count(Role::Seeder) * with_seeders, other.count(Role::Leecher))
    } else {
        (0, 0)
    };
    let own_total = own_counts.0 + own_counts.1;
    let other_total = other_counts.0 + other_counts.1;
    let (from_own, from_other) = share(wanted.count, own_total, other_total, wanted.count / 4);

    let mut found = Vec::with_capacity(from_own + from_other);
    let (seeders, leechers) = mix(from_own, own_counts.0, own_counts.1);
    own.sample(Role::Seeder, seeders, Some(asker), random, &mut found);
    own.sample(Role::Leecher, leechers, Some(asker), random, &mut found);
    let (seeders, leechers) = mix(from_other, other_counts.0, other_counts.1);
    other.sample(Role::Seeder, seeders, None, random, &mut found);
    other.sample(Role::Leecher, leechers, None, random, &mut found);
    found
}

/// How many of `count` places go to seeders and to leechers: in proportion, but at least a quarter to each.
fn mix(count: usize, seeders: usize, leechers: usize) -> (usize, usize) {
    let total = (seeders + leechers).max(1);
    let quarter = count / 4;
    let for_leechers = (count * leechers / total).clamp(quarter, count - quarter);
    share(count, seeders, leechers, for_leechers)
}

/// Splits `count` places: `for_second` to the second kind, the rest to the first, and what one kind cannot fill to the
/// other.
fn share(count: usize, first: usize, second: usize, for_second: usize) -> (usize, usize) {
    let from_second = for_second.min(second);
    let from_first = (count - from_second).min(first);
    (from_first, (count - from_first).min(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_and_never_wasted() {
        assert_eq!(share(50, 100, 100, 12), (38, 12));
        assert_eq!(share(50, 10, 100, 12), (10, 40));
        assert_eq!(share(50, 100, 3, 12), (47, 3));
        assert_eq!(share(50, 3, 4, 12), (3, 4));
        assert_eq!(share(0, 3, 4, 0), (0, 0));
    }

    #[test]
    fn a_lone_seeder_is_not_lost_in_a_crowd() {
        assert_eq!(mix(50, 1, 1000), (1, 49));
        assert_eq!(mix(50, 20, 1000), (12, 38));
        assert_eq!(mix(50, 1000, 20), (38, 12));
        assert_eq!(mix(40, 500, 500), (20, 20));
        assert_eq!(mix(50, 0, 0), (0, 0));
        assert_eq!(mix(1, 1, 1), (1, 0));
    }
}
