//! What is done on threads that may wait for the disk, so that the driver need not.

use std::sync::Arc;

use sprat_core::io::MetadataError;
use sprat_core::storage::TorrentId;
use sprat_wire::metainfo::Metainfo;
use tokio::sync::Semaphore;

use crate::state::StateError;

/// Torrents whose metadata is read at a time.
const LOADS: usize = 4;

/// Something that was done.
#[derive(Debug)]
pub(super) enum Loaded {
    /// A torrent that wakes is to be told this.
    Metadata(TorrentId, Result<Arc<Metainfo>, MetadataError>),
    /// The metadata of a magnet link is on the shelf, or not.
    Kept(TorrentId, Arc<Metainfo>, Result<(), StateError>),
}

/// So many loads at a time.
pub(super) fn loads() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LOADS))
}
