//! The torrents that are on their way to another place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sprat_core::storage::TorrentId;
use tokio::sync::{Semaphore, oneshot};

use crate::storage::Steering;

/// Torrents that are copied at a time.
const COPIES: usize = 4;

/// A torrent that is on its way, as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocating {
    /// Where to.
    pub to: PathBuf,
    /// Bytes copied so far.
    pub done: u64,
    /// Bytes to be copied in all; 0 until that is known.
    pub bytes: u64,
    /// Why it does not go on just now, in words for a person.
    pub trouble: Option<String>,
}

/// The torrents that are on their way.
#[derive(Debug)]
pub(super) struct Moves {
    by_torrent: BTreeMap<TorrentId, Move>,
    copies: Arc<Semaphore>,
}

impl Default for Moves {
    fn default() -> Self {
        Self { by_torrent: BTreeMap::new(), copies: Arc::new(Semaphore::new(COPIES)) }
    }
}

#[derive(Debug)]
pub(super) struct Move {
    to: PathBuf,
    steering: Arc<Steering>,
    trouble: Option<String>,
    /// Waits until the files are closed.
    closed: Option<oneshot::Sender<()>>,
    /// Wait until it has ended, whatever the end.
    ended: Vec<oneshot::Sender<()>>,
}

impl Move {
    /// One that begins when the files are closed, which is told.
    pub(super) fn new(to: PathBuf, steering: Arc<Steering>) -> (Self, oneshot::Receiver<()>) {
        let (closed, is_closed) = oneshot::channel();
        (Self { to, steering, trouble: None, closed: Some(closed), ended: Vec::new() }, is_closed)
    }
}

impl Moves {
    pub(super) fn insert(&mut self, torrent: TorrentId, one: Move) {
        self.by_torrent.insert(torrent, one);
    }

    /// What allows a copy to be made.
    pub(super) fn copies(&self) -> Arc<Semaphore> {
        Arc::clone(&self.copies)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_torrent.is_empty()
    }

    pub(super) fn of(&self, torrent: TorrentId) -> Option<Relocating> {
        let one = self.by_torrent.get(&torrent)?;
        let (done, bytes) = one.steering.progress();
        Some(Relocating { to: one.to.clone(), done, bytes, trouble: one.trouble.clone() })
    }

    /// The files of a torrent are closed, because it is held or otherwise.
    pub(super) fn on_closed(&mut self, torrent: TorrentId) {
        if let Some(closed) = self.by_torrent.get_mut(&torrent).and_then(|one| one.closed.take()) {
            // The job may have ended.
            let _ = closed.send(());
        }
    }

    /// Why a move does not go on just now.
    pub(super) fn show_trouble(&mut self, torrent: TorrentId, trouble: Option<String>) {
        if let Some(one) = self.by_torrent.get_mut(&torrent) {
            one.trouble = trouble;
        }
    }

    /// Has a move end; it has ended when the answer comes.
    pub(super) fn cancel(&mut self, torrent: TorrentId) -> Option<oneshot::Receiver<()>> {
        let one = self.by_torrent.get_mut(&torrent)?;
        one.steering.cancel();
        let (ended, has_ended) = oneshot::channel();
        one.ended.push(ended);
        Some(has_ended)
    }

    /// A move has ended.
    pub(super) fn end(&mut self, torrent: TorrentId) {
        for waiting in self.by_torrent.remove(&torrent).into_iter().flat_map(|one| one.ended) {
            let _ = waiting.send(());
        }
    }

    /// The client is about to end.
    pub(super) fn leave(&self) {
        for one in self.by_torrent.values() {
            one.steering.leave();
        }
    }
}
