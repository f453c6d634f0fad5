//! Hashing what is on disk: one piece for the workers, all pieces for whoever makes or verifies a torrent.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sha1::{Digest as _, Sha1};
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::StorageError;
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};

use super::content::Content;
use crate::hashing::PieceDigest;

/// Bytes read at a time while hashing: small enough to be still in the second-level cache when they are hashed,
/// a multiple of the block.
const STRETCH: usize = 256 * 1024;

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
