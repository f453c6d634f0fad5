//! Those who read files of torrents, and what they wait for.

use std::collections::BTreeMap;

use sprat_core::geometry::PieceIndex;
use sprat_core::io::ReaderId;
use tokio::sync::oneshot;

use super::read_ahead::ReadAhead;
use super::reader::{Answer, Opened, Target};

/// Everybody who reads.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) by_id: BTreeMap<ReaderId, Reader>,
    pub(super) next: u64,
    /// Those that wait until the torrent is awake.
    pub(super) opening: Vec<Opening>,
    /// Of those that are open, how many wait for something.
    pub(super) waiting: usize,
}

/// Somebody who wants to read.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) target: Target,
    pub(super) answer: oneshot::Sender<Opened>,
    /// The torrent slept, and was woken for it.
    pub(super) has_woken: bool,
}

/// One who reads.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) target: Target,
    pub(super) length: u64,
    pub(super) ahead: ReadAhead,
    /// The torrent slept again, and was woken for it.
    pub(super) has_woken: bool,
    /// The first piece of those it has said that it needs.
    pub(super) needs: Option<PieceIndex>,
    pub(super) waits: Option<Wait>,
    /// The disk was asked, and has not answered. Not again before that: answers do not say what was asked.
    pub(super) is_reading: bool,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) offset: u64,
    pub(super) most: usize,
    pub(super) answer: Answer,
    /// The disk was asked for this, and not for what was waited for before.
    pub(super) is_read: bool,
}
