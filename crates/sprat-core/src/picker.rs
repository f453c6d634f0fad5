//! Which block to ask for next, and from whom.

use std::sync::Arc;

use crate::bitfield::Bitfield;
use crate::geometry::{BlockRef, Geometry, PieceIndex};
use crate::io::{ConnectionId, FilePriority};

/// How far a piece has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PieceState {
    /// Nothing of it was received or asked for.
    #[default]
    Missing,
    /// Some of its blocks were received or asked for.
    Partial,
    /// All of its blocks were received; whether they are right is not known yet.
    Checking,
    /// Verified.
    Have,
}

/// Who wants blocks, and which it could send.
#[derive(Debug, Clone, Copy)]
pub struct PickRequest<'a> {
    /// From whom the blocks would be requested.
    pub connection: ConnectionId,
    /// What the peer has.
    pub pieces: &'a Bitfield,
    /// Nothing but these pieces: the allowed-fast set while the peer chokes us (BEP 6). `None` allows all.
    pub allowed: Option<&'a [PieceIndex]>,
    /// How many blocks at most.
    pub count: usize,
    /// A fast peer: a piece of its own rather than a share of somebody else's.
    pub whole_pieces: bool,
    /// Pieces that the peer would rather send (BEP 6); advice among equals.
    pub suggested: &'a [PieceIndex],
}

/// What became of a received block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// There is no use for it: it is there already, its piece is had, being checked, skipped, or to come from another peer alone.
    Unwanted,
    /// It fills a gap.
    Accepted {
        /// It was the last one: the piece is [`PieceState::Checking`] now.
        piece_complete: bool,
        /// Others who were asked for the same block and need not send it any more.
        cancel: Vec<ConnectionId>,
    },
}

/// The state of every piece of one torrent, and the choice of what to request.
#[derive(Debug)]
pub struct Picker {
    geometry: Arc<Geometry>,
    rng: fastrand::Rng,
    have: Bitfield,
}

impl Picker {
    /// Nothing is had, everything is wanted, nobody is connected.
    #[must_use]
    pub fn new(geometry: Arc<Geometry>, rng: fastrand::Rng) -> Self {
        let have = Bitfield::new(geometry.pieces());
        Self { geometry, rng, have }
    }

    /// Pieces in order rather than rarest first.
    pub fn set_sequential(&mut self, _on: bool) {}

    /// How much a piece is wanted.
    pub fn set_priority(&mut self, _piece: PieceIndex, _priority: FilePriority) {}

    /// The piece is verified: from the resume record, a check, or after [`PieceState::Checking`].
    pub fn set_have(&mut self, piece: PieceIndex) {
        self.have.insert(piece.get());
    }

    /// The piece failed its hash or was lost: all of its blocks are wanted again.
    pub fn set_missing(&mut self, piece: PieceIndex) {
        self.have.remove(piece.get());
    }

    /// The verified pieces.
    #[must_use]
    pub const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// How far this piece has come.
    #[must_use]
    pub fn state(&self, _piece: PieceIndex) -> PieceState {
        PieceState::Missing
    }

    /// How many pieces are wanted and not had.
    #[must_use]
    pub fn wanted_left(&self) -> u32 {
        self.geometry.pieces() - self.have.count()
    }

    /// Bytes of all pieces that are not had, wanted or not: `left` of an announce (BEP 3).
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        0
    }

    /// Bytes of the pieces that are wanted and not had.
    #[must_use]
    pub fn bytes_wanted_left(&self) -> u64 {
        0
    }

    /// Every wanted piece is had.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.wanted_left() == 0
    }

    /// A peer with these pieces is connected now.
    pub fn peer_joined(&mut self, _pieces: &Bitfield) {}

    /// A peer, which by then had these pieces, is gone. Its requests are given back one by one with [`Self::release`].
    pub fn peer_left(&mut self, _pieces: &Bitfield) {}

    /// A connected peer got one more piece. Only for a piece that it did not have before.
    pub fn peer_has(&mut self, _piece: PieceIndex) {}

    /// How many connected peers have this piece.
    #[must_use]
    pub fn availability(&self, _piece: PieceIndex) -> u32 {
        0
    }

    /// How many whole copies the connected peers and we have together, and how many thousandths of the pieces
    /// exist once more than that.
    #[must_use]
    pub fn distributed_copies(&self) -> (u32, u32) {
        (0, 0)
    }

    /// The peer has a wanted piece that we lack.
    #[must_use]
    pub fn is_interesting(&self, _peer: &Bitfield) -> bool {
        true
    }

    /// The piece is wanted and we lack it.
    #[must_use]
    pub fn is_interesting_piece(&self, piece: PieceIndex) -> bool {
        !self.have.contains(piece.get())
    }

    /// Appends up to [`PickRequest::count`] blocks to `out`, and takes them as requested from the connection.
    pub fn pick(&mut self, _request: &PickRequest<'_>, _out: &mut Vec<BlockRef>) {
        let _ = self.rng.u32(..);
    }

    /// A requested block will not come from this connection: rejected, timed out, choked, gone. It may be asked of others.
    pub fn release(&mut self, _block: BlockRef, _connection: ConnectionId) {}

    /// A block came in.
    pub fn received(&mut self, _block: BlockRef, _connection: ConnectionId) -> Received {
        Received::Unwanted
    }

    /// Who sent each block of a partial or checking piece, as far as the last block received; empty for other pieces.
    #[must_use]
    pub fn senders(&self, _piece: PieceIndex) -> &[Option<ConnectionId>] {
        &[]
    }

    /// From now on only this connection is asked for this piece, from its first block.
    pub fn restrict(&mut self, _piece: PieceIndex, _connection: ConnectionId) {}

    /// Everybody may be asked for this piece again.
    pub fn unrestrict(&mut self, _piece: PieceIndex) {}
}
