//! A large torrent.

use std::sync::Arc;

use sprat_core::bitfield::Bitfield;
use sprat_wire::hash::Sha1Hash;
use sprat_wire::metainfo::build::{Builder, Description, Hashes};
use sprat_wire::metainfo::{Attributes, Metainfo, Version};

pub(crate) const PIECES: u32 = 100_000;

/// 16 blocks.
pub(crate) const PIECE_LENGTH: u32 = 256 * 1024;

/// One file of 24.4 GiB. What is in it does not matter to whoever does not hash it.
pub(crate) fn torrent() -> Arc<Metainfo> {
    let length = u64::from(PIECES) * u64::from(PIECE_LENGTH);
    let builder = Builder::single(Version::V1, PIECE_LENGTH, "file", length, Attributes::default()).unwrap();
    let hashes = Hashes { v1_pieces: vec![Sha1Hash([7; 20]); PIECES as usize], v2_files: Vec::new() };
    Arc::new(builder.build(&hashes, &Description::default()).unwrap().metainfo)
}

/// Any half of all pieces.
pub(crate) fn any_half(rng: &mut fastrand::Rng) -> Bitfield {
    let bytes: Vec<u8> = (0..PIECES / 8).map(|_| rng.u8(..)).collect();
    Bitfield::from_wire(&bytes, PIECES).unwrap()
}
