//! How much of what is of no use we take from one peer.
//!
//! What a peer sends costs us time, even if it only says again what it has said before. So each has an account: every
//! message is charged by its length and work, what is of use is given back, and payload that goes in either direction is
//! rewarded. Over time the account fills again, by more than any honest peer was seen to need. Whoever has overdrawn it is a
//! flood.

use std::time::Duration;

use sprat_wire::peer::message::Message;

use crate::time::Time;

use super::Happening;

/// What an account holds at the most: bitfields of the largest torrents, the requests that cross a choke.
const MOST: i64 = 512 * 1024;

/// It fills by so much a second: a thousand news or so.
const PER_SECOND: i64 = 16 * 1024;

/// A read of a socket that brings nothing of use, however little it is.
const READ: i64 = 64;

/// A message, besides its length.
const MESSAGE: i64 = 16;

/// A change of mind (choke, interest) after which we look at what to ask, or whom to serve.
const CHANGE: i64 = 1024;

/// An extension handshake, after which we look at the whole connection again.
const INTRODUCTION: i64 = 256;

/// A request for next to nothing, which is a read of a file all the same.
const SMALL_REQUEST: i64 = 256;

/// Shorter requests are [`SMALL_REQUEST`]s: blocks are so short at the ends of files only.
const SMALL: u32 = 1024;

/// So many bytes of payload, in either direction, give back one: the requests and haves that go with it.
const PAYLOAD_PER_CREDIT: u64 = 64;

/// The account of one peer.
#[derive(Debug)]
pub(crate) struct Patience {
    level: i64,
    filled: Time,
    /// Nothing of use has come with the last read yet.
    read_was_idle: bool,
}

impl Patience {
    pub(crate) const fn new(now: Time) -> Self {
        Self { level: MOST, filled: now, read_was_idle: false }
    }

    /// A read of the socket has brought so many bytes.
    pub(crate) fn received(&mut self, now: Time, bytes: usize) {
        let elapsed = now.since(self.filled).min(Duration::from_secs(3600));
        self.filled = now;
        let refill = i64::try_from(elapsed.as_micros()).unwrap_or(0) * PER_SECOND / 1_000_000;
        self.level = self.level.saturating_add(refill).min(MOST);
        self.read_was_idle = true;
        self.charge(READ.saturating_add(count(bytes)));
    }

    /// What a message was, and what became of it.
    pub(super) fn heard(&mut self, was: Kind, became: &Happening) {
        let is_of_use = match became {
            Happening::Has(_)
            | Happening::HasSet { .. }
            | Happening::Requested(_)
            | Happening::Block(..)
            | Happening::Unasked(_)
            | Happening::Rejected(_)
            | Happening::Hashes(..)
            | Happening::HashesRefused(_) => true,
            Happening::Nothing
            | Happening::Choked(_)
            | Happening::MayRequest
            | Happening::InterestChanged
            | Happening::Extended { .. }
            | Happening::DhtNode(_)
            | Happening::Exchange(_)
            | Happening::MetadataWanted(_)
            | Happening::HashesWanted(_) => false,
        };
        if is_of_use {
            self.give_back(was.length);
            self.charge(was.work);
        } else {
            self.charge(was.work.max(MESSAGE));
        }
    }

    /// Payload has gone in one of the directions.
    pub(crate) fn exchanged(&mut self, bytes: u64) {
        let credit = i64::try_from(bytes / PAYLOAD_PER_CREDIT).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(credit).min(MOST);
    }

    /// Something of use has come of so many bytes.
    pub(crate) fn was_of_use(&mut self, bytes: usize) {
        self.give_back(count(bytes));
    }

    fn give_back(&mut self, cost: i64) {
        let read = if std::mem::take(&mut self.read_was_idle) { READ } else { 0 };
        self.level = self.level.saturating_add(cost).saturating_add(read);
    }

    pub(crate) fn charge(&mut self, cost: i64) {
        self.level = self.level.saturating_sub(cost);
    }

    /// Charges work that need not be done, if there is so much on the account.
    pub(crate) fn afford(&mut self, cost: u32) -> bool {
        let can = self.level >= i64::from(cost);
        if can {
            self.charge(i64::from(cost));
        }
        can
    }

    /// It is a flood.
    pub(crate) const fn is_over(&self) -> bool {
        self.level < 0
    }
}

/// What of a message decides over its price.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// On the wire, of those messages that can be of use.
    length: i64,
    /// What it costs in any case.
    work: i64,
}

impl Kind {
    pub(super) fn of(message: &Message) -> Self {
        let (length, work) = match message {
            Message::Have(_) => (9, 0),
            Message::HaveAll | Message::HaveNone => (5, 0),
            Message::Bitfield(bits) => (5 + bits.len(), 0),
            Message::Request(request) if request.length < SMALL => (0, SMALL_REQUEST),
            Message::Request(_) | Message::RejectRequest(_) => (17, 0),
            Message::Piece { block, .. } => (13 + block.len(), 0),
            Message::Hashes { hashes, .. } => (53 + 32 * hashes.len(), 0),
            Message::HashReject(_) => (53, 0),
            Message::Choke | Message::Unchoke | Message::Interested | Message::NotInterested => (0, CHANGE),
            Message::Extended { id: 0, .. } => (0, INTRODUCTION),
            Message::KeepAlive
            | Message::Unknown(_)
            | Message::Port(_)
            | Message::Cancel(_)
            | Message::SuggestPiece(_)
            | Message::AllowedFast(_)
            | Message::Extended { .. }
            | Message::HashRequest(_) => (0, 0),
        };
        Self { length: count(length), work }
    }
}

fn count(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use sprat_wire::peer::message::BlockRequest;

    use super::*;
    use crate::bitfield::Bitfield;
    use crate::test_torrents::geometry_of_one_file;

    fn length_of(message: &Message) -> usize {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        bytes.len()
    }

    /// How many of these messages are taken, each of them read for itself or `together` at a time.
    fn taken(message: &Message, became: &Happening, a_second: u64, together: u64) -> u64 {
        let mut patience = Patience::new(Time::ZERO);
        for number in 0..1_000_000 {
            let now = Time::from_nanos(number * 1_000_000_000 / a_second);
            if number.is_multiple_of(together) {
                patience.received(now, length_of(message) * together as usize);
            }
            patience.heard(Kind::of(message), became);
            if number % together == together - 1 && patience.is_over() {
                return number;
            }
        }
        u64::MAX
    }

    #[test]
    fn what_is_of_use_costs_nothing() {
        let geometry = geometry_of_one_file(1 << 30, 1 << 20);
        let piece = geometry.piece(0).unwrap();
        let request = BlockRequest { piece: 0, begin: 0, length: 16 * 1024 };
        let block = geometry.block(piece, 0).unwrap();
        let data = Bytes::from(vec![0; 16 * 1024]);
        let before = Bitfield::new(1024);
        let useful = [
            (Message::Have(0), Happening::Has(piece)),
            (Message::Request(request), Happening::Requested(0)),
            (Message::RejectRequest(request), Happening::Rejected(block)),
            (Message::Bitfield(data.slice(..128)), Happening::HasSet { before }),
            (Message::Piece { piece: 0, begin: 0, block: data.clone() }, Happening::Block(block, data)),
        ];
        for (message, became) in useful {
            assert_eq!(taken(&message, &became, 1_000_000, 1), u64::MAX, "{message:?}");
        }
    }

    #[test]
    fn a_flood_of_what_is_of_no_use_ends_soon() {
        let nothing = Happening::Nothing;
        // What was had already, 25 each; what changes nothing but has us look again, 1 KiB each.
        let haves = taken(&Message::Have(0), &nothing, 1_000_000, 100);
        assert!((19_000..24_000).contains(&haves), "{haves}");
        let flaps = taken(&Message::Interested, &Happening::InterestChanged, 100_000, 100);
        assert!((500..620).contains(&flaps), "{flaps}");
        let one_by_one = taken(&Message::KeepAlive, &nothing, 1_000_000, 1);
        assert!((6_000..7_000).contains(&one_by_one), "{one_by_one}");
        let request = BlockRequest { piece: 0, begin: 0, length: 1 };
        let small = taken(&Message::Request(request), &Happening::Requested(0), 100_000, 100);
        assert!((1_500..2_200).contains(&small), "{small}");
    }

    #[test]
    fn what_comes_slowly_is_borne_for_ever() {
        let nothing = Happening::Nothing;
        assert_eq!(taken(&Message::Have(0), &nothing, 150, 1), u64::MAX);
        assert_eq!(taken(&Message::Choke, &Happening::Choked(Vec::new()), 10, 1), u64::MAX);
    }

    #[test]
    fn the_payload_of_unknown_messages_counts_and_payload_that_is_wanted_gives_credit() {
        let mut patience = Patience::new(Time::ZERO);
        patience.received(Time::ZERO, 512 * 1024);
        assert!(patience.is_over());
        patience.exchanged(64 * 1024);
        assert!(!patience.is_over());
        patience.exchanged(u64::MAX);
        assert!(patience.afford(512 * 1024) && !patience.afford(1) && !patience.is_over());
    }
}
