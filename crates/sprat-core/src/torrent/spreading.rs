//! While there are pieces that only we have: which of them goes to whom.
//!
//! Leechers choose the rarest piece, each for itself. While a seeder is alone, all of its pieces are equally rare, several
//! leechers choose the same one at the same time, and the seeder's link carries it several times although others are not
//! out yet. So the seeder gives each unchoked peer pieces of its own, by `suggest` (BEP 6), until somebody has them. It is
//! advice: who ignores it gets what it asks for. (BEP 16 hides pieces instead, and has to see each one arrive elsewhere
//! before it shows the next.)

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sprat_wire::peer::message::Message;

use super::Torrent;
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

/// Pieces that nobody else has.
#[derive(Debug, Default)]
pub(super) struct Spreading {
    /// Those that were given to nobody yet, in no order.
    waiting: VecDeque<u32>,
    given: BTreeMap<u32, Given>,
    next_restock: Time,
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

    /// Somebody has it now.
    pub(super) fn held(&mut self, piece: u32) {
        self.given.remove(&piece);
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

    /// Nobody but us has everything, and there are several who want it.
    fn spreads(&self) -> bool {
        self.is_alone_with_everything()
            && self.connections.values().filter(|connection| connection.wanted).nth(1).is_some()
    }

    /// We are a seeder, and know of no other one.
    pub(super) fn is_alone_with_everything(&self) -> bool {
        self.picker.have().is_full() && !self.connections.values().any(|connection| connection.is_seed())
    }

    fn is_ours_alone(&self, piece: u32) -> bool {
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
        Spreading { waiting: [1].into(), given: given.into(), next_restock: Time::ZERO }
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
    fn what_a_peer_leaves_behind_is_for_others_and_what_it_has_is_not() {
        let mut spreading = spreading();
        spreading.held(8);
        spreading.release(ONE);
        assert_eq!(Vec::from(spreading.waiting), [1, 7]);
        assert_eq!(spreading.given.into_keys().collect::<Vec<_>>(), [9]);
    }
}
