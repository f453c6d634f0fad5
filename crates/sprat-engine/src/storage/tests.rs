//! The contract of [`sprat_core::storage`], held on real directories.

mod cold;
mod faults;
mod finishing;
mod records;
mod writing;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::geometry::{BlockRef, Geometry, PieceIndex};
use sprat_core::storage::{
    ExpectedRoot, Files, Found, ReadToken, StorageError, StorageErrorKind, StorageReply, StorageRequest,
    TorrentId,
};
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::metainfo::build::{Builder, Description, Hashes, SourceFile, Stretch};
use sprat_wire::metainfo::{Attributes, Metainfo, Version};
use sprat_wire::{BLOCK_LENGTH, merkle};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Place, Storage, StorageConfig};
use sprat_core::storage::ExpectedHash;

const ID: TorrentId = TorrentId(7);

/// Far more than anything here takes; what waits longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A torrent with its content in memory.
struct Sample {
    metainfo: Arc<Metainfo>,
    geometry: Arc<Geometry>,
    /// Path and bytes of each file, padding left out.
    files: Vec<(String, Vec<u8>)>,
    /// The content space with padding.
    space: Vec<u8>,
}

impl Sample {
    /// A torrent of a directory whose files have these lengths, with bytes that differ everywhere.
    fn new(version: Version, piece_length: u32, lengths: &[u64]) -> Self {
        let attributes = Attributes::default();
        let name = |index: usize| vec![format!("d{}", index % 3), format!("f{index:03}")];
        let files: Vec<SourceFile> = lengths
            .iter()
            .enumerate()
            .map(|(index, length)| SourceFile { path: name(index), length: *length, attributes })
            .collect();
        let bytes: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(index, length)| {
                (0..*length).map(|at| (at % 251) as u8 ^ (at / 251) as u8 ^ (index as u8 + 1)).collect()
            })
            .collect();
        let builder = Builder::directory(version, piece_length, "sample", files).unwrap();
        let mut space = Vec::new();
        for stretch in builder.layout() {
            if version == Version::V2 {
                space.resize(space.len().next_multiple_of(piece_length as usize), 0);
            }
            match stretch {
                Stretch::File { index, .. } => space.extend_from_slice(&bytes[*index]),
                Stretch::Padding { length } => space.resize(space.len() + *length as usize, 0),
            }
        }
        let mut hashes = Hashes::default();
        if version != Version::V2 {
            hashes.v1_pieces = space.chunks(piece_length as usize).map(Sha1Hash::digest).collect();
        }
        if version != Version::V1 {
            hashes.v2_files = bytes
                .iter()
                .map(|bytes| {
                    let mut hasher = merkle::FileHasher::new(piece_length);
                    bytes
                        .chunks(BLOCK_LENGTH as usize)
                        .for_each(|block| hasher.push_leaf(Sha256Hash::digest(block)));
                    hasher.finish()
                })
                .collect();
        }
        let metainfo = builder.build(&hashes, &Description::default()).unwrap().metainfo;
        let geometry = Geometry::new(&metainfo.info);
        let files = (0..lengths.len())
            .map(|index| (format!("sample/{}", name(index).join("/")), bytes[index].clone()))
            .collect();
        Self { metainfo: Arc::new(metainfo), geometry: Arc::new(geometry), files, space }
    }

    fn piece(&self, piece: PieceIndex) -> &[u8] {
        let start = self.geometry.offset_of(piece) as usize;
        &self.space[start..start + self.geometry.length_of(piece) as usize]
    }

    fn block(&self, block: BlockRef) -> Bytes {
        let begin = block.begin() as usize;
        Bytes::copy_from_slice(&self.piece(block.piece())[begin..begin + block.length() as usize])
    }

    fn blocks(&self, piece: PieceIndex) -> Vec<BlockRef> {
        (0..self.geometry.blocks_in(piece)).map(|index| self.geometry.block(piece, index).unwrap()).collect()
    }

    fn expected(&self, piece: PieceIndex) -> ExpectedHash {
        let data = self.geometry.data_length_of(piece) as usize;
        let version = self.geometry.version();
        let v2 = (version != Version::V1).then(|| {
            let leaves: Vec<_> =
                self.piece(piece)[..data].chunks(BLOCK_LENGTH as usize).map(Sha256Hash::digest).collect();
            let (file, _) = self.geometry.file_of(piece).unwrap();
            let small = self.metainfo.info.files[file].length <= u64::from(self.geometry.piece_length());
            let whole = self.geometry.piece_length() / BLOCK_LENGTH;
            let width = if small { (leaves.len() as u32).next_power_of_two() } else { whole };
            ExpectedRoot { root: merkle::padded_root(&leaves, 0, width as usize), leaves: width }
        });
        ExpectedHash { v1: (version != Version::V2).then(|| Sha1Hash::digest(self.piece(piece))), v2 }
    }

    /// Puts the files where a finished download has them.
    fn lay_down(&self, directory: &Path) {
        for (path, bytes) in &self.files {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn assert_complete(&self, directory: &Path) {
        for (path, bytes) in &self.files {
            assert!(fs::read(directory.join(path)).unwrap() == *bytes, "{path}");
        }
        assert_eq!(count_files(directory), self.files.len(), "padding is never written");
    }
}

fn count_files(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| if entry.file_type().unwrap().is_dir() { count_files(&entry.path()) } else { 1 })
        .sum()
}

/// A storage with one torrent in a directory of its own.
struct Bench {
    storage: Storage,
    replies: UnboundedReceiver<StorageReply>,
    runtime: tokio::runtime::Runtime,
    sample: Sample,
    home: Arc<tempfile::TempDir>,
    /// Files that were said to have been changed by somebody else.
    changed: Vec<usize>,
}

impl Bench {
    fn new(sample: Sample) -> Self {
        Self::with(
            sample,
            Arc::new(tempfile::tempdir().unwrap()),
            StorageConfig { workers: 2, ..StorageConfig::default() },
        )
    }

    /// Whatever is there already may be written.
    fn adopting(sample: Sample) -> Self {
        let bench = Self::new(sample);
        bench.storage.place(ID, Place { adopt: true, ..Place::from(bench.directory()) });
        bench
    }

    fn with(sample: Sample, home: Arc<tempfile::TempDir>, config: StorageConfig) -> Self {
        let (reply, replies) = unbounded_channel();
        let storage = Storage::start(config, reply);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let bench = Self { storage, replies, runtime, sample, home, changed: Vec::new() };
        bench.storage.place(ID, bench.directory());
        bench
    }

    fn directory(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// The next answer. The time is only there so that a bug ends the test.
    fn reply(&mut self) -> StorageReply {
        loop {
            let next = self.replies.recv();
            let reply =
                self.runtime.block_on(async { tokio::time::timeout(PATIENCE, next).await }).unwrap().unwrap();
            match reply {
                StorageReply::FileChanged { file, .. } => self.changed.push(file),
                reply => return reply,
            }
        }
    }

    fn open(&mut self) -> Result<Found, StorageError> {
        let (metainfo, geometry) = (Arc::clone(&self.sample.metainfo), Arc::clone(&self.sample.geometry));
        self.storage.submit(StorageRequest::Open { torrent: ID, metainfo, geometry });
        match self.reply() {
            StorageReply::Opened { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn write(&self, block: BlockRef, data: Bytes) {
        self.storage.submit(StorageRequest::Write { torrent: ID, block, data });
    }

    fn write_piece(&self, piece: PieceIndex) {
        for block in self.sample.blocks(piece) {
            self.write(block, self.sample.block(block));
        }
    }

    fn finish(&self, piece: PieceIndex, leaves: bool) {
        let expected = self.sample.expected(piece);
        self.storage.submit(StorageRequest::Finish { torrent: ID, piece, expected, leaves });
    }

    fn download(&mut self, piece: PieceIndex) {
        self.write_piece(piece);
        self.finish(piece, false);
        let reply = self.reply();
        assert!(matches!(reply, StorageReply::Stored { piece: stored, .. } if stored == piece), "{reply:?}");
    }

    fn download_all(&mut self) {
        for piece in self.sample.geometry.all_pieces() {
            self.download(piece);
        }
    }

    fn verify(&mut self, piece: PieceIndex) -> bool {
        let expected = self.sample.expected(piece);
        self.storage.submit(StorageRequest::Verify { torrent: ID, piece, expected });
        match self.reply() {
            StorageReply::Verified { result, .. } => result.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, piece: PieceIndex, begin: u32, length: u32) -> Result<Bytes, StorageError> {
        self.storage.submit(StorageRequest::Read { torrent: ID, token: ReadToken(3), piece, begin, length });
        match self.reply() {
            StorageReply::Read { token: ReadToken(3), result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn probe(&mut self) -> Result<(), StorageError> {
        self.storage.submit(StorageRequest::Probe { torrent: ID });
        match self.reply() {
            StorageReply::Probed { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    /// Why this piece cannot be stored.
    fn failure(&mut self, piece: u32) -> StorageErrorKind {
        let piece = self.piece(piece);
        self.write_piece(piece);
        self.finish(piece, false);
        match self.reply() {
            StorageReply::Failed { error, .. } => error.kind,
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self) {
        self.close_with(Files::Keep);
    }

    fn close_with(&mut self, files: Files) {
        self.storage.submit(StorageRequest::Close { torrent: ID, files });
        let reply = self.reply();
        assert!(matches!(reply, StorageReply::Closed { torrent: ID }), "{reply:?}");
    }

    fn piece(&self, index: u32) -> PieceIndex {
        self.sample.geometry.piece(index).unwrap()
    }
}
