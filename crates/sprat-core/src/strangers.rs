//! Callers that have not named their torrent yet.
//!
//! A call costs its caller next to nothing, and us a descriptor. So their number is bounded, and who has to go when there
//! are too many is decided by where they come from: the oldest of the source that has most. Thousands of calls from one
//! place drive out one another; somebody from elsewhere, who says its name at once, is not touched by them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::peer::deframer::Deframer;
use sprat_wire::peer::handshake::Handshake;

use crate::io::ConnectionId;
use crate::subnet::Subnet;
use crate::time::Time;

/// A caller must have named its torrent in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// One source has at most this part of all places, even if the others are free: a flood is not to keep all of them busy.
const PART_OF_ONE_SOURCE: usize = 4;

/// All of them.
#[derive(Debug)]
pub(crate) struct Strangers {
    /// There are never more.
    most: usize,
    /// The oldest first.
    waiting: BTreeMap<ConnectionId, Stranger>,
    sources: BTreeMap<Subnet, BTreeSet<ConnectionId>>,
}

#[derive(Debug)]
struct Stranger {
    address: SocketAddr,
    since: Time,
    /// Holds less than one handshake: with a whole one, its sender is no stranger any more.
    deframer: Deframer,
}

/// A caller that has named a torrent.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    pub(crate) theirs: Handshake,
    /// With what it has said besides.
    pub(crate) deframer: Deframer,
}

/// What a caller has said.
#[derive(Debug)]
pub(crate) enum Said {
    /// Not enough.
    Little,
    /// Its name and that of a torrent.
    Name(Box<Caller>),
    /// What is no handshake.
    Nonsense,
}

impl Strangers {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), waiting: BTreeMap::new(), sources: BTreeMap::new() }
    }

    /// Somebody calls. Returns who has to go for that.
    pub(crate) fn accept(
        &mut self,
        now: Time,
        id: ConnectionId,
        address: SocketAddr,
    ) -> Option<ConnectionId> {
        let source = source(address);
        let of_one = (self.most / PART_OF_ONE_SOURCE).max(1);
        let shed = if self.of_source(source) >= of_one {
            self.oldest_of(source)
        } else if self.waiting.len() >= self.most {
            self.most_numerous().and_then(|source| self.oldest_of(source))
        } else {
            None
        };
        if let Some(shed) = shed {
            self.remove(shed);
        }
        self.waiting.insert(id, Stranger { address, since: now, deframer: Deframer::new() });
        self.sources.entry(source).or_default().insert(id);
        shed
    }

    /// One of them has said something; `None` if it is none of them.
    pub(crate) fn hear(&mut self, id: ConnectionId, bytes: Bytes) -> Option<Said> {
        let stranger = self.waiting.get_mut(&id)?;
        stranger.deframer.push(bytes);
        let handshake = stranger.deframer.handshake();
        if let Ok(None) = handshake {
            return Some(Said::Little);
        }
        let stranger = self.remove(id)?;
        Some(match handshake {
            Ok(Some(theirs)) => Said::Name(Box::new(Caller {
                address: stranger.address,
                theirs,
                deframer: stranger.deframer,
            })),
            _ => Said::Nonsense,
        })
    }

    /// One has hung up; `false` if it is none of them.
    pub(crate) fn hung_up(&mut self, id: ConnectionId) -> bool {
        self.remove(id).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets the one go that has waited longest.
    pub(crate) fn shed(&mut self) -> Option<ConnectionId> {
        let (oldest, _) = self.waiting.first_key_value()?;
        let oldest = *oldest;
        self.remove(oldest).map(|_| oldest)
    }

    /// Takes off the next one whose time is over.
    pub(crate) fn take_late(&mut self, now: Time) -> Option<ConnectionId> {
        let (_, oldest) = self.waiting.first_key_value()?;
        if now.since(oldest.since) < HANDSHAKE_LIMIT { None } else { self.shed() }
    }

    /// When the time of the oldest is over.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.waiting.values().next().map(|stranger| stranger.since + HANDSHAKE_LIMIT)
    }

    fn of_source(&self, source: Subnet) -> usize {
        self.sources.get(&source).map_or(0, BTreeSet::len)
    }

    fn oldest_of(&self, source: Subnet) -> Option<ConnectionId> {
        self.sources.get(&source).and_then(BTreeSet::first).copied()
    }

    /// Of several, the one whose oldest has waited longest.
    fn most_numerous(&self) -> Option<Subnet> {
        let crowd = self.sources.iter().max_by_key(|(_, callers)| (callers.len(), Reverse(callers.first())));
        crowd.map(|(source, _)| *source)
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Stranger> {
        let stranger = self.waiting.remove(&id)?;
        let source = source(stranger.address);
        if let Some(callers) = self.sources.get_mut(&source) {
            callers.remove(&id);
            if callers.is_empty() {
                self.sources.remove(&source);
            }
        }
        Some(stranger)
    }
}

/// Where a call comes from. Otherwise than for slots, all calls from our own machine come from the same place.
fn source(address: SocketAddr) -> Subnet {
    let ip = address.ip().to_canonical();
    if ip.is_loopback() { Subnet::Host(ip) } else { Subnet::of(address) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sprat_wire::hash::{InfoHash, PeerId};
    use sprat_wire::peer::handshake::Reserved;

    use super::*;

    fn from(net: u8, host: u8) -> SocketAddr {
        SocketAddr::from(([80, 1, net, host], 5000))
    }

    fn call(strangers: &mut Strangers, id: u64, address: SocketAddr) -> Option<u64> {
        strangers.accept(Time::from_millis(id), ConnectionId(id), address).map(|shed| shed.0)
    }

    fn handshake() -> [u8; Handshake::LENGTH] {
        let (info_hash, peer_id) = (InfoHash([1; 20]), PeerId([2; 20]));
        Handshake { reserved: Reserved::default(), info_hash, peer_id }.encode()
    }

    #[test]
    fn the_last_place_is_given_and_for_one_more_the_oldest_goes() {
        let mut strangers = Strangers::new(8);
        for id in 0..8 {
            assert_eq!(call(&mut strangers, id, from(id as u8, 1)), None);
        }
        assert_eq!(call(&mut strangers, 8, from(8, 1)), Some(0));
        assert_eq!(call(&mut strangers, 9, from(9, 1)), Some(1));
        assert_eq!(strangers.waiting.len(), 8);
    }

    #[test]
    fn one_source_has_a_quarter_and_drives_out_only_its_own() {
        let mut strangers = Strangers::new(16);
        assert_eq!(call(&mut strangers, 0, from(1, 1)), None);
        for id in 1..=4 {
            assert_eq!(call(&mut strangers, id, from(2, id as u8)), None);
        }
        for id in 5..100 {
            assert_eq!(call(&mut strangers, id, from(2, id as u8)), Some(id - 4));
        }
        assert!(strangers.hung_up(ConnectionId(0)), "the other one is still there");
    }

    #[test]
    fn when_all_places_are_taken_the_greatest_crowd_makes_room() {
        let mut strangers = Strangers::new(16);
        let mut id = 0;
        for (net, callers) in [(1, 4), (2, 3), (3, 3), (4, 3), (5, 3)] {
            for _ in 0..callers {
                assert_eq!(call(&mut strangers, id, from(net, 1)), None);
                id += 1;
            }
        }
        assert_eq!(call(&mut strangers, id, from(6, 1)), Some(0), "of the first net, which has four");
        assert_eq!(call(&mut strangers, id + 1, from(7, 1)), Some(1), "now all have three: the oldest");
    }

    #[test]
    fn ten_thousand_calls_from_a_hundred_places_do_not_reach_who_names_a_torrent_at_once() {
        let mut strangers = Strangers::new(512);
        for round in 0..100_u64 {
            for id in 0..100 {
                call(&mut strangers, round * 1000 + id, from(id as u8, round as u8));
            }
            let honest = round * 1000 + 500;
            call(&mut strangers, honest, from(200, 1));
            // On its way to the caller and back, half as many calls come as there are places.
            for id in 0..256 {
                call(&mut strangers, honest + 1 + id, from((id % 100) as u8, 9));
            }
            let said = strangers.hear(ConnectionId(honest), Bytes::copy_from_slice(&handshake()));
            assert!(matches!(said, Some(Said::Name(_))), "{said:?} in round {round}");
        }
    }

    #[test]
    fn of_a_handshake_that_comes_byte_by_byte_no_more_is_held_than_it_has() {
        let mut strangers = Strangers::new(4);
        call(&mut strangers, 1, from(1, 1));
        for byte in &handshake()[..Handshake::LENGTH - 1] {
            // In a receive buffer that is much larger.
            let mut buffer = vec![0; 16 * 1024];
            buffer[0] = *byte;
            let said = strangers.hear(ConnectionId(1), Bytes::from(buffer).slice(..1));
            assert!(matches!(said, Some(Said::Little)));
        }
        assert_eq!(strangers.waiting[&ConnectionId(1)].deframer.buffered(), Handshake::LENGTH - 1);
        let last = Bytes::copy_from_slice(&handshake()[Handshake::LENGTH - 1..]);
        assert!(matches!(strangers.hear(ConnectionId(1), last), Some(Said::Name(_))));
        assert!(strangers.waiting.is_empty() && strangers.sources.is_empty());
    }

    #[test]
    fn nonsense_ends_a_call_at_its_first_byte_and_silence_in_time() {
        let mut strangers = Strangers::new(4);
        call(&mut strangers, 1, from(1, 1));
        assert!(matches!(strangers.hear(ConnectionId(1), Bytes::from_static(b"G")), Some(Said::Nonsense)));
        call(&mut strangers, 2, from(1, 1));
        let over = strangers.next_timeout().unwrap();
        assert_eq!(strangers.take_late(over - Duration::from_nanos(1)), None);
        assert_eq!(strangers.take_late(over), Some(ConnectionId(2)));
        assert_eq!((strangers.next_timeout(), strangers.take_late(over)), (None, None));
    }

    proptest! {
        #[test]
        fn there_are_never_too_many_and_who_is_shed_is_of_the_greatest_crowd(
            most in 1..40_usize,
            calls in prop::collection::vec((0..12_u8, any::<bool>()), 1..300),
        ) {
            let mut strangers = Strangers::new(most);
            for (id, (net, hangs_up)) in calls.into_iter().enumerate() {
                let before: BTreeMap<Subnet, usize> =
                    strangers.sources.iter().map(|(source, callers)| (*source, callers.len())).collect();
                let oldest: Vec<SocketAddr> = strangers.waiting.values().map(|one| one.address).collect();
                let ids: Vec<ConnectionId> = strangers.waiting.keys().copied().collect();
                if let Some(shed) = call(&mut strangers, id as u64, from(net, 1)) {
                    let at = ids.iter().position(|id| id.0 == shed).unwrap();
                    let crowd = before[&source(oldest[at])];
                    let is_own = source(oldest[at]) == source(from(net, 1));
                    prop_assert!(is_own || before.values().all(|other| *other <= crowd));
                }
                prop_assert!(strangers.waiting.len() <= most);
                prop_assert_eq!(strangers.sources.values().map(BTreeSet::len).sum::<usize>(), strangers.waiting.len());
                if hangs_up {
                    strangers.hung_up(ConnectionId(id as u64));
                }
            }
        }
    }
}
