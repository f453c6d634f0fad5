//! What an earlier process had recorded and was still writing beside when it was stopped: hashed before it is first given to
//! anybody, or when nothing else is missing, and not sooner. So a start after a crash costs nothing, no piece is given that was
//! not hashed since, and a torrent is called finished only when all of it is right.

use std::collections::{BTreeSet, VecDeque};

use crate::bitfield::Bitfield;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::ConnectionId;
use crate::storage::StorageRequest;

use super::Torrent;
use super::recheck::check_window;

/// What is had and was not hashed by us.
#[derive(Debug, Default)]
pub(super) struct Proof {
    unproven: Option<Bitfield>,
    /// Being hashed.
    proving: BTreeSet<PieceIndex>,
    /// Whose turn to be served waits for it.
    waiting: VecDeque<ConnectionId>,
}

impl Proof {
    pub(super) fn opened(&mut self, unproven: Bitfield) {
        *self = Self { unproven: Some(unproven).filter(|pieces| !pieces.is_empty()), ..Self::default() };
    }

    pub(super) fn is_due(&self, piece: PieceIndex) -> bool {
        self.unproven.as_ref().is_some_and(|pieces| pieces.contains(piece.get()))
    }

    /// The piece has been hashed, whatever came of it.
    pub(super) fn hashed(&mut self, piece: PieceIndex) -> bool {
        self.proving.remove(&piece);
        self.unproven.as_mut().is_some_and(|pieces| pieces.remove(piece.get()))
    }

    /// The piece could not be hashed.
    pub(super) fn put_back(&mut self, piece: PieceIndex) {
        self.proving.remove(&piece);
    }

    /// Nothing is left to be hashed.
    pub(super) fn is_over(&self) -> bool {
        self.unproven.as_ref().is_none_or(Bitfield::is_empty)
    }

    /// Those of `have` that are still to be hashed.
    pub(super) fn unproven_of(&self, have: &Bitfield) -> Bitfield {
        let mut of = Bitfield::new(have.len());
        for piece in self.unproven.iter().flat_map(Bitfield::iter).filter(|piece| have.contains(*piece)) {
            of.insert(piece);
        }
        of
    }
}

impl Torrent {
    /// Has a piece hashed that this connection wants.
    pub(super) fn prove(&mut self, cx: &mut Context<'_>, piece: PieceIndex, for_whom: ConnectionId) {
        if !self.proof.waiting.contains(&for_whom) {
            self.proof.waiting.push_back(for_whom);
        }
        if self.proof.proving.insert(piece) {
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
    }

    /// Has a piece hashed that somebody on this side wants to read, if it has to be.
    pub(super) fn prove_for_reader(&mut self, cx: &mut Context<'_>, piece: PieceIndex) {
        if self.proof.is_due(piece) && self.proof.proving.insert(piece) {
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
    }

    /// When nothing else is missing, has the rest hashed.
    pub(super) fn prove_rest(&mut self, cx: &mut Context<'_>) {
        if self.proof.is_over() || !self.is_active() || self.trouble.is_some() || !self.picker.is_finished() {
            return;
        }
        let room = check_window(&self.geometry).saturating_sub(self.proof.proving.len());
        let unproven = self.proof.unproven.iter().flat_map(Bitfield::iter);
        let pieces = unproven.filter_map(|piece| self.geometry.piece(piece));
        let next: Vec<PieceIndex> =
            pieces.filter(|piece| !self.proof.proving.contains(piece)).take(room).collect();
        for piece in next {
            self.proof.proving.insert(piece);
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
    }

    /// Whoever has waited looks again.
    pub(super) fn serve_those_who_waited(&mut self, cx: &mut Context<'_>) {
        for id in std::mem::take(&mut self.proof.waiting) {
            self.serve(cx, id);
        }
    }
}
