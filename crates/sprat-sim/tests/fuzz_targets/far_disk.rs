//! A disk that answers when it is told to, and can fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{CommitError, Found, StorageError, StorageErrorKind, StorageReply, StorageRequest};
use sprat_sim::Disk;

/// What is there at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// As the disk itself says.
    Plain,
    /// Files without a resume record.
    Unchecked,
}

#[derive(Debug)]
pub(crate) struct FarDisk {
    disk: Disk,
    start: Start,
    waiting: VecDeque<StorageRequest>,
    /// Offsets of the blocks that are held for each piece.
    held: BTreeMap<PieceIndex, BTreeSet<u32>>,
    /// What has passed its hash, or was found with a resume record: what may be claimed.
    verified: Bitfield,
    commits_failed: u32,
}

impl FarDisk {
    pub(crate) fn new(disk: Disk, start: Start) -> Self {
        let verified = Bitfield::new(disk.have().len());
        Self { disk, start, waiting: VecDeque::new(), held: BTreeMap::new(), verified, commits_failed: 0 }
    }

    pub(crate) const fn verified(&self) -> &Bitfield {
        &self.verified
    }

    pub(crate) fn ask(&mut self, request: StorageRequest) {
        self.waiting.push_back(request);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The request that is served next when somebody picks the `nth`: requests of one piece keep their order, and one
    /// that is about no piece waits for those before it.
    fn take(&mut self, nth: usize) -> Option<StorageRequest> {
        let piece = piece_of(self.waiting.get(nth)?);
        let first = |request: &StorageRequest| piece.is_some() && piece_of(request) == piece;
        let barrier =
            self.waiting.iter().position(|request| piece_of(request).is_none()).unwrap_or(usize::MAX);
        let at = self.waiting.iter().position(first).filter(|at| *at < barrier).unwrap_or(0);
        self.waiting.remove(at)
    }

    /// Does as asked.
    pub(crate) fn serve(&mut self, nth: usize) -> Option<StorageReply> {
        let request = self.take(nth)?;
        match &request {
            StorageRequest::Open { torrent, .. } if self.start == Start::Unchecked => {
                let found = Found::unchecked(Bitfield::full(self.verified.len()));
                return Some(StorageReply::Opened { torrent: *torrent, result: Ok(found) });
            }
            StorageRequest::Write { block, .. } => {
                self.held.entry(block.piece()).or_default().insert(block.begin());
            }
            StorageRequest::Forget { piece, .. } => {
                self.held.remove(piece);
            }
            StorageRequest::Finish { torrent, piece, .. } => {
                let held = self.held.remove(piece).unwrap_or_default().len();
                // A write has failed since: what is there cannot be judged.
                if held < self.blocks_in(*piece) {
                    return Some(StorageReply::Failed { torrent: *torrent, piece: *piece, error: error(0) });
                }
            }
            _ => {}
        }
        let reply = self.disk.serve(request);
        match &reply {
            Some(StorageReply::Opened { result: Ok(found), .. }) => self.verified = found.have.clone(),
            Some(
                StorageReply::Stored { piece, .. } | StorageReply::Verified { piece, result: Ok(true), .. },
            ) => {
                self.verified.insert(piece.get());
            }
            _ => {}
        }
        reply
    }

    /// Cannot do as asked.
    pub(crate) fn fail(&mut self, nth: usize, kind: u8) -> Option<StorageReply> {
        let request = self.take(nth)?;
        let error = error(kind);
        Some(match request {
            StorageRequest::Open { torrent, .. } => StorageReply::Opened { torrent, result: Err(error) },
            StorageRequest::Write { torrent, block, .. } => self.drop_piece(torrent, block.piece(), error),
            StorageRequest::Finish { torrent, piece, .. } => self.drop_piece(torrent, piece, error),
            StorageRequest::Verify { torrent, piece, .. } => {
                StorageReply::Verified { torrent, piece, result: Err(error) }
            }
            StorageRequest::Read { torrent, token, .. } => {
                StorageReply::Read { torrent, token, result: Err(error) }
            }
            StorageRequest::Leaves { torrent, token, .. } => {
                StorageReply::Leaves { torrent, token, result: Err(error) }
            }
            StorageRequest::Commit { torrent, .. } => {
                // Both ways in turn, whatever the kind of trouble.
                self.commits_failed += 1;
                let in_content = self.commits_failed.is_multiple_of(2);
                let failure = if in_content { CommitError::Content } else { CommitError::Record };
                StorageReply::Committed { torrent, result: Err(failure(error)) }
            }
            StorageRequest::Probe { torrent } => StorageReply::Probed { torrent, result: Err(error) },
            // These cannot fail.
            StorageRequest::Forget { piece, .. } => {
                self.held.remove(&piece);
                self.disk.serve(request)?
            }
            StorageRequest::Close { .. } => self.disk.serve(request)?,
        })
    }

    fn drop_piece(
        &mut self,
        torrent: sprat_core::storage::TorrentId,
        piece: PieceIndex,
        error: StorageError,
    ) -> StorageReply {
        self.held.remove(&piece);
        let _ = self.disk.serve(StorageRequest::Forget { torrent, piece });
        StorageReply::Failed { torrent, piece, error }
    }

    fn blocks_in(&self, piece: PieceIndex) -> usize {
        self.disk.geometry().blocks_in(piece) as usize
    }
}

fn piece_of(request: &StorageRequest) -> Option<PieceIndex> {
    match request {
        StorageRequest::Write { block, .. } => Some(block.piece()),
        StorageRequest::Finish { piece, .. }
        | StorageRequest::Forget { piece, .. }
        | StorageRequest::Verify { piece, .. }
        | StorageRequest::Read { piece, .. }
        | StorageRequest::Leaves { piece, .. } => Some(*piece),
        StorageRequest::Open { .. }
        | StorageRequest::Commit { .. }
        | StorageRequest::Probe { .. }
        | StorageRequest::Close { .. } => None,
    }
}

fn error(kind: u8) -> StorageError {
    let kind = match kind % 6 {
        0 => StorageErrorKind::Io,
        1 => StorageErrorKind::Full,
        2 => StorageErrorKind::NotWritable,
        3 => StorageErrorKind::Missing,
        4 => StorageErrorKind::Conflict,
        _ => StorageErrorKind::Changed,
    };
    StorageError { kind, detail: "the script says so".to_owned() }
}
