//! The running client: one thread that owns a [`Session`] and everything it speaks through.
//!
//! The thread runs the loop of the sans-IO design: execute what the session puts out, wait for the next thing that
//! happens, hand it in. Sockets live in small tasks on the same thread (`socket`); disks in the threads of
//! [`Storage`](crate::storage::Storage). No state is shared, so nothing is locked.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sprat_core::Session;
use sprat_core::config::Config;
use sprat_core::io::{AddMagnet, AddTorrent, Event, FilePriority, RateLimits};
use sprat_core::storage::{Files, TorrentId};
use sprat_core::time::Time;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::address_policy::{AddressPolicy, Origin};
use crate::dht::{Dht, DhtConfig};
use crate::listen::{ListenConfig, Listeners};
use crate::state::StateError;
use crate::storage::{Place, PlaceError, StorageConfig};
use crate::udp::{UdpConfig, UdpSockets};
use crate::uplink::Uplink;

mod adding;
mod admission;
mod catalogue;
mod driver;
mod entry;
mod list;
mod loading;
mod local;
mod means;
mod moves;
mod note;
mod read_ahead;
mod reader;
mod readers;
mod reading;
mod receive;
mod relocating;
mod relocation_job;
mod removing;
mod socket;
mod trace;

pub use adding::AddError;
use adding::Wish;
pub use admission::Admission;
pub use catalogue::{Home, Listing, Unreadable};
use driver::{Driver, Shell};
use entry::Entry;
pub use entry::EntryError;
pub use moves::{CancelError, Relocating};
pub use note::{Note, NoteTooLong};
use reader::Target;
pub use reader::{FileReader, ReadError};
use relocation_job::Data;
pub use relocation_job::RelocateError;
pub use trace::{TraceError, TraceLine, Way};

/// Events kept for a subscriber that is slow; it is told how many it has missed.
const EVENT_BUFFER: usize = 4096;

/// Everything that can be chosen about a client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The session. Its `listen_port` is overwritten with the port that was found.
    pub session: Config,
    /// Where to accept peers; `None` only dials.
    pub listen: Option<ListenConfig>,
    /// The disk.
    pub storage: StorageConfig,
    /// Whom to contact on the word of strangers.
    pub policy: Arc<AddressPolicy>,
    /// The way to the network of everything that the client sends and receives. Only names are looked up as the system does it. If its
    /// interface is removed, and made anew, peers cannot call until the next start.
    pub uplink: Uplink,
    /// For the DHT and UDP trackers. If the port is 0, it is that of the listeners, if that is free.
    pub udp: UdpConfig,
    /// The DHT nodes to take part with, if any.
    pub dht: Option<DhtConfig>,
    /// Announce public torrents on the local network, and hear of those of others (BEP 14).
    pub lsd: bool,
    /// Where the list of torrents is kept, so that it is there at the next start; `None` is nowhere.
    pub home: Option<Home>,
    /// What everything random follows from; `None` asks the operating system.
    pub seed: Option<u64>,
}

/// Why a client did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// No port to listen on.
    #[error("cannot listen for peers: {0}")]
    Listen(#[source] io::Error),
    /// No socket for UDP.
    #[error("cannot open a socket for UDP: {0}")]
    Udp(#[source] io::Error),
    /// The list of torrents cannot be read.
    #[error("cannot read the list of torrents: {0}")]
    Home(#[source] StateError),
    /// No thread, or no event loop.
    #[error("cannot start the client's thread: {0}")]
    Thread(#[source] io::Error),
}

/// The client's thread has ended: it was shut down, or it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the client has ended")]
pub struct Ended;

/// Something for the client's thread to do.
type Task = Box<dyn FnOnce(&mut Driver) + Send>;

/// A handle to a running client. Dropping it ends the client without farewell; see [`Self::shut_down`].
#[derive(Debug)]
pub struct Client {
    tasks: mpsc::UnboundedSender<Task>,
    events: broadcast::Sender<Event>,
    /// Whoever ends it takes it.
    thread: Mutex<Option<JoinHandle<()>>>,
    unreadable: Vec<Unreadable>,
    port: u16,
}

impl Client {
    /// Starts the thread and listens.
    pub fn start(config: ClientConfig) -> Result<Self, StartError> {
        let (tasks, task_queue) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let event_sender = events.clone();
        let (started, start) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("sprat-session".to_owned())
            .spawn(move || run(config, task_queue, event_sender, &started))
            .map_err(StartError::Thread)?;
        let gone = |_| StartError::Thread(io::Error::other("the thread ended at once"));
        let Started { port, unreadable } = start.recv().map_err(gone)??;
        Ok(Self { tasks, events, thread: Mutex::new(Some(thread)), unreadable, port })
    }

    /// The port on which peers are accepted; 0 when not listening.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Entries of the list that cannot be used. They stay where they are; everything else was taken up.
    #[must_use]
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Adds a torrent. With a [`Home`] it is in the list for good, with its
    /// note, when this returns; whoever stops waiting does not stop it.
    pub async fn add(
        &self,
        add: AddTorrent,
        admission: impl Into<Admission>,
    ) -> Result<Result<TorrentId, AddError>, Ended> {
        let admission = admission.into();
        if let Err(error) = admission.place.check(&add.metainfo.info) {
            return Ok(Err(error.into()));
        }
        self.add_wish(Wish::Torrent(add), admission).await
    }

    /// Adds a torrent of which only the name is known. One that is paused looks for its metadata when it is resumed.
    pub async fn add_magnet(
        &self,
        add: AddMagnet,
        admission: impl Into<Admission>,
    ) -> Result<Result<TorrentId, AddError>, Ended> {
        let admission = admission.into();
        if !admission.place.names.is_empty() {
            return Ok(Err(PlaceError::FilesUnknown.into()));
        }
        self.add_wish(Wish::Magnet(add), admission).await
    }

    async fn add_wish(&self, wish: Wish, admission: Admission) -> Result<Result<TorrentId, AddError>, Ended> {
        let (answer, result) = oneshot::channel();
        self.run(move |driver| driver.add(wish, admission, answer)).await?;
        result.await.map_err(|_| Ended)
    }

    /// The torrents of the list, asleep or not.
    pub async fn list(&self) -> Result<Vec<Listing>, Ended> {
        self.run(|driver| driver.list()).await
    }

    /// One of them.
    pub async fn listing(&self, torrent: TorrentId) -> Result<Option<Listing>, Ended> {
        self.run(move |driver| driver.listing(torrent)).await
    }

    /// Removes a torrent from the list and closes its files; [`Event::Removed`] comes when that is done. With
    /// [`Files::Delete`] the files that it has made, and that no other torrent of the list uses, are deleted. That it is to go is
    /// durable before anything is deleted. What cannot be told or reached any more stays, and is named by [`Event::FilesLeft`].
    pub async fn remove(&self, torrent: TorrentId, files: Files) -> Result<Result<(), StateError>, Ended> {
        let files = if files == Files::Keep { Files::Forget } else { files };
        let (answer, result) = oneshot::channel();
        self.run(move |driver| driver.order_removal(torrent, files, answer)).await?;
        result.await.map_err(|_| Ended)
    }

    /// Has a torrent leave its swarm until it is resumed.
    pub async fn pause(&self, torrent: TorrentId) -> Result<(), Ended> {
        self.run(move |driver| {
            driver.change(
                torrent,
                |entry| entry.is_paused = true,
                |session, now| session.pause(now, torrent),
            );
            driver.keep_totals_of(torrent);
        })
        .await
    }

    /// Has a torrent join its swarm again.
    pub async fn resume(&self, torrent: TorrentId) -> Result<(), Ended> {
        self.run(move |driver| {
            let resume = |session: &mut Session, now| session.resume(now, torrent);
            driver.change(torrent, |entry| entry.is_paused = false, resume);
        })
        .await
    }

    /// Has everything of a torrent that is on the disk hashed again, as [`Session::recheck`] does. If the client ends before that is
    /// done, the next one begins it again.
    pub async fn recheck(&self, torrent: TorrentId) -> Result<(), Ended> {
        self.run(move |driver| {
            let note = |entry: &mut Entry| entry.recheck = entry.is_known;
            driver.change(torrent, note, |session, now| session.recheck(now, torrent));
        })
        .await
    }

    /// Sets what is wanted of a torrent: one priority per file, missing ones normal.
    pub async fn set_priorities(
        &self,
        torrent: TorrentId,
        priorities: Vec<FilePriority>,
    ) -> Result<(), Ended> {
        self.run(move |driver| {
            let note = |entry: &mut Entry| {
                entry.set_priorities(&priorities);
                entry.is_complete = false;
            };
            driver.change(torrent, note, |session, now| session.set_priorities(now, torrent, &priorities));
        })
        .await
    }

    /// Remembers something else of torrents; written down as other changes are, soon, and all together. Those that are not there are
    /// passed over. For many thousands this is called with some hundreds at a time: the client does nothing else meanwhile.
    pub async fn annotate(&self, notes: Vec<(TorrentId, Note)>) -> Result<(), Ended> {
        self.run(move |driver| {
            if let Some(catalogue) = &mut driver.catalogue {
                catalogue.annotate(notes);
            }
        })
        .await
    }

    /// Has a torrent announce to these trackers and no others, by tier. Those that it had before keep what is known of them, new ones
    /// hear of it when it is their turn (BEP 12), those that are gone are told that it leaves. New ones are named by `by`.
    pub async fn set_trackers(
        &self,
        torrent: TorrentId,
        tiers: Vec<Vec<String>>,
        by: Origin,
    ) -> Result<(), Ended> {
        self.run(move |driver| driver.set_trackers(torrent, tiers, by)).await
    }

    /// What a torrent does from now on, line by line, until the receiver is dropped or the torrent is gone. To look for a reason: it costs
    /// about as much as the protocol itself.
    pub async fn trace(
        &self,
        torrent: TorrentId,
    ) -> Result<Result<mpsc::Receiver<TraceLine>, TraceError>, Ended> {
        self.run(move |driver| driver.trace(torrent)).await
    }

    /// Limits the rates of one torrent.
    pub async fn set_torrent_limits(&self, torrent: TorrentId, limits: RateLimits) -> Result<(), Ended> {
        self.run(move |driver| {
            let set = |session: &mut Session, now| session.set_torrent_limits(now, torrent, limits);
            driver.change(torrent, |entry| entry.set_limits(limits), set);
        })
        .await
    }

    /// Pieces in order rather than rarest first.
    pub async fn set_sequential(&self, torrent: TorrentId, on: bool) -> Result<(), Ended> {
        self.run(move |driver| {
            let set = |session: &mut Session, now| session.set_sequential(now, torrent, on);
            driver.change(torrent, |entry| entry.sequential = on, set);
        })
        .await
    }

    /// The first and last pieces of each wanted file before all others.
    pub async fn set_first_last_first(&self, torrent: TorrentId, on: bool) -> Result<(), Ended> {
        self.run(move |driver| driver.change_manner(torrent, |manner| manner.first_last_first = on)).await
    }

    /// Whether a torrent, when it is alone with everything, shows each peer few pieces at a time, and the next ones when those have
    /// spread (BEP 16). Whoever is connected knows already what it has.
    pub async fn set_super_seeding(&self, torrent: TorrentId, on: bool) -> Result<(), Ended> {
        self.run(move |driver| driver.change_manner(torrent, |manner| manner.super_seeding = on)).await
    }

    /// Limits the connections of one torrent; `None`: as the session has it. Where there are more, those go that move least.
    pub async fn set_torrent_connections(
        &self,
        torrent: TorrentId,
        most: Option<usize>,
    ) -> Result<(), Ended> {
        self.run(move |driver| driver.change_manner(torrent, |manner| manner.connections = most)).await
    }

    /// Limits the connections of all torrents together and of each, until the client ends; there are never more than there are
    /// file descriptors for. Where there are more, those go that move least.
    pub async fn set_connections(&self, all: usize, per_torrent: usize) -> Result<(), Ended> {
        self.run(move |driver| {
            let most = driver.most_connections;
            let set = |session: &mut Session, now| {
                session.set_connections(now, all.min(most), per_torrent.min(most));
            };
            driver.with_session(set);
        })
        .await
    }

    /// Lets a torrent write files that were there before it, and that we have not made: the user's answer to
    /// [`StorageErrorKind::Conflict`](sprat_core::storage::StorageErrorKind::Conflict). What they hold of the torrent stays.
    pub async fn adopt(&self, torrent: TorrentId) -> Result<(), Ended> {
        self.run(move |driver| driver.adopt(torrent)).await
    }

    /// Moves the files of a torrent, or gives them other names where they are, and returns when that is done, which may take
    /// hours; nobody gets anything of the torrent meanwhile. Each file is there before the old one is removed: by another name, or
    /// on another file system by a copy that was synced and compared. Nothing that is there already is written over, and files that
    /// are not ours are copied and left. Whoever stops waiting does not stop the move, nor does the end of the client: the next one
    /// goes on. [`Self::cancel_relocation`] does, and so does removing the torrent.
    pub async fn relocate(
        &self,
        torrent: TorrentId,
        to: impl Into<Place>,
    ) -> Result<Result<(), RelocateError>, Ended> {
        self.have_elsewhere(torrent, to.into(), Data::Move).await
    }

    /// Says where the files of a torrent are, which somebody else has moved. Those that look as they were when they were last seen
    /// count at once, and are hashed before anybody gets them; others are hashed first.
    pub async fn locate(
        &self,
        torrent: TorrentId,
        at: impl Into<Place>,
    ) -> Result<Result<(), RelocateError>, Ended> {
        self.have_elsewhere(torrent, at.into(), Data::IsThere).await
    }

    /// Has a torrent that is being moved stay where it was, and returns when it is there again: what was copied is removed, as far
    /// as it can be reached. Also for a move that waits for a disk which is not there, or for the state to be written.
    ///
    /// [`CancelError::Arrived`]: what says that the torrent lies at the new place was written first, and counts; cancelling has no
    /// effect any more. [`CancelError::NotMoving`]: there is no such move. [`CancelError::Interrupted`]: the client was ended first. A
    /// disk that does not answer holds this up.
    pub async fn cancel_relocation(&self, torrent: TorrentId) -> Result<Result<(), CancelError>, Ended> {
        let (answer, result) = oneshot::channel();
        self.run(move |driver| driver.cancel_move(torrent, answer)).await?;
        result.await.map_err(|_| Ended)
    }

    async fn have_elsewhere(
        &self,
        torrent: TorrentId,
        place: Place,
        data: Data,
    ) -> Result<Result<(), RelocateError>, Ended> {
        let (answer, result) = oneshot::channel();
        self.run(move |driver| driver.relocate(torrent, place, data, answer)).await?;
        result.await.map_err(|_| Ended)
    }

    /// A reader of a file, by its number in the info dictionary. Returns when the torrent is awake; [`ReadError::Storage`] if it slept and
    /// its metadata cannot be loaded.
    pub async fn reader(
        &self,
        torrent: TorrentId,
        file: usize,
    ) -> Result<Result<FileReader, ReadError>, Ended> {
        let (answer, opened) = oneshot::channel();
        self.run(move |driver| driver.open_reader(Target { torrent, file }, answer)).await?;
        let opened = opened.await.map_err(|_| Ended)?;
        Ok(opened.map(|(id, length)| FileReader { tasks: self.tasks.downgrade(), id, length }))
    }

    /// Runs `act` on the session, on its own thread, and returns what it returns. This is how everything is read, and changed
    /// that need not outlive the client; `act` should be quick, for the client does nothing else meanwhile.
    pub async fn with<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Session, Time) -> R + Send + 'static,
    ) -> Result<R, Ended> {
        self.run(|driver| driver.with_session(act)).await
    }

    /// Tells the trackers, closes files and connections, and ends the thread; gives up on slow trackers and disks
    /// after five seconds. From then on everything that is asked of this client has [`Ended`] for an answer.
    pub async fn shut_down(&self) -> Result<(), Ended> {
        let (done, all_done) = oneshot::channel();
        self.tasks.send(Box::new(move |driver| driver.shut_down(done))).map_err(|_| Ended)?;
        let result = all_done.await.map_err(|_| Ended);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread has nothing left to do but to join the storage threads.
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            joined.map_err(|_| Ended)?.map_err(|_| Ended)?;
        }
        result
    }

    async fn run<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Driver) -> R + Send + 'static,
    ) -> Result<R, Ended> {
        let (answer, result) = oneshot::channel();
        let task: Task = Box::new(move |driver| {
            // Whoever asked may have gone; what was asked for is done all the same.
            let _ = answer.send(act(driver));
        });
        self.tasks.send(task).map_err(|_| Ended)?;
        result.await.map_err(|_| Ended)
    }
}

/// What is known when a client has started.
struct Started {
    port: u16,
    unreadable: Vec<Unreadable>,
}

fn bind_listeners(config: &ClientConfig) -> io::Result<Option<Listeners>> {
    config.listen.as_ref().map(|listen| Listeners::bind_on(listen, &config.uplink)).transpose()
}

/// On the same port as the listeners, as other clients have it, or else on any.
fn open_udp(config: &UdpConfig, uplink: &Uplink, port: u16) -> io::Result<UdpSockets> {
    if config.port == 0 && port != 0 {
        let beside = UdpSockets::bind_on(&UdpConfig { port, ..config.clone() }, uplink);
        if beside.is_ok() {
            return beside;
        }
    }
    UdpSockets::bind_on(config, uplink)
}

/// A client without a node still works.
fn start_dht(config: &DhtConfig, sockets: &UdpSockets) -> Option<Dht> {
    Dht::start(config, sockets).inspect_err(|error| tracing::warn!(%error, "no DHT node")).ok()
}

/// The client's thread, from start to end.
fn run(
    config: ClientConfig,
    tasks: mpsc::UnboundedReceiver<Task>,
    events: broadcast::Sender<Event>,
    started: &std::sync::mpsc::Sender<Result<Started, StartError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(StartError::Thread(error)));
            return;
        }
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listeners = match bind_listeners(&config) {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = started.send(Err(StartError::Listen(error)));
                return;
            }
        };
        let port = listeners.as_ref().map_or(0, |listeners| listeners.port);
        let sockets = match open_udp(&config.udp, &config.uplink, port) {
            Ok(sockets) => sockets,
            Err(error) => {
                let _ = started.send(Err(StartError::Udp(error)));
                return;
            }
        };
        let dht = config.dht.as_ref().and_then(|config| start_dht(config, &sockets));
        let (mut driver, shell) = Shell::new(config, listeners, sockets, dht, events);
        let taken_up = driver.take_up().map_err(StartError::Home);
        let is_up = taken_up.is_ok();
        let _ = started.send(taken_up.map(|unreadable| Started { port, unreadable }));
        if !is_up {
            return;
        }
        shell.run(driver, tasks).await;
    });
    drop(local);
    crate::runtime::end(runtime);
}
