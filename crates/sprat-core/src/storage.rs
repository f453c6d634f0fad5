//! What the machine asks of a disk, and what a disk answers. Plain data: the engine's workers and the simulator's
//! virtual disk each serve it with a `match`.
//!
//! The contract of whoever serves it:
//!
//! - Requests of one piece are served in the order given; different pieces may be served in any order, in parallel.
//! - `Write` is not answered, unless it fails. The block is held, hashed, or written early; nothing is claimed.
//! - `Finish` hashes the whole piece. Only when every expected hash agrees is all of it written and
//!   [`StorageReply::Stored`] sent; a piece that disagrees is dropped and never counts as had.
//! - Files and directories come into being when their first byte is written, or for empty files at `Open`.
//! - `Stored` and `Verified` say what a piece hashed to, no more: it may be given to others, and may be gone after a
//!   power cut. Only [`StorageReply::Committed`] makes it durable: data synced, names synced, and then the claim.
//! - A file that was changed by somebody else is told of once ([`StorageReply::FileChanged`]); nothing of it is read before
//!   that, and a `Verified` after it is about the file as it is now.

use std::sync::Arc;

use bytes::Bytes;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::metainfo::Metainfo;
use thiserror::Error;

use crate::bitfield::Bitfield;
use crate::geometry::{BlockRef, Geometry, PieceIndex};

/// Bytes of a [`StorageRequest::Read`] at the most, unless one block that a peer asks for is longer: neighbouring requests are read
/// together, one hand-over to the disk instead of sixteen.
pub const READ_LENGTH: u32 = 256 * 1024;

/// A torrent within one session. Never reused while the session lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TorrentId(pub u32);

/// Names one read, so that its answer finds its way back. Unique within a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadToken(pub u64);

/// The hashes that a piece must have. At least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedHash {
    /// SHA-1 of the piece, padding included.
    pub v1: Option<Sha1Hash>,
    /// Root over the piece's 16 KiB leaves (BEP 52).
    pub v2: Option<ExpectedRoot>,
}

/// The v2 half of [`ExpectedHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedRoot {
    /// The hash.
    pub root: Sha256Hash,
    /// Over how many leaves it was formed, a power of two: those of a whole piece, or, in a file of at most one
    /// piece, just enough for the file. Leaves beyond the data are [`Sha256Hash::ZERO`].
    pub leaves: u32,
}

impl Geometry {
    /// What `piece` must hash to. Without any hash in it while the piece layers of a magnet link are still missing.
    #[must_use]
    pub fn expected_hash(&self, metainfo: &Metainfo, piece: PieceIndex) -> ExpectedHash {
        let root = self.file_of(piece).and_then(|(file, nth)| metainfo.v2_piece_root(file, nth));
        ExpectedHash {
            v1: metainfo.v1_piece_hash(piece.get()),
            v2: root.map(|root| ExpectedRoot { root: root.hash, leaves: root.leaves }),
        }
    }
}

/// A question to the disk.
#[derive(Debug, Clone)]
pub enum StorageRequest {
    /// Makes a torrent known, looks for data and a record of progress that are there already. Creates empty files.
    /// Asked again of an open torrent, it looks again. Answered by [`StorageReply::Opened`].
    Open {
        /// The torrent.
        torrent: TorrentId,
        /// Its files.
        metainfo: Arc<Metainfo>,
        /// Its cut.
        geometry: Arc<Geometry>,
    },
    /// Takes in one received block.
    Write {
        /// The torrent.
        torrent: TorrentId,
        /// Which block.
        block: BlockRef,
        /// Its bytes, exactly [`BlockRef::length`] of them.
        data: Bytes,
    },
    /// All blocks of this piece have been given: check it, write it. Answered by [`StorageReply::Stored`],
    /// [`StorageReply::Rejected`] or [`StorageReply::Failed`].
    Finish {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
        /// What it must hash to.
        expected: ExpectedHash,
        /// Report the leaf hashes of a good piece as well: they clear or convict the senders of an earlier bad one.
        leaves: bool,
    },
    /// Forgets blocks of a piece that will not be finished. Not answered.
    Forget {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
    },
    /// Reads a piece from disk and hashes it. Answered by [`StorageReply::Verified`].
    Verify {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
        /// What it must hash to.
        expected: ExpectedHash,
    },
    /// Reads a stretch of a piece that we have. Answered by [`StorageReply::Read`].
    Read {
        /// The torrent.
        torrent: TorrentId,
        /// Comes back with the answer.
        token: ReadToken,
        /// The piece.
        piece: PieceIndex,
        /// Offset in the piece, bytes.
        begin: u32,
        /// Bytes, at most 256 KiB.
        length: u32,
    },
    /// Reads a piece that we have and hashes its blocks. Answered by [`StorageReply::Leaves`].
    Leaves {
        /// The torrent.
        torrent: TorrentId,
        /// Comes back with the answer.
        token: ReadToken,
        /// The piece.
        piece: PieceIndex,
    },
    /// Makes what was written durable, and then the claim that these pieces are had. Answered by
    /// [`StorageReply::Committed`].
    Commit {
        /// The torrent.
        torrent: TorrentId,
        /// What is had.
        have: Bitfield,
        /// Those of them that an earlier process left behind, and nobody has hashed since.
        unproven: Bitfield,
        /// Nothing will be written for now: files that look otherwise at the next start were changed by somebody else.
        at_rest: bool,
    },
    /// Asks whether a failed disk can be written again. Answered by [`StorageReply::Probed`].
    Probe {
        /// The torrent.
        torrent: TorrentId,
    },
    /// Closes the files of a torrent, after what was asked before. Answered by [`StorageReply::Closed`].
    Close {
        /// The torrent.
        torrent: TorrentId,
        /// What becomes of the files.
        files: Files,
    },
}

impl StorageRequest {
    /// Whom it is for.
    #[must_use]
    pub const fn torrent(&self) -> TorrentId {
        match self {
            Self::Open { torrent, .. }
            | Self::Write { torrent, .. }
            | Self::Finish { torrent, .. }
            | Self::Forget { torrent, .. }
            | Self::Verify { torrent, .. }
            | Self::Read { torrent, .. }
            | Self::Leaves { torrent, .. }
            | Self::Commit { torrent, .. }
            | Self::Probe { torrent }
            | Self::Close { torrent, .. } => *torrent,
        }
    }
}

/// An answer from the disk.
#[derive(Debug, Clone)]
pub enum StorageReply {
    /// To [`StorageRequest::Open`].
    Opened {
        /// The torrent.
        torrent: TorrentId,
        /// What is there.
        result: Result<Found, StorageError>,
    },
    /// The piece was hashed, agreed with every expected hash, and was written.
    Stored {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
        /// SHA-256 of each 16 KiB block, when asked for.
        leaves: Option<Vec<Sha256Hash>>,
    },
    /// The piece did not agree; its bytes are dropped.
    Rejected {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
        /// SHA-256 of each 16 KiB block as received: the v2 leaves, and for v1 the fingerprints by which the guilty
        /// sender is found once a good copy is there.
        leaves: Vec<Sha256Hash>,
        /// Hybrid only: one of the two hashes agreed and the other did not. The torrent contradicts itself.
        inconsistent: bool,
    },
    /// To [`StorageRequest::Verify`].
    Verified {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
        /// Whether it is there and agrees; a missing or short file is `Ok(false)`.
        result: Result<bool, StorageError>,
    },
    /// To [`StorageRequest::Read`].
    Read {
        /// The torrent.
        torrent: TorrentId,
        /// Of the request.
        token: ReadToken,
        /// Exactly as many bytes as asked for.
        result: Result<Bytes, StorageError>,
    },
    /// To [`StorageRequest::Leaves`].
    Leaves {
        /// The torrent.
        torrent: TorrentId,
        /// Of the request.
        token: ReadToken,
        /// SHA-256 of each 16 KiB block that holds data of the file, padding left out.
        result: Result<Vec<Sha256Hash>, StorageError>,
    },
    /// A [`StorageRequest::Write`] or [`StorageRequest::Finish`] could not be carried out. All blocks held for this
    /// piece are dropped.
    Failed {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
        /// Why.
        error: StorageError,
    },
    /// To [`StorageRequest::Commit`]: `Ok` when all of the pieces will be there after a power cut.
    Committed {
        /// The torrent.
        torrent: TorrentId,
        /// How it went.
        result: Result<(), CommitError>,
    },
    /// Somebody else has changed, replaced or removed a file, or may have.
    FileChanged {
        /// The torrent.
        torrent: TorrentId,
        /// By its number in the info dictionary.
        file: usize,
    },
    /// The disk is in trouble, although nothing was asked of it just now.
    Failing {
        /// The torrent.
        torrent: TorrentId,
        /// What it is.
        error: StorageError,
    },
    /// To [`StorageRequest::Probe`]: `Ok` when a piece could be written now.
    Probed {
        /// The torrent.
        torrent: TorrentId,
        /// How it went.
        result: Result<(), StorageError>,
    },
    /// To [`StorageRequest::Close`].
    Closed {
        /// The torrent.
        torrent: TorrentId,
    },
}

impl StorageReply {
    /// Whose answer it is.
    #[must_use]
    pub const fn torrent(&self) -> TorrentId {
        match self {
            Self::Opened { torrent, .. }
            | Self::Stored { torrent, .. }
            | Self::Rejected { torrent, .. }
            | Self::Verified { torrent, .. }
            | Self::Read { torrent, .. }
            | Self::Leaves { torrent, .. }
            | Self::Failed { torrent, .. }
            | Self::Committed { torrent, .. }
            | Self::FileChanged { torrent, .. }
            | Self::Failing { torrent, .. }
            | Self::Probed { torrent, .. }
            | Self::Closed { torrent } => *torrent,
        }
    }

    /// Whether nothing more will come for this torrent.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// What [`StorageRequest::Open`] found. No piece is in both `have` and `unchecked`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Recorded as durable, in files that are as we left them.
    pub have: Bitfield,
    /// Those of `have` in files that we were still writing when we were stopped in the middle: to be hashed before
    /// they are given to anybody.
    pub unproven: Bitfield,
    /// Within files of which nothing is known, or that somebody has changed: to be hashed now.
    pub unchecked: Bitfield,
}

impl Found {
    /// No file of the torrent, of so many pieces, exists.
    #[must_use]
    pub fn nothing(pieces: u32) -> Self {
        Self::resumed(Bitfield::new(pieces))
    }

    /// These pieces are had, and there is no doubt about them.
    #[must_use]
    pub fn resumed(have: Bitfield) -> Self {
        let none = Bitfield::new(have.len());
        Self { have, unproven: none.clone(), unchecked: none }
    }

    /// Files are there, and nothing is known of these pieces in them.
    #[must_use]
    pub fn unchecked(pieces: Bitfield) -> Self {
        let none = Bitfield::new(pieces.len());
        Self { have: none.clone(), unproven: none, unchecked: pieces }
    }
}

/// What becomes of the files of a torrent that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Files {
    /// They stay, and what is known of them.
    #[default]
    Keep,
    /// They stay; what is known of them is forgotten.
    Forget,
    /// Those that we have made, and no other open torrent uses, are deleted.
    Delete,
}

/// Why pieces are not known to be durable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The data could not be synced. What was written since the last commit may be gone although it can still be read; what is
    /// asked to be verified from now on is read from the disk itself.
    #[error("{0}")]
    Content(StorageError),
    /// The data is durable, the record of it is not.
    #[error("{0}")]
    Record(StorageError),
}

/// Why a disk would not do as asked, in the terms a user can act on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}: {detail}")]
pub struct StorageError {
    /// What kind of trouble.
    pub kind: StorageErrorKind,
    /// The file and the system's own words.
    pub detail: String,
}

/// Kinds of trouble with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum StorageErrorKind {
    /// No space, or over quota. Passes by itself when there is room again.
    #[error("disk full")]
    Full,
    /// Read-only file system, or permission denied.
    #[error("not writable")]
    NotWritable,
    /// A file is missing or short although we count on it.
    #[error("file changed")]
    Changed,
    /// The directory or its file system is not there: a disk that is not mounted, a server that is gone.
    #[error("storage missing")]
    Missing,
    /// Something that we have not made has the place of one of our files. For the user to decide.
    #[error("place taken")]
    Conflict,
    /// Anything else that the system reported.
    #[error("I/O error")]
    Io,
}
