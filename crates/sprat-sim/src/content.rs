//! What the swarm shares: random bytes, and the torrent that describes them.

use std::sync::Arc;

use bytes::Bytes;
use sprat_core::geometry::{Geometry, PieceIndex};
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::merkle::FileHasher;
use sprat_wire::metainfo::build::{BuildError, Builder, Description, Hashes, SourceFile, Stretch};
use sprat_wire::metainfo::{Attributes, Metainfo, Version};
use thiserror::Error;

/// What to make.
#[derive(Debug, Clone)]
pub struct ContentConfig {
    /// Which hashes the torrent has.
    pub version: Version,
    /// Bytes per piece.
    pub piece_length: u32,
    /// Bytes of each file. One file makes a single-file torrent.
    pub files: Vec<u64>,
    /// Trackers by tier, as the torrent names them.
    pub trackers: Vec<Vec<String>>,
}

impl Default for ContentConfig {
    /// 1 MiB in 64 pieces, v1, and the tracker of [`TrackerConfig::default`](crate::TrackerConfig).
    fn default() -> Self {
        Self {
            version: Version::V1,
            piece_length: 16 * 1024,
            files: vec![1 << 20],
            trackers: vec![vec![crate::TrackerConfig::default().url]],
        }
    }
}

/// Why there is no such content.
#[derive(Debug, Error)]
pub enum ContentError {
    /// No torrent can be made of it.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The files do not fit into memory.
    #[error("a file of {0} bytes does not fit into memory")]
    TooLarge(u64),
}

/// The bytes, held once for all peers, and the torrent.
#[derive(Debug)]
pub struct Content {
    metainfo: Arc<Metainfo>,
    geometry: Arc<Geometry>,
    /// Each piece as it is transferred, padding included.
    pieces: Vec<Bytes>,
    /// SHA-256 of each block of each piece, padding left out.
    leaves: Vec<Arc<[Sha256Hash]>>,
    /// SHA-1 of each piece as it is transferred.
    digests: Vec<Sha1Hash>,
}

impl Content {
    /// Makes files of random bytes and hashes them.
    pub fn generate(config: &ContentConfig, rng: &mut fastrand::Rng) -> Result<Self, ContentError> {
        let files =
            config.files.iter().map(|length| random_file(*length, rng)).collect::<Result<Vec<_>, _>>()?;
        let builder = builder(config)?;
        let hashes = hash(&builder, &files);
        let description = Description { trackers: config.trackers.clone(), ..Description::default() };
        let metainfo = Arc::new(builder.build(&hashes, &description)?.metainfo);
        let geometry = Arc::new(Geometry::new(&metainfo.info));
        let pieces = pieces(&builder, &files, &geometry);
        let leaves = geometry
            .all_pieces()
            .zip(&pieces)
            .map(|(piece, bytes)| leaves_of(&geometry, piece, bytes).into())
            .collect();
        let digests = pieces.iter().map(|piece| Sha1Hash::digest(piece)).collect();
        Ok(Self { metainfo, geometry, pieces, leaves, digests })
    }

    /// The torrent.
    #[must_use]
    pub const fn metainfo(&self) -> &Arc<Metainfo> {
        &self.metainfo
    }

    /// Its cut.
    #[must_use]
    pub const fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    /// The bytes of a piece as they are transferred, padding included.
    #[must_use]
    pub fn piece(&self, piece: PieceIndex) -> Bytes {
        self.pieces.get(piece.as_usize()).cloned().unwrap_or_default()
    }

    /// SHA-256 of each block of a piece, padding left out.
    #[must_use]
    pub fn leaves(&self, piece: PieceIndex) -> &[Sha256Hash] {
        self.leaves.get(piece.as_usize()).map_or(&[], |leaves| leaves)
    }

    /// SHA-1 of a piece as it is transferred.
    #[must_use]
    pub fn digest(&self, piece: PieceIndex) -> Sha1Hash {
        self.digests.get(piece.as_usize()).copied().unwrap_or_else(|| Sha1Hash::digest(&[]))
    }
}

/// SHA-256 of each block, over the bytes that belong to a file.
pub(crate) fn leaves_of(geometry: &Geometry, piece: PieceIndex, bytes: &[u8]) -> Vec<Sha256Hash> {
    let covered = match geometry.version() {
        Version::V1 => bytes.len(),
        Version::V2 | Version::Hybrid => (geometry.data_length_of(piece) as usize).min(bytes.len()),
    };
    bytes.get(..covered).unwrap_or(bytes).chunks(BLOCK_LENGTH as usize).map(Sha256Hash::digest).collect()
}

fn random_file(length: u64, rng: &mut fastrand::Rng) -> Result<Bytes, ContentError> {
    let size = usize::try_from(length).map_err(|_| ContentError::TooLarge(length))?;
    let mut bytes = vec![0; size];
    rng.fill(&mut bytes);
    Ok(bytes.into())
}

fn builder(config: &ContentConfig) -> Result<Builder, BuildError> {
    let attributes = Attributes::default();
    let name = "content";
    if let [length] = config.files.as_slice() {
        return Builder::single(config.version, config.piece_length, name, *length, attributes);
    }
    let file = |(at, length): (usize, &u64)| SourceFile {
        path: vec![format!("{at:04}")],
        length: *length,
        attributes,
    };
    let files = config.files.iter().enumerate().map(file).collect();
    Builder::directory(config.version, config.piece_length, name, files)
}

fn hash(builder: &Builder, files: &[Bytes]) -> Hashes {
    let mut hashes = Hashes::default();
    if builder.version() != Version::V2 {
        let space: Vec<u8> = stretches(builder, files).concat();
        hashes.v1_pieces = space.chunks(builder.piece_length() as usize).map(Sha1Hash::digest).collect();
    }
    if builder.version() != Version::V1 {
        hashes.v2_files = files
            .iter()
            .map(|file| {
                let mut hasher = FileHasher::new(builder.piece_length());
                for block in file.chunks(BLOCK_LENGTH as usize) {
                    hasher.push_leaf(Sha256Hash::digest(block));
                }
                hasher.finish()
            })
            .collect();
    }
    hashes
}

/// The bytes of each file of the torrent, pad files included, in the order of the torrent.
fn stretches(builder: &Builder, files: &[Bytes]) -> Vec<Bytes> {
    let bytes = |stretch: &Stretch| match stretch {
        Stretch::File { index, .. } => files.get(*index).cloned().unwrap_or_default(),
        Stretch::Padding { length } => vec![0; usize::try_from(*length).unwrap_or(0)].into(),
    };
    builder.layout().iter().map(bytes).collect()
}

fn pieces(builder: &Builder, files: &[Bytes], geometry: &Geometry) -> Vec<Bytes> {
    let stretches = stretches(builder, files);
    let assemble = |piece| {
        let mut bytes = vec![0; geometry.length_of(piece) as usize];
        for slice in geometry.slices(piece, 0, geometry.length_of(piece)) {
            let (from, length) = (slice.offset as usize, slice.length as usize);
            let to = slice.begin as usize;
            bytes[to..to + length].copy_from_slice(&stretches[slice.file][from..from + length]);
        }
        Bytes::from(bytes)
    };
    geometry.all_pieces().map(assemble).collect()
}
