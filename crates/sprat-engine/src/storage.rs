//! The disk: threads that serve [`StorageRequest`]s on real files.
//!
//! ```text
//! session loop --submit--> shard 0..n   Write, Finish, Forget, Verify   by piece: one piece, one thread, in order
//!                     |--> memory       Read                            at once, of what the kernel holds in memory
//!                     |--> readers      Read                            the rest, a shared queue: a slow read holds up one
//!                      \-> steward      Open, Commit, Probe             may wait for the disk for seconds
//! ```
//!
//! Every answer goes to the one channel given to [`Storage::start`]. No request waits for another torrent's lock: a
//! piece that is being put together belongs to its shard alone, open files are counted references.

mod assembly;
mod buffers;
mod checking;
mod committing;
mod contain;
mod content;
mod fault;
mod file_read;
mod finishing;
mod place;
mod pool;
mod progress;
mod recognition;
mod recorder;
mod relocation;
mod removal;
mod replica;
mod shard;
mod signature;
mod steering;
mod steward;
mod stored;
mod survey;
#[cfg(test)]
mod tests;
mod unsynced;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{CommitError, Files, StorageReply, StorageRequest, TorrentId};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use self::buffers::Buffers;
pub(crate) use self::content::Content;
use self::fault::other;
pub use self::place::{Place, PlaceError};
pub(crate) use self::pool::FilePool;
pub(crate) use self::recognition::recognise;
use self::recorder::{Recorder, key_of};
pub(crate) use self::relocation::{Left, Relocation};
use self::shard::Shard;
pub(crate) use self::steering::{Steering, Stop};
use self::steward::Steward;
pub(crate) use self::stored::{hash_all, thread_count};
use crate::ledger::LedgerHandle;

/// Threads that serve `Read` only: one may wait for a slow disk while the other serves the rest.
const READERS: usize = 2;

/// How the disk is to be used.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// Threads that hash and write; as many again as two only read.
    pub workers: usize,
    /// Bytes of unfinished pieces kept in memory. Beyond it they are written early, and read back if need be.
    pub held_limit: usize,
    /// Bytes submitted but not yet taken in by a worker, beyond which [`Storage::is_congested`].
    pub queue_limit: usize,
    /// Files kept open at most; a quarter of `RLIMIT_NOFILE` is the other bound.
    pub open_files: usize,
    /// Reserve the whole of a file when its first byte is written. Otherwise files are sparse and grow.
    pub preallocate: bool,
    /// Where progress is recorded. `None`: nowhere, every start checks what it finds.
    pub ledger: Option<LedgerHandle>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, NonZero::get).max(2),
            held_limit: 64 << 20,
            queue_limit: 16 << 20,
            open_files: 512,
            preallocate: false,
            ledger: None,
        }
    }
}

/// The handle to the storage threads.
#[derive(Debug)]
pub struct Storage {
    shared: Arc<Shared>,
    torrents: Mutex<BTreeMap<TorrentId, Known>>,
    shards: Vec<Sender<Job>>,
    readers: Sender<Job>,
    steward: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
    preallocate: bool,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    reply: UnboundedSender<StorageReply>,
    pool: Arc<FilePool>,
    pressure: Pressure,
    buffers: Buffers,
    ledger: Option<LedgerHandle>,
    /// Bytes of unfinished pieces in memory, of all shards.
    held: AtomicUsize,
    held_limit: usize,
}

#[derive(Debug)]
enum Known {
    Placed(Place),
    Open(Arc<OpenTorrent>),
}

/// A torrent between `Open` and `Close`. When the last request lets go of it, `Closed` is sent.
#[derive(Debug)]
struct OpenTorrent {
    content: Arc<Content>,
    /// The user lets us write files that we have not made.
    adopt: AtomicBool,
    /// What becomes of the files, once it is closing.
    closing: OnceLock<Files>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Job {
    torrent: Arc<OpenTorrent>,
    request: StorageRequest,
}

impl Storage {
    /// Starts the threads. Answers go to `reply`.
    ///
    /// # Panics
    ///
    /// When the system will not start a thread.
    #[must_use]
    pub fn start(config: StorageConfig, reply: UnboundedSender<StorageReply>) -> Self {
        let shared = Arc::new(Shared {
            reply,
            pool: Arc::new(FilePool::new(config.open_files)),
            pressure: Pressure::new(config.queue_limit),
            buffers: Buffers::default(),
            ledger: config.ledger,
            held: AtomicUsize::new(0),
            held_limit: config.held_limit,
        });
        let mut threads = Vec::new();
        let mut shards = Vec::new();
        for _ in 0..config.workers.max(1) {
            let (sender, inbox) = channel();
            let shard = Shard::new(Arc::clone(&shared));
            threads.push(std::thread::spawn(move || shard.run(&inbox)));
            shards.push(sender);
        }
        let (readers, inbox) = channel();
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..READERS {
            let inbox = Arc::clone(&inbox);
            threads.push(std::thread::spawn(move || serve_reads(&inbox)));
        }
        let (steward, inbox) = channel();
        threads.push(std::thread::spawn(move || Steward::default().run(&inbox)));
        let preallocate = config.preallocate;
        Self { shared, torrents: Mutex::default(), shards, readers, steward, threads, preallocate }
    }

    /// Says where the files of `torrent` lie. To be called before [`StorageRequest::Open`].
    pub fn place(&self, torrent: TorrentId, place: impl Into<Place>) {
        let place = place.into();
        self.with_torrents(|torrents| torrents.insert(torrent, Known::Placed(place)));
    }

    /// From now on files of `torrent` that we have not made may be written.
    pub fn adopt(&self, torrent: TorrentId) {
        self.with_torrents(|torrents| match torrents.get_mut(&torrent) {
            Some(Known::Placed(place)) => place.adopt = true,
            Some(Known::Open(open)) => {
                open.adopt.store(true, Ordering::Release);
                open.content.watch.adopt_all();
            }
            None => {}
        });
    }

    /// Hands over a request. Never waits: see [`Storage::is_congested`].
    pub fn submit(&self, request: StorageRequest) {
        let id = torrent_of(&request);
        let torrent = self.with_torrents(|torrents| match (&request, torrents.remove(&id)) {
            (StorageRequest::Open { metainfo, geometry, .. }, Some(Known::Placed(place))) => {
                let adopt = place.adopt;
                let info = Arc::clone(&metainfo.info);
                let pool = Arc::clone(&self.shared.pool);
                let recorder = Recorder::new(self.shared.ledger.clone(), key_of(&metainfo.info_hashes));
                let news = Some(self.shared.reply.clone());
                let geometry = Arc::clone(geometry);
                let content = Content::new(id, place, info, geometry, pool, self.preallocate, recorder, news);
                let torrent = Arc::new(OpenTorrent {
                    content: Arc::new(content),
                    adopt: AtomicBool::new(adopt),
                    closing: OnceLock::new(),
                    shared: Arc::clone(&self.shared),
                });
                torrents.insert(id, Known::Open(Arc::clone(&torrent)));
                Some(torrent)
            }
            (StorageRequest::Close { .. }, Some(Known::Open(torrent))) => Some(torrent),
            (_, Some(Known::Open(torrent))) => {
                torrents.insert(id, Known::Open(Arc::clone(&torrent)));
                Some(torrent)
            }
            (_, Some(placed)) => {
                torrents.insert(id, placed);
                None
            }
            (_, None) => None,
        });
        match torrent {
            Some(torrent) => self.dispatch(torrent, request),
            None => self.refuse(&request),
        }
    }

    /// Bytes submitted and not yet taken in by a worker.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.shared.pressure.queued_bytes()
    }

    /// More is queued than should be: whoever reads from sockets pauses until [`Storage::drained`].
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.shared.pressure.is_congested()
    }

    /// Returns when at most half of the limit is queued.
    pub async fn drained(&self) {
        self.shared.pressure.drained().await;
    }

    /// The same three questions for tasks that do not own the storage.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.shared.pressure.clone()
    }

    /// Finishes what was submitted and ends the threads. Blocks for as long as that takes.
    pub fn stop(self) {
        let Self { shards, readers, steward, threads, .. } = self;
        drop((shards, readers, steward)); // each thread ends when its queue is empty and has no sender
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a storage thread panicked");
            }
        }
    }

    fn dispatch(&self, torrent: Arc<OpenTorrent>, request: StorageRequest) {
        let queue = match &request {
            StorageRequest::Write { block, data, .. } => {
                self.shared.pressure.rise(data.len());
                self.shard(torrent.content.torrent, block.piece())
            }
            StorageRequest::Finish { piece, .. }
            | StorageRequest::Forget { piece, .. }
            | StorageRequest::Verify { piece, .. }
            | StorageRequest::Leaves { piece, .. } => self.shard(torrent.content.torrent, *piece),
            StorageRequest::Read { token, piece, begin, length, .. } => {
                // A hand-over to another thread and back costs as much as the copy.
                let mut buffer = self.shared.buffers.take(*length as usize);
                if torrent.content.read_resident(*piece, *begin, buffer.as_mut()) {
                    let (torrent, result) = (torrent.content.torrent, Ok(buffer.freeze()));
                    return self.shared.reply(StorageReply::Read { torrent, token: *token, result });
                }
                &self.readers
            }
            StorageRequest::Open { .. } | StorageRequest::Commit { .. } | StorageRequest::Probe { .. } => {
                &self.steward
            }
            StorageRequest::Close { files, .. } => {
                // Once: after it the torrent is not known any more.
                let _ = torrent.closing.set(*files);
                for shard in &self.shards {
                    send(shard, Job { torrent: Arc::clone(&torrent), request: request.clone() });
                }
                return;
            }
        };
        send(queue, Job { torrent, request });
    }

    /// One piece, one thread; neighbours go to different ones.
    fn shard(&self, torrent: TorrentId, piece: PieceIndex) -> &Sender<Job> {
        let at = (torrent.0 as usize).wrapping_add(piece.as_usize()) % self.shards.len();
        self.shards.get(at).unwrap_or(&self.steward)
    }

    /// Answers for a torrent that is not open, where an answer is due.
    fn refuse(&self, request: &StorageRequest) {
        let torrent = torrent_of(request);
        let error = || other("the torrent is not open");
        let reply = match request {
            StorageRequest::Open { .. } => StorageReply::Opened { torrent, result: Err(error()) },
            StorageRequest::Finish { piece, .. } => {
                StorageReply::Failed { torrent, piece: *piece, error: error() }
            }
            StorageRequest::Verify { piece, .. } => {
                StorageReply::Verified { torrent, piece: *piece, result: Err(error()) }
            }
            StorageRequest::Read { token, .. } => {
                StorageReply::Read { torrent, token: *token, result: Err(error()) }
            }
            StorageRequest::Leaves { token, .. } => {
                StorageReply::Leaves { torrent, token: *token, result: Err(error()) }
            }
            StorageRequest::Commit { .. } => {
                StorageReply::Committed { torrent, result: Err(CommitError::Content(error())) }
            }
            StorageRequest::Probe { .. } => StorageReply::Probed { torrent, result: Err(error()) },
            StorageRequest::Close { .. } => StorageReply::Closed { torrent },
            StorageRequest::Write { .. } | StorageRequest::Forget { .. } => return,
        };
        self.shared.reply(reply);
    }

    fn with_torrents<T>(&self, act: impl FnOnce(&mut BTreeMap<TorrentId, Known>) -> T) -> T {
        act(&mut self.torrents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn reply(&self, reply: StorageReply) {
        // Nobody listens any more: the session has gone, and its answers with it.
        let _ = self.reply.send(reply);
    }
}

impl Drop for OpenTorrent {
    fn drop(&mut self) {
        if let Some(files) = self.closing.get() {
            self.content.close();
            self.dispose_of(*files);
            self.shared.reply(StorageReply::Closed { torrent: self.content.torrent });
        }
    }
}

impl OpenTorrent {
    /// Does with the files as the user has said; what does not succeed is left as it is.
    fn dispose_of(&self, files: Files) {
        if files == Files::Delete
            && let Err(error) = removal::delete(&self.content)
        {
            tracing::warn!(%error, "not all files of the torrent could be deleted");
        }
        if files != Files::Keep
            && let Err(error) = self.content.recorder.forget()
        {
            tracing::warn!(%error, "the record of a torrent that is gone stays behind");
        }
    }
}

fn send(queue: &Sender<Job>, job: Job) {
    if let Err(std::sync::mpsc::SendError(job)) = queue.send(job) {
        tracing::error!(
            torrent = job.torrent.content.torrent.0,
            "a storage thread has gone; a request is lost"
        );
    }
}

fn torrent_of(request: &StorageRequest) -> TorrentId {
    match request {
        StorageRequest::Open { torrent, .. }
        | StorageRequest::Write { torrent, .. }
        | StorageRequest::Finish { torrent, .. }
        | StorageRequest::Forget { torrent, .. }
        | StorageRequest::Verify { torrent, .. }
        | StorageRequest::Read { torrent, .. }
        | StorageRequest::Leaves { torrent, .. }
        | StorageRequest::Commit { torrent, .. }
        | StorageRequest::Probe { torrent }
        | StorageRequest::Close { torrent, .. } => *torrent,
    }
}

fn serve_reads(inbox: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: it makes the queue one that several threads take from.
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { torrent, request }) = job else { return };
        let StorageRequest::Read { token, piece, begin, length, .. } = request else { continue };
        let mut buffer = torrent.shared.buffers.take(length as usize);
        let read = torrent.content.read(piece, begin, buffer.as_mut());
        let result = read.map(|()| buffer.freeze());
        torrent.shared.reply(StorageReply::Read { torrent: torrent.content.torrent, token, result });
    }
}

/// How much waits for the disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pressure(Arc<Gauge>);

#[derive(Debug)]
struct Gauge {
    queued: AtomicUsize,
    limit: usize,
    sank: Notify,
}

impl Pressure {
    fn new(limit: usize) -> Self {
        Self(Arc::new(Gauge { queued: AtomicUsize::new(0), limit, sank: Notify::new() }))
    }

    /// Bytes submitted and not yet taken in by a worker.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.0.queued.load(Ordering::Acquire)
    }

    /// More is queued than should be.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.queued_bytes() > self.0.limit
    }

    /// Returns when at most half of the limit is queued.
    pub async fn drained(&self) {
        loop {
            // Before the look at the gauge: `notify_waiters` reaches every future made before it.
            let sank = self.0.sank.notified();
            if self.queued_bytes() <= self.0.limit / 2 {
                return;
            }
            sank.await;
        }
    }

    fn rise(&self, bytes: usize) {
        self.0.queued.fetch_add(bytes, Ordering::AcqRel);
    }

    fn sink(&self, bytes: usize) {
        let before = self.0.queued.fetch_sub(bytes, Ordering::AcqRel);
        let half = self.0.limit / 2;
        if before > half && before.saturating_sub(bytes) <= half {
            self.0.sank.notify_waiters();
        }
    }
}
