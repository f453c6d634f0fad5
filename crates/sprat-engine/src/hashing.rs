//! Hashing of pieces: what the workers, the check and the maker of torrents share.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sha1::Digest as _;
use sha1::Sha1;
use sprat_core::geometry::{Geometry, PieceIndex};
use sprat_core::storage::{ExpectedHash, StorageError};
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::{BLOCK_LENGTH, merkle};

use crate::storage::Content;

/// Bytes read at a time while hashing: small enough to be still in the second-level cache when they are hashed,
/// a multiple of the block.
const STRETCH: usize = 256 * 1024;

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

/// Reads a piece from disk and hashes it. `buffer` is scratch space that is kept from piece to piece.
pub(crate) fn hash_stored(
    content: &Content,
    piece: PieceIndex,
    v1: bool,
    v2: bool,
    buffer: &mut Vec<u8>,
) -> Result<PieceDigest, StorageError> {
    let length = content.geometry.length_of(piece) as usize;
    let data = if v2 { content.geometry.data_length_of(piece) as usize } else { 0 };
    let mut sha1 = v1.then(Sha1::new);
    let mut leaves = Vec::with_capacity(data.div_ceil(BLOCK_LENGTH as usize));
    buffer.resize(STRETCH, 0);
    content.will_read(piece);
    let mut at = 0;
    while at < length {
        let Some(stretch) = buffer.get_mut(..STRETCH.min(length - at)) else { break };
        content.read(piece, u32::try_from(at).unwrap_or(u32::MAX), stretch)?;
        if let Some(sha1) = &mut sha1 {
            sha1.update(&*stretch);
        }
        let hashed = stretch.len().min(data.saturating_sub(at));
        let blocks = stretch.get(..hashed).unwrap_or_default().chunks(BLOCK_LENGTH as usize);
        leaves.extend(blocks.map(Sha256Hash::digest));
        at += stretch.len();
    }
    Ok(PieceDigest { v1: sha1.map(|sha1| Sha1Hash(sha1.finalize().into())), leaves })
}

/// How many bytes of the block at `begin` of `piece` a v2 leaf covers: padding is left out (BEP 52).
pub(crate) fn leaf_length(geometry: &Geometry, piece: PieceIndex, begin: u32) -> usize {
    geometry.data_length_of(piece).saturating_sub(begin).min(BLOCK_LENGTH) as usize
}

/// Hashes every piece of `content` on `threads` threads, each piece as [`hash_stored`] does, and makes `outcome` of its
/// digest on the thread that hashed it. Results are in the order of the pieces. `progress` is told the bytes hashed so
/// far. Ends early when `outcome` fails.
pub(crate) fn hash_all<T: Send, E: Send>(
    content: &Content,
    (v1, v2): (bool, bool),
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
    outcome: impl Fn(PieceIndex, Result<PieceDigest, StorageError>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let pieces = content.geometry.pieces();
    let next = AtomicU32::new(0);
    let done = AtomicU64::new(0);
    let hash_share = || {
        let mut share = Vec::new();
        let mut buffer = Vec::new();
        while let Some(piece) = content.geometry.piece(next.fetch_add(1, Ordering::Relaxed)) {
            match outcome(piece, hash_stored(content, piece, v1, v2, &mut buffer)) {
                Ok(result) => share.push((piece, result)),
                Err(error) => {
                    // Nobody begins another piece.
                    next.store(pieces, Ordering::Relaxed);
                    return Err(error);
                }
            }
            let length = u64::from(content.geometry.length_of(piece));
            progress(done.fetch_add(length, Ordering::Relaxed) + length);
        }
        Ok(share)
    };
    let shares = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(hash_share)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(share) => share,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>, E>>()
    })?;
    let mut all: Vec<(PieceIndex, T)> = shares.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(piece, _)| *piece);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

/// One thread per core, unless the user wants otherwise.
pub(crate) fn thread_count(wanted: Option<usize>) -> usize {
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}
