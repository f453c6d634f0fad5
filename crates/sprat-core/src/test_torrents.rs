//! Torrents for tests.

use std::sync::Arc;

use sprat_wire::hash::Sha1Hash;
use sprat_wire::metainfo::{Attributes, File, Info, Version};

use crate::geometry::Geometry;

/// The cut of a v1 torrent of one file.
pub(crate) fn geometry_of_one_file(length: u64, piece_length: u32) -> Arc<Geometry> {
    let pieces = length.div_ceil(u64::from(piece_length)) as usize;
    Arc::new(Geometry::new(&Info {
        name: "file".to_owned(),
        version: Version::V1,
        piece_length,
        files: vec![File {
            path: "file".to_owned(),
            original_path: None,
            length,
            attributes: Attributes::default(),
            pieces_root: None,
        }],
        v1_pieces: Some(vec![Sha1Hash([0; 20]); pieces].into()),
        private: false,
        single_file: true,
        similar: Vec::new(),
        collections: Vec::new(),
    }))
}
