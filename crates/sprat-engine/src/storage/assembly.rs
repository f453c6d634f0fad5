//! One piece being put together out of blocks. What can be hashed side by side is: the blocks of a v2 piece as they come,
//! whole v1 pieces with others (see [`super::finishing`]); a large v1 piece is hashed as it grows.

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use sprat_core::geometry::{BlockRef, Geometry, PieceIndex};
use sprat_core::storage::{ExpectedHash, StorageError};
use sprat_hash::Batch;
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::metainfo::Version;

use super::content::Content;
use super::fault::other;
use crate::hashing::{Agreement, PieceDigest, leaf_length};

/// Larger pieces are not kept until several can be hashed together: that would take too much memory.
const LARGEST_KEPT: u32 = 2 << 20;

/// What padding holds. A block is at most this long.
static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// A piece of which some blocks were received.
///
/// Whatever a peer sent for padding is replaced by the zeros that padding is: it can neither spoil a hash nor make a
/// hybrid torrent look as if it contradicted itself. Blocks of nothing but padding need not be given at all.
#[derive(Debug)]
pub(super) struct Assembly {
    piece: PieceIndex,
    version: Version,
    blocks: Vec<Block>,
    /// SHA-256 of each block, once known: v2 leaves, and for v1 the fingerprints by which a bad block is found.
    leaves: Vec<Option<Sha256Hash>>,
    /// Blocks taken in since leaves were hashed last.
    fresh: usize,
    prefix: Prefix,
    /// SHA-1 is taken of blocks as they come.
    grows_hashed: bool,
    /// Bytes of received blocks in memory.
    held: usize,
}

#[derive(Debug, Clone)]
enum Block {
    Missing,
    Held(Bytes),
    /// In the file already, because memory was short. Not claimed.
    Written,
    /// Nothing but zeros, in no file.
    Padding(Bytes),
}

/// SHA-1 over the first blocks.
#[derive(Debug, Clone, Default)]
struct Prefix {
    sha1: Sha1,
    blocks: usize,
}

/// A piece with all blocks, hashed.
#[derive(Debug)]
pub(super) struct Hashed {
    pub(super) agreement: Agreement,
    /// SHA-256 of each block, if asked for or if the piece is bad.
    pub(super) leaves: Option<Vec<Sha256Hash>>,
}

impl Assembly {
    pub(super) fn new(geometry: &Geometry, piece: PieceIndex) -> Self {
        let length = geometry.length_of(piece);
        let blocks: Vec<_> = (0..length.div_ceil(BLOCK_LENGTH))
            .map(|index| {
                let begin = index * BLOCK_LENGTH;
                let block_length = (length - begin).min(BLOCK_LENGTH);
                if geometry.slices(piece, begin, block_length).next().is_some() {
                    return Block::Missing;
                }
                Block::Padding(Bytes::from_static(&ZEROS).slice(..block_length as usize))
            })
            .collect();
        let (version, leaves) = (geometry.version(), vec![None; blocks.len()]);
        let grows_hashed = version != Version::V2 && length > LARGEST_KEPT;
        Self { piece, version, blocks, leaves, fresh: 0, prefix: Prefix::default(), grows_hashed, held: 0 }
    }

    /// Bytes of received blocks in memory.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Takes a block, and hashes what is better hashed now.
    pub(super) fn take_in(
        &mut self,
        geometry: &Geometry,
        block: BlockRef,
        data: Bytes,
    ) -> Result<(), StorageError> {
        let index = block.index() as usize;
        if data.len() != block.length() as usize {
            return Err(other(format!("{block:?}: given {} bytes", data.len())));
        }
        let Some(slot) = self.blocks.get_mut(index) else {
            return Err(other(format!("{block:?}: no such block")));
        };
        match slot {
            Block::Padding(_) => return Ok(()),
            Block::Held(before) => self.held -= before.len(),
            Block::Missing | Block::Written => {}
        }
        let data = without_padding(geometry, block, data);
        self.held += data.len();
        *slot = Block::Held(data);
        if let Some(leaf) = self.leaves.get_mut(index) {
            *leaf = None;
        }
        if index < self.prefix.blocks {
            // Sent a second time, and it may differ from what was hashed.
            self.prefix = Prefix::default();
        }
        if self.grows_hashed {
            self.extend_prefix();
        }
        self.fresh += 1;
        if self.version != Version::V1 && self.fresh >= sprat_hash::lanes() {
            self.hash_held(geometry);
        }
        Ok(())
    }

    /// All blocks, if all are in memory and SHA-1 has yet to be taken of the first.
    pub(super) fn unhashed(&self) -> Option<impl Iterator<Item = &[u8]>> {
        let is_unhashed = self.prefix.blocks == 0 && self.blocks.iter().all(|block| block.bytes().is_some());
        is_unhashed.then(|| self.blocks.iter().filter_map(Block::bytes).map(AsRef::as_ref))
    }

    /// Hashes the whole piece, with its SHA-1 if that is known. An error when blocks are missing, or what was written early
    /// cannot be read.
    pub(super) fn hash(
        &mut self,
        content: &Content,
        expected: &ExpectedHash,
        leaves: bool,
        sha1: Option<Sha1Hash>,
        buffer: &mut Vec<u8>,
    ) -> Result<Hashed, StorageError> {
        if self.blocks.iter().any(|block| matches!(block, Block::Missing)) {
            return Err(other(format!("piece {:?} was not given completely", self.piece)));
        }
        let v1 = match (expected.v1, sha1) {
            (Some(_), None) => Some(self.finish_prefix(content, buffer)?),
            (Some(_), known) => known,
            (None, _) => None,
        };
        let data_blocks = content.geometry.data_length_of(self.piece).div_ceil(BLOCK_LENGTH) as usize;
        let mut digest = PieceDigest { v1, leaves: Vec::new() };
        if expected.v2.is_some() {
            self.fill_leaves(content, buffer)?;
            digest.leaves = self.leaves.iter().take(data_blocks).copied().flatten().collect();
        }
        let agreement = digest.compare(expected);
        let leaves = if leaves || !agreement.is_good() {
            self.fill_leaves(content, buffer)?;
            Some(self.leaves.iter().copied().flatten().collect())
        } else {
            None
        };
        Ok(Hashed { agreement, leaves })
    }

    /// Writes what is held, run by run, and lets go of it.
    pub(super) fn write(&mut self, content: &Content) -> Result<(), StorageError> {
        let mut from = 0;
        while from < self.blocks.len() {
            let run: Vec<Bytes> = self.blocks.iter().skip(from).map_while(Block::bytes).cloned().collect();
            if run.is_empty() {
                from += 1;
                continue;
            }
            content.write(self.piece, begin_of(from), &run)?;
            from += run.len();
        }
        for block in &mut self.blocks {
            if matches!(block, Block::Held(_)) {
                *block = Block::Written;
            }
        }
        self.held = 0;
        Ok(())
    }

    /// Writes what is held although the piece is not whole: memory is short. Hashes what it can first, so that little has
    /// to be read back.
    pub(super) fn write_early(&mut self, content: &Content) -> Result<(), StorageError> {
        self.hash_held(&content.geometry);
        if self.version != Version::V2 {
            self.extend_prefix();
        }
        self.write(content)
    }

    /// SHA-256 of each block in memory that has none yet, side by side.
    fn hash_held(&mut self, geometry: &Geometry) {
        self.fresh = 0;
        let mut batch = Batch::new();
        let mut hashed = Vec::new();
        for (index, (block, leaf)) in self.blocks.iter().zip(&mut self.leaves).enumerate() {
            let (Some(data), None) = (block.bytes(), &leaf) else { continue };
            match leaf_of(geometry, self.piece, begin_of(index), self.version, data) {
                Some(bytes) => {
                    batch.push(bytes);
                    hashed.push(leaf);
                }
                None => *leaf = Some(Sha256Hash::ZERO),
            }
        }
        let mut digests = Vec::with_capacity(batch.len());
        batch.sha256(&mut digests);
        for (leaf, digest) in hashed.into_iter().zip(digests) {
            *leaf = Some(Sha256Hash(digest));
        }
    }

    fn extend_prefix(&mut self) {
        while let Some(data) = self.blocks.get(self.prefix.blocks).and_then(Block::bytes) {
            self.prefix.sha1.update(data);
            self.prefix.blocks += 1;
        }
    }

    /// SHA-1 of the whole piece; reads back what was written early before it could be hashed.
    fn finish_prefix(&mut self, content: &Content, buffer: &mut Vec<u8>) -> Result<Sha1Hash, StorageError> {
        self.extend_prefix();
        while self.prefix.blocks < self.blocks.len() {
            self.read_back(content, self.prefix.blocks, buffer)?;
            self.prefix.sha1.update(&*buffer);
            self.prefix.blocks += 1;
            self.extend_prefix();
        }
        Ok(Sha1Hash(self.prefix.sha1.clone().finalize().into()))
    }

    fn fill_leaves(&mut self, content: &Content, buffer: &mut Vec<u8>) -> Result<(), StorageError> {
        self.hash_held(&content.geometry);
        for index in 0..self.blocks.len() {
            if self.leaves.get(index).is_none_or(Option::is_some) {
                continue;
            }
            self.read_back(content, index, buffer)?;
            let leaf = leaf_of(&content.geometry, self.piece, begin_of(index), self.version, buffer);
            if let Some(slot) = self.leaves.get_mut(index) {
                *slot = Some(leaf.map_or(Sha256Hash::ZERO, Sha256Hash::digest));
            }
        }
        Ok(())
    }

    fn read_back(&self, content: &Content, index: usize, buffer: &mut Vec<u8>) -> Result<(), StorageError> {
        let begin = begin_of(index);
        let length = content.geometry.length_of(self.piece).saturating_sub(begin).min(BLOCK_LENGTH);
        buffer.resize(length as usize, 0);
        content.read(self.piece, begin, buffer)
    }
}

impl Block {
    /// What it holds, if that is in memory.
    const fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Held(data) | Self::Padding(data) => Some(data),
            Self::Missing | Self::Written => None,
        }
    }
}

fn begin_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(BLOCK_LENGTH)
}

/// What the v2 leaf of a block is taken of (of nothing for a block of padding, whose leaf is zero, as BEP 52 has it), or in a
/// v1 torrent its fingerprint: all of it.
fn leaf_of<'a>(
    geometry: &Geometry,
    piece: PieceIndex,
    begin: u32,
    version: Version,
    data: &'a [u8],
) -> Option<&'a [u8]> {
    let length = if version == Version::V1 { data.len() } else { leaf_length(geometry, piece, begin) };
    (length > 0).then(|| data.get(..length).unwrap_or(data))
}

/// The block with zeros for padding. Copies only blocks that are partly padding.
fn without_padding(geometry: &Geometry, block: BlockRef, data: Bytes) -> Bytes {
    let slices = geometry.slices(block.piece(), block.begin(), block.length());
    if slices.map(|slice| slice.length).sum::<u64>() == u64::from(block.length()) {
        return data;
    }
    let mut clean = vec![0; data.len()];
    for slice in geometry.slices(block.piece(), block.begin(), block.length()) {
        let from = (slice.begin - block.begin()) as usize;
        let range = from..from + slice.length as usize;
        if let (Some(to), Some(from)) = (clean.get_mut(range.clone()), data.get(range)) {
            to.copy_from_slice(from);
        }
    }
    clean.into()
}
