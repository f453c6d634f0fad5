//! Making `.torrent` files.
//!
//! A [`Builder`] knows the files and decides where their bytes stand; hashing is somebody else's work. The order is:
//! make a builder, hash what its [`layout`](Builder::layout) says, hand the [`Hashes`] over and get the bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::encode::encode_strings;
use super::names::MAX_PATH_LENGTH;
use super::{
    Attributes, MAX_FILES, MAX_PIECES, MAX_TOTAL_LENGTH, MAX_V1_PIECE_LENGTH, MAX_V2_PIECE_LENGTH,
    MIN_V2_PIECE_LENGTH, Metainfo, MetainfoError, Version,
};
use crate::bencode::Encoder;
use crate::hash::{Sha1Hash, Sha256Hash};
use crate::merkle::FileHashes;

#[cfg(test)]
mod tests;

/// Most components of a path below the torrent's directory. Each is a dictionary in a v2 file tree, and
/// [`Limits::TORRENT`](crate::bencode::Limits::TORRENT) allows 64 within one another.
pub const MAX_PATH_DEPTH: usize = 59;

/// A file to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Components below the torrent's directory; of a single-file torrent, the name alone.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// BEP 47 attributes. `pad` and `symlink` must not be set: the builder pads, and sprat publishes no links.
    pub attributes: Attributes,
}

/// What the info dictionary says beside files and hashes, and what stands beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Peers from the trackers only (BEP 27).
    pub private: bool,
    /// Changes the info-hash and means nothing else; private trackers use it to tell torrents apart.
    pub source: Option<String>,
    /// Tracker URLs by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// DHT nodes, host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// `comment`.
    pub comment: Option<String>,
    /// `created by`.
    pub created_by: Option<String>,
    /// `creation date`, seconds since 1970.
    pub creation_date: Option<i64>,
    /// Info-hashes of torrents that may share files with this one (BEP 38).
    pub similar: Vec<Sha1Hash>,
    /// Names of collections that this torrent belongs to (BEP 38).
    pub collections: Vec<String>,
}

/// A stretch of the content, in the order in which v1 hashes cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// A whole file.
    File {
        /// Which one, as handed to [`Builder::single`] or [`Builder::directory`].
        index: usize,
        /// Bytes.
        length: u64,
    },
    /// Zeros.
    Padding {
        /// Bytes.
        length: u64,
    },
}

/// The hashes of the content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hashes {
    /// v1 and hybrid: the SHA-1 of every piece of the [`layout`](Builder::layout), its padding included.
    pub v1_pieces: Vec<Sha1Hash>,
    /// v2 and hybrid: the trees of the files, in the order in which they were handed to [`Builder::single`] or [`Builder::directory`]; `None` for
    /// empty files. [`merkle::FileHasher`](crate::merkle::FileHasher) makes them.
    pub v2_files: Vec<Option<FileHashes>>,
}

/// Why no torrent can be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The name of the torrent or a component of a path is empty, `.`, `..` or contains `/`.
    #[error("{0:?} cannot be the name of a file in a torrent")]
    Name(String),
    /// Beyond [`MAX_PATH_DEPTH`] or [`MAX_PATH_LENGTH`].
    #[error("{0:?} is nested too deeply or too long for a torrent")]
    PathTooLong(String),
    /// Two files have the same path, or a file has the path of a directory.
    #[error("{0:?} is there twice")]
    Duplicate(String),
    /// A file claims to be padding or a link.
    #[error("{0:?} is marked as padding or as a symbolic link")]
    Attributes(String),
    /// There is not a single byte to be published.
    #[error("there is no content")]
    NoContent,
    /// v1: 1 byte to 512 MiB; v2 and hybrid: a power of two between 16 KiB and 256 MiB.
    #[error("{0} bytes is no possible piece length")]
    PieceLength(u32),
    /// Beyond [`MAX_FILES`], [`MAX_TOTAL_LENGTH`] or [`MAX_PIECES`].
    #[error("too many {0} for a torrent")]
    TooMany(&'static str),
    /// The hashes do not fit the layout.
    #[error("there are not as many {0} as the content has")]
    WrongHashes(&'static str),
    /// What was built would not be accepted by [`Metainfo::parse`].
    #[error("the torrent would not be usable: {0}")]
    Unusable(#[from] MetainfoError),
}

/// A finished `.torrent` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// The same, as [`Metainfo::parse`] understands it.
    pub metainfo: Metainfo,
}

/// A torrent in the making.
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    version: Version,
    piece_length: u32,
    single_file: bool,
    files: Vec<SourceFile>,
    layout: Vec<Stretch>,
}

impl Builder {
    /// A torrent of one file.
    pub fn single(
        version: Version,
        piece_length: u32,
        name: impl Into<String>,
        length: u64,
        attributes: Attributes,
    ) -> Result<Self, BuildError> {
        let name = name.into();
        let files = vec![SourceFile { path: vec![name.clone()], length, attributes }];
        Self::new(version, piece_length, name, files, true)
    }

    /// A torrent of a directory. Files may come in any order; in the torrent they stand sorted by path, as v2 wants.
    pub fn directory(
        version: Version,
        piece_length: u32,
        name: impl Into<String>,
        files: Vec<SourceFile>,
    ) -> Result<Self, BuildError> {
        Self::new(version, piece_length, name.into(), files, false)
    }

    fn new(
        version: Version,
        piece_length: u32,
        name: String,
        files: Vec<SourceFile>,
        single_file: bool,
    ) -> Result<Self, BuildError> {
        check_piece_length(version, piece_length)?;
        check_component(&name)?;
        if files.len() > MAX_FILES {
            return Err(BuildError::TooMany("files"));
        }
        files.iter().try_for_each(|file| check_file(file, &name))?;
        let order = sorted(&files)?;
        let layout = layout(version, piece_length, &files, &order)?;
        Ok(Self { name, version, piece_length, single_file, files, layout })
    }

    /// What the v1 hashes cover, in order: the files, and in a hybrid torrent zeros up to the next piece after each
    /// file but the last. v2 hashes each file on its own.
    ///
    /// In a v2 torrent no padding is listed, though every file begins a new piece.
    #[must_use]
    pub fn layout(&self) -> &[Stretch] {
        &self.layout
    }

    /// Which hashes are wanted.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Bytes per piece.
    #[must_use]
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// The files as they were handed over.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Writes the file and reads it back.
    pub fn build(&self, hashes: &Hashes, description: &Description) -> Result<Built, BuildError> {
        self.check_hashes(hashes)?;
        let mut encoder = Encoder::new();
        self.encode_info(&mut encoder, hashes, description);
        let written = Metainfo {
            piece_layers: piece_layers(hashes),
            trackers: description.trackers.clone(),
            nodes: description.nodes.clone(),
            web_seeds: description.web_seeds.clone(),
            creation_date: description.creation_date,
            comment: description.comment.clone(),
            created_by: description.created_by.clone(),
            ..Metainfo::from_info_bytes(encoder.finish().into())?
        };
        let bytes = written.encode();
        let metainfo = Metainfo::parse(&bytes)?;
        Ok(Built { bytes, metainfo })
    }

    fn is_v1(&self) -> bool {
        self.version != Version::V2
    }

    fn is_v2(&self) -> bool {
        self.version != Version::V1
    }

    /// The files in the order of the torrent, each with its number.
    fn ordered(&self) -> impl Iterator<Item = (usize, &SourceFile)> {
        self.layout.iter().filter_map(|stretch| match stretch {
            Stretch::File { index, .. } => Some((*index, self.files.get(*index)?)),
            Stretch::Padding { .. } => None,
        })
    }

    fn check_hashes(&self, hashes: &Hashes) -> Result<(), BuildError> {
        let piece_length = u64::from(self.piece_length);
        let total = self.layout.iter().map(|stretch| stretch.length()).fold(0, u64::saturating_add);
        if self.is_v1() && hashes.v1_pieces.len() as u64 != total.div_ceil(piece_length) {
            return Err(BuildError::WrongHashes("v1 hashes"));
        }
        if !self.is_v2() {
            return Ok(());
        }
        if hashes.v2_files.len() != self.files.len() {
            return Err(BuildError::WrongHashes("v2 roots"));
        }
        for (file, hashes) in self.files.iter().zip(&hashes.v2_files) {
            if hashes.is_some() != (file.length > 0) {
                return Err(BuildError::WrongHashes("v2 roots"));
            }
            let expected = if file.length > piece_length { file.length.div_ceil(piece_length) } else { 0 };
            if hashes.as_ref().map_or(0, |hashes| hashes.piece_layer.len() as u64) != expected {
                return Err(BuildError::WrongHashes("v2 piece hashes"));
            }
        }
        Ok(())
    }

    fn encode_info(&self, encoder: &mut Encoder, hashes: &Hashes, description: &Description) {
        encoder.begin_dict();
        let single = self.files.first().filter(|_| self.single_file && self.is_v1());
        if let Some(file) = single {
            encode_attributes(encoder, file.attributes);
        }
        encode_strings(encoder, "collections", &description.collections);
        if self.is_v2() {
            self.encode_tree(encoder, hashes);
        }
        if self.is_v1() && !self.single_file {
            self.encode_list(encoder);
        }
        if let Some(file) = single {
            encoder.key("length").uint(file.length);
        }
        if self.is_v2() {
            encoder.key("meta version").int(2);
        }
        encoder.key("name").bytes(&self.name);
        encoder.key("piece length").uint(self.piece_length.into());
        if self.is_v1() {
            encoder.key("pieces").bytes(hashes.v1_pieces.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
        }
        if description.private {
            encoder.key("private").int(1);
        }
        if !description.similar.is_empty() {
            encoder.key("similar").begin_list();
            for hash in &description.similar {
                encoder.bytes(hash);
            }
            encoder.end();
        }
        if let Some(source) = &description.source {
            encoder.key("source").bytes(source);
        }
        encoder.end();
    }

    /// `files` of v1 and hybrid torrents.
    fn encode_list(&self, encoder: &mut Encoder) {
        encoder.key("files").begin_list();
        for stretch in &self.layout {
            encoder.begin_dict();
            match stretch {
                Stretch::File { index, length } => {
                    let Some(file) = self.files.get(*index) else { continue };
                    encode_attributes(encoder, file.attributes);
                    encoder.key("length").uint(*length);
                    encode_strings(encoder, "path", &file.path);
                }
                Stretch::Padding { length } => {
                    encoder.key("attr").bytes("p").key("length").uint(*length);
                    // The path that BEP 47 recommends.
                    encoder.key("path").begin_list().bytes(".pad").bytes(length.to_string()).end();
                }
            }
            encoder.end();
        }
        encoder.end();
    }

    /// `file tree` of v2 and hybrid torrents. The files are sorted, so each differs from the one before it only in
    /// the last directories.
    fn encode_tree(&self, encoder: &mut Encoder, hashes: &Hashes) {
        encoder.key("file tree").begin_dict();
        let mut open: &[String] = &[];
        for (index, file) in self.ordered() {
            let Some((name, directories)) = file.path.split_last() else { continue };
            let shared = open.iter().zip(directories).take_while(|(left, right)| left == right).count();
            for _ in shared..open.len() {
                encoder.end();
            }
            for directory in directories.iter().skip(shared) {
                encoder.key(directory).begin_dict();
            }
            open = directories;
            encoder.key(name).begin_dict().key("").begin_dict();
            encode_attributes(encoder, file.attributes);
            encoder.key("length").uint(file.length);
            if let Some(Some(hashes)) = hashes.v2_files.get(index) {
                encoder.key("pieces root").bytes(hashes.root);
            }
            encoder.end().end();
        }
        for _ in open {
            encoder.end();
        }
        encoder.end();
    }
}

impl Stretch {
    /// Bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } | Self::Padding { length } => *length,
        }
    }
}

/// A piece length that suits content of this size: a power of two that makes 1,000 to 2,000 pieces, but at least
/// 32 KiB (shorter pieces are all overhead) and at most 16 MiB (longer ones delay the moment when a peer has something
/// to share). Beyond 2 TiB pieces grow again, or the `.torrent` file would become too large to be read.
#[must_use]
pub fn default_piece_length(total_length: u64) -> u32 {
    const MIN: u64 = 32 * 1024;
    const MAX: u64 = 16 * 1024 * 1024;
    const MAX_PIECES_WANTED: u64 = 1 << 17;
    let comfortable = total_length.div_ceil(2000).clamp(MIN, MAX);
    let needed = total_length.min(MAX_TOTAL_LENGTH).div_ceil(MAX_PIECES_WANTED);
    let length = comfortable.max(needed).next_power_of_two();
    u32::try_from(length).unwrap_or(MAX_V2_PIECE_LENGTH)
}

fn check_piece_length(version: Version, length: u32) -> Result<(), BuildError> {
    let possible = match version {
        Version::V1 => (1..=MAX_V1_PIECE_LENGTH).contains(&length),
        Version::V2 | Version::Hybrid => {
            length.is_power_of_two() && (MIN_V2_PIECE_LENGTH..=MAX_V2_PIECE_LENGTH).contains(&length)
        }
    };
    if possible { Ok(()) } else { Err(BuildError::PieceLength(length)) }
}

fn check_component(name: &str) -> Result<(), BuildError> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(BuildError::Name(name.to_owned()));
    }
    Ok(())
}

fn check_file(file: &SourceFile, torrent: &str) -> Result<(), BuildError> {
    if file.path.is_empty() {
        return Err(BuildError::Name(String::new()));
    }
    file.path.iter().try_for_each(|component| check_component(component))?;
    let lengths = file.path.iter().map(|component| component.len().saturating_add(1));
    if file.path.len() > MAX_PATH_DEPTH
        || lengths.fold(torrent.len(), usize::saturating_add) > MAX_PATH_LENGTH
    {
        return Err(BuildError::PathTooLong(file.path.join("/")));
    }
    if file.attributes.pad || file.attributes.symlink {
        return Err(BuildError::Attributes(file.path.join("/")));
    }
    Ok(())
}

/// Numbers of the files in ascending order of their paths, none of which may be there twice.
fn sorted(files: &[SourceFile]) -> Result<Vec<usize>, BuildError> {
    let mut order: Vec<(&[String], usize)> =
        files.iter().enumerate().map(|(index, file)| (file.path.as_slice(), index)).collect();
    order.sort_unstable();
    let mut previous: Option<&[String]> = None;
    for (path, _) in &order {
        // A path sorts directly before what would be inside it.
        if previous.is_some_and(|previous| path.starts_with(previous)) {
            return Err(BuildError::Duplicate(path.join("/")));
        }
        previous = Some(path);
    }
    Ok(order.into_iter().map(|(_, index)| index).collect())
}

fn layout(
    version: Version,
    piece_length: u32,
    files: &[SourceFile],
    order: &[usize],
) -> Result<Vec<Stretch>, BuildError> {
    let piece_length = u64::from(piece_length);
    let mut layout = Vec::with_capacity(order.len());
    let mut end = 0_u64;
    let mut pieces = 0_u64;
    for (index, file) in order.iter().filter_map(|index| Some((*index, files.get(*index)?))) {
        let unfilled = end.checked_next_multiple_of(piece_length).map_or(0, |next| next.saturating_sub(end));
        if version == Version::Hybrid && unfilled > 0 && file.length > 0 {
            layout.push(Stretch::Padding { length: unfilled });
            end = end.saturating_add(unfilled);
        }
        layout.push(Stretch::File { index, length: file.length });
        end = end.saturating_add(file.length);
        pieces = pieces.saturating_add(file.length.div_ceil(piece_length));
        if end > MAX_TOTAL_LENGTH {
            return Err(BuildError::TooMany("bytes"));
        }
    }
    if version == Version::V1 {
        pieces = end.div_ceil(piece_length);
    }
    match end {
        0 => Err(BuildError::NoContent),
        _ if pieces > MAX_PIECES.into() => Err(BuildError::TooMany("pieces")),
        _ if layout.len() > MAX_FILES => Err(BuildError::TooMany("files")),
        _ => Ok(layout),
    }
}

fn piece_layers(hashes: &Hashes) -> BTreeMap<Sha256Hash, Arc<[Sha256Hash]>> {
    let files = hashes.v2_files.iter().flatten();
    let long = files.filter(|hashes| !hashes.piece_layer.is_empty());
    long.map(|hashes| (hashes.root, hashes.piece_layer.as_slice().into())).collect()
}

fn encode_attributes(encoder: &mut Encoder, attributes: Attributes) {
    let flags: String = [(attributes.hidden, 'h'), (attributes.executable, 'x')]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
    if !flags.is_empty() {
        encoder.key("attr").bytes(flags);
    }
}
