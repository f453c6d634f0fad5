//! The disks: threads that serve [`StorageRequest`]s on real files.
//!
//! ```text
//! session loop --submit--> lane: a disk --> shard 0..n   Write, Finish, Forget, Verify   by piece: one piece, one thread, in order
//!                     |                |--> memory       Read                            at once, of what the kernel holds in memory
//!                     |                |--> readers      Read                            the rest, torrents in turn: a slow read holds up one
//!                     |                |--> steward      Open, Commit, Probe             may wait for the disk for seconds
//!                     |                \-> patrol                                       looks at what nobody reads, each second
//!                     |--> lane: another disk --> …
//! ```
//!
//! Every answer goes to the one channel given to [`Storage::start`]. No request waits for another torrent's lock: a
//! piece that is being put together belongs to its shard alone, open files are counted references. No request waits for another
//! disk either: each has a *lane*, which is threads, open files, a part of the memory and a [`Pressure`] of its own.

mod activity;
mod assembly;
mod budget;
mod buffers;
mod checking;
mod committing;
mod contain;
mod content;
mod fault;
mod file_read;
mod finishing;
mod lane;
mod lanes;
mod mounts;
mod open_contents;
mod patrol;
mod place;
mod pool;
mod pressure;
mod progress;
mod recognition;
mod recorder;
mod relocation;
mod removal;
mod replica;
mod residence;
mod shard;
mod signature;
mod steering;
mod steward;
mod stored;
mod survey;
#[cfg(test)]
mod tests;
mod turns;
mod unsynced;
mod users;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sprat_core::storage::{CommitError, Files, StorageError, StorageReply, StorageRequest, TorrentId};
use tokio::sync::mpsc::UnboundedSender;

use self::activity::Activity;
use self::budget::Portion;
use self::buffers::Buffers;
pub(crate) use self::content::Content;
use self::fault::other;
pub(crate) use self::lanes::LaneId;
use self::lanes::Lanes;
pub(crate) use self::open_contents::OpenContents;
pub use self::place::{Place, PlaceError};
pub(crate) use self::pool::FilePool;
pub use self::pressure::Pressure;
pub(crate) use self::recognition::recognise;
use self::recorder::{Recorder, key_of};
pub(crate) use self::relocation::{Begun, Course, Left, Moved, Relocation};
pub(crate) use self::steering::{Steering, Stop};
pub(crate) use self::stored::{hash_all, thread_count};
use crate::ledger::LedgerHandle;

/// How disks are to be used.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// Threads that hash and write, for each disk; three more read and look after it.
    pub workers: usize,
    /// Bytes of unfinished pieces kept in memory, of all disks that have any in equal parts. Beyond it they are written early, and
    /// read back if need be.
    pub held_limit: usize,
    /// Bytes submitted but not yet taken in by a worker, of all disks that have any in equal parts, beyond which
    /// [`Pressure::is_congested`].
    pub queue_limit: usize,
    /// Files kept open at most, of all disks in equal parts; a quarter of `RLIMIT_NOFILE` is the other bound.
    pub open_files: usize,
    /// Reserve the whole of a file when its first byte is written. Otherwise files are sparse and grow.
    pub preallocate: bool,
    /// Where progress is recorded. `None`: nowhere, every start checks what it finds.
    pub ledger: Option<LedgerHandle>,
    /// Where the kernel says what is mounted, in the form of `proc_pid_mountinfo(5)`: by it the disk of a torrent is known.
    pub mount_table: PathBuf,
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
            mount_table: PathBuf::from("/proc/self/mountinfo"),
        }
    }
}

/// The handle to the storage threads.
#[derive(Debug)]
pub struct Storage {
    torrents: Mutex<BTreeMap<TorrentId, Known>>,
    lanes: Lanes,
    open: OpenContents,
    reply: UnboundedSender<StorageReply>,
    preallocate: bool,
}

/// What the threads of one disk share.
#[derive(Debug)]
struct Shared {
    /// Where it is mounted.
    disk: PathBuf,
    reply: UnboundedSender<StorageReply>,
    pool: Arc<FilePool>,
    pressure: Pressure,
    buffers: Buffers,
    ledger: Option<LedgerHandle>,
    /// Unfinished pieces in memory, of all shards.
    held: Portion,
    activity: Activity,
    /// Of all disks.
    open: OpenContents,
}

#[derive(Debug)]
enum Known {
    Placed(Place),
    Open(LaneId, Arc<OpenTorrent>),
}

impl Known {
    fn place(&self) -> Place {
        match self {
            Self::Placed(place) => place.clone(),
            Self::Open(_, open) => {
                Place { adopt: open.adopt.load(Ordering::Acquire), ..open.content.place.clone() }
            }
        }
    }
}

/// A torrent between `Open` and `Close`. When the last request lets go of it, `Closed` is sent.
#[derive(Debug)]
struct OpenTorrent {
    content: Arc<Content>,
    /// The user lets us write files that we have not made.
    adopt: AtomicBool,
    /// It was found at least once: its disk is the right one.
    is_found: AtomicBool,
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
    /// Nothing runs yet: the threads of a disk start when the first torrent on it is opened. Answers go to `reply`.
    #[must_use]
    pub fn start(config: StorageConfig, reply: UnboundedSender<StorageReply>) -> Self {
        let preallocate = config.preallocate;
        let open = OpenContents::default();
        let lanes = Lanes::new(config, reply.clone(), open.clone());
        Self { torrents: Mutex::default(), lanes, open, reply, preallocate }
    }

    /// The torrents that are open.
    pub(crate) fn open_contents(&self) -> OpenContents {
        self.open.clone()
    }

    /// Which disk a directory lies on, as far as that can be told without touching it. `None` if it has no threads.
    pub(crate) fn disk_of(&self, directory: &Path) -> Option<LaneId> {
        self.lanes.of(directory).ok()
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
            Some(Known::Open(_, open)) => {
                open.adopt.store(true, Ordering::Release);
                open.content.watch.adopt_all();
            }
            None => {}
        });
    }

    /// Hands over a request. Never waits for a disk: see [`Storage::pressure`].
    pub fn submit(&self, request: StorageRequest) {
        let id = torrent_of(&request);
        let found = self.with_torrents(|torrents| match (&request, torrents.get(&id)) {
            (StorageRequest::Open { .. }, Some(known)) if self.is_to_be_placed(known) => {
                let (lane, torrent) = self.opened(&request, known.place())?;
                torrents.insert(id, Known::Open(lane, Arc::clone(&torrent)));
                Ok((lane, torrent))
            }
            (_, Some(Known::Open(lane, torrent))) => {
                let found = (*lane, Arc::clone(torrent));
                if matches!(request, StorageRequest::Close { .. }) {
                    torrents.remove(&id);
                }
                Ok(found)
            }
            (_, Some(Known::Placed(_)) | None) => Err(other("the torrent is not open")),
        });
        let found = found.and_then(|(lane, torrent)| {
            Ok((self.lanes.get(lane).ok_or_else(|| other("the disk has no threads"))?, torrent))
        });
        match found {
            Ok((lane, torrent)) => lane.dispatch(Job { torrent, request }),
            Err(error) => self.refuse(&request, error),
        }
    }

    /// Whether the disk of a torrent is to be found out: it was never open, or was never found and its disk has been mounted since.
    fn is_to_be_placed(&self, known: &Known) -> bool {
        match known {
            Known::Placed(_) => true,
            Known::Open(_, open) if open.is_found.load(Ordering::Acquire) => false,
            Known::Open(lane, open) => self.lanes.of(open.content.directory()).is_ok_and(|now| now != *lane),
        }
    }

    /// A torrent that is to be opened, and its disk.
    fn opened(
        &self,
        request: &StorageRequest,
        place: Place,
    ) -> Result<(LaneId, Arc<OpenTorrent>), StorageError> {
        let StorageRequest::Open { torrent, metainfo, geometry } = request else {
            return Err(other("the torrent is not open"));
        };
        let adopt = place.adopt;
        let no_threads = |error| other(format!("the disk has no threads: {error}"));
        let id = self.lanes.of(&place.directory).map_err(no_threads)?;
        let lane = self.lanes.get(id).ok_or_else(|| other("the disk has no threads"))?;
        let shared = Arc::clone(&lane.shared);
        let info = Arc::clone(&metainfo.info);
        let recorder = Recorder::new(shared.ledger.clone(), key_of(&metainfo.info_hashes));
        let content = Content::new(
            *torrent,
            place,
            info,
            Arc::clone(geometry),
            Arc::clone(&shared.pool),
            self.preallocate,
            recorder,
            Some(self.reply.clone()),
        );
        let content = Arc::new(content);
        self.open.add(&content);
        let torrent = OpenTorrent {
            content,
            adopt: AtomicBool::new(adopt),
            is_found: AtomicBool::new(false),
            closing: OnceLock::new(),
            shared,
        };
        Ok((id, Arc::new(torrent)))
    }

    /// Bytes submitted and not yet taken in by a worker.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.lanes.all().map(|lane| lane.shared.pressure.queued_bytes()).sum()
    }

    /// Bytes of unfinished pieces beyond [`StorageConfig::held_limit`]: what disks that hang have held before they had to share it
    /// with others.
    #[must_use]
    pub fn held_beyond_limit(&self) -> usize {
        self.lanes.held_beyond_limit()
    }

    /// How much waits for the disk of a torrent, if it is open: while that is too much, whoever reads from its sockets pauses.
    #[must_use]
    pub fn pressure(&self, torrent: TorrentId) -> Option<Pressure> {
        self.with_torrents(|torrents| match torrents.get(&torrent)? {
            Known::Open(_, open) => Some(open.shared.pressure.clone()),
            Known::Placed(_) => None,
        })
    }

    /// Finishes what was submitted and ends the threads. Waits for that, but no longer than `patience` for a disk that hangs: its
    /// threads are left behind.
    pub fn stop(self, patience: Duration) {
        self.lanes.stop(Instant::now() + patience);
    }

    /// Answers for a torrent that is not open, where an answer is due.
    fn refuse(&self, request: &StorageRequest, error: StorageError) {
        let torrent = torrent_of(request);
        let reply = match request {
            StorageRequest::Open { .. } => StorageReply::Opened { torrent, result: Err(error) },
            StorageRequest::Finish { piece, .. } => StorageReply::Failed { torrent, piece: *piece, error },
            StorageRequest::Verify { piece, .. } => {
                StorageReply::Verified { torrent, piece: *piece, result: Err(error) }
            }
            StorageRequest::Read { token, .. } => {
                StorageReply::Read { torrent, token: *token, result: Err(error) }
            }
            StorageRequest::Leaves { token, .. } => {
                StorageReply::Leaves { torrent, token: *token, result: Err(error) }
            }
            StorageRequest::Commit { .. } => {
                StorageReply::Committed { torrent, result: Err(CommitError::Content(error)) }
            }
            StorageRequest::Probe { .. } => StorageReply::Probed { torrent, result: Err(error) },
            StorageRequest::Close { .. } => StorageReply::Closed { torrent },
            StorageRequest::Write { .. } | StorageRequest::Forget { .. } => return,
        };
        // Nobody listens any more: the session has gone.
        let _ = self.reply.send(reply);
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
        if files == Files::Keep
            && let Err(error) = self.content.rest()
        {
            tracing::warn!(%error, "that a torrent is at rest could not be written down");
        }
        if files == Files::Delete
            && let Err(error) = removal::delete(&self.content, &self.shared.open)
        {
            tracing::warn!(%error, "not all files of the torrent could be deleted");
        }
        // It may have been added again, and be open: then the record is that of the other.
        if files != Files::Keep
            && !self.shared.open.has_twin_of(&self.content)
            && let Err(error) = self.content.recorder.forget()
        {
            tracing::warn!(%error, "the record of a torrent that is gone stays behind");
        }
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
