//! Moving torrents to other places, and saying where somebody else has moved them.
//!
//! A torrent whose files are on their way is [held](sprat_core::Session::hold): nobody uses them. What is to be done is in its
//! entry before anything is done, and what was interrupted is ended by the next start. What waits for the disk is done on a
//! thread of its own, which is told to leave when the client ends.
//!
//! ```text
//! begin ─► entry: To ─► copy ─► entry: these copies ─► place ─► entry: From, and the record ─► take away ─► entry: there
//! ```

use std::sync::Arc;
use std::time::Duration;

use sprat_core::sleeper::Sleeper;
use sprat_core::storage::{StorageError, StorageErrorKind, TorrentId};
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::catalogue::Home;
use super::driver::{Act, Driver, seed_from_the_system};
use super::entry::{Entry, Journey};
use super::moves::Move;
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
    /// What is left of an earlier one is to be done before.
    New(Data, Option<Journey>),
    Again(Journey),
}

impl Driver {
    /// Has a torrent lie elsewhere from now on.
    pub(super) fn relocate(&mut self, torrent: TorrentId, to: Place, data: Data, answer: Answer) {
        match self.may_relocate(torrent, &to, data) {
            Ok(Some(begin)) => self.spawn_move(torrent, to, begin, Some(answer)),
            // Who asked may have gone.
            Ok(None) => drop(answer.send(Ok(()))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// How it begins; `None` if there is nothing more to be done.
    fn may_relocate(
        &mut self,
        torrent: TorrentId,
        to: &Place,
        data: Data,
    ) -> Result<Option<Begin>, RelocateError> {
        let catalogue = self.catalogue.as_mut().ok_or(RelocateError::Unknown)?;
        let entry = catalogue.get(torrent).filter(|entry| entry.removing().is_none());
        let entry = entry.ok_or(RelocateError::Unknown)?;
        let journey = entry.journey();
        if self.moves.of(torrent).is_some() || matches!(journey, Some(Journey::To(..))) {
            return Err(RelocateError::Busy);
        }
        if entry.is_known {
            return Ok(Some(Begin::New(data, journey)));
        }
        if self.session.torrent(torrent).is_some() {
            return Err(RelocateError::Busy);
        }
        if !to.names.is_empty() {
            return Err(PlaceError::FilesUnknown.into());
        }
        // Of a magnet link nothing is on the disk.
        catalogue.change(torrent, |entry| entry.set_place(to));
        self.storage.place(torrent, to.clone());
        Ok(None)
    }

    /// Goes on with what an earlier process has begun.
    pub(super) fn resume_move(&mut self, torrent: TorrentId, journey: Journey, place: Place) {
        let to = match &journey {
            Journey::To(to, ..) => to.clone(),
            Journey::From(..) => place,
        };
        // Its files are in two places.
        let now = self.now();
        self.session.hold(now, torrent);
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
        let (one, closed) = Move::new(to.directory.clone(), Arc::clone(&steering));
        self.moves.insert(torrent, one);
        let route = [&from, &to].map(|place| self.storage.disk_of(&place.directory));
        let (route, open) = (self.moves.route(route), self.storage.open_contents());
        let job = Job { torrent, hashes, from, to, home, open, steering, hands: self.hands.clone(), route };
        tokio::task::spawn_local(async move {
            let result = job.run(begin, closed).await;
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

    fn hold(&mut self, torrent: TorrentId) {
        let now = self.now();
        self.session.hold(now, torrent);
        if self.session.sleeper(torrent).is_some() {
            self.moves.on_closed(torrent);
        }
    }

    fn end_move(&mut self, torrent: TorrentId) {
        self.moves.end(torrent);
        let Some(catalogue) = &mut self.catalogue else { return };
        catalogue.detach(torrent);
        let Some(entry) = catalogue.get(torrent) else { return };
        let (place, is_complete, removing) = (entry.place(), entry.is_complete, entry.removing());
        let now = self.now();
        if self.session.sleeper(torrent).is_some_and(Sleeper::is_held) {
            self.storage.place(torrent, place);
        }
        self.session.release(now, torrent);
        if let Some(files) = removing {
            self.session.remove_with(now, torrent, files);
        } else if !is_complete && self.session.sleeper(torrent).is_some_and(|sleeper| !sleeper.is_paused()) {
            self.session.wake(now, torrent);
        }
    }
}

/// One move, from closing the files to removing what is left.
struct Job {
    torrent: TorrentId,
    hashes: InfoHashes,
    from: Place,
    to: Place,
    home: Home,
    open: OpenContents,
    steering: Arc<Steering>,
    /// The driver.
    hands: mpsc::UnboundedSender<Act>,
    route: Arc<Semaphore>,
}

impl Job {
    async fn run(&self, begin: Begin, closed: oneshot::Receiver<()>) -> Result<(), RelocateError> {
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
        let metainfo = match (self.metainfo().await?, &begin) {
            (Ok(metainfo), _) => metainfo,
            (Err(reason), Begin::New(..)) => return Err(RelocateError::Metadata(reason)),
            (Err(reason), Begin::Again(_)) => self.await_metainfo(reason).await?,
        };
        self.to.check(&metainfo.info)?;
        match begin {
            Begin::New(data, unfinished) => {
                if let Some(Journey::From(from, mark, left)) = unfinished {
                    self.clear(&metainfo, [from, self.from.clone()], mark, left).await?;
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
                self.bring(&metainfo, mark, begun, true, permit).await
            }
            Begin::Again(Journey::From(from, mark, left)) => {
                self.clear(&metainfo, [from, self.to.clone()], mark, left).await
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
            Ok(begun) => self.bring(metainfo, mark, begun, false, permit).await,
            Err(RelocateError::Interrupted) => Err(RelocateError::Interrupted),
            Err(error) => {
                self.give_up(metainfo, mark).await?;
                Err(error)
            }
        }
    }

    async fn begin(&self, metainfo: &Arc<Metainfo>, mark: u64) -> Result<Begun, RelocateError> {
        let relocation = self.relocation(metainfo, mark, Begun::default(), false);
        let begun = on_thread(move || relocation.begin()).await?.map_err(RelocateError::Storage)?;
        let written = begun.clone();
        self.write(|entry| entry.begin(written), None).await?.map_err(RelocateError::State)?;
        Ok(begun)
    }

    /// Nothing was done yet but to mark the new place.
    async fn give_up(&self, metainfo: &Arc<Metainfo>, mark: u64) -> Result<(), RelocateError> {
        let relocation = Arc::new(self.relocation(metainfo, mark, Begun::default(), false));
        self.abandon(&relocation).await
    }

    /// Brings the files there, and removes what is left.
    async fn bring(
        &self,
        metainfo: &Arc<Metainfo>,
        mark: u64,
        begun: Begun,
        is_resumed: bool,
        mut permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(), RelocateError> {
        let moved = loop {
            let relocation = Arc::new(self.relocation(metainfo, mark, begun.clone(), is_resumed));
            let stop = match self.bring_once(&relocation).await {
                Ok(moved) => break moved,
                Err(stop) => stop,
            };
            let end = match (stop, self.steering.may_go_on()) {
                (Stop::Left, _) | (_, Err(Stop::Left)) => return Err(RelocateError::Interrupted),
                // A disk that was not there when the machine was started may come yet.
                (Stop::Failed(error), Ok(())) if is_resumed && error.kind == StorageErrorKind::Missing => {
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
        let mut written = self.write(arrive, Some(moved.record.clone())).await?;
        // Nobody knows now which of the two places the next start will find. Until that is certain, neither may change.
        while let Err(error) = written {
            match self.wait(error.to_string()).await {
                Ok(()) => {}
                Err(RelocateError::Cancelled) => tokio::time::sleep(RETRY_AFTER).await,
                Err(end) => return Err(end),
            }
            written = self.write(|_| {}, Some(moved.record.clone())).await?;
        }
        let cleared = self.clear(metainfo, [self.from.clone(), self.to.clone()], mark, moved.left).await;
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
    async fn clear(
        &self,
        metainfo: &Arc<Metainfo>,
        [from, to]: [Place; 2],
        mark: u64,
        left: Left,
    ) -> Result<(), RelocateError> {
        let course = Course { from, to, mark, begun: Begun::default(), is_resumed: true };
        let (ledger, open, steering) =
            (self.home.ledger.clone(), self.open.clone(), Arc::clone(&self.steering));
        let relocation = Relocation::new(metainfo, ledger, open, course, steering);
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
        if let Err(error) = self.write(move |entry| entry.set_place(&to), Some(record)).await? {
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
        while let Err(error) = self.write(Entry::settle, None).await? {
            match self.wait(error.to_string()).await {
                Ok(()) => {}
                Err(RelocateError::Cancelled) => tokio::time::sleep(RETRY_AFTER).await,
                Err(end) => return Err(end),
            }
        }
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
        let torrent = self.torrent;
        self.on_driver(move |driver| driver.moves.show_trouble(torrent, Some(trouble))).await?;
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => {}
            () = self.steering.stopped() => return Err(self.is_stopped()),
        }
        self.on_driver(move |driver| driver.moves.show_trouble(torrent, None)).await
    }

    fn is_stopped(&self) -> RelocateError {
        match self.steering.may_go_on() {
            Err(Stop::Cancelled) => RelocateError::Cancelled,
            _ => RelocateError::Interrupted,
        }
    }

    fn relocation(&self, metainfo: &Metainfo, mark: u64, begun: Begun, is_resumed: bool) -> Relocation {
        let course = Course { from: self.from.clone(), to: self.to.clone(), mark, begun, is_resumed };
        let (ledger, open) = (self.home.ledger.clone(), self.open.clone());
        Relocation::new(metainfo, ledger, open, course, Arc::clone(&self.steering))
    }

    async fn metainfo(&self) -> Result<Result<Arc<Metainfo>, String>, RelocateError> {
        let (home, hashes) = (self.home.clone(), self.hashes);
        on_thread(move || home.metadata(&hashes)).await
    }

    /// Half moved as it is, it cannot go on otherwise.
    async fn await_metainfo(&self, mut reason: String) -> Result<Arc<Metainfo>, RelocateError> {
        loop {
            self.wait(reason).await?;
            match self.metainfo().await? {
                Ok(metainfo) => return Ok(metainfo),
                Err(again) => reason = again,
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
