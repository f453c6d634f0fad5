//! Hashing what is on disk: one piece for the workers, all pieces for whoever makes or verifies a torrent.
//!
//! SHA-1 of one piece is a chain that leaves most of a processor idle, so that whoever has all pieces to hash reads
//! several and hashes them side by side. The blocks of a v2 torrent are that many messages by themselves.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sha1::{Digest as _, Sha1};
use sprat_core::geometry::{Geometry, PieceIndex};
use sprat_core::storage::StorageError;
use sprat_hash::Batch;
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};

use super::content::Content;
use crate::hashing::PieceDigest;

/// Bytes read at a time while hashing: small enough to be still in the second-level cache when they are hashed,
/// and as many blocks as are hashed side by side.
const STRETCH: usize = 256 * 1024;

/// Bytes of pieces that one thread holds to hash them side by side. Larger pieces are hashed one by one.
const RUN: u64 = 32 * 1024 * 1024;

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
    buffer.resize(buffer.len().max(STRETCH), 0);
    content.will_read(piece);
    let mut at = 0;
    while at < length {
        let Some(stretch) = buffer.get_mut(..STRETCH.min(length - at)) else { break };
        content.read(piece, u32::try_from(at).unwrap_or(u32::MAX), stretch)?;
        if let Some(sha1) = &mut sha1 {
            sha1.update(&*stretch);
        }
        let hashed = stretch.len().min(data.saturating_sub(at));
        leaves.extend(hash_blocks(stretch.get(..hashed).unwrap_or_default()));
        at += stretch.len();
    }
    Ok(PieceDigest { v1: sha1.map(|sha1| Sha1Hash(sha1.finalize().into())), leaves })
}

/// Reads pieces and hashes them side by side. The digests are in their order.
pub(super) fn hash_together(
    content: &Content,
    pieces: &[PieceIndex],
    (v1, v2): (bool, bool),
    buffer: &mut Vec<u8>,
) -> Vec<Result<PieceDigest, StorageError>> {
    let geometry = &content.geometry;
    // Of a lone piece each stretch is hashed while it is warm, and blocks lie side by side within one.
    if !v1 || pieces.len() < 2 {
        return pieces.iter().map(|piece| hash_stored(content, *piece, v1, v2, buffer)).collect();
    }
    let length: usize = pieces.iter().map(|piece| geometry.length_of(*piece) as usize).sum();
    buffer.resize(buffer.len().max(length), 0);
    for piece in pieces {
        content.will_read(*piece);
    }
    let mut rest = buffer.as_mut_slice();
    let mut read = Vec::with_capacity(pieces.len());
    for &piece in pieces {
        let (bytes, behind) = std::mem::take(&mut rest).split_at_mut(geometry.length_of(piece) as usize);
        rest = behind;
        let outcome = content.read(piece, 0, bytes).map(|()| &*bytes);
        read.push((piece, outcome));
    }
    let batch: Batch<'_> = read.iter().filter_map(|(_, bytes)| bytes.as_ref().ok().copied()).collect();
    let mut digests = Vec::with_capacity(batch.len());
    batch.sha1(&mut digests);
    let mut digests = digests.into_iter();
    let mut digest = |piece, bytes: &[u8]| PieceDigest {
        v1: digests.next().map(Sha1Hash),
        leaves: if v2 { hash_blocks(data_of(geometry, piece, bytes)) } else { Vec::new() },
    };
    read.into_iter().map(|(piece, bytes)| bytes.map(|bytes| digest(piece, bytes))).collect()
}

/// A piece without the padding behind its data.
fn data_of<'a>(geometry: &Geometry, piece: PieceIndex, bytes: &'a [u8]) -> &'a [u8] {
    bytes.get(..geometry.data_length_of(piece) as usize).unwrap_or(bytes)
}

/// SHA-256 of each block.
fn hash_blocks(data: &[u8]) -> Vec<Sha256Hash> {
    let blocks: Batch<'_> = data.chunks(BLOCK_LENGTH as usize).collect();
    let mut digests = Vec::with_capacity(blocks.len());
    blocks.sha256(&mut digests);
    digests.into_iter().map(Sha256Hash).collect()
}

/// How many pieces one thread takes at a time: as many as are hashed side by side, unless they are too large for that
/// or so few that some threads would have none.
fn run_length(geometry: &Geometry, threads: usize) -> u32 {
    let side_by_side = u32::try_from(sprat_hash::lanes()).unwrap_or(1);
    let held = u32::try_from(RUN / u64::from(geometry.piece_length().max(1))).unwrap_or(u32::MAX);
    let fair = geometry.pieces().div_ceil(u32::try_from(threads).unwrap_or(u32::MAX).max(1));
    side_by_side.min(held).min(fair).max(1)
}

/// Hashes every piece of `content` on `threads` threads, and makes `outcome` of its digest on the thread that hashed it.
/// Results are in the order of the pieces. `progress` is told the bytes hashed so far. Ends early when `outcome` fails.
pub(crate) fn hash_all<T: Send, E: Send>(
    content: &Content,
    (v1, v2): (bool, bool),
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
    outcome: impl Fn(PieceIndex, Result<PieceDigest, StorageError>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let pieces = content.geometry.pieces();
    let run = run_length(&content.geometry, threads);
    let runs = pieces.div_ceil(run);
    let next = AtomicU32::new(0);
    let done = AtomicU64::new(0);
    let hash_share = || {
        let mut share = Vec::new();
        let mut buffer = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= runs {
                return Ok(share);
            }
            let first = at * run;
            let run = first..pieces.min(first.saturating_add(run));
            let run: Vec<PieceIndex> = run.filter_map(|piece| content.geometry.piece(piece)).collect();
            let digests = hash_together(content, &run, (v1, v2), &mut buffer);
            for (piece, digest) in run.into_iter().zip(digests) {
                match outcome(piece, digest) {
                    Ok(result) => share.push((piece, result)),
                    Err(error) => {
                        // Nobody begins another run.
                        next.store(runs, Ordering::Relaxed);
                        return Err(error);
                    }
                }
                let length = u64::from(content.geometry.length_of(piece));
                progress(done.fetch_add(length, Ordering::Relaxed) + length);
            }
        }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use sprat_wire::metainfo::{Attributes, File, Info, Version};

    use super::*;
    use crate::storage::FilePool;

    const PIECE: u32 = 32 * 1024;

    /// Three files, the second of which is missing, in a directory of their own.
    fn content(version: Version) -> (tempfile::TempDir, Content) {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<File> = [("a", 40 * PIECE), ("b", 2 * PIECE), ("c", 9 * PIECE + 17)]
            .into_iter()
            .map(|(path, length)| File {
                path: path.to_owned(),
                original_path: None,
                length: u64::from(length),
                attributes: Attributes::default(),
                pieces_root: None,
            })
            .collect();
        for file in files.iter().filter(|file| file.path != "b") {
            let bytes: Vec<u8> =
                (0..file.length).map(|at| (at % 251) as u8 ^ file.path.as_bytes()[0]).collect();
            std::fs::write(directory.path().join(&file.path), bytes).unwrap();
        }
        let info = Arc::new(Info {
            name: "x".to_owned(),
            version,
            piece_length: PIECE,
            files,
            v1_pieces: None,
            private: false,
            single_file: false,
            similar: Vec::new(),
            collections: Vec::new(),
        });
        let geometry = Arc::new(Geometry::new(&info));
        let pool = Arc::new(FilePool::new(8));
        let content = Content::to_read(directory.path().to_path_buf(), info, geometry, pool);
        (directory, content)
    }

    #[test]
    fn pieces_side_by_side_hash_to_what_each_hashes_to_by_itself() {
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let (_directory, content) = content(version);
            let (v1, v2) = (version != Version::V2, version != Version::V1);
            let mut buffer = Vec::new();
            let one_by_one: Vec<Option<PieceDigest>> = content
                .geometry
                .all_pieces()
                .map(|piece| hash_stored(&content, piece, v1, v2, &mut buffer).ok())
                .collect();
            assert_eq!(one_by_one.iter().filter(|digest| digest.is_none()).count(), 2, "of the missing file");
            for threads in [1, 2, 7] {
                let outcome = |_, digest: Result<PieceDigest, StorageError>| Ok::<_, Infallible>(digest.ok());
                let all = hash_all(&content, (v1, v2), threads, &|_| (), outcome).unwrap();
                assert_eq!(all, one_by_one, "{version:?} on {threads} threads");
            }
        }
    }
}
