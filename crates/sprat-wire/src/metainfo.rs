//! `.torrent` files: what is published, where it is found, and the hashes that check it
//! (BEP 3, 5, 12, 19, 27, 38, 47, 52).
//!
//! [`Metainfo::parse`] accepts a file only when every number in it fits together, so the rest of sprat need not
//! ask again. `Builder` makes one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::hash::{InfoHashes, Sha1Hash, Sha256Hash};

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
    /// unique in its torrent also on case-insensitive file systems. Joined by `/`. In a multi-file torrent the first
    /// component is [`Info::name`].
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
