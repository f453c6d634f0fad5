//! `.torrent` files: what is published, where it is found, and the hashes that check it
//! (BEP 3, 5, 12, 19, 27, 38, 47, 52).
//!
//! [`Metainfo::parse`] accepts a file only when every number in it fits together, so the rest of sprat need not
//! ask again. [`build::Builder`] makes one.
//!
//! What the info-hash covers is read strictly: canonical bencoding, every field of the right kind, every length within
//! its limit. What stands beside it (trackers, comments, nodes) only helps, so an entry that is malformed there is
//! skipped as if it were missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::bencode::{DecodeError, Document, Limits, NotCanonical};
use crate::hash::{InfoHashes, Sha1Hash, Sha256Hash};
use crate::merkle;

pub mod build;
mod encode;
mod files;
mod info;
mod layers;
pub mod names;
mod sources;
#[cfg(test)]
mod tests;

/// Most pieces of a torrent.
pub const MAX_PIECES: u32 = 1 << 21;

/// Most bytes of a torrent's content, padding included: 32 TiB.
pub const MAX_TOTAL_LENGTH: u64 = 1 << 45;

/// Most files of a torrent, pad files included.
pub const MAX_FILES: usize = 1_000_000;

/// Longest piece of a torrent that has only v1 hashes, bytes. Any length up to this is accepted: v1 never asked for
/// powers of two, and old torrents have odd ones.
pub const MAX_V1_PIECE_LENGTH: u32 = 512 << 20;

/// Longest piece of a v2 or hybrid torrent, bytes.
pub const MAX_V2_PIECE_LENGTH: u32 = 256 << 20;

/// Shortest piece of a v2 or hybrid torrent, bytes (BEP 52: "at least 16KiB").
pub const MIN_V2_PIECE_LENGTH: u32 = crate::BLOCK_LENGTH;

/// A checked `.torrent` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// What the info-hash covers.
    pub info: Arc<Info>,
    /// The exact bytes of the info dictionary, as hashed.
    pub info_bytes: Bytes,
    /// The identity of the torrent.
    pub info_hashes: InfoHashes,
    /// v2 only: for every file longer than one piece, its root and the hashes of its pieces, checked against the
    /// root (BEP 52, "piece layers"). Files of one piece are checked by their root alone.
    pub piece_layers: BTreeMap<Sha256Hash, Arc<[Sha256Hash]>>,
    /// Tracker URLs by tier (BEP 12); a lone `announce` is one tier of one.
    pub trackers: Vec<Vec<String>>,
    /// DHT nodes, host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// Web seeds, `url-list` (BEP 19).
    pub web_seeds: Vec<String>,
    /// `creation date`, seconds since 1970.
    pub creation_date: Option<i64>,
    /// `comment`.
    pub comment: Option<String>,
    /// `created by`.
    pub created_by: Option<String>,
}

/// Which generation of piece hashes a torrent carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// BEP 3: one SHA-1 per piece.
    V1,
    /// BEP 52: one SHA-256 tree per file.
    V2,
    /// Both, over the same bytes.
    Hybrid,
}

impl Version {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Hybrid => "hybrid",
        }
    }
}

/// The info dictionary: names, lengths and hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The suggested name, made safe: the file's name of a single-file torrent, else the name of the directory.
    pub name: String,
    /// Which hashes are there.
    pub version: Version,
    /// Bytes per piece.
    pub piece_length: u32,
    /// Files in the order of the content, pad files of v1 and hybrid torrents included.
    pub files: Vec<File>,
    /// v1 and hybrid: the SHA-1 of each piece.
    pub v1_pieces: Option<Arc<[Sha1Hash]>>,
    /// `private` (BEP 27): peers from the torrent's trackers only.
    pub private: bool,
    /// `source` and its like are not interpreted; they are part of the info-hash all the same.
    pub single_file: bool,
    /// Info-hashes of torrents that may share files with this one (BEP 38).
    pub similar: Vec<Sha1Hash>,
    /// Names of collections that this torrent belongs to (BEP 38).
    pub collections: Vec<String>,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where the file goes below the download root: never empty, never absolute, no component that leaves the root,
    /// unique in its torrent also on case-insensitive file systems (pad files, which are never created, excepted).
    /// Joined by `/`. In a multi-file torrent the first component is [`Info::name`].
    pub path: String,
    /// The path as the torrent has it, raw components, when it had to be changed to be safe or unique.
    pub original_path: Option<Vec<Bytes>>,
    /// Bytes.
    pub length: u64,
    /// BEP 47 attributes.
    pub attributes: Attributes,
    /// v2 and hybrid: the root of the file's hash tree; `None` for empty and pad files and in v1 torrents.
    pub pieces_root: Option<Sha256Hash>,
}

impl File {
    /// Whether it is a file on the disk at all: neither padding nor a symbolic link, which nobody makes.
    #[must_use]
    pub const fn is_on_disk(&self) -> bool {
        !self.attributes.pad && !self.attributes.symlink
    }
}

/// What BEP 47 says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Alignment only: zeros that are never written to a disk.
    pub pad: bool,
    /// Executable on systems that know of it. sprat does not set the bit unless asked.
    pub executable: bool,
    /// Hidden on systems that know of it.
    pub hidden: bool,
    /// A symbolic link. sprat does not create links from torrents; such a file is treated as empty and unwanted.
    pub symlink: bool,
}

/// Why bytes are not a usable `.torrent` file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetainfoError {
    /// Not bencoding, or beyond [`Limits::TORRENT`].
    #[error(transparent)]
    Bencode(#[from] DecodeError),
    /// Not a dictionary.
    #[error("not a dictionary")]
    NotADictionary,
    /// The info dictionary is not in canonical form, so that two programs could understand it differently. Offsets
    /// count from its beginning.
    #[error("info: {0}")]
    NotCanonical(#[from] NotCanonical),
    /// A field is missing or wrong.
    #[error("{field}: {problem}")]
    Field {
        /// Where in the file: `info.files[3].length`.
        field: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What can be wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has to be there.
    #[error("missing")]
    Missing,
    /// It is of another kind.
    #[error("not {0}")]
    WrongKind(&'static str),
    /// A number below zero.
    #[error("negative")]
    Negative,
    /// A number beyond its limit.
    #[error("more than {0}")]
    TooLarge(u64),
    /// A piece length that this version of torrent cannot have.
    #[error("not a power of two between 16 KiB and 256 MiB")]
    PieceLength,
    /// `meta version` is of the future.
    #[error("version {0} is not known")]
    UnknownVersion(i64),
    /// The whole torrent has no byte.
    #[error("no content")]
    NoContent,
    /// The number of v1 hashes does not fit the content.
    #[error("{actual} bytes instead of {expected}")]
    WrongLength {
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        actual: u64,
    },
    /// `length` and `files` at the same time.
    #[error("a torrent has either one length or a list of files")]
    LengthAndFiles,
    /// A path cannot be used.
    #[error(transparent)]
    Name(#[from] names::NameError),
    /// A file in a file tree has siblings within its own name.
    #[error("both a file and a directory")]
    FileAndDirectory,
    /// A pad file or symbolic link with the wrong length.
    #[error("{0}")]
    BadLength(&'static str),
    /// A root of zeros, which no content has.
    #[error("all zeros")]
    ZeroHash,
    /// The v1 and the v2 half of a hybrid torrent describe different files.
    #[error("the v1 and v2 descriptions of the files differ")]
    Inconsistent,
    /// A file longer than a piece has no piece layer.
    #[error("no entry for the file with root {0}")]
    MissingLayer(Sha256Hash),
    /// A piece layer whose root no file has.
    #[error("an entry for root {0}, which no file has")]
    UnknownLayer(String),
    /// A piece layer that does not lead to its root.
    #[error("the entry for root {0} does not lead to this root")]
    WrongLayer(Sha256Hash),
}

impl Problem {
    fn at(self, field: impl Into<String>) -> MetainfoError {
        MetainfoError::Field { field: field.into(), problem: self }
    }
}

/// What checks one v2 piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceRoot {
    /// The root of the piece's own tree.
    pub hash: Sha256Hash,
    /// Leaves of that tree, padding included; a power of two.
    pub leaves: u32,
}

/// What checks the pieces of one v2 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLayer<'a> {
    /// The root of the file.
    pub root: Sha256Hash,
    /// One hash for each piece of the file; its root alone for a file of one piece.
    pub pieces: &'a [Sha256Hash],
    /// Leaves below each of these hashes, padding included; a power of two.
    pub leaves: u32,
}

impl Metainfo {
    /// Reads and checks a `.torrent` file. White space after it is forgiven.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        Self::parse_with(bytes, |_| false)
    }

    /// As [`Self::parse`], but a hybrid may come without any piece layers, as it does from peers: its v1 hashes are enough to fetch
    /// it. For what was kept with [`Self::encode`]; a torrent from somewhere else is not valid without them.
    pub fn parse_kept(bytes: &[u8]) -> Result<Self, MetainfoError> {
        Self::parse_with(bytes, Info::is_v1)
    }

    fn parse_with(bytes: &[u8], may_lack_layers: impl Fn(&Info) -> bool) -> Result<Self, MetainfoError> {
        let (document, consumed) = Document::decode_prefix(bytes, Limits::TORRENT)?;
        let rest = bytes.get(consumed..).unwrap_or_default();
        if !rest.trim_ascii().is_empty() {
            return Err(DecodeError {
                offset: consumed,
                reason: crate::bencode::DecodeErrorReason::TrailingBytes,
            }
            .into());
        }
        let outer = document.as_dict().ok_or(MetainfoError::NotADictionary)?;
        let info = outer.value_of("info").ok_or_else(|| Problem::Missing.at("info"))?;
        let mut metainfo = Self::from_info_bytes(Bytes::copy_from_slice(info.raw()))?;
        if outer.value_of(layers::FIELD).is_some() || !may_lack_layers(&metainfo.info) {
            metainfo.piece_layers = layers::parse(&metainfo.info, outer)?;
        }
        sources::parse(&mut metainfo, outer);
        Ok(metainfo)
    }

    /// Reads and checks a bare info dictionary, as peers send it (BEP 9). The caller has compared its hash with the
    /// magnet link. Of a v2 torrent the piece layers are still missing: peers are asked for them (BEP 52).
    pub fn from_info_bytes(info_bytes: Bytes) -> Result<Self, MetainfoError> {
        let info = Info::parse(&info_bytes)?;
        let v1 = info.is_v1().then(|| Sha1Hash::digest(&info_bytes));
        let v2 = info.is_v2().then(|| Sha256Hash::digest(&info_bytes));
        Ok(Self {
            info: Arc::new(info),
            // Every version has one of them.
            info_hashes: InfoHashes::new(v1, v2).ok_or_else(|| Problem::Missing.at("info"))?,
            info_bytes,
            piece_layers: BTreeMap::new(),
            trackers: Vec::new(),
            nodes: Vec::new(),
            web_seeds: Vec::new(),
            creation_date: None,
            comment: None,
            created_by: None,
        })
    }

    /// The bytes of a `.torrent` file that [`parse`](Self::parse) reads as the same again. While piece layers are
    /// missing, it does not accept them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::encode(self)
    }

    /// It has all that a `.torrent` file needs. What peers have told of a hybrid lacks the piece layers.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.info.is_v2() || layers::are_whole(&self.info, &self.piece_layers)
    }

    /// The v1 hash of a piece.
    #[must_use]
    pub fn v1_piece_hash(&self, piece: u32) -> Option<Sha1Hash> {
        self.info.v1_pieces.as_ref()?.get(piece as usize).copied()
    }

    /// What checks the pieces of a file: `None` in v1 torrents, for empty and pad files, and while the piece layer
    /// of a file longer than a piece is missing.
    #[must_use]
    pub fn file_layer(&self, file: usize) -> Option<FileLayer<'_>> {
        let file = self.info.files.get(file)?;
        let root = file.pieces_root.as_ref()?;
        if file.length > u64::from(self.info.piece_length) {
            let pieces = self.piece_layers.get(root)?;
            let leaves = u32::try_from(merkle::leaves_per_piece(self.info.piece_length)).ok()?;
            return Some(FileLayer { root: *root, pieces, leaves });
        }
        let leaves = u32::try_from(merkle::leaf_count(file.length)).ok()?.checked_next_power_of_two()?;
        Some(FileLayer { root: *root, pieces: std::slice::from_ref(root), leaves })
    }

    /// What checks the `piece`-th piece of a file in v2, counted within the file.
    #[must_use]
    pub fn v2_piece_root(&self, file: usize, piece: u32) -> Option<PieceRoot> {
        let layer = self.file_layer(file)?;
        Some(PieceRoot { hash: *layer.pieces.get(piece as usize)?, leaves: layer.leaves })
    }
}

impl File {
    /// The path that the torrent names, joined by `/`, where that differs from [`File::path`] and a Unix file system
    /// could hold it below a directory. Whoever made the torrent may have the file under this name; it is not safe to
    /// be shown or created.
    #[must_use]
    pub fn original_name(&self) -> Option<String> {
        let components = self.original_path.as_ref()?;
        let names: Option<Vec<&str>> = components
            .iter()
            .map(|component| std::str::from_utf8(component).ok())
            .map(|name| name.filter(|name| !matches!(*name, "" | "." | "..") && !name.contains(['/', '\0'])))
            .collect();
        names.map(|names| names.join("/"))
    }
}

impl Info {
    /// Reads and checks the bytes of an info dictionary.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        info::parse(bytes)
    }

    /// Bytes of all files, pad files included.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        self.files.iter().map(|file| file.length).fold(0, u64::saturating_add)
    }

    /// Bytes of the files that a user sees: without padding.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        let files = self.files.iter().filter(|file| !file.attributes.pad);
        files.map(|file| file.length).fold(0, u64::saturating_add)
    }

    /// Number of pieces. In a v2 torrent every file begins with a piece of its own.
    #[must_use]
    pub fn piece_count(&self) -> u32 {
        let length = u64::from(self.piece_length.max(1));
        let pieces = match self.version {
            Version::V1 | Version::Hybrid => self.total_length().div_ceil(length),
            Version::V2 => {
                self.files.iter().map(|file| file.length.div_ceil(length)).fold(0, u64::saturating_add)
            }
        };
        u32::try_from(pieces).unwrap_or(u32::MAX)
    }

    /// Whether there are v1 hashes: also of a hybrid torrent.
    #[must_use]
    pub const fn is_v1(&self) -> bool {
        matches!(self.version, Version::V1 | Version::Hybrid)
    }

    /// Whether there are v2 hashes: also of a hybrid torrent.
    #[must_use]
    pub const fn is_v2(&self) -> bool {
        matches!(self.version, Version::V2 | Version::Hybrid)
    }
}
