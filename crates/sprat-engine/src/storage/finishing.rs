//! Pieces of which all blocks are there, and which are hashed side by side.
//!
//! SHA-1 of one piece is a chain that leaves most of a processor idle; with sixteen lanes (`sprat-hash`) sixteen pieces take
//! little longer than one. So a piece waits for others, but only as long as others come in quick succession, and never for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{ExpectedHash, StorageReply};
use sprat_hash::Batch;
use sprat_wire::hash::Sha1Hash;

use super::assembly::{Assembly, Hashed};
use super::fault::other;
use super::{OpenTorrent, Shared};

/// Bytes of pieces that wait in one thread at most.
const MOST_HELD: usize = 16 << 20;

/// No piece waits longer. It is what a peer further on waits for it.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Fewer pieces than this are about as fast one after the other: if they do not come within [`LONGEST_WAIT`], none waits.
const WORTH_WAITING: u32 = 4;

/// Pieces that wait to be hashed together.
#[derive(Default)]
pub(super) struct Finishing {
    pieces: Vec<Whole>,
    /// Bytes of their blocks.
    held: usize,
    /// When the first of them came.
    since: Option<Instant>,
    /// When the last one came, also of those that wait no more.
    last: Option<Instant>,
    /// The time between two, on average.
    pace: Duration,
}

/// A piece of which all blocks should be there.
pub(super) struct Whole {
    pub(super) torrent: Arc<OpenTorrent>,
    pub(super) piece: PieceIndex,
    pub(super) expected: ExpectedHash,
    /// Whether the SHA-256 of each block is asked for.
    pub(super) leaves: bool,
    pub(super) assembly: Assembly,
}

impl Finishing {
    /// Adds a piece. Returns whether more would not make it faster.
    pub(super) fn push(&mut self, now: Instant, whole: Whole) -> bool {
        let gap = self.last.map_or(LONGEST_WAIT, |last| now.duration_since(last).min(LONGEST_WAIT));
        self.pace = (self.pace * 3 + gap) / 4;
        self.last = Some(now);
        self.since.get_or_insert(now);
        self.held += whole.assembly.held();
        self.pieces.push(whole);
        self.pieces.len() >= sprat_hash::lanes() || self.held >= MOST_HELD
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether they have waited long enough even if there is something else to do.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) >= LONGEST_WAIT)
    }

    /// How long they go on waiting when there is nothing else to do; `None` when none waits. Not at all if no other piece of this
    /// thread is begun, or if others come too slowly.
    pub(super) fn patience(&self, now: Instant, is_last: bool) -> Option<Duration> {
        let waited = now.duration_since(self.since?);
        let is_worth =
            sprat_hash::lanes() >= WORTH_WAITING as usize && self.pace * WORTH_WAITING <= LONGEST_WAIT;
        let longest = if is_worth && !is_last { LONGEST_WAIT } else { Duration::ZERO };
        Some(longest.saturating_sub(waited))
    }

    /// Hashes, writes and answers all of them.
    pub(super) fn finish(&mut self, shared: &Shared, buffer: &mut Vec<u8>) {
        self.since = None;
        self.held = 0;
        let pieces = std::mem::take(&mut self.pieces);
        let sha1 = side_by_side(&pieces);
        for (whole, sha1) in pieces.into_iter().zip(sha1) {
            let held = whole.assembly.held();
            let reply = whole.finish(sha1, buffer);
            shared.held.sink(held);
            shared.reply(reply);
        }
    }
}

/// SHA-1 of each piece that is expected to have one and lies in memory.
fn side_by_side(pieces: &[Whole]) -> Vec<Option<Sha1Hash>> {
    let mut batch = Batch::new();
    let is_hashed: Vec<bool> = pieces
        .iter()
        .map(|whole| match whole.expected.v1.and(whole.assembly.unhashed()) {
            Some(blocks) => {
                batch.push_segments(blocks);
                true
            }
            None => false,
        })
        .collect();
    let mut digests = Vec::with_capacity(batch.len());
    batch.sha1(&mut digests);
    let mut digests = digests.into_iter().map(Sha1Hash);
    is_hashed.into_iter().map(|is| if is { digests.next() } else { None }).collect()
}

impl Whole {
    fn finish(self, sha1: Option<Sha1Hash>, buffer: &mut Vec<u8>) -> StorageReply {
        let Self { torrent, piece, expected, leaves, mut assembly } = self;
        let content = &torrent.content;
        let torrent = content.torrent;
        match assembly.hash(content, &expected, leaves, sha1, buffer) {
            Ok(Hashed { agreement, leaves }) if agreement.is_good() => {
                let failed_syncs = content.failed_syncs();
                match assembly.write(content) {
                    Ok(()) if content.failed_syncs() == failed_syncs => {
                        StorageReply::Stored { torrent, piece, leaves }
                    }
                    // The kernel may have dropped it with the rest.
                    Ok(()) => {
                        let error = other("syncing has failed while this was written");
                        StorageReply::Failed { torrent, piece, error }
                    }
                    Err(error) => StorageReply::Failed { torrent, piece, error },
                }
            }
            Ok(Hashed { agreement, leaves }) => StorageReply::Rejected {
                torrent,
                piece,
                leaves: leaves.unwrap_or_default(),
                inconsistent: agreement.is_contradiction(),
            },
            Err(error) => StorageReply::Failed { torrent, piece, error },
        }
    }
}
