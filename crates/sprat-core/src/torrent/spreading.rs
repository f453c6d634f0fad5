//! While there are pieces that only we have: which of them goes to whom.
//!
//! Leechers choose the rarest piece, each for itself. While a seeder is alone, all of its pieces are equally rare, several
//! leechers choose the same one at the same time, and the seeder's link carries it several times although others are not
//! out yet. So the seeder gives each unchoked peer pieces of its own, by `suggest` (BEP 6), until somebody has them. It is
//! advice: who ignores it gets what it asks for. (BEP 16 hides pieces instead, and has to see each one arrive elsewhere
//! before it shows the next.)
//!
//! It is also seen who passes such pieces on: while everybody waits for them, the choker prefers those.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sprat_wire::peer::message::Message;

use super::Torrent;
use crate::choker::PassesOn;
use crate::geometry::PieceIndex;
use crate::io::ConnectionId;
use crate::time::Time;

/// Pieces that a peer has been told of and has not asked for: so many, and those that it takes in [`AHEAD`].
const PIECES_AHEAD: u64 = 2;

/// Peers ask for many blocks at a time, and what they ask for then must have been suggested.
const AHEAD: Duration = Duration::from_millis(500);

/// Pieces of which the only copy has gone again wait so long to be given to somebody else.
const RESTOCK_INTERVAL: Duration = Duration::from_secs(10);

/// A client remembers so many suggestions (ours: 32).
const MOST_AHEAD: u64 = 24;

/// A piece that has not been passed on after so long counts against who has it: a line of 64 KiB/s that serves five peers
/// needs ten seconds for a piece of 128 KiB.
const PASSED_ON_AFTER: Duration = Duration::from_secs(20);

/// So many such pieces are no accident.
const MOST_KEPT: u32 = 2;

/// Good deeds are remembered up to so many.
const MOST_PASSED_ON: u32 = 8;

/// Pieces that nobody else has.
#[derive(Debug, Default)]
pub(super) struct Spreading {
    /// Those that were given to nobody yet, in no order.
    waiting: VecDeque<u32>,
    given: BTreeMap<u32, Given>,
    next_restock: Time,
    /// Pieces that one peer has, from us, and since when.
    fresh: BTreeMap<u32, (ConnectionId, Time)>,
    /// How many such pieces others have had from this peer.
    passed_on: BTreeMap<ConnectionId, u32>,
}

#[derive(Debug, Clone, Copy)]
struct Given {
    to: ConnectionId,
    /// It has asked for the first block.
    is_requested: bool,
}

impl Spreading {
    fn ahead_of(&self, connection: ConnectionId) -> u64 {
        self.given.values().filter(|given| given.to == connection && !given.is_requested).count() as u64
    }

    /// A peer asks for a block of this piece. Returns whether it thereby begins with one that was given to it.
    pub(super) fn requested(&mut self, piece: u32, by: ConnectionId) -> bool {
        let given = self.given.get_mut(&piece).filter(|given| given.to == by);
        given.is_some_and(|given| !std::mem::replace(&mut given.is_requested, true))
    }

    /// Somebody has it now, and `is_first` who is not us.
    fn held(&mut self, now: Time, piece: u32, by: ConnectionId, is_first: bool) {
        self.given.remove(&piece);
        if is_first {
            self.fresh.insert(piece, (by, now));
        } else if let Some((from, _)) = self.fresh.remove(&piece).filter(|(from, _)| *from != by) {
            let count = self.passed_on.entry(from).or_default();
            *count = (*count + 1).min(MOST_PASSED_ON);
        }
    }

    /// How many pieces each peer has kept to itself for too long.
    pub(super) fn kept(&self, now: Time) -> BTreeMap<ConnectionId, u32> {
        let mut kept = BTreeMap::new();
        for (by, since) in self.fresh.values() {
            if now.since(*since) >= PASSED_ON_AFTER {
                *kept.entry(*by).or_default() += 1;
            }
        }
        kept
    }

    /// What is known of a peer's generosity.
    pub(super) fn passes_on(&self, connection: ConnectionId, kept: &BTreeMap<ConnectionId, u32>) -> PassesOn {
        let of = |counts: &BTreeMap<ConnectionId, u32>| counts.get(&connection).copied().unwrap_or(0);
        let (passed_on, kept) = (of(&self.passed_on), of(kept));
        if kept >= MOST_KEPT && kept > passed_on {
            PassesOn::No
        } else if passed_on > 0 && passed_on >= kept {
            PassesOn::Yes
        } else {
            PassesOn::Unknown
        }
    }

    /// It is gone: what it has is ours alone again, or somebody else's merit.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.release(connection);
        self.passed_on.remove(&connection);
        self.fresh.retain(|_, (by, _)| *by != connection);
    }

    /// Who has been choked, or is gone, leaves its pieces to others.
    pub(super) fn release(&mut self, connection: ConnectionId) {
        let Self { waiting, given, .. } = self;
        given.retain(|piece, given| {
            let stays = given.to != connection;
            if !stays {
                waiting.push_back(*piece);
            }
            stays
        });
    }
}

impl Torrent {
    /// Finds out which pieces nobody else has. Looks at every piece, but not whenever somebody is choked.
    pub(super) fn restock_spreading(&mut self, now: Time) {
        if !self.spreads() {
            self.spreading = Spreading::default();
            return;
        }
        if now < self.spreading.next_restock {
            return;
        }
        self.spreading.next_restock = now + RESTOCK_INTERVAL;
        let unheld = (0..self.geometry.pieces())
            .filter(|piece| self.is_ours_alone(*piece) && !self.spreading.given.contains_key(piece));
        let mut unheld: Vec<u32> = unheld.collect();
        self.rng.shuffle(&mut unheld);
        self.spreading.waiting = unheld.into();
    }

    /// A peer has a piece more.
    pub(super) fn note_spread(&mut self, now: Time, id: ConnectionId, piece: PieceIndex) {
        let is_first = self.picker.availability(piece) == 1 && self.picker.have().is_full();
        self.spreading.held(now, piece.get(), id, is_first);
    }

    /// Nobody but us has everything, and there are several who want it.
    pub(super) fn spreads(&self) -> bool {
        self.is_alone_with_everything()
            && !self.super_seeding.is_hiding()
            && self.connections.values().filter(|connection| connection.wanted).nth(1).is_some()
    }

    /// We are a seeder, and know of no other one.
    pub(super) fn is_alone_with_everything(&self) -> bool {
        self.picker.have().is_full() && !self.connections.values().any(|connection| connection.is_seed())
    }

    pub(super) fn is_ours_alone(&self, piece: u32) -> bool {
        self.geometry.piece(piece).is_some_and(|piece| self.picker.availability(piece) == 0)
    }

    /// Tells a peer which pieces are for it.
    pub(super) fn suggest(&mut self, now: Time, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id).filter(|connection| connection.is_fast()) else {
            return;
        };
        let bytes = connection.upload.rate(now) / 1000 * u64::try_from(AHEAD.as_millis()).unwrap_or(0);
        let ahead = PIECES_AHEAD + bytes / u64::from(self.geometry.piece_length()).max(1);
        let mut missing = ahead.min(MOST_AHEAD).saturating_sub(self.spreading.ahead_of(id));
        while missing > 0
            && let Some(piece) = self.spreading.waiting.pop_front()
        {
            if !self.is_ours_alone(piece) {
                continue;
            }
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.say(&Message::SuggestPiece(piece));
            }
            self.spreading.given.insert(piece, Given { to: id, is_requested: false });
            missing -= 1;
        }
        self.touch(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectionId = ConnectionId(1);
    const OTHER: ConnectionId = ConnectionId(2);

    fn spreading() -> Spreading {
        let to_one = |is_requested| Given { to: ONE, is_requested };
        let given = [(7, to_one(false)), (8, to_one(true)), (9, Given { to: OTHER, is_requested: false })];
        Spreading { waiting: [1].into(), given: given.into(), ..Spreading::default() }
    }

    #[test]
    fn a_piece_counts_as_begun_by_whom_it_was_given_to_and_once() {
        let mut spreading = spreading();
        assert_eq!((spreading.ahead_of(ONE), spreading.ahead_of(OTHER)), (1, 1));
        assert!(!spreading.requested(7, OTHER));
        assert!(spreading.requested(7, ONE));
        assert!(!spreading.requested(7, ONE));
        assert!(!spreading.requested(1, ONE), "not given to anybody");
        assert_eq!(spreading.ahead_of(ONE), 0);
    }

    #[test]
    fn who_keeps_what_only_we_have_is_told_from_who_passes_it_on() {
        let mut spreading = Spreading::default();
        for piece in 0..3 {
            spreading.held(Time::ZERO, piece, ONE, true);
            spreading.held(Time::ZERO, 10 + piece, OTHER, true);
        }
        spreading.held(Time::from_secs(5), 0, OTHER, false);
        spreading.held(Time::from_secs(5), 0, ONE, false);
        let later = Time::ZERO + PASSED_ON_AFTER;
        let judge = |spreading: &Spreading, now, who| spreading.passes_on(who, &spreading.kept(now));
        assert_eq!(judge(&spreading, Time::from_secs(6), OTHER), PassesOn::Unknown);
        assert_eq!(judge(&spreading, later, OTHER), PassesOn::No);
        assert_eq!(judge(&spreading, Time::from_secs(6), ONE), PassesOn::Yes);
        spreading.held(Time::from_secs(6), 1, OTHER, false);
        assert_eq!(judge(&spreading, later, ONE), PassesOn::Yes, "two of three");
        spreading.forget(ONE);
        assert_eq!(judge(&spreading, later, ONE), PassesOn::Unknown);
    }

    #[test]
    fn what_a_peer_leaves_behind_is_for_others_and_what_it_has_is_not() {
        let mut spreading = spreading();
        spreading.held(Time::ZERO, 8, OTHER, true);
        spreading.release(ONE);
        assert_eq!(Vec::from(spreading.waiting), [1, 7]);
        assert_eq!(spreading.given.into_keys().collect::<Vec<_>>(), [9]);
    }
}
