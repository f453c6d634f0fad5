//! Those who read files of torrents, and what they wait for.

use std::collections::BTreeMap;

use sprat_core::geometry::PieceIndex;
use sprat_core::io::ReaderId;
use tokio::sync::oneshot;

use super::reader::{Answer, Opened, Target};

/// Everybody who reads.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) by_id: BTreeMap<ReaderId, Reader>,
    pub(super) next: u64,
    /// Those that wait until the torrent is awake.
    pub(super) opening: Vec<(Target, oneshot::Sender<Opened>)>,
    /// Of those that are open, how many wait for something.
    pub(super) waiting: usize,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) target: Target,
    pub(super) length: u64,
    /// The first piece of those it has said that it needs.
    pub(super) needs: Option<PieceIndex>,
    pub(super) waits: Option<Wait>,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) offset: u64,
    pub(super) most: usize,
    pub(super) answer: Answer,
    /// The disk has been asked.
    pub(super) is_read: bool,
}
