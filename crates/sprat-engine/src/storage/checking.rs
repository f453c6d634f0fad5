//! Pieces on disk that are to be compared with their hashes: those that were asked for in a row are hashed side by side.

use std::sync::Arc;

use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{ExpectedHash, StorageErrorKind, StorageReply, TorrentId};

use super::stored::hash_together;
use super::{OpenTorrent, Shared};

/// Bytes of pieces that one thread reads to check them together.
const MOST_READ: u64 = 16 << 20;

/// Pieces that wait to be checked.
#[derive(Default)]
pub(super) struct Checking {
    waiting: Vec<Waiting>,
    /// Bytes of them.
    bytes: u64,
}

struct Waiting {
    torrent: Arc<OpenTorrent>,
    piece: PieceIndex,
    expected: ExpectedHash,
}

impl Waiting {
    /// Only pieces that are alike in this are hashed together.
    fn kind(&self) -> (TorrentId, bool, bool) {
        (self.torrent.content.torrent, self.expected.v1.is_some(), self.expected.v2.is_some())
    }
}

impl Checking {
    /// Adds a piece. Returns whether more would not make it faster.
    pub(super) fn push(
        &mut self,
        torrent: &Arc<OpenTorrent>,
        piece: PieceIndex,
        expected: ExpectedHash,
    ) -> bool {
        self.bytes += u64::from(torrent.content.geometry.length_of(piece));
        self.waiting.push(Waiting { torrent: Arc::clone(torrent), piece, expected });
        self.waiting.len() >= sprat_hash::lanes() || self.bytes >= MOST_READ
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Reads, hashes and answers all of them.
    pub(super) fn check(&mut self, shared: &Shared, buffer: &mut Vec<u8>) {
        self.bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        for alike in waiting.chunk_by(|one, other| one.kind() == other.kind()) {
            let Some(first) = alike.first() else { continue };
            let (torrent, v1, v2) = first.kind();
            let pieces: Vec<PieceIndex> = alike.iter().map(|waiting| waiting.piece).collect();
            let digests = hash_together(&first.torrent.content, &pieces, (v1, v2), buffer);
            for (Waiting { piece, expected, .. }, digest) in alike.iter().zip(digests) {
                let result = match digest {
                    Ok(digest) => {
                        let is_good = digest.compare(expected).is_good();
                        if is_good {
                            first.torrent.content.sync_before_claiming(*piece);
                        }
                        Ok(is_good)
                    }
                    // Missing or short: it does not hold the piece.
                    Err(error) if error.kind == StorageErrorKind::Changed => Ok(false),
                    Err(error) => Err(error),
                };
                shared.reply(StorageReply::Verified { torrent, piece: *piece, result });
            }
        }
    }
}
