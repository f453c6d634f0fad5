//! How a torrent's content is cut: files into one space, the space into pieces, pieces into blocks.
//!
//! [`PieceIndex`] and [`BlockRef`] are made here only, and only for pieces and blocks that exist: no unchecked number
//! from the wire reaches an array.
//!
//! The content space is the concatenation of the files in the order of the info dictionary (BEP 3). In a v2-only
//! torrent every file begins at a multiple of the piece length (BEP 52); the gaps belong to no piece, so the last
//! piece of each file may be short. Hybrids reach the same alignment by explicit pad files, whose zeros do count.

use std::ops::Range;

use sprat_wire::BLOCK_LENGTH;
use sprat_wire::metainfo::{Info, Version};

/// A piece that exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// The number, for arrays and the wire.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Debug for PieceIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A block that exists: at most 16 KiB within one piece, at a multiple of 16 KiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    piece: PieceIndex,
    index: u16,
    length: u16,
}

impl BlockRef {
    /// The piece it is part of.
    #[must_use]
    pub const fn piece(self) -> PieceIndex {
        self.piece
    }

    /// Which block of the piece, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index as u32
    }

    /// Offset in the piece, bytes.
    #[must_use]
    pub const fn begin(self) -> u32 {
        self.index as u32 * BLOCK_LENGTH
    }

    /// Bytes.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length as u32
    }
}

impl std::fmt::Debug for BlockRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}.{}", self.piece, self.index)
    }
}

/// A stretch of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSlice {
    /// Index into [`Info::files`].
    pub file: usize,
    /// Where it begins in the piece, bytes: what lies between two slices is padding.
    pub begin: u32,
    /// Offset in the file, bytes.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// The cut of one torrent. Immutable, cheap to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    version: Version,
    piece_length: u32,
    pieces: u32,
    /// Offset of each file in the content space, ascending, with its length and whether it is padding.
    files: Vec<FileSpan>,
    /// End of the content space, bytes.
    end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileSpan {
    start: u64,
    length: u64,
    pad: bool,
}

impl FileSpan {
    const fn end(self) -> u64 {
        self.start + self.length
    }
}

impl Geometry {
    /// The cut of the torrent that `info` describes.
    #[must_use]
    pub fn new(info: &Info) -> Self {
        let piece_length = u64::from(info.piece_length);
        let mut at = 0_u64;
        let mut files = Vec::with_capacity(info.files.len());
        for file in &info.files {
            if info.version == Version::V2 {
                at = at.next_multiple_of(piece_length);
            }
            files.push(FileSpan { start: at, length: file.length, pad: file.attributes.pad });
            at += file.length;
        }
        let pieces = at.div_ceil(piece_length);
        Self {
            version: info.version,
            piece_length: info.piece_length,
            // Metainfo::parse bounds the number of pieces far below this.
            pieces: u32::try_from(pieces).unwrap_or(u32::MAX),
            files,
            end: at,
        }
    }

    /// Number of pieces.
    #[must_use]
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Bytes per piece, except where a piece is the last.
    #[must_use]
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Which hashes check the pieces.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Bytes of all pieces together, pad files included: what `left` counts down from.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        match self.version {
            Version::V2 => self.files.iter().map(|file| file.length).sum(),
            Version::V1 | Version::Hybrid => self.end,
        }
    }

    /// The piece with this number, if there is one.
    #[must_use]
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.pieces).then_some(PieceIndex(index))
    }

    /// Every piece, ascending.
    pub fn all_pieces(&self) -> impl Iterator<Item = PieceIndex> + use<> {
        (0..self.pieces).map(PieceIndex)
    }

    /// Bytes of this piece.
    #[must_use]
    pub fn length_of(&self, piece: PieceIndex) -> u32 {
        let start = self.offset_of(piece);
        let end = match self.version {
            Version::V1 | Version::Hybrid => self.end,
            Version::V2 => self.span_at(start).map_or(start, FileSpan::end),
        };
        u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX).min(self.piece_length)
    }

    /// Offset of this piece in the content space, bytes.
    #[must_use]
    pub fn offset_of(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// Number of blocks of this piece.
    #[must_use]
    pub fn blocks_in(&self, piece: PieceIndex) -> u32 {
        self.length_of(piece).div_ceil(BLOCK_LENGTH)
    }

    /// The `index`-th block of `piece`, if there is one.
    #[must_use]
    pub fn block(&self, piece: PieceIndex, index: u32) -> Option<BlockRef> {
        let begin = index.checked_mul(BLOCK_LENGTH)?;
        let length = self.length_of(piece).checked_sub(begin).filter(|rest| *rest > 0)?.min(BLOCK_LENGTH);
        Some(BlockRef { piece, index: u16::try_from(index).ok()?, length: u16::try_from(length).ok()? })
    }

    /// The block that exactly these wire numbers name, if there is one.
    #[must_use]
    pub fn block_at(&self, piece: u32, begin: u32, length: u32) -> Option<BlockRef> {
        let block = self.block(self.piece(piece)?, begin / BLOCK_LENGTH)?;
        (block.begin() == begin && block.length() == length).then_some(block)
    }

    /// Whether these wire numbers name a stretch within one piece: what a request for upload must fulfil.
    #[must_use]
    pub fn contains(&self, piece: u32, begin: u32, length: u32) -> bool {
        let Some(piece) = self.piece(piece) else { return false };
        length > 0 && begin.checked_add(length).is_some_and(|end| end <= self.length_of(piece))
    }

    /// Bytes of this piece that belong to a file rather than to padding: what v2 hashes cover.
    #[must_use]
    pub fn data_length_of(&self, piece: PieceIndex) -> u32 {
        let data = self.slices(piece, 0, self.length_of(piece)).map(|slice| slice.length).sum::<u64>();
        u32::try_from(data).unwrap_or(self.piece_length)
    }

    /// The file that a v2 or hybrid piece belongs to (such pieces lie in exactly one), and the piece's number
    /// within that file.
    #[must_use]
    pub fn file_of(&self, piece: PieceIndex) -> Option<(usize, u32)> {
        let offset = self.offset_of(piece);
        let at = self.files.partition_point(|span| span.end() <= offset);
        let span = self.files.get(at)?;
        let first = span.start / u64::from(self.piece_length);
        Some((at, u32::try_from(u64::from(piece.0).checked_sub(first)?).ok()?))
    }

    /// The pieces that hold bytes of this file; empty for an empty file.
    #[must_use]
    pub fn pieces_of(&self, file: usize) -> Range<u32> {
        let Some(span) = self.files.get(file).filter(|span| span.length > 0) else { return 0..0 };
        let first = span.start / u64::from(self.piece_length);
        let end = span.end().div_ceil(u64::from(self.piece_length));
        u32::try_from(first).unwrap_or(u32::MAX)..u32::try_from(end).unwrap_or(u32::MAX)
    }

    /// Bytes of this file in this piece.
    #[must_use]
    pub fn bytes_of(&self, file: usize, piece: u32) -> u64 {
        let Some(span) = self.files.get(file) else { return 0 };
        let start = u64::from(piece) * u64::from(self.piece_length);
        let end = (start + u64::from(self.piece_length)).min(span.end());
        end.saturating_sub(start.max(span.start))
    }

    /// In which piece, and where in it, the byte at this place of a file is; `None` beyond its end.
    #[must_use]
    pub fn place_in(&self, file: usize, offset: u64) -> Option<(PieceIndex, u32)> {
        let span = self.files.get(file).filter(|span| offset < span.length)?;
        let at = span.start + offset;
        let piece = self.piece(u32::try_from(at / u64::from(self.piece_length)).ok()?)?;
        Some((piece, u32::try_from(at % u64::from(self.piece_length)).ok()?))
    }

    /// Where `length` bytes from `begin` of `piece` lie: stretches of files in order. Padding is left out; it is all
    /// zeros, at the end of what it pads.
    pub fn slices(&self, piece: PieceIndex, begin: u32, length: u32) -> impl Iterator<Item = FileSlice> + '_ {
        let origin = self.offset_of(piece);
        let start = origin + u64::from(begin);
        let end = start + u64::from(length);
        let first = self.files.partition_point(|span| span.end() <= start);
        self.files
            .iter()
            .enumerate()
            .skip(first)
            .take_while(move |(_, span)| span.start < end)
            .filter(|(_, span)| !span.pad && span.length > 0)
            .filter_map(move |(file, span)| {
                let from = start.max(span.start);
                let to = end.min(span.end());
                (from < to).then(|| FileSlice {
                    file,
                    begin: u32::try_from(from - origin).unwrap_or(u32::MAX),
                    offset: from - span.start,
                    length: to - from,
                })
            })
    }

    fn span_at(&self, offset: u64) -> Option<FileSpan> {
        self.files.get(self.files.partition_point(|span| span.end() <= offset)).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use sprat_wire::metainfo::{Attributes, File};

    use super::*;

    fn info(version: Version, piece_length: u32, files: &[(u64, bool)]) -> Info {
        let file = |(at, (length, pad)): (usize, &(u64, bool))| File {
            path: format!("files/{at}"),
            original_path: None,
            length: *length,
            attributes: Attributes { pad: *pad, ..Attributes::default() },
            pieces_root: None,
        };
        Info {
            name: "files".into(),
            version,
            piece_length,
            files: files.iter().enumerate().map(file).collect(),
            v1_pieces: None,
            private: false,
            single_file: false,
            similar: Vec::new(),
            collections: Vec::new(),
        }
    }

    /// What lies at each offset of the content space: a byte of a file, or a gap that belongs to no piece.
    fn content(info: &Info) -> Vec<Option<(usize, u64)>> {
        let mut content = Vec::new();
        for (at, file) in info.files.iter().enumerate() {
            while info.version == Version::V2 && content.len() % info.piece_length as usize != 0 {
                content.push(None);
            }
            content.extend((0..file.length).map(|offset| Some((at, offset))));
        }
        while content.last() == Some(&None) {
            content.pop();
        }
        content
    }

    /// Piece lengths of a few bytes: not legal, but the arithmetic is the same, and every byte can be looked at.
    fn infos() -> impl Strategy<Value = Info> {
        let version = prop_oneof![Just(Version::V1), Just(Version::V2)];
        let files = vec((prop_oneof![1 => Just(0), 4 => 0..40_u64], proptest::bool::weighted(0.1)), 0..8);
        (version, 1..12_u32, files).prop_map(|(version, piece_length, mut files)| {
            if version == Version::V2 {
                files.iter_mut().for_each(|(_, pad)| *pad = false);
            }
            info(version, piece_length, &files)
        })
    }

    proptest! {
        #[test]
        fn every_byte_of_every_file_is_in_one_piece_at_its_place(info in infos(), from: u32, count: u32) {
            let geometry = Geometry::new(&info);
            let content = content(&info);
            let pieces: Vec<&[Option<(usize, u64)>]> = content.chunks(info.piece_length as usize).collect();
            prop_assert_eq!(geometry.pieces() as usize, pieces.len());
            prop_assert_eq!(geometry.total_length(), content.iter().flatten().count() as u64);
            prop_assert_eq!(geometry.piece(geometry.pieces()), None);
            for (piece, bytes) in geometry.all_pieces().zip(pieces) {
                let length = bytes.iter().flatten().count() as u32;
                prop_assert_eq!(geometry.length_of(piece), length);
                let is_data = |(file, _): &(usize, u64)| !info.files[*file].attributes.pad;
                let data: Vec<(usize, u64)> = bytes.iter().copied().flatten().filter(is_data).collect();
                prop_assert_eq!(geometry.data_length_of(piece) as usize, data.len());

                let begin = from % length;
                let count = count % (length - begin + 1);
                let mut expected: Vec<(u32, usize, u64)> = Vec::new();
                for at in begin..begin + count {
                    if let Some((file, offset)) = bytes[at as usize].filter(is_data) {
                        expected.push((at, file, offset));
                    }
                }
                let mut sliced = Vec::new();
                for slice in geometry.slices(piece, begin, count) {
                    prop_assert!(slice.length > 0);
                    sliced.extend((0..slice.length).map(|at| (slice.begin + at as u32, slice.file, slice.offset + at)));
                }
                prop_assert_eq!(sliced, expected);

                if info.version == Version::V2 {
                    let (file, number) = geometry.file_of(piece).unwrap();
                    prop_assert_eq!(bytes[0], Some((file, u64::from(number * info.piece_length))));
                    prop_assert!(bytes.iter().flatten().all(|(other, _)| *other == file), "one file per piece");
                }
            }
            for (at, file) in info.files.iter().enumerate() {
                let holds = |piece: &PieceIndex| {
                    let start = geometry.offset_of(*piece) as usize;
                    let end = start + geometry.length_of(*piece) as usize;
                    content[start..end].iter().flatten().any(|(other, _)| *other == at)
                };
                let expected: Vec<u32> = geometry.all_pieces().filter(holds).map(PieceIndex::get).collect();
                prop_assert_eq!(geometry.pieces_of(at).collect::<Vec<u32>>(), expected);
                prop_assert_eq!(geometry.pieces_of(at).is_empty(), file.length == 0);
            }
            prop_assert_eq!(geometry.pieces_of(info.files.len()), 0..0);
        }

        #[test]
        fn the_blocks_of_a_piece_are_its_bytes_in_order(length in 1..200_000_u64, piece_length in 1..70_000_u32) {
            let geometry = Geometry::new(&info(Version::V1, piece_length, &[(length, false)]));
            let mut total = 0;
            for piece in geometry.all_pieces().step_by(geometry.pieces().div_ceil(50) as usize) {
                let mut at = 0;
                for index in 0..geometry.blocks_in(piece) {
                    let block = geometry.block(piece, index).unwrap();
                    prop_assert_eq!((block.piece(), block.index(), block.begin()), (piece, index, at));
                    prop_assert_eq!(geometry.block_at(piece.get(), at, block.length()), Some(block));
                    prop_assert!(geometry.contains(piece.get(), at, block.length()));
                    at += block.length();
                }
                prop_assert_eq!(at, geometry.length_of(piece));
                prop_assert_eq!(geometry.block(piece, geometry.blocks_in(piece)), None);
                total += 1;
            }
            prop_assert!(total > 0);
        }

        #[test]
        fn numbers_from_the_wire_name_a_block_or_a_stretch_that_exists_or_nothing(
            piece in edge(), begin in edge(), length in edge(),
        ) {
            // Two and a half pieces of two and a half blocks.
            let piece_length = BLOCK_LENGTH * 5 / 2;
            let geometry = Geometry::new(&info(Version::V1, piece_length, &[(u64::from(piece_length) * 5 / 2, false)]));
            let exists = u64::from(begin) + u64::from(length)
                <= geometry.piece(piece).map_or(0, |piece| u64::from(geometry.length_of(piece)));
            prop_assert_eq!(geometry.contains(piece, begin, length), exists && length > 0);
            match geometry.block_at(piece, begin, length) {
                Some(block) => {
                    prop_assert!(exists);
                    prop_assert_eq!((block.piece().get(), block.begin(), block.length()), (piece, begin, length));
                }
                None => {
                    let is_whole = length == BLOCK_LENGTH && begin % BLOCK_LENGTH == 0;
                    prop_assert!(!exists || !is_whole);
                }
            }
        }
    }

    fn edge() -> impl Strategy<Value = u32> {
        prop_oneof![
            0..4_u32,
            (0..4_u32, 0..3_u32).prop_map(|(blocks, off)| (blocks * BLOCK_LENGTH + off).saturating_sub(1)),
            (u32::MAX - 3..=u32::MAX),
            any::<u32>(),
        ]
    }

    #[test]
    fn the_largest_pieces_and_torrents_are_cut_without_overflow() {
        // 512 MiB a piece, and 2⁴⁵ bytes in all: the limits of metainfo.
        let geometry = Geometry::new(&info(Version::V1, 1 << 29, &[(1 << 45, false)]));
        let last = geometry.piece(geometry.pieces() - 1).unwrap();
        assert_eq!((geometry.pieces(), geometry.length_of(last)), (1 << 16, 1 << 29));
        let block = geometry.block(last, geometry.blocks_in(last) - 1).unwrap();
        assert_eq!((block.index(), block.begin() + block.length()), (32_767, 1 << 29));
    }

    #[test]
    fn a_torrent_without_bytes_has_no_pieces() {
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let geometry = Geometry::new(&info(version, BLOCK_LENGTH, &[(0, false), (0, false)]));
            assert_eq!((geometry.pieces(), geometry.total_length(), geometry.pieces_of(0)), (0, 0, 0..0));
        }
    }
}
