//! Files that are not what they were: when a piece is gone, all pieces of its files are looked at again.
//!
//! A file that was cut or removed lacks more than the piece that somebody has asked for. As soon as that piece is fetched
//! and written again, the file is as long as it was, and what is missing in front of it is a hole that reads as zeros. So
//! nothing of such a file is fetched again before all that is gone is known, and what has not been hashed yet is not given
//! away, and not claimed in the record.

use std::collections::{BTreeSet, VecDeque};

use crate::context::Context;
use crate::geometry::{Geometry, PieceIndex};
use crate::io::Event;
use crate::storage::StorageRequest;

use super::Torrent;

/// Bytes that may be read and hashed at once while checking: enough to keep a disk and all cores busy.
const CHECK_WINDOW: u32 = 64 * 1024 * 1024;

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
    /// Pieces that the disk could not read once.
    unreadable: BTreeSet<PieceIndex>,
}

impl Recheck {
    /// Nothing is doubtful.
    pub(super) fn is_over(&self) -> bool {
        self.unhashed.is_empty() && self.gone.is_empty()
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

    /// These pieces may be gone.
    pub(super) fn doubt(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        for piece in pieces {
            if !self.gone.contains(&piece) && self.unhashed.insert(piece) {
                self.waiting.push_back(piece);
            }
        }
    }

    /// A file is not what it was: every piece of it that `is_had` knows is to be hashed again, also those that just were.
    fn doubt_file(&mut self, geometry: &Geometry, file: usize, is_had: impl Fn(u32) -> bool) {
        self.files.insert(file);
        let had = geometry.pieces_of(file).filter(|piece| is_had(*piece));
        for piece in had.filter_map(|piece| geometry.piece(piece)) {
            if self.gone.contains(&piece) {
                continue;
            }
            // One that is being read is read again: what it was does not matter any more.
            self.unhashed.insert(piece);
            if !self.waiting.contains(&piece) {
                self.waiting.push_back(piece);
            }
        }
    }

    /// Pieces that are gone or may be.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.unhashed.iter().chain(&self.gone).copied()
    }

    pub(super) fn is_unreadable(&self, piece: PieceIndex) -> bool {
        self.unreadable.contains(&piece)
    }

    /// The piece could not be hashed.
    pub(super) fn put_back(&mut self, piece: PieceIndex, is_unreadable: bool) {
        if is_unreadable {
            self.unreadable.insert(piece);
        }
        if self.unhashed.contains(&piece) && !self.waiting.contains(&piece) {
            self.waiting.push_back(piece);
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

/// Pieces that may be read and hashed at once.
pub(super) fn check_window(geometry: &Geometry) -> usize {
    (CHECK_WINDOW / geometry.piece_length().max(1)).clamp(4, 64) as usize
}

impl Torrent {
    /// Whether a piece is had, and there is no doubt about it.
    pub(super) fn can_give(&self, piece: PieceIndex) -> bool {
        let has = self.picker.have().contains(piece.get());
        has && !self.recheck.is_doubtful(piece) && !self.proof.is_due(piece)
    }

    /// Looks at more pieces; when all have been looked at, what is gone is fetched again.
    pub(super) fn recheck_more(&mut self, cx: &mut Context<'_>) {
        if !self.is_active() || self.trouble.is_some() {
            return;
        }
        let window = check_window(&self.geometry);
        while let Some(piece) = self.recheck.next(window) {
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
        if self.recheck.unhashed.is_empty() {
            for piece in std::mem::take(&mut self.recheck).gone {
                self.picker.set_missing(piece);
                self.durability.lost(piece);
            }
            self.commit(cx);
            self.tell_if_finished(cx);
            self.update_interest(cx);
        }
    }

    /// Somebody else has changed a file. What is claimed of it is taken back at once.
    pub(super) fn on_file_changed(&mut self, cx: &mut Context<'_>, file: usize) {
        cx.emit(Event::FileChanged { torrent: self.id, file });
        let have = self.picker.have();
        self.recheck.doubt_file(&self.geometry, file, |piece| have.contains(piece));
        for piece in self.geometry.pieces_of(file).filter_map(|piece| self.geometry.piece(piece)) {
            self.durability.lost(piece);
        }
        self.commit(cx);
        self.recheck_more(cx);
    }
}
