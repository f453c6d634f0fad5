//! A small torrent with its content in memory.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use sprat_core::geometry::{BlockRef, Geometry, PieceIndex};
use sprat_core::storage::ExpectedHash;
use sprat_engine::create::{CreateOptions, create};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};

pub(crate) struct Sample {
    pub(crate) metainfo: Arc<Metainfo>,
    pub(crate) geometry: Arc<Geometry>,
    /// By index in the info dictionary; nothing for padding.
    contents: Vec<Vec<u8>>,
}

/// Of several pieces, of part of one, empty, and of just one; in directories of different depth.
const FILES: [(&str, usize); 6] =
    [("a", 70_000), ("d/b", 20_000), ("d/c", 0), ("d/e/f", 16_384), ("d/e/g", 5), ("h", 33_000)];

impl Sample {
    pub(crate) fn new(version: Version, piece_length: u32) -> Self {
        Self::of(version, piece_length, &FILES)
    }

    pub(crate) fn of(version: Version, piece_length: u32, files: &[(&str, usize)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        for (path, length) in files {
            let path = home.path().join("sample").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = vec![0; *length];
            random.fill(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        let options = CreateOptions {
            path: home.path().join("sample"),
            version,
            piece_length: Some(piece_length),
            threads: Some(1),
            description: Description::default(),
        };
        let metainfo = create(&options, &|_, _| {}).unwrap().metainfo;
        let contents = metainfo.info.files.iter().map(|file| match file.attributes.pad {
            true => Vec::new(),
            false => fs::read(home.path().join(&file.path)).unwrap(),
        });
        let contents = contents.collect();
        let geometry = Arc::new(Geometry::new(&metainfo.info));
        Self { metainfo: Arc::new(metainfo), geometry, contents }
    }

    /// What each file of a piece should hold where, by path.
    pub(crate) fn parts(&self, piece: PieceIndex) -> impl Iterator<Item = (&str, usize, &[u8])> {
        let slices = self.geometry.slices(piece, 0, self.geometry.length_of(piece));
        slices.map(|slice| {
            let (begin, length) = (slice.offset as usize, slice.length as usize);
            let path = self.metainfo.info.files[slice.file].path.as_str();
            (path, begin, &self.contents[slice.file][begin..begin + length])
        })
    }

    /// Each file by its number, with its path and what it holds.
    pub(crate) fn files(&self) -> impl DoubleEndedIterator<Item = (usize, &str, &[u8])> {
        let files = self.metainfo.info.files.iter().zip(&self.contents).enumerate();
        files
            .filter(|(_, (file, _))| !file.attributes.pad)
            .map(|(number, (file, bytes))| (number, file.path.as_str(), bytes.as_slice()))
    }

    pub(crate) fn blocks(&self, piece: PieceIndex) -> Vec<BlockRef> {
        (0..self.geometry.blocks_in(piece)).map(|index| self.geometry.block(piece, index).unwrap()).collect()
    }

    pub(crate) fn block(&self, block: BlockRef) -> Bytes {
        let mut bytes = vec![0; block.length() as usize];
        for slice in self.geometry.slices(block.piece(), block.begin(), block.length()) {
            let at = (slice.begin - block.begin()) as usize;
            let (begin, length) = (slice.offset as usize, slice.length as usize);
            bytes[at..at + length].copy_from_slice(&self.contents[slice.file][begin..begin + length]);
        }
        bytes.into()
    }

    pub(crate) fn expected(&self, piece: PieceIndex) -> ExpectedHash {
        self.geometry.expected_hash(&self.metainfo, piece)
    }

    pub(crate) fn pieces(&self) -> Vec<PieceIndex> {
        self.geometry.all_pieces().collect()
    }
}
