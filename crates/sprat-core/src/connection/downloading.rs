//! What we ask the peer for, and what we make of how it answers.

use std::time::Duration;

use sprat_wire::BLOCK_LENGTH;
use sprat_wire::peer::message::{BlockRequest, Message};

use crate::geometry::{BlockRef, PieceIndex};
use crate::planted::PlantedBug;
use crate::time::Time;

use super::{PeerConnection, SNUBBED_AFTER};

/// A piece of which a peer has refused a block is not asked of it for so long: it may be unable to read it for the moment,
/// or have lied, and somebody else may have it.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// Requests taken back of which an answer is expected. Beyond it the oldest are forgotten: one answer too many is borne.
const MOST_CANCELLED: usize = 2048;

/// An answer to a request that was taken back so long ago is not expected any more.
const CANCEL_ANSWER_LIMIT: Duration = Duration::from_secs(300);

impl PeerConnection {
    /// Asks for a block; one that it still owes from when it was doubted counts as asked for.
    pub(crate) fn request(&mut self, now: Time, block: BlockRef) {
        if self.was_doubted && self.requests.blocks().any(|owed| owed == block) {
            return;
        }
        if self.requests.len() == 0 {
            // The peer has owed us nothing until now, so its silence did not count.
            self.last_block = now;
        }
        self.requests.sent(now, block);
        let mut request = wire_request(block);
        request.length += u32::from(self.planted.is(PlantedBug::RequestTooLong));
        self.say(&Message::Request(request));
    }

    /// Takes a request back, if it is still in flight.
    pub(crate) fn cancel(&mut self, now: Time, block: BlockRef) {
        if self.requests.withdraw(block) {
            self.say_cancels(now, &[block]);
        }
    }

    /// Takes the requests for blocks of this piece back; whether there were any.
    pub(crate) fn cancel_piece(&mut self, now: Time, piece: PieceIndex) -> bool {
        let blocks = self.requests.take_piece(piece);
        self.say_cancels(now, &blocks);
        !blocks.is_empty()
    }

    /// Takes every request back.
    pub(crate) fn cancel_all(&mut self, now: Time) -> Vec<BlockRef> {
        let blocks = self.requests.take_all();
        self.say_cancels(now, &blocks);
        blocks
    }

    fn say_cancels(&mut self, now: Time, blocks: &[BlockRef]) {
        if self.planted.is(PlantedBug::SilentCancel) {
            return;
        }
        for block in blocks {
            self.say(&Message::Cancel(wire_request(*block)));
            if self.is_fast() {
                self.cancelled.push_back((*block, now));
            }
        }
        // Some never answer a cancel.
        while self.cancelled.len() > MOST_CANCELLED
            || self.cancelled.front().is_some_and(|(_, at)| now.since(*at) >= CANCEL_ANSWER_LIMIT)
        {
            self.cancelled.pop_front();
        }
    }

    /// Whether this answers a request that we have taken back.
    pub(super) fn answers_cancelled(&mut self, now: Time, block: BlockRef) -> bool {
        let is_it =
            |(cancelled, at): &(BlockRef, Time)| *cancelled == block && now.since(*at) < CANCEL_ANSWER_LIMIT;
        let at = self.cancelled.iter().position(is_it);
        at.is_some_and(|at| self.cancelled.remove(at).is_some())
    }

    /// How many more blocks to ask for now: none, or enough to be worth a message.
    pub(crate) fn request_room(&mut self, now: Time) -> usize {
        let room = self.request_room_in_turn(now);
        if self.snubbed { room } else { self.requests.worth_asking(room) }
    }

    /// How many more blocks may be asked for now, be it one.
    pub(crate) fn request_room_in_turn(&mut self, now: Time) -> usize {
        // One request keeps the door open for a peer that has stopped delivering.
        if self.snubbed {
            return 1_usize.saturating_sub(self.requests.len());
        }
        let rate = self.download.rate(now);
        self.requests.room(now, rate, self.request_limit)
    }

    /// As [`Self::request_room`], for what cannot wait for its turn.
    pub(crate) fn request_room_beyond(&mut self, now: Time, beyond: u32) -> usize {
        let rate = self.download.rate(now);
        if self.snubbed { 0 } else { self.requests.room_beyond(now, rate, self.request_limit, beyond) }
    }

    /// How long a block takes that is asked for now, by what has come so far; `None` if nothing has.
    pub(crate) fn would_take(&self, now: Time) -> Option<Duration> {
        let rate = self.download.rate(now);
        let bytes = (self.requests.len() as u64 + 1) * u64::from(BLOCK_LENGTH);
        let queue = bytes.saturating_mul(1000).checked_div(rate)?;
        Some(self.requests.quickest()?.max(Duration::from_millis(queue)))
    }

    pub(crate) fn may_request(&self) -> bool {
        !self.choked || !self.allowed_to_us.is_empty()
    }

    /// While choked, only these pieces may be requested; `None` is any.
    pub(crate) fn allowed_pieces(&self) -> Option<&[PieceIndex]> {
        self.choked.then_some(self.allowed_to_us.as_slice())
    }

    /// Pieces of which it has just refused a block, in ascending order.
    pub(crate) fn refused_pieces(&mut self, now: Time) -> Vec<PieceIndex> {
        self.refused.retain(|_, at| now.since(*at) < REFUSED_FOR);
        self.refused.keys().copied().collect()
    }

    /// Whether it has just refused a block of this piece.
    pub(crate) fn has_refused(&self, now: Time, piece: PieceIndex) -> bool {
        self.refused.get(&piece).is_some_and(|at| now.since(*at) < REFUSED_FOR)
    }

    pub(crate) fn suggested_pieces(&self) -> &[PieceIndex] {
        &self.suggested
    }

    /// From the request for the first block that it has sent until it came.
    pub(crate) const fn first_block_took(&self) -> Option<Duration> {
        self.requests.first_took()
    }

    /// The blocks that it owes may be asked of others now, and it may still send them.
    pub(crate) fn doubt(&mut self) -> Vec<BlockRef> {
        self.was_doubted = true;
        self.requests.blocks().collect()
    }

    pub(crate) fn requests_in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Takes back what the peer has evidently forgotten. If it has not, it need not send what we get elsewhere.
    pub(crate) fn cancel_lost(&mut self, now: Time) -> Vec<BlockRef> {
        let blocks = self.requests.take_lost();
        self.say_cancels(now, &blocks);
        blocks
    }

    pub(crate) fn take_all_requests(&mut self) -> Vec<BlockRef> {
        self.requests.take_all()
    }

    /// Whether it has just refused to send what it says it has.
    pub(crate) fn refuses(&self, now: Time) -> bool {
        self.refused.values().any(|at| now.since(*at) < REFUSED_FOR)
    }

    /// Whether the peer has just begun to snub us: it owes us blocks and sends none. One that has never sent any is
    /// waited for as long as `first_block` says.
    pub(crate) fn begins_to_snub(&mut self, now: Time, first_block: Duration) -> bool {
        let limit = if self.downloaded == 0 { first_block } else { SNUBBED_AFTER };
        let owes = self.requests.oldest().is_some_and(|oldest| now.since(oldest) >= limit);
        if self.snubbed || !owes || now.since(self.last_block) < limit {
            return false;
        }
        self.snubbed = true;
        true
    }
}

fn wire_request(block: BlockRef) -> BlockRequest {
    BlockRequest { piece: block.piece().get(), begin: block.begin(), length: block.length() }
}
