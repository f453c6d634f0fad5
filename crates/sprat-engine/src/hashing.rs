//! What pieces hash to, and whether that is what was expected: shared by workers, checks and the maker of torrents.

use sprat_core::geometry::{Geometry, PieceIndex};
use sprat_core::storage::ExpectedHash;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::{BLOCK_LENGTH, merkle};

/// What a piece hashes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PieceDigest {
    /// SHA-1 over all of it, padding included, if asked for.
    pub(crate) v1: Option<Sha1Hash>,
    /// SHA-256 of each block of file data; empty unless asked for.
    pub(crate) leaves: Vec<Sha256Hash>,
}

/// Which hashes of a piece agreed with what was expected; `None` where nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) v1: Option<bool>,
    pub(crate) v2: Option<bool>,
}

impl Agreement {
    /// Every expected hash agreed, and there was one.
    pub(crate) fn is_good(self) -> bool {
        (self.v1.is_some() || self.v2.is_some()) && self.v1 != Some(false) && self.v2 != Some(false)
    }

    /// One agreed and the other did not: the torrent contradicts itself.
    pub(crate) fn is_contradiction(self) -> bool {
        matches!((self.v1, self.v2), (Some(v1), Some(v2)) if v1 != v2)
    }
}

impl PieceDigest {
    /// Compares with what the torrent says.
    pub(crate) fn compare(&self, expected: &ExpectedHash) -> Agreement {
        Agreement {
            v1: expected.v1.map(|hash| self.v1 == Some(hash)),
            v2: expected.v2.map(|tree| {
                self.leaves.len() <= tree.leaves as usize
                    && merkle::padded_root(&self.leaves, 0, tree.leaves as usize) == tree.root
            }),
        }
    }
}

/// How many bytes of the block at `begin` of `piece` a v2 leaf covers: padding is left out (BEP 52).
pub(crate) fn leaf_length(geometry: &Geometry, piece: PieceIndex, begin: u32) -> usize {
    geometry.data_length_of(piece).saturating_sub(begin).min(BLOCK_LENGTH) as usize
}
