//! Moving torrents to other places, and saying where somebody else has moved them.
//!
//! A torrent whose files are on their way is [held](sprat_core::Session::hold): nobody uses them. What is to be done is in its
//! entry before anything is done, and what was interrupted is ended by the next start. What waits for the disk is done on a
//! thread of its own, which outlives nothing: it is told to leave when the client ends.

use std::sync::Arc;
use std::time::Duration;

use sprat_core::storage::{StorageError, StorageErrorKind, TorrentId};
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::catalogue::Home;
use super::driver::{Act, Driver, seed_from_the_system};
use super::entry::{Entry, Journey};
use super::moves::Move;
use crate::state::{Change, StateError};
use crate::storage::{Intent, Left, Place, PlaceError, Relocation, Steering, Stop, recognise};

/// How soon what did not work is tried again, when it must be done before anything else.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a torrent was not moved. It is where it was, unless it is said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RelocateError {
    /// The list has no such torrent, or the client has no list.
    #[error("no such torrent is in the list")]
    Unknown,
    /// It is being moved, or has just found its metadata.
    #[error("the torrent is busy")]
    Busy,
    /// Files cannot have these names.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Its metadata cannot be had, in words for a person.
    #[error("its metadata cannot be read: {0}")]
    Metadata(String),
    /// Trouble with one of the disks. [`StorageErrorKind::Conflict`]: something that we have not made has the place of a file.
    #[error("{0}")]
    Storage(#[source] StorageError),
    /// It could not be written down.
    #[error("the move cannot be written down: {0}")]
    State(#[source] StateError),
    /// The torrent was removed.
    #[error("the torrent was removed")]
    Cancelled,
    /// The client has ended. The next start goes on.
    #[error("the client has ended; the move goes on at the next start")]
    Interrupted,
}

/// What is to be done with the files of a torrent that is to lie elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// They are to be brought there.
    Move,
    /// Somebody else has put them there.
    IsThere,
}

type Answer = oneshot::Sender<Result<(), RelocateError>>;

/// How a move begins.
enum Begin {
    New(Data),
    Again(Journey),
}

impl Driver {
    /// Has a torrent lie elsewhere from now on.
    pub(super) fn relocate(&mut self, torrent: TorrentId, to: Place, data: Data, answer: Answer) {
        if let Err(end) = self.begin_to_relocate(torrent, &to) {
            // Who asked may have gone.
            let _ = answer.send(end);
            return;
        }
        self.spawn_move(torrent, to, Begin::New(data), Some(answer));
    }

    /// `Err` is the answer, if there is no more to be done.
    fn begin_to_relocate(&mut self, torrent: TorrentId, to: &Place) -> Result<(), Result<(), RelocateError>> {
        let Some(catalogue) = &mut self.catalogue else { return Err(Err(RelocateError::Unknown)) };
        let Some(entry) = catalogue.get(torrent).filter(|entry| entry.removing().is_none()) else {
            return Err(Err(RelocateError::Unknown));
        };
        if self.moves.of(torrent).is_some() {
            return Err(Err(RelocateError::Busy));
        }
        if entry.is_known {
            return Ok(());
        }
        if self.session.torrent(torrent).is_some() {
            return Err(Err(RelocateError::Busy));
        }
        if !to.names.is_empty() {
            return Err(Err(PlaceError::FilesUnknown.into()));
        }
        // Of a magnet link nothing is on the disk.
        catalogue.change(torrent, |entry| entry.set_place(to));
        self.storage.place(torrent, to.clone());
        Err(Ok(()))
    }

    /// Goes on with what an earlier process has begun.
    pub(super) fn resume_move(&mut self, torrent: TorrentId, journey: Journey, place: Place) {
        let to = match &journey {
            Journey::To(to, _) => to.clone(),
            Journey::From(..) => place,
        };
        self.spawn_move(torrent, to, Begin::Again(journey), None);
    }

    fn spawn_move(&mut self, torrent: TorrentId, to: Place, begin: Begin, answer: Option<Answer>) {
        let Some((home, hashes, from)) = self.catalogue.as_ref().and_then(|catalogue| {
            let entry = catalogue.get(torrent)?;
            Some((catalogue.home.clone(), entry.info_hashes(), entry.place()))
        }) else {
            return;
        };
        let steering = Arc::new(Steering::default());
        let (one, is_closed) = Move::new(to.directory.clone(), Arc::clone(&steering));
        self.moves.insert(torrent, one);
        let now = self.now();
        self.session.hold(now, torrent);
        if self.session.sleeper(torrent).is_some() {
            self.moves.on_closed(torrent);
        }
        let (hands, copies) = (self.hands.clone(), self.moves.copies());
        let job = Job { torrent, hashes, from, to, home, steering, hands, copies };
        tokio::task::spawn_local(async move {
            let result = match is_closed.await {
                Ok(()) => job.make(begin).await,
                Err(_) => Err(RelocateError::Cancelled),
            };
            if let Err(error) = &result
                && answer.is_none()
            {
                tracing::warn!(torrent = torrent.0, %error, "a torrent could not be moved");
            }
            let _ = job.on_driver(move |driver| driver.end_move(torrent)).await;
            if let Some(answer) = answer {
                let _ = answer.send(result);
            }
        });
    }

    fn end_move(&mut self, torrent: TorrentId) {
        if let Some(entry) = self.catalogue.as_ref().and_then(|catalogue| catalogue.get(torrent)) {
            let (place, is_complete) = (entry.place(), entry.is_complete);
            self.storage.place(torrent, place);
            let now = self.now();
            self.session.release(now, torrent);
            if !is_complete && !self.session.sleeper(torrent).is_none_or(|sleeper| sleeper.is_paused()) {
                self.session.wake(now, torrent);
            }
        }
        self.moves.end(torrent);
    }
}

/// One move, from closing the files to removing what is left.
struct Job {
    torrent: TorrentId,
    hashes: InfoHashes,
    from: Place,
    to: Place,
    home: Home,
    steering: Arc<Steering>,
    /// The driver.
    hands: mpsc::UnboundedSender<Act>,
    copies: Arc<Semaphore>,
}

impl Job {
    async fn make(&self, begin: Begin) -> Result<(), RelocateError> {
        let metainfo = self.metainfo().await?;
        self.to.check(&metainfo.info)?;
        match begin {
            Begin::New(Data::IsThere) => self.recognise(metainfo).await,
            Begin::New(Data::Move) => {
                let intent = Intent::new(seed_from_the_system());
                let relocation = self.relocation(&metainfo, &self.from, intent, false);
                let looked = on_thread(move || relocation.look()).await?;
                let intent = looked.map_err(RelocateError::Storage)?;
                let (to, noted) = (self.to.clone(), intent.clone());
                let set_out = move |entry: &mut Entry| entry.set_out(&to, noted);
                if let Err(error) = self.write(set_out, Vec::new()).await? {
                    self.abandon().await?;
                    return Err(RelocateError::State(error));
                }
                self.bring(&metainfo, intent, false).await
            }
            Begin::Again(Journey::To(_, intent)) => self.bring(&metainfo, intent, true).await,
            Begin::Again(Journey::From(from, left)) => self.clear(&metainfo, from, left).await,
        }
    }

    /// Brings the files there, and removes what is left.
    async fn bring(
        &self,
        metainfo: &Arc<Metainfo>,
        intent: Intent,
        is_resumed: bool,
    ) -> Result<(), RelocateError> {
        // The semaphore is never closed.
        let permit = self.copies.acquire().await.map_err(|_| RelocateError::Interrupted)?;
        let moved = loop {
            let relocation = self.relocation(metainfo, &self.from, intent.clone(), is_resumed);
            match on_thread(move || relocation.copy()).await? {
                Ok(moved) => break moved,
                // A disk that was not there when the machine was started may come yet.
                Err(Stop::Failed(error)) if is_resumed && error.kind == StorageErrorKind::Missing => {
                    self.wait(error.to_string()).await?;
                }
                Err(Stop::Failed(error)) => {
                    self.abandon().await?;
                    return Err(RelocateError::Storage(error));
                }
                Err(Stop::Cancelled) => {
                    self.abandon().await?;
                    return Err(RelocateError::Cancelled);
                }
                Err(Stop::Left) => return Err(RelocateError::Interrupted),
            }
        };
        drop(permit);
        let left = moved.left.clone();
        let mut written = self.write(move |entry| entry.arrive(left), vec![moved.record.clone()]).await?;
        // Nobody knows now which of the two places the next start will find. Until that is certain, neither may change.
        while let Err(error) = written {
            self.wait(error.to_string()).await?;
            written = self.write(|_| {}, vec![moved.record.clone()]).await?;
        }
        self.clear(metainfo, self.from.clone(), moved.left).await
    }

    /// Removes what is left at the old place.
    async fn clear(&self, metainfo: &Arc<Metainfo>, from: Place, left: Left) -> Result<(), RelocateError> {
        let relocation = self.relocation(metainfo, &from, Intent::new(0), true);
        let record = match on_thread(move || relocation.take_away(&left)).await? {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(torrent = self.torrent.0, %error, "files of a torrent that was moved are left behind");
                None
            }
        };
        // If this is not written down, the next start looks once more, and finds nothing left.
        if let Err(error) = self.write(Entry::settle, record.into_iter().collect()).await? {
            tracing::warn!(torrent = self.torrent.0, %error, "the end of a move could not be written down");
        }
        Ok(())
    }

    async fn recognise(&self, metainfo: Arc<Metainfo>) -> Result<(), RelocateError> {
        let (ledger, at) = (self.home.ledger.clone(), self.to.clone());
        let record = on_thread(move || recognise(&metainfo, ledger, at)).await?;
        let record = record.map_err(RelocateError::Storage)?;
        let (to, from) = (self.to.clone(), self.from.clone());
        if let Err(error) = self.write(move |entry| entry.set_place(&to), vec![record]).await? {
            let _ = self.write(move |entry| entry.set_place(&from), Vec::new()).await?;
            return Err(RelocateError::State(error));
        }
        Ok(())
    }

    /// It stays where it is.
    async fn abandon(&self) -> Result<(), RelocateError> {
        if let Err(error) = self.write(Entry::settle, Vec::new()).await? {
            tracing::warn!(torrent = self.torrent.0, %error, "that a move was given up could not be written down");
        }
        Ok(())
    }

    /// Shows what is wrong, and waits until it may be tried again.
    async fn wait(&self, trouble: String) -> Result<(), RelocateError> {
        let torrent = self.torrent;
        self.on_driver(move |driver| driver.moves.show_trouble(torrent, Some(trouble))).await?;
        tokio::time::sleep(RETRY_AFTER).await;
        match self.steering.may_go_on() {
            Ok(()) => {}
            Err(Stop::Cancelled) => {
                self.abandon().await?;
                return Err(RelocateError::Cancelled);
            }
            Err(Stop::Left | Stop::Failed(_)) => return Err(RelocateError::Interrupted),
        }
        self.on_driver(move |driver| driver.moves.show_trouble(torrent, None)).await
    }

    fn relocation(&self, metainfo: &Metainfo, from: &Place, intent: Intent, is_resumed: bool) -> Relocation {
        let (ledger, steering) = (self.home.ledger.clone(), Arc::clone(&self.steering));
        Relocation::new(metainfo, ledger, [from.clone(), self.to.clone()], intent, is_resumed, steering)
    }

    async fn metainfo(&self) -> Result<Arc<Metainfo>, RelocateError> {
        let (home, hashes) = (self.home.clone(), self.hashes);
        on_thread(move || home.metadata(&hashes)).await?.map_err(RelocateError::Metadata)
    }

    /// Changes the entry, and other records with it. Returns when that is durable.
    async fn write(
        &self,
        act: impl FnOnce(&mut Entry) + 'static,
        others: Vec<Change>,
    ) -> Result<Result<(), StateError>, RelocateError> {
        let torrent = self.torrent;
        let write = move |driver: &mut Driver| driver.catalogue.as_mut()?.change_with(torrent, act, others);
        // It was removed, or the client ends.
        let written = self.on_driver(write).await?.ok_or(RelocateError::Interrupted)?;
        written.await.map_err(|_| RelocateError::Interrupted)
    }

    async fn on_driver<R: 'static>(
        &self,
        act: impl FnOnce(&mut Driver) -> R + 'static,
    ) -> Result<R, RelocateError> {
        let (answer, result) = oneshot::channel();
        let act = move |driver: &mut Driver| {
            let _ = answer.send(act(driver));
        };
        self.hands.send(Box::new(act)).map_err(|_| RelocateError::Interrupted)?;
        result.await.map_err(|_| RelocateError::Interrupted)
    }
}

/// Does what may wait for a disk. Not on a thread of the runtime, which would wait for it when it ends.
async fn on_thread<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, RelocateError> {
    let (answer, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("relocation".to_owned()).spawn(move || {
        // Whoever waited may have gone.
        let _ = answer.send(act());
    });
    if let Err(error) = thread {
        return Err(RelocateError::Storage(StorageError {
            kind: StorageErrorKind::Io,
            detail: error.to_string(),
        }));
    }
    result.await.map_err(|_| RelocateError::Interrupted)
}
