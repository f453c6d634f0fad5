//! Who poisoned a piece that failed its hash?

use std::net::IpAddr;

use sprat_wire::hash::{PeerId, Sha256Hash};

use crate::geometry::PieceIndex;

/// Who sent a block, recognisable over several connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    /// The remote address.
    pub ip: IpAddr,
    /// What the peer called itself.
    pub id: PeerId,
}

/// What a failed hash says about the senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything came from this one peer: it is guilty.
    Convicted(PeerKey),
    /// One of several senders is guilty. Fetch the piece again from one peer alone.
    Suspect,
    /// Whole copies from different single peers failed: this may be the torrent's or our own fault. Nobody is to be
    /// banned; fetch the piece again from a peer that has not been tried ([`Blame::has_tried`]).
    Doubtful,
}

/// What the true leaf hashes say about the rejected copies of a piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exact {
    /// Who sent bad blocks, ascending.
    pub guilty: Vec<PeerKey>,
    /// The bad blocks of the last rejected copy, ascending. None at all means that our own memory or disk is at fault.
    pub bad_blocks: Vec<u32>,
}

/// The evidence of one torrent.
#[derive(Debug, Default)]
pub struct Blame;

impl Blame {
    /// No evidence.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// A copy of `piece` failed its hash: the SHA-256 of each block, and who sent it.
    pub fn rejected(
        &mut self,
        _piece: PieceIndex,
        _leaves: Vec<Sha256Hash>,
        _senders: Vec<Option<PeerKey>>,
    ) -> Verdict {
        Verdict::Suspect
    }

    /// Whether there is evidence about this piece: its good leaves are wanted.
    #[must_use]
    pub fn is_suspect(&self, _piece: PieceIndex) -> bool {
        false
    }

    /// Whether a copy of this piece that came from this peer alone has failed.
    #[must_use]
    pub fn has_tried(&self, _piece: PieceIndex, _peer: PeerKey) -> bool {
        false
    }

    /// A copy of `piece` passed its hash, and these are the SHA-256 of its blocks: who sent other bytes, ascending.
    pub fn cleared(&mut self, _piece: PieceIndex, _good_leaves: &[Sha256Hash]) -> Vec<PeerKey> {
        Vec::new()
    }

    /// The true leaf hashes of `piece` (BEP 52), proved against its root, are known although no copy has passed yet.
    pub fn exact(&mut self, _piece: PieceIndex, _expected_leaves: &[Sha256Hash]) -> Exact {
        Exact::default()
    }
}
