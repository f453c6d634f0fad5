//! Content on disk, and the same bytes in memory to compare with.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprat_core::geometry::Geometry;
use sprat_engine::create::{CreateOptions, create};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use sprat_wire::peer::message::BlockRequest;
use tempfile::TempDir;

pub(crate) struct Sample {
    home: TempDir,
    pub(crate) metainfo: Arc<Metainfo>,
    geometry: Geometry,
    /// All files one after the other, with the padding between them: what pieces are cut from.
    space: Vec<u8>,
    /// Where each file lies in it.
    files: Vec<Range<usize>>,
}

impl Sample {
    /// Files of these lengths, in this order, with bytes that do not repeat.
    pub(crate) fn new(version: Version, piece_length: u32, lengths: &[usize]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("shared/content");
        std::fs::create_dir_all(&directory).unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        for (index, length) in lengths.iter().enumerate() {
            let mut bytes = vec![0; *length];
            rng.fill(&mut bytes);
            std::fs::write(directory.join(name(index)), bytes).unwrap();
        }
        let options = CreateOptions {
            path: directory,
            version,
            piece_length: Some(piece_length),
            threads: None,
            description: Description::default(),
        };
        let metainfo = Arc::new(create(&options, &|_, _| {}).unwrap().metainfo);
        let geometry = Geometry::new(&metainfo.info);
        let (mut space, mut files) = (Vec::new(), Vec::new());
        for file in &metainfo.info.files {
            let begin = space.len();
            if file.attributes.pad {
                space.resize(begin + file.length as usize, 0);
            } else {
                space.extend(std::fs::read(home.path().join("shared").join(&file.path)).unwrap());
                files.push(begin..space.len());
            }
        }
        assert_eq!(files.len(), lengths.len());
        Self { home, metainfo, geometry, space, files }
    }

    /// Below it lie the files of whoever has this name; those of "shared" are there from the beginning.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn path(&self, file: usize) -> PathBuf {
        file_below(&self.directory("shared"), file)
    }

    /// What the file should hold.
    pub(crate) fn file(&self, file: usize) -> &[u8] {
        &self.space[self.files[file].clone()]
    }

    /// What a block should hold.
    pub(crate) fn block(&self, request: &BlockRequest) -> &[u8] {
        &self.space[self.place(request)]
    }

    /// Where a block lies between the first byte of all and the last.
    pub(crate) fn place(&self, request: &BlockRequest) -> Range<usize> {
        let piece = self.geometry.piece(request.piece).unwrap();
        let begin = self.geometry.offset_of(piece) as usize + request.begin as usize;
        begin..begin + request.length as usize
    }

    /// Where a file lies between the first byte of all and the last.
    pub(crate) fn place_of_file(&self, file: usize) -> Range<usize> {
        self.files[file].clone()
    }

    pub(crate) fn pieces(&self) -> Range<u32> {
        0..self.geometry.pieces()
    }

    /// The pieces with bytes of this part of the content.
    pub(crate) fn pieces_of(&self, place: Range<usize>) -> Range<u32> {
        let piece_length = self.geometry.piece_length() as usize;
        (place.start / piece_length) as u32..place.end.div_ceil(piece_length) as u32
    }

    /// A request for each block of these pieces, in order.
    pub(crate) fn blocks(&self, pieces: Range<u32>) -> Vec<BlockRequest> {
        let pieces = pieces.filter_map(|piece| self.geometry.piece(piece));
        let blocks = pieces.flat_map(|piece| {
            (0..self.geometry.blocks_in(piece)).filter_map(move |index| self.geometry.block(piece, index))
        });
        blocks
            .map(|block| BlockRequest {
                piece: block.piece().get(),
                begin: block.begin(),
                length: block.length(),
            })
            .collect()
    }

    /// A request for each block there is, in order.
    pub(crate) fn all_blocks(&self) -> Vec<BlockRequest> {
        self.blocks(self.pieces())
    }

    /// The copy below `directory` is the same, byte by byte.
    pub(crate) fn assert_complete(&self, directory: &Path) {
        for file in 0..self.files.len() {
            let copy = std::fs::read(file_below(directory, file)).unwrap();
            assert!(copy == self.file(file), "file {file} is another one");
        }
    }
}

fn name(file: usize) -> String {
    format!("f{file:03}")
}

fn file_below(directory: &Path, file: usize) -> PathBuf {
    directory.join("content").join(name(file))
}
