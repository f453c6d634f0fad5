//! Which block to ask for next, and from whom.
//!
//! The order: what is wanted more comes first. Among equally wanted pieces those that have been begun are completed
//! before another one is, since only a whole piece can be checked and passed on. Another one is the rarest that the
//! peer has; the first few are taken at random, for rare pieces come slowly and a newcomer needs something to trade.
//! When nothing is left but what somebody has been asked for already, the last blocks are asked of a few others too
//! (the endgame).
//!
//! | Module | Concern |
//! |---|---|
//! | this one | the state of each piece, and who has it |
//! | `choose` | the choice |
//! | `ranked` | untouched pieces, in the order of their turn |
//! | `partials` | begun pieces, block by block |
//! | `urgent` | pieces that are needed by a certain time, before all others |
//!
//! Memory: 12 bytes and two bits for each piece, and a little for each block of begun pieces. A HAVE is O(1), a pick
//! looks at the front of a list as long as the peer is not a very poor one. The same calls and the same seed make the
//! same choices.

mod choose;
#[cfg(test)]
mod model_tests;
mod partials;
mod ranked;
#[cfg(test)]
mod tests;
mod urgent;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::partials::{Claim, Partials};
use self::ranked::{Class, Rank, Ranked};
use self::urgent::Urgent;
pub use self::urgent::{Again, Haste};
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

/// How much a piece is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PiecePriority {
    /// Not at all.
    Skip,
    /// After the others.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the others.
    High,
    /// Before all others.
    First,
}

impl From<FilePriority> for PiecePriority {
    fn from(priority: FilePriority) -> Self {
        match priority {
            FilePriority::Skip => Self::Skip,
            FilePriority::Low => Self::Low,
            FilePriority::Normal => Self::Normal,
            FilePriority::High => Self::High,
        }
    }
}

/// Who wants blocks, and which it could send.
#[derive(Debug, Clone, Copy)]
pub struct PickRequest<'a> {
    /// From whom the blocks would be requested.
    pub connection: ConnectionId,
    /// What the peer has.
    pub pieces: &'a Bitfield,
    /// Pieces of these that it has just refused, in ascending order: others are asked for them.
    pub refused: &'a [PieceIndex],
    /// Nothing but these pieces: the allowed-fast set while the peer chokes us (BEP 6). `None` allows all.
    pub allowed: Option<&'a [PieceIndex]>,
    /// How many blocks at most.
    pub count: usize,
    /// Of these at most so many that others have been asked for already: the endgame.
    pub duplicates: usize,
    /// A fast peer: a piece of its own rather than a share of somebody else's.
    pub whole_pieces: bool,
    /// Pieces that the peer would rather send (BEP 6); advice among equals.
    pub suggested: &'a [PieceIndex],
    /// What it may do for pieces that are needed soon.
    pub haste: Haste<'a>,
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
    sequential: bool,
    pieces: Vec<Piece>,
    have: Bitfield,
    /// Wanted and not had.
    lacking: Bitfield,
    /// Wanted and [`PieceState::Missing`]: the same pieces as in `ranked`.
    untouched: Bitfield,
    ranked: Ranked,
    partials: Partials,
    /// Pieces that may come from one connection only.
    restricted: BTreeMap<u32, ConnectionId>,
    urgent: Urgent,
    /// Connected peers who count for every piece without being counted at each.
    seeds: u32,
    bytes_left: u64,
    bytes_wanted_left: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    /// How many peers have it, `seeds` apart.
    holders: u16,
    state: PieceState,
    priority: PiecePriority,
}

impl Piece {
    fn rank(self) -> Option<Rank> {
        Some(Rank { class: Class::of(self.priority)?, holders: self.holders })
    }

    fn is_wanted(self) -> bool {
        self.priority != PiecePriority::Skip
    }
}

impl Picker {
    /// Nothing is had, everything is wanted, nobody is connected.
    #[must_use]
    pub fn new(geometry: Arc<Geometry>, rng: fastrand::Rng) -> Self {
        let pieces = geometry.pieces();
        let mut picker = Self {
            rng,
            sequential: false,
            pieces: vec![Piece::default(); pieces as usize],
            have: Bitfield::new(pieces),
            lacking: Bitfield::full(pieces),
            untouched: Bitfield::new(pieces),
            ranked: Ranked::new(pieces),
            partials: Partials::default(),
            restricted: BTreeMap::new(),
            urgent: Urgent::default(),
            seeds: 0,
            bytes_left: geometry.total_length(),
            bytes_wanted_left: geometry.total_length(),
            geometry,
        };
        for piece in 0..pieces {
            picker.rank(piece);
        }
        picker
    }

    /// Pieces in order rather than rarest first.
    pub fn set_sequential(&mut self, on: bool) {
        self.sequential = on;
    }

    /// Whether pieces are picked in order.
    #[must_use]
    pub const fn is_sequential(&self) -> bool {
        self.sequential
    }

    /// How much a piece is wanted. What has been requested of a piece that is skipped now is still accepted. One that is needed soon
    /// is wanted as long as it is.
    pub fn set_priority(&mut self, piece: PieceIndex, priority: impl Into<PiecePriority>) {
        let priority = self.urgent.lift(piece.get(), priority.into());
        self.want(piece, priority);
    }

    fn want(&mut self, piece: PieceIndex, priority: PiecePriority) {
        let index = piece.get();
        let wanted = priority != PiecePriority::Skip;
        if self.pieces[piece.as_usize()].priority == priority {
            return;
        }
        self.unrank(index);
        self.pieces[piece.as_usize()].priority = priority;
        self.rank(index);
        self.partials.update(index, |partial| partial.set_wanted(wanted));
        if wanted && !self.have.contains(index) {
            self.lack(piece);
        } else {
            self.lack_no_more(piece);
        }
    }

    /// The piece is verified: from the resume record, a check, or after [`PieceState::Checking`].
    pub fn set_have(&mut self, piece: PieceIndex) {
        let index = piece.get();
        if !self.have.insert(index) {
            return;
        }
        self.unrank(index);
        self.partials.remove(index);
        self.restricted.remove(&index);
        self.pieces[piece.as_usize()].state = PieceState::Have;
        self.bytes_left -= u64::from(self.geometry.length_of(piece));
        self.lack_no_more(piece);
    }

    /// The piece failed its hash or was lost: all of its blocks are wanted again. Whether it is restricted does not
    /// change. Outstanding requests for it count as new ones when they are answered.
    pub fn set_missing(&mut self, piece: PieceIndex) {
        let index = piece.get();
        if self.have.remove(index) {
            self.bytes_left += u64::from(self.geometry.length_of(piece));
            if self.pieces[piece.as_usize()].is_wanted() {
                self.lack(piece);
            }
        }
        self.abandon(index);
    }

    /// The verified pieces.
    #[must_use]
    pub const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// How far this piece has come.
    #[must_use]
    pub fn state(&self, piece: PieceIndex) -> PieceState {
        self.pieces[piece.as_usize()].state
    }

    /// How many pieces are wanted and not had.
    #[must_use]
    pub const fn wanted_left(&self) -> u32 {
        self.lacking.count()
    }

    /// Bytes of all pieces that are not had, wanted or not: `left` of an announce (BEP 3).
    #[must_use]
    pub const fn bytes_left(&self) -> u64 {
        self.bytes_left
    }

    /// Bytes of the pieces that are wanted and not had.
    #[must_use]
    pub const fn bytes_wanted_left(&self) -> u64 {
        self.bytes_wanted_left
    }

    /// Every wanted piece is had.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.lacking.is_empty()
    }

    /// A peer with these pieces is connected now. O(1) for a peer with all of them, or with none. For one that never
    /// said what it has, which means nothing (BEP 3), this need not be called.
    pub fn peer_joined(&mut self, pieces: &Bitfield) {
        if self.is_seed(pieces) {
            self.seeds += 1;
        } else {
            pieces.iter().for_each(|piece| self.add_holder(piece));
        }
    }

    /// A peer, which by then had these pieces, is gone. What it was asked for is given back one by one with
    /// [`Self::release`].
    pub fn peer_left(&mut self, pieces: &Bitfield) {
        // A peer that came to have everything was counted piece by piece, and may take one from the other counter
        // here. The sums stay right: that counter never exceeds the number of peers with everything.
        if self.seeds > 0 && self.is_seed(pieces) {
            self.seeds -= 1;
        } else {
            pieces.iter().for_each(|piece| self.remove_holder(piece));
        }
    }

    /// A connected peer got a piece that it did not have before.
    pub fn peer_has(&mut self, piece: PieceIndex) {
        self.add_holder(piece.get());
    }

    /// How many connected peers have this piece.
    #[must_use]
    pub fn availability(&self, piece: PieceIndex) -> u32 {
        self.seeds + u32::from(self.pieces[piece.as_usize()].holders)
    }

    /// How many whole copies the connected peers and we have together, and how many thousandths of the pieces
    /// exist once more than that. Looks at every piece: for display, not for decisions.
    #[must_use]
    pub fn distributed_copies(&self) -> (u32, u32) {
        let copies = |piece: &Piece| u32::from(piece.holders) + u32::from(piece.state == PieceState::Have);
        let Some(fewest) = self.pieces.iter().map(copies).min() else { return (0, 0) };
        let above = self.pieces.iter().filter(|piece| copies(piece) > fewest).count();
        (self.seeds + fewest, (above * 1000 / self.pieces.len()) as u32)
    }

    /// The peer has a wanted piece that we lack.
    #[must_use]
    pub fn is_interesting(&self, peer: &Bitfield) -> bool {
        if self.is_seed(peer) { !self.lacking.is_empty() } else { self.lacking.intersects(peer) }
    }

    /// The piece is wanted and we lack it.
    #[must_use]
    pub fn is_interesting_piece(&self, piece: PieceIndex) -> bool {
        self.lacking.contains(piece.get())
    }

    /// Appends up to [`PickRequest::count`] blocks to `out`, and takes them as requested from the connection.
    pub fn pick(&mut self, request: &PickRequest<'_>, out: &mut Vec<BlockRef>) {
        let count = urgent::pick(self, request, out);
        if !request.haste.only {
            choose::pick(self, &PickRequest { count, ..*request }, out);
        }
    }

    /// A requested block will not come from this connection: rejected, timed out, choked, gone. It may be asked of
    /// others.
    pub fn release(&mut self, block: BlockRef, connection: ConnectionId) {
        let index = block.piece().get();
        let blank = self.partials.update(index, |partial| {
            partial.release(block.index(), connection);
            partial.is_blank()
        });
        if blank == Some(true) {
            self.abandon(index);
        }
    }

    /// A block came in.
    pub fn received(&mut self, block: BlockRef, connection: ConnectionId) -> Received {
        let index = block.piece().get();
        if self.restricted.get(&index).is_some_and(|only| *only != connection) {
            self.release(block, connection);
            return Received::Unwanted;
        }
        let piece = self.pieces[block.piece().as_usize()];
        match piece.state {
            PieceState::Have | PieceState::Checking => return Received::Unwanted,
            PieceState::Missing if !piece.is_wanted() => return Received::Unwanted,
            PieceState::Missing => self.begin(index, Claim::Nobody),
            PieceState::Partial => {}
        }
        let taken = self.partials.update(index, |partial| {
            let fresh = !partial.has(block.index());
            fresh.then(|| (partial.receive(block.index(), connection), partial.left() == 0))
        });
        let Some((cancel, piece_complete)) = taken.flatten() else { return Received::Unwanted };
        if piece_complete {
            self.pieces[block.piece().as_usize()].state = PieceState::Checking;
        }
        Received::Accepted { piece_complete, cancel }
    }

    /// Who sent each block of a partial or checking piece, as far as the last block received; empty for other pieces.
    #[must_use]
    pub fn senders(&self, piece: PieceIndex) -> &[Option<ConnectionId>] {
        self.partials.get(piece.get()).map_or(&[], |partial| partial.senders())
    }

    /// From now on only this connection is asked for this piece, from its first block, and before others. When the
    /// connection goes or chokes, restrict the piece to another, or [`Self::unrestrict`] it. A piece that is being
    /// checked stays so, and is restricted should it fail. Ends by itself when the piece is had.
    pub fn restrict(&mut self, piece: PieceIndex, connection: ConnectionId) {
        let state = self.state(piece);
        if state == PieceState::Have || self.restricted.insert(piece.get(), connection) == Some(connection) {
            return;
        }
        // The answer to a check must find those who sent what was checked.
        if state != PieceState::Checking {
            self.abandon(piece.get());
        }
    }

    /// Everybody may be asked for this piece again.
    pub fn unrestrict(&mut self, piece: PieceIndex) {
        if self.restricted.remove(&piece.get()).is_some() {
            self.partials.update(piece.get(), |partial| partial.set_claim(Claim::Nobody));
        }
    }

    /// A set for another number of pieces, as before the metadata is known, is nobody's everything.
    fn is_seed(&self, pieces: &Bitfield) -> bool {
        pieces.is_full() && pieces.len() == self.geometry.pieces()
    }

    /// Takes an untouched piece out of the ranks and makes it partial.
    fn begin(&mut self, index: u32, claim: Claim) {
        let Some(piece) = self.geometry.piece(index) else { return };
        let claim = self.restricted.get(&index).map_or(claim, |only| Claim::Only(*only));
        self.unrank(index);
        let entry = &mut self.pieces[index as usize];
        entry.state = PieceState::Partial;
        self.partials.insert(index, self.geometry.blocks_in(piece), entry.is_wanted(), claim);
    }

    /// Makes a piece missing again, whatever there is of it.
    fn abandon(&mut self, index: u32) {
        self.partials.remove(index);
        self.pieces[index as usize].state = PieceState::Missing;
        self.rank(index);
    }

    /// Puts a piece into the ranks if it belongs there.
    fn rank(&mut self, index: u32) {
        let piece = self.pieces[index as usize];
        if piece.state != PieceState::Missing {
            return;
        }
        if let Some(rank) = piece.rank()
            && self.untouched.insert(index)
        {
            self.ranked.insert(index, rank, &mut self.rng);
        }
    }

    fn unrank(&mut self, index: u32) {
        if let Some(rank) = self.pieces[index as usize].rank()
            && self.untouched.remove(index)
        {
            self.ranked.remove(index, rank);
        }
    }

    fn lack(&mut self, piece: PieceIndex) {
        if self.lacking.insert(piece.get()) {
            self.bytes_wanted_left += u64::from(self.geometry.length_of(piece));
        }
    }

    fn lack_no_more(&mut self, piece: PieceIndex) {
        if self.lacking.remove(piece.get()) {
            self.bytes_wanted_left -= u64::from(self.geometry.length_of(piece));
        }
    }

    fn add_holder(&mut self, index: u32) {
        let Some(piece) = self.pieces.get_mut(index as usize).filter(|piece| piece.holders < u16::MAX) else {
            return;
        };
        if let Some(rank) = piece.rank()
            && self.untouched.contains(index)
        {
            self.ranked.raise(index, rank, &mut self.rng);
        }
        piece.holders += 1;
    }

    fn remove_holder(&mut self, index: u32) {
        let Some(piece) = self.pieces.get_mut(index as usize).filter(|piece| piece.holders > 0) else {
            return;
        };
        if let Some(rank) = piece.rank()
            && self.untouched.contains(index)
        {
            self.ranked.lower(index, rank, &mut self.rng);
        }
        piece.holders -= 1;
    }
}
