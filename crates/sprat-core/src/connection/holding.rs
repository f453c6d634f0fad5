//! What a connection holds in memory.

use crate::geometry::PieceIndex;
use crate::memory::{CONNECTION, Weight, weight};
use crate::storage::READ_LENGTH;
use crate::time::Time;

use super::PeerConnection;

/// A node of a map, with its share of those that are half empty.
const MAP_ENTRY: usize = 64;

/// A read has so many blocks at the most.
const BLOCKS_OF_READ: usize = 16;

impl PeerConnection {
    /// Bytes, closely enough: the lists that a peer can make long, and buffers.
    pub(crate) fn holds(&self) -> usize {
        let pieces = size_of::<PieceIndex>() * (self.suggested.len() + self.allowed_to_us.len());
        // Of the read that is being sent, the first blocks have gone already and are held all the same. Little that waits
        // is rather a message than the rest of one.
        let begun = self.unsent_bytes.saturating_mul(BLOCKS_OF_READ).min(READ_LENGTH as usize);
        CONNECTION
            + self.deframer.buffered()
            + self.outbox.capacity()
            + self.unsent_bytes
            + begun
            + self.uploads.holds()
            + self.requests.holds()
            + self.untold.holds()
            + self.pieces.holds()
            + pieces
            + self.cancelled.capacity() * size_of_val(&self.cancelled.front())
            + self.refused.len() * MAP_ENTRY
            + self.hash_requests.capacity() * size_of_val(&self.hash_requests.first())
    }

    /// The difference to the last time: what it held then, and holds now.
    pub(crate) fn count_again(&mut self) -> (usize, usize) {
        let holds = self.holds();
        (std::mem::replace(&mut self.counted, holds), holds)
    }

    /// What it held when it was counted last.
    pub(crate) const fn counted(&self) -> usize {
        self.counted
    }

    /// How much it holds for what it exchanges.
    pub(crate) fn weight(&self, now: Time) -> Weight {
        weight(self.counted, self.download.rate(now).saturating_add(self.upload.rate(now)))
    }
}
