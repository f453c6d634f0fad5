//! The torrents that are on their way to another place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sprat_core::storage::{Files, TorrentId};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use crate::storage::{LaneId, Place, Steering};

/// Torrents that are moved at a time from one disk to another.
const AT_ONCE: usize = 2;

/// From which disk to which; `None` is one that has no threads.
type Route = [Option<LaneId>; 2];

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
#[derive(Debug, Default)]
pub(super) struct Moves {
    by_torrent: BTreeMap<TorrentId, Move>,
    /// A disk that does not answer holds up the moves from and to it.
    routes: BTreeMap<Route, Arc<Semaphore>>,
}

#[derive(Debug)]
pub(super) struct Move {
    pub(super) to: Place,
    steering: Arc<Steering>,
    trouble: Option<String>,
    /// Waits until the files are closed.
    closed: Option<oneshot::Sender<()>>,
    /// What becomes of the files when it has ended, if the torrent was removed meanwhile.
    pub(super) removal: Option<Files>,
    /// Who wants it to end, and to know where the torrent is then.
    pub(super) cancelled_by: Vec<Cancelled>,
}

/// Whoever has cancelled a move.
pub(super) type Cancelled = oneshot::Sender<Result<(), CancelError>>;

/// Why a move was not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CancelError {
    /// No such torrent is on its way.
    #[error("the torrent is not being moved")]
    NotMoving,
    /// It lies at the new place, for good; at most something is left at the old one, and is removed.
    #[error("the torrent has arrived already")]
    Arrived,
    /// The client has ended before the move has. The next start goes on with it, unless it is cancelled then.
    #[error("the client has ended; the move goes on at the next start")]
    Interrupted,
}

impl Move {
    /// One that begins when the files are closed, which is told.
    pub(super) fn new(to: Place, steering: Arc<Steering>) -> (Self, oneshot::Receiver<()>) {
        let (closed, is_closed) = oneshot::channel();
        let (closed, cancelled_by) = (Some(closed), Vec::new());
        (Self { to, steering, trouble: None, closed, removal: None, cancelled_by }, is_closed)
    }
}

impl Moves {
    pub(super) fn insert(&mut self, torrent: TorrentId, one: Move) {
        self.by_torrent.insert(torrent, one);
    }

    /// What allows a move to be made.
    pub(super) fn route(&mut self, route: Route) -> Arc<Semaphore> {
        Arc::clone(self.routes.entry(route).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_torrent.is_empty()
    }

    pub(super) fn of(&self, torrent: TorrentId) -> Option<Relocating> {
        let one = self.by_torrent.get(&torrent)?;
        let (done, bytes) = one.steering.progress();
        Some(Relocating { to: one.to.directory.clone(), done, bytes, trouble: one.trouble.clone() })
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

    /// Where a torrent is going, if it is.
    pub(super) fn destination(&self, torrent: TorrentId) -> Option<&Place> {
        self.by_torrent.get(&torrent).map(|one| &one.to)
    }

    /// Has a move end, if there is one.
    pub(super) fn cancel(&mut self, torrent: TorrentId, by: Cancelled) {
        if let Some(one) = self.by_torrent.get_mut(&torrent) {
            one.cancelled_by.push(by);
            one.steering.cancel();
        }
    }

    /// Has a move end, and the torrent removed then. Returns whether there is one.
    pub(super) fn remove_after(&mut self, torrent: TorrentId, files: Files) -> bool {
        let one = self.by_torrent.get_mut(&torrent);
        one.map(|one| {
            one.removal = Some(files);
            one.steering.cancel();
        })
        .is_some()
    }

    /// A move has ended.
    pub(super) fn end(&mut self, torrent: TorrentId) -> Option<Move> {
        self.by_torrent.remove(&torrent)
    }

    /// The client is about to end.
    pub(super) fn leave(&self) {
        for one in self.by_torrent.values() {
            one.steering.leave();
        }
    }
}
