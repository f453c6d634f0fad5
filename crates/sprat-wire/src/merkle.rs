//! The hash trees of v2 torrents (BEP 52).
//!
//! Every file has a binary tree of SHA-256 hashes. Its leaves are the hashes of the file's 16 KiB blocks (layer 0),
//! padded with zero hashes to a power of two. The layer where one hash covers one piece is the *piece layer*; in
//! torrents it is stored without the hashes that cover only padding.

use std::iter;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::BLOCK_LENGTH;
use crate::hash::Sha256Hash;

#[cfg(test)]
mod tests;

/// Most hashes of one layer that a `hashes` message may carry here. BEP 52: "Length SHOULD NOT be greater than 512";
/// this is what fits into a message of 128 KiB.
pub const MAX_HASHES_PER_MESSAGE: u32 = 4096;

/// How many hashes to ask for at a time (BEP 52: "SHOULD NOT be greater than 512").
pub const HASHES_PER_REQUEST: u32 = 512;

/// The hash above two hashes.
#[must_use]
pub fn parent(left: &Sha256Hash, right: &Sha256Hash) -> Sha256Hash {
    let mut hasher = Sha256::new();
    hasher.update(left.0);
    hasher.update(right.0);
    Sha256Hash(hasher.finalize().into())
}

/// The hash in `layer` that has only padding below it: zero in layer 0.
#[must_use]
pub fn padding(layer: u32) -> Sha256Hash {
    (0..layer).fold(Sha256Hash::ZERO, |hash, _| parent(&hash, &hash))
}

/// Number of 16 KiB blocks of a file, the last one perhaps short: its leaves without padding.
#[must_use]
pub const fn leaf_count(file_length: u64) -> u64 {
    file_length.div_ceil(BLOCK_LENGTH as u64)
}

/// The layer in which one hash covers one piece. `piece_length` must be a power of two of at least 16 KiB.
#[must_use]
pub fn piece_layer_height(piece_length: u32) -> u32 {
    (piece_length / BLOCK_LENGTH).checked_ilog2().unwrap_or(0)
}

/// The root above some hashes of `layer`, padded to a power of two with what padding is in that layer.
/// Zero hashes have the root zero.
#[must_use]
pub fn root(hashes: &[Sha256Hash], layer: u32) -> Sha256Hash {
    padded_root(hashes, layer, hashes.len())
}

/// The root above `hashes` of `layer`, padded to the power of two not below `width`: what a piece with fewer than
/// `width` leaves needs.
#[must_use]
pub fn padded_root(hashes: &[Sha256Hash], layer: u32, width: usize) -> Sha256Hash {
    let mut padding = padding(layer);
    let mut width = hashes.len().max(width).next_power_of_two();
    if hashes.is_empty() {
        return (0..width.ilog2()).fold(padding, |hash, _| parent(&hash, &hash));
    }
    let mut row = hashes.to_vec();
    while width > 1 {
        row = next_layer(&row, &padding);
        padding = parent(&padding, &padding);
        width /= 2;
    }
    row.first().copied().unwrap_or(padding)
}

/// The piece layer above all leaves of a file. Leaves out what covers only padding.
#[must_use]
pub fn piece_layer(leaves: &[Sha256Hash], piece_length: u32) -> Vec<Sha256Hash> {
    let per_piece = leaves_per_piece(piece_length);
    leaves.chunks(per_piece).map(|leaves| padded_root(leaves, 0, per_piece)).collect()
}

/// The root of a file from its piece layer.
#[must_use]
pub fn root_of_piece_layer(pieces: &[Sha256Hash], piece_length: u32) -> Sha256Hash {
    root(pieces, piece_layer_height(piece_length))
}

/// Number of leaves below one hash of the piece layer.
#[must_use]
pub const fn leaves_per_piece(piece_length: u32) -> usize {
    let blocks = piece_length / BLOCK_LENGTH;
    if blocks == 0 { 1 } else { blocks as usize }
}

fn next_layer(row: &[Sha256Hash], padding: &Sha256Hash) -> Vec<Sha256Hash> {
    row.chunks(2)
        .filter_map(|pair| match pair {
            [left, right] => Some(parent(left, right)),
            [left] => Some(parent(left, padding)),
            _ => None,
        })
        .collect()
}

/// The hashes of one file, as a torrent stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHashes {
    /// Root of the tree.
    pub root: Sha256Hash,
    /// The piece layer; empty for a file of at most one piece, which its root alone checks.
    pub piece_layer: Vec<Sha256Hash>,
}

/// Makes [`FileHashes`] out of leaves that arrive one by one, holding one piece of them at a time.
#[derive(Debug, Clone)]
pub struct FileHasher {
    piece_length: u32,
    /// Of the piece that is not complete.
    leaves: Vec<Sha256Hash>,
    pieces: Vec<Sha256Hash>,
}

impl FileHasher {
    /// For a file of a torrent with this piece length.
    #[must_use]
    pub const fn new(piece_length: u32) -> Self {
        Self { piece_length, leaves: Vec::new(), pieces: Vec::new() }
    }

    /// Takes the SHA-256 of the next 16 KiB block (the last one may be short).
    pub fn push_leaf(&mut self, leaf: Sha256Hash) {
        let per_piece = leaves_per_piece(self.piece_length);
        if self.leaves.len() == per_piece {
            self.pieces.push(padded_root(&self.leaves, 0, per_piece));
            self.leaves.clear();
        }
        self.leaves.push(leaf);
    }

    /// Takes the hash of the next whole piece (the last one may be short, but not the only one), as
    /// [`padded_root`] of its leaves gives it. Not to be mixed with [`push_leaf`](Self::push_leaf) within a piece.
    pub fn push_piece(&mut self, piece: Sha256Hash) {
        self.pieces.push(piece);
    }

    /// The hashes, or `None` for an empty file, which has none.
    #[must_use]
    pub fn finish(mut self) -> Option<FileHashes> {
        if self.pieces.is_empty() {
            let root = (!self.leaves.is_empty()).then(|| root(&self.leaves, 0))?;
            return Some(FileHashes { root, piece_layer: Vec::new() });
        }
        if !self.leaves.is_empty() {
            self.pieces.push(padded_root(&self.leaves, 0, leaves_per_piece(self.piece_length)));
        }
        let root = root_of_piece_layer(&self.pieces, self.piece_length);
        Some(FileHashes { root, piece_layer: self.pieces })
    }
}

/// The form of one file's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Leaves without padding, at least 1.
    leaves: u64,
}

impl Shape {
    /// Of the tree of a file; `None` for an empty file, which has none.
    #[must_use]
    pub const fn of_file(file_length: u64) -> Option<Self> {
        match leaf_count(file_length) {
            0 => None,
            leaves => Some(Self { leaves }),
        }
    }

    /// Number of the layer that holds the root.
    #[must_use]
    pub const fn height(self) -> u32 {
        match self.leaves.checked_next_power_of_two() {
            Some(width) => width.ilog2(),
            None => 64,
        }
    }

    /// Number of hashes of `layer` that have data below them; 0 above the root.
    #[must_use]
    pub fn hashes_in(self, layer: u32) -> u64 {
        if layer > self.height() {
            return 0;
        }
        1_u64.checked_shl(layer).map_or(1, |span| self.leaves.div_ceil(span))
    }
}

/// What a `hash request` message asks for, and a `hashes` message holds (BEP 52).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The layer of the hashes: 0 are the leaves.
    pub base_layer: u32,
    /// Number of the first hash in that layer; a multiple of `length`.
    pub index: u32,
    /// How many hashes of that layer; a power of two, at least 2.
    pub length: u32,
    /// How many layers above the base layer the proof spans.
    pub proof_layers: u32,
}

/// Why a `hash request` or `hashes` message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    /// `length` is not a power of two of at least 2 and at most [`MAX_HASHES_PER_MESSAGE`].
    #[error("length {0} of a hash range is not a power of two within bounds")]
    Length(u32),
    /// `index` is no multiple of `length`.
    #[error("index {0} of a hash range is not a multiple of its length")]
    Misaligned(u32),
    /// Layer or index are beyond the tree.
    #[error("a hash range lies outside the tree")]
    OutOfRange,
    /// More proof layers than there are below the root.
    #[error("{0} proof layers are more than the tree has")]
    ProofLayers(u32),
    /// The proof does not reach the root.
    #[error("a proof of {0} layers does not reach the root")]
    Incomplete(u32),
    /// Not the number of hashes that was asked for.
    #[error("{actual} hashes instead of {expected}")]
    Count {
        /// As the range says.
        expected: usize,
        /// As they came.
        actual: usize,
    },
    /// The hashes do not lead to the root.
    #[error("the hashes do not lead to the root")]
    Mismatch,
}

impl HashRange {
    /// Checks that this range lies within a tree.
    pub fn check(self, shape: Shape) -> Result<(), ProofError> {
        if !self.length.is_power_of_two() || self.length < 2 || self.length > MAX_HASHES_PER_MESSAGE {
            return Err(ProofError::Length(self.length));
        }
        if !self.index.is_multiple_of(self.length) {
            return Err(ProofError::Misaligned(self.index));
        }
        let above = shape.height().checked_sub(self.base_layer).ok_or(ProofError::OutOfRange)?;
        if u64::from(self.index) >= shape.hashes_in(self.base_layer) || self.length.ilog2() > above {
            return Err(ProofError::OutOfRange);
        }
        if self.proof_layers >= above {
            return Err(ProofError::ProofLayers(self.proof_layers));
        }
        Ok(())
    }

    /// Number of uncle hashes that follow the `length` hashes: "the first log2(length)-1 proof layers are omitted".
    #[must_use]
    pub fn uncles(self) -> usize {
        let omitted = self.length.checked_ilog2().unwrap_or(0).saturating_sub(1);
        self.proof_layers.saturating_sub(omitted) as usize
    }

    /// Number of hashes that a `hashes` message for this range holds.
    #[must_use]
    pub fn hash_count(self) -> usize {
        (self.length as usize).saturating_add(self.uncles())
    }

    /// The range with as many proof layers as lead to the root.
    #[must_use]
    pub fn with_full_proof(self, shape: Shape) -> Self {
        Self { proof_layers: shape.height().saturating_sub(self.base_layer).saturating_sub(1), ..self }
    }

    /// The number of the node above the whole range, in its own layer.
    fn node(self) -> u32 {
        self.index.checked_div(self.length).unwrap_or(0)
    }

    /// Checks the hashes of a `hashes` message against the root of the file. Then the first `length` of them are the
    /// true hashes of the base layer; those beyond the end of the file are padding.
    pub fn verify(self, root: &Sha256Hash, shape: Shape, hashes: &[Sha256Hash]) -> Result<(), ProofError> {
        self.check(shape)?;
        let expected = self.hash_count();
        let (base, uncles) = hashes
            .split_at_checked(self.length as usize)
            .filter(|_| hashes.len() == expected)
            .ok_or(ProofError::Count { expected, actual: hashes.len() })?;
        let covered = self.base_layer.saturating_add(self.length.ilog2());
        if (covered as usize).saturating_add(uncles.len()) != shape.height() as usize {
            return Err(ProofError::Incomplete(self.proof_layers));
        }
        let node = padded_root(base, self.base_layer, base.len());
        let top = climb(node, self.node(), uncles);
        if top == *root { Ok(()) } else { Err(ProofError::Mismatch) }
    }
}

/// The hash above `node`, the `index`-th of its layer, and its uncles, lowest first.
fn climb(node: Sha256Hash, index: u32, uncles: &[Sha256Hash]) -> Sha256Hash {
    let sides = iter::successors(Some(index), |index| Some(index / 2));
    uncles.iter().zip(sides).fold(node, |node, (uncle, index)| {
        if index.is_multiple_of(2) { parent(&node, uncle) } else { parent(uncle, &node) }
    })
}

/// The upper part of a file's tree: a base layer and all above it. Answers `hash request` messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    shape: Shape,
    base_layer: u32,
    /// From the base layer to the root, each without what covers only padding.
    layers: Vec<Vec<Sha256Hash>>,
}

impl Tree {
    /// The tree above all hashes of `base_layer`; `None` when their number does not fit the file.
    #[must_use]
    pub fn new(shape: Shape, base_layer: u32, hashes: Vec<Sha256Hash>) -> Option<Self> {
        if base_layer > shape.height() || hashes.len() as u64 != shape.hashes_in(base_layer) {
            return None;
        }
        let mut padding = padding(base_layer);
        let mut layers = vec![hashes];
        for _ in base_layer..shape.height() {
            let above = next_layer(layers.last()?, &padding);
            padding = parent(&padding, &padding);
            layers.push(above);
        }
        Some(Self { shape, base_layer, layers })
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Sha256Hash {
        self.layers.last().and_then(|layer| layer.first()).copied().unwrap_or(Sha256Hash::ZERO)
    }

    /// A hash, padding included; `None` below the base layer and outside the tree.
    #[must_use]
    pub fn hash(&self, layer: u32, index: u64) -> Option<Sha256Hash> {
        let above = self.shape.height().checked_sub(layer)?;
        if 1_u64.checked_shl(above).is_some_and(|width| index >= width) {
            return None;
        }
        let row = self.layers.get(layer.checked_sub(self.base_layer)? as usize)?;
        Some(
            usize::try_from(index)
                .ok()
                .and_then(|index| row.get(index))
                .copied()
                .unwrap_or_else(|| padding(layer)),
        )
    }

    /// The content of the `hashes` message for `range`, whose base layer must be at or above the tree's.
    pub fn answer(&self, range: HashRange) -> Result<Vec<Sha256Hash>, ProofError> {
        range.check(self.shape)?;
        let end = u64::from(range.index).saturating_add(u64::from(range.length));
        let base = (u64::from(range.index)..end).map(|index| self.hash(range.base_layer, index));
        let node_layer = range.base_layer.saturating_add(range.length.ilog2());
        let node = u64::from(range.node());
        let uncles = self.uncles(node_layer, node).take(range.uncles()).map(Some);
        base.chain(uncles).collect::<Option<Vec<_>>>().ok_or(ProofError::OutOfRange)
    }

    /// The content of the `hashes` message for leaves, from a tree that begins at the piece layer and the leaves of
    /// one piece (all of them, padding left out). `range` must lie within that piece.
    pub fn answer_leaves(
        &self,
        leaves: &[Sha256Hash],
        range: HashRange,
    ) -> Result<Vec<Sha256Hash>, ProofError> {
        range.check(self.shape)?;
        let per_piece = 1_u32.checked_shl(self.base_layer).ok_or(ProofError::OutOfRange)?;
        if range.base_layer != 0 || range.length > per_piece {
            return Err(ProofError::OutOfRange);
        }
        let piece = range.index.checked_shr(self.base_layer).ok_or(ProofError::OutOfRange)?;
        let of_piece = Shape { leaves: u64::from(per_piece) };
        let mut padded = leaves.to_vec();
        padded.resize(per_piece as usize, Sha256Hash::ZERO);
        let below = Self::new(of_piece, 0, padded).filter(|_| leaves.len() <= per_piece as usize);
        let below = below.ok_or(ProofError::OutOfRange)?;
        if Some(below.root()) != self.hash(self.base_layer, u64::from(piece)) {
            return Err(ProofError::Mismatch);
        }
        let within = range.index.checked_rem(per_piece).ok_or(ProofError::OutOfRange)?;
        let end = within.saturating_add(range.length);
        let base = (within..end).map(|index| below.hash(0, u64::from(index)));
        let node = u64::from(HashRange { index: within, ..range }.node());
        let uncles = below
            .uncles(range.length.ilog2(), node)
            .chain(self.uncles(self.base_layer, u64::from(piece)))
            .take(range.uncles())
            .map(Some);
        base.chain(uncles).collect::<Option<Vec<_>>>().ok_or(ProofError::OutOfRange)
    }

    /// The siblings of a node and of all above it but the root.
    fn uncles(&self, layer: u32, index: u64) -> impl Iterator<Item = Sha256Hash> + '_ {
        let path = iter::successors(Some(index), |index| Some(index / 2));
        (layer..self.shape.height()).zip(path).map_while(|(layer, index)| self.hash(layer, index ^ 1))
    }
}
