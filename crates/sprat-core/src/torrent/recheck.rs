//! Files that are not what they were: when a piece is gone, all pieces of its files are looked at again.
//!
//! A file that was cut or removed lacks more than the piece that somebody has asked for. As soon as that piece is fetched
//! and written again, the file is as long as it was, and what is missing in front of it is a hole that reads as zeros. So
//! nothing of such a file is fetched again before all that is gone is known, and what has not been hashed yet is not given
//! away. No resume record is written meanwhile: that of before speaks of another file, so that the next start checks what
//! it finds.

use std::collections::{BTreeSet, VecDeque};

use crate::context::Context;
use crate::geometry::{Geometry, PieceIndex};
use crate::storage::StorageRequest;

use super::Torrent;
use super::lifecycle::check_window;

/// What is doubtful, and what is gone for certain.
#[derive(Debug, Default)]
pub(super) struct Recheck {
    /// Files that have lost a piece.
    files: BTreeSet<usize>,
    /// Pieces of them that have not been hashed yet.
    unhashed: BTreeSet<PieceIndex>,
    /// Those of them that are still to be read.
    waiting: VecDeque<PieceIndex>,
    /// Pieces that are gone, and count as had until all is known.
    gone: BTreeSet<PieceIndex>,
}

impl Recheck {
    pub(super) fn is_over(&self) -> bool {
        self.unhashed.is_empty()
    }

    /// Whether this piece is gone or may be.
    pub(super) fn is_doubtful(&self, piece: PieceIndex) -> bool {
        self.unhashed.contains(&piece) || self.gone.contains(&piece)
    }

    /// The piece is gone, and its files are not to be trusted: the other pieces of them that `is_had` knows may be gone too.
    pub(super) fn lost(&mut self, geometry: &Geometry, piece: PieceIndex, is_had: impl Fn(u32) -> bool) {
        self.gone.insert(piece);
        for slice in geometry.slices(piece, 0, geometry.length_of(piece)) {
            if !self.files.insert(slice.file) {
                continue;
            }
            let others = geometry.pieces_of(slice.file).filter(|other| is_had(*other));
            for other in others.filter_map(|other| geometry.piece(other)) {
                if !self.gone.contains(&other) && self.unhashed.insert(other) {
                    self.waiting.push_back(other);
                }
            }
        }
    }

    /// The piece has been hashed. Whether that was waited for.
    pub(super) fn hashed(&mut self, piece: PieceIndex) -> bool {
        self.unhashed.remove(&piece)
    }

    /// The next piece to be read, unless so many are being read already.
    fn next(&mut self, window: usize) -> Option<PieceIndex> {
        let reading = self.unhashed.len().saturating_sub(self.waiting.len());
        if reading < window { self.waiting.pop_front() } else { None }
    }
}

impl Torrent {
    /// Whether a piece is had, and there is no doubt about it.
    pub(super) fn can_give(&self, piece: PieceIndex) -> bool {
        self.picker.have().contains(piece.get()) && !self.recheck.is_doubtful(piece)
    }

    /// Looks at more pieces; when all have been looked at, what is gone is fetched again.
    pub(super) fn recheck_more(&mut self, cx: &mut Context<'_>) {
        if !self.is_active() {
            return;
        }
        let window = check_window(&self.geometry);
        while let Some(piece) = self.recheck.next(window) {
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
        if self.recheck.is_over() {
            for piece in std::mem::take(&mut self.recheck).gone {
                self.picker.set_missing(piece);
            }
            self.save_resume(cx);
            self.update_interest(cx);
        }
    }
}
