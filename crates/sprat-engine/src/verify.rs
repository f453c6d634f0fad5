//! Checking files on disk against a torrent, without a session.

use std::path::Path;
use std::sync::Arc;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::Geometry;
use sprat_core::storage::{StorageError, StorageErrorKind};
use sprat_wire::metainfo::Metainfo;

use crate::storage::{Content, FilePool, hash_all, thread_count};

/// Files kept open while hashing.
const OPEN_FILES: usize = 64;

/// What a check has found.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// The pieces that are there and match.
    pub good: Bitfield,
    /// The files, in the order of the torrent, padding left out.
    pub files: Vec<FileReport>,
}

/// What a check has found of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its path below the directory.
    pub path: String,
    /// Bytes that it should have.
    pub length: u64,
    /// Pieces that hold bytes of it.
    pub pieces: u32,
    /// How many of them are missing or do not match.
    pub bad: u32,
}

impl VerifyReport {
    /// Everything is there and matches.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.good.is_full()
    }
}

/// Hashes everything that `metainfo` describes below `directory`. Missing files are bad pieces, not an error.
pub fn verify(
    metainfo: &Metainfo,
    directory: &Path,
    threads: Option<usize>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport, StorageError> {
    let geometry = Arc::new(Geometry::new(&metainfo.info));
    let total = geometry.total_length();
    let pool = Arc::new(FilePool::new(OPEN_FILES));
    let info = Arc::clone(&metainfo.info);
    let content = Content::to_read(directory.to_path_buf(), info, Arc::clone(&geometry), pool);
    let wanted = (metainfo.info.is_v1(), metainfo.info.is_v2());
    let outcomes =
        hash_all(&content, wanted, thread_count(threads), &|done| progress(done, total), |piece, digest| {
            match digest {
                Ok(digest) => Ok(digest.compare(&geometry.expected_hash(metainfo, piece)).is_good()),
                Err(error) if error.kind == StorageErrorKind::Changed => Ok(false),
                Err(error) => Err(error),
            }
        })?;
    let mut good = Bitfield::new(geometry.pieces());
    for (piece, is_good) in geometry.all_pieces().zip(outcomes) {
        if is_good {
            good.insert(piece.get());
        }
    }
    let files = metainfo.info.files.iter().enumerate().filter(|(_, file)| !file.attributes.pad);
    let files = files.map(|(at, file)| {
        let pieces = geometry.pieces_of(at);
        let bad = pieces.clone().filter(|piece| !good.contains(*piece)).count();
        FileReport {
            path: file.path.clone(),
            length: file.length,
            pieces: pieces.end - pieces.start,
            bad: u32::try_from(bad).unwrap_or(u32::MAX),
        }
    });
    Ok(VerifyReport { files: files.collect(), good })
}
