//! One move of a torrent, from one thing that is written down to the next.
//!
//! ```text
//! begin ─► entry: To ─► copy ─► entry: these copies ─► place ─► entry: From, and the record ─► take away ─► entry: there
//! ```
//!
//! What waits for the disk is done on a thread of its own, which is told to leave when the client ends.

use std::sync::Arc;
use std::time::Duration;

use sprat_core::io::Event;
use sprat_core::storage::{StorageError, StorageErrorKind, TorrentId};
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::catalogue::Home;
use super::driver::{Act, Driver, seed_from_the_system};
use super::entry::{Entry, Journey};
use crate::state::{Change, StateError};
use crate::storage::{
    Begun, Course, Left, Moved, OpenContents, Place, PlaceError, Relocation, Steering, Stop, recognise,
};

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
    /// The move was cancelled, or the torrent removed.
    #[error("the move was cancelled")]
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

/// How a move begins.
pub(super) enum Begin {
    /// What is left of an earlier one is to be done before.
    New(Data, Option<Journey>),
    Again(Journey),
}

/// One move, from closing the files to removing what is left.
pub(super) struct Job {
    pub(super) torrent: TorrentId,
    pub(super) hashes: InfoHashes,
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) home: Home,
    pub(super) open: OpenContents,
    pub(super) steering: Arc<Steering>,
    /// The driver.
    pub(super) hands: mpsc::UnboundedSender<Act>,
    pub(super) route: Arc<Semaphore>,
}

impl Job {
    pub(super) async fn run(&self, begin: Begin, closed: oneshot::Receiver<()>) -> Result<(), RelocateError> {
        // Who has to wait for others goes on giving meanwhile, unless its files are in two places.
        let permit = match (self.permit().await, &begin) {
            (Err(RelocateError::Cancelled), Begin::Again(_)) => None,
            (permit, _) => Some(permit?),
        };
        let torrent = self.torrent;
        self.on_driver(move |driver| driver.hold(torrent)).await?;
        tokio::select! {
            closed = closed => closed.map_err(|_| RelocateError::Cancelled)?,
            () = self.steering.stopped(), if matches!(begin, Begin::New(..)) => return Err(self.is_stopped()),
        }
        let journey = match &begin {
            Begin::New(_, unfinished) => unfinished.as_ref(),
            Begin::Again(journey) => Some(journey),
        };
        let metainfo = match (self.metainfo(journey).await?, &begin) {
            (Ok(metainfo), _) => metainfo,
            (Err(error), Begin::New(..)) => return Err(error),
            (Err(error), Begin::Again(journey)) => match self.await_metainfo(error, journey).await {
                Err(RelocateError::Cancelled) => return self.give_up_unseen(journey).await,
                awaited => awaited?,
            },
        };
        match begin {
            Begin::New(data, unfinished) => {
                if let Some(Journey::From(from, mark, left)) = unfinished {
                    let course = Course { from, to: self.from.clone(), ..self.course(mark) };
                    self.clear(&metainfo, course, left).await?;
                    if self.is_on_the_way().await? {
                        return Err(RelocateError::Busy);
                    }
                }
                match data {
                    Data::IsThere => self.recognise(metainfo).await,
                    Data::Move => self.set_out(&metainfo, permit).await,
                }
            }
            Begin::Again(Journey::To(_, mark, None)) => self.give_up(&metainfo, mark).await,
            Begin::Again(Journey::To(_, mark, Some(begun))) => {
                let course = Course { begun, is_resumed: true, ..self.course(mark) };
                self.bring(&metainfo, course, permit).await
            }
            Begin::Again(Journey::From(from, mark, left)) => {
                self.clear(&metainfo, Course { from, ..self.course(mark) }, left).await
            }
        }
    }

    async fn set_out(
        &self,
        metainfo: &Arc<Metainfo>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(), RelocateError> {
        let mark = seed_from_the_system();
        let to = self.to.clone();
        let set_out = self.write(move |entry| entry.set_out(&to, mark), None).await?;
        let begun = match set_out {
            Ok(()) => self.begin(metainfo, mark).await,
            Err(error) => Err(RelocateError::State(error)),
        };
        match begun {
            Ok(begun) => self.bring(metainfo, Course { begun, ..self.course(mark) }, permit).await,
            Err(RelocateError::Interrupted) => Err(RelocateError::Interrupted),
            Err(error) => {
                self.give_up(metainfo, mark).await?;
                Err(error)
            }
        }
    }

    async fn begin(&self, metainfo: &Arc<Metainfo>, mark: u64) -> Result<Begun, RelocateError> {
        let relocation = self.relocation(metainfo, self.course(mark));
        let begun = on_thread(move || relocation.begin()).await?.map_err(RelocateError::Storage)?;
        let written = begun.clone();
        self.write(|entry| entry.begin(written), None).await?.map_err(RelocateError::State)?;
        Ok(begun)
    }

    /// Nothing was done yet but to mark the new place.
    async fn give_up(&self, metainfo: &Arc<Metainfo>, mark: u64) -> Result<(), RelocateError> {
        let relocation = Arc::new(self.relocation(metainfo, self.course(mark)));
        self.abandon(&relocation).await
    }

    /// It stays where it is, and nobody knows what to look for at the other place.
    async fn give_up_unseen(&self, journey: &Journey) -> Result<(), RelocateError> {
        self.write_for_good(Entry::settle, None).await?;
        if let Some(reason) = journey.leaves() {
            let torrent = self.torrent;
            self.on_driver(move |driver| driver.tell(Event::FilesLeft { torrent, reason })).await?;
        }
        Err(RelocateError::Cancelled)
    }

    /// Brings the files there, and removes what is left.
    async fn bring(
        &self,
        metainfo: &Arc<Metainfo>,
        course: Course,
        mut permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(), RelocateError> {
        let moved = loop {
            let relocation = Arc::new(self.relocation(metainfo, course.clone()));
            let stop = match self.bring_once(&relocation).await {
                Ok(moved) => break moved,
                Err(stop) => stop,
            };
            let end = match (stop, self.steering.may_go_on()) {
                (Stop::Left, _) | (_, Err(Stop::Left)) => return Err(RelocateError::Interrupted),
                // A disk that was not there when the machine was started may come yet.
                (Stop::Failed(error), Ok(()))
                    if course.is_resumed && error.kind == StorageErrorKind::Missing =>
                {
                    drop(permit.take());
                    match self.wait(error.to_string()).await {
                        Ok(()) => {
                            permit = self.permit().await.ok();
                            continue;
                        }
                        Err(end) => end,
                    }
                }
                (Stop::Failed(error), _) => RelocateError::Storage(error),
                (Stop::Cancelled, _) => RelocateError::Cancelled,
            };
            if end != RelocateError::Interrupted {
                self.abandon(&relocation).await?;
            }
            return Err(end);
        };
        let left = moved.left.clone();
        let arrive = move |entry: &mut Entry| entry.arrive(left);
        // If that fails, nobody knows which of the two places the next start will find. Until it is certain, neither may change.
        self.write_for_good(arrive, Some(moved.record)).await?;
        let cleared = self.clear(metainfo, course, moved.left).await;
        drop(permit);
        cleared
    }

    async fn bring_once(&self, relocation: &Arc<Relocation>) -> Result<Moved, Stop> {
        let copying = Arc::clone(relocation);
        let copied = on_thread(move || copying.copy()).await.map_err(stop_of)??;
        if !copied.begun.copies.is_empty() {
            let begun = copied.begun.clone();
            let written = self.write(move |entry| entry.begin(begun), None).await.map_err(stop_of)?;
            written.map_err(|error| stop_of(RelocateError::State(error)))?;
        }
        let placing = Arc::clone(relocation);
        on_thread(move || placing.place(copied)).await.map_err(stop_of)?
    }

    /// Removes what is left at the first place of what was moved to the second. What cannot be done is done at the next start.
    async fn clear(&self, metainfo: &Metainfo, course: Course, left: Left) -> Result<(), RelocateError> {
        let relocation = self.relocation(metainfo, course);
        let (record, rest) = match on_thread(move || relocation.take_away(&left)).await? {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(torrent = self.torrent.0, %error, "what was moved cannot be removed yet");
                return Ok(());
            }
        };
        let note =
            move |entry: &mut Entry| if rest.is_empty() { entry.settle() } else { entry.note_left(rest) };
        // If this is not written down, the next start looks once more, and finds nothing left.
        if let Err(error) = self.write(note, record).await? {
            tracing::warn!(torrent = self.torrent.0, %error, "the end of a move could not be written down");
        }
        Ok(())
    }

    /// Something is left of an earlier move.
    async fn is_on_the_way(&self) -> Result<bool, RelocateError> {
        let torrent = self.torrent;
        let journey = move |driver: &mut Driver| {
            driver.catalogue.as_ref().and_then(|catalogue| catalogue.get(torrent)?.journey()).is_some()
        };
        self.on_driver(journey).await
    }

    async fn recognise(&self, metainfo: Arc<Metainfo>) -> Result<(), RelocateError> {
        let (ledger, at) = (self.home.ledger.clone(), self.to.clone());
        let record = on_thread(move || recognise(&metainfo, ledger, at)).await?;
        let record = record.map_err(RelocateError::Storage)?;
        let (to, from) = (self.to.clone(), self.from.clone());
        let had_consent = from.adopt;
        let set = move |entry: &mut Entry| {
            let was_given_meanwhile = entry.place().adopt && !had_consent;
            entry.set_place(&Place { adopt: to.adopt || was_given_meanwhile, ..to });
        };
        if let Err(error) = self.write(set, Some(record)).await? {
            let torrent = self.torrent;
            self.on_driver(move |driver| driver.catalogue.as_mut().map(|one| one.detach(torrent))).await?;
            let _ = self.write(move |entry| entry.set_place(&from), None).await?;
            return Err(RelocateError::State(error));
        }
        Ok(())
    }

    /// It stays where it is. The mark goes last: without it the next start would wait for a disk.
    async fn abandon(&self, relocation: &Arc<Relocation>) -> Result<(), RelocateError> {
        let undoing = Arc::clone(relocation);
        let _ = on_thread(move || undoing.undo()).await;
        self.write_for_good(Entry::settle, None).await?;
        let forgetting = Arc::clone(relocation);
        let _ = on_thread(move || forgetting.forget_mark()).await;
        Ok(())
    }

    /// Waits until this move may be made.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, RelocateError> {
        tokio::select! {
            // The semaphore is never closed.
            permit = Arc::clone(&self.route).acquire_owned() => permit.map_err(|_| RelocateError::Interrupted),
            () = self.steering.stopped() => Err(self.is_stopped()),
        }
    }

    /// Shows what is wrong, and waits until it may be tried again.
    async fn wait(&self, trouble: String) -> Result<(), RelocateError> {
        self.show_trouble(Some(trouble)).await?;
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => {}
            () = self.steering.stopped() => return Err(self.is_stopped()),
        }
        self.show_trouble(None).await
    }

    async fn show_trouble(&self, trouble: Option<String>) -> Result<(), RelocateError> {
        let torrent = self.torrent;
        self.on_driver(move |driver| driver.moves.show_trouble(torrent, trouble)).await
    }

    fn is_stopped(&self) -> RelocateError {
        match self.steering.may_go_on() {
            Err(Stop::Cancelled) => RelocateError::Cancelled,
            _ => RelocateError::Interrupted,
        }
    }

    /// Of a move that has just begun.
    fn course(&self, mark: u64) -> Course {
        let (from, to) = (self.from.clone(), self.to.clone());
        Course { from, to, mark, begun: Begun::default(), is_resumed: false }
    }

    fn relocation(&self, metainfo: &Metainfo, course: Course) -> Relocation {
        let (ledger, open) = (self.home.ledger.clone(), self.open.clone());
        Relocation::new(metainfo, ledger, open, course, Arc::clone(&self.steering))
    }

    /// The metadata, if it goes with what is written down of the move.
    async fn metainfo(
        &self,
        journey: Option<&Journey>,
    ) -> Result<Result<Arc<Metainfo>, RelocateError>, RelocateError> {
        let (home, hashes) = (self.home.clone(), self.hashes);
        let metainfo = match on_thread(move || home.metadata(&hashes)).await? {
            Ok(metainfo) => metainfo,
            Err(error) => return Ok(Err(RelocateError::Metadata(error.to_string()))),
        };
        let to = self.to.check(&metainfo.info);
        let checked = to.and_then(|()| journey.map_or(Ok(()), |journey| journey.check(&metainfo.info)));
        Ok(checked.map(|()| metainfo).map_err(RelocateError::Place))
    }

    /// Half moved as it is, it cannot go on otherwise.
    async fn await_metainfo(
        &self,
        mut error: RelocateError,
        journey: &Journey,
    ) -> Result<Arc<Metainfo>, RelocateError> {
        loop {
            if matches!(error, RelocateError::Place(_)) {
                // Nor will it ever, unless the user wants something else.
                self.show_trouble(Some(error.to_string())).await?;
                self.steering.stopped().await;
                return Err(self.is_stopped());
            }
            self.wait(error.to_string()).await?;
            match self.metainfo(Some(journey)).await? {
                Ok(metainfo) => return Ok(metainfo),
                Err(again) => error = again,
            }
        }
    }

    /// Changes the entry, and another record with it. Returns when that is durable.
    async fn write(
        &self,
        act: impl FnOnce(&mut Entry) + 'static,
        other: Option<Change>,
    ) -> Result<Result<(), StateError>, RelocateError> {
        let torrent = self.torrent;
        let write = move |driver: &mut Driver| driver.catalogue.as_mut()?.change_with(torrent, act, other);
        // It was removed, or the client ends.
        let written = self.on_driver(write).await?.ok_or(RelocateError::Interrupted)?;
        let written = written.await.map_err(|_| RelocateError::Interrupted)?;
        if written.is_ok() {
            self.on_driver(move |driver| driver.catalogue.as_mut().map(|one| one.detach(torrent))).await?;
        }
        Ok(written)
    }

    /// As [`Self::write`], until it has succeeded: until then nothing else may be done with the files, also if that is wished.
    async fn write_for_good(
        &self,
        act: impl FnOnce(&mut Entry) + 'static,
        other: Option<Change>,
    ) -> Result<(), RelocateError> {
        let mut written = self.write(act, other.clone()).await?;
        while let Err(error) = written {
            match self.wait(error.to_string()).await {
                Ok(()) => {}
                Err(RelocateError::Cancelled) => tokio::time::sleep(RETRY_AFTER).await,
                Err(end) => return Err(end),
            }
            written = self.write(|_| {}, other.clone()).await?;
        }
        Ok(())
    }

    pub(super) async fn on_driver<R: 'static>(
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

/// The same, for those who decide what becomes of the copies.
fn stop_of(error: RelocateError) -> Stop {
    match error {
        RelocateError::Interrupted => Stop::Left,
        RelocateError::Cancelled => Stop::Cancelled,
        RelocateError::Storage(error) => Stop::Failed(error),
        other => Stop::Failed(StorageError { kind: StorageErrorKind::Io, detail: other.to_string() }),
    }
}

/// Does what may wait for a disk. Not on a thread of the runtime, which would wait for it when it ends.
async fn on_thread<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, RelocateError> {
    let (answer, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("relocation".to_owned()).spawn(move || {
        // Whoever waited may have gone.
        let _ = answer.send(act());
    });
    let failed = |detail| RelocateError::Storage(StorageError { kind: StorageErrorKind::Io, detail });
    thread.map_err(|error| failed(error.to_string()))?;
    result.await.map_err(|_| failed("the thread that moves files has failed".to_owned()))
}
