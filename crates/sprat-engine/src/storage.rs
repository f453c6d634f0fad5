//! The disk: threads that serve [`StorageRequest`]s on real files.
//!
//! ```text
//! session loop --submit--> shard 0..n   Write, Finish, Forget, Verify   by piece: one piece, one thread, in order
//!                     \--> readers      Read                            a shared queue: a slow read holds up one
//!                      \-> steward      Open, SaveResume, Probe         may wait for the disk for seconds
//! ```
//!
//! Every answer goes to the one channel given to [`Storage::start`]. No request waits for another torrent's lock: a
//! piece that is being put together belongs to its shard alone, open files are counted references.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sprat_core::storage::{StorageReply, StorageRequest, TorrentId};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

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
    /// Where resume records lie. `None`: no records, every start checks what it finds.
    pub resume_dir: Option<PathBuf>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, NonZero::get).max(2),
            held_limit: 64 << 20,
            queue_limit: 64 << 20,
            open_files: 512,
            preallocate: false,
            resume_dir: None,
        }
    }
}

/// The handle to the storage threads.
#[derive(Debug)]
pub struct Storage {
    _config: StorageConfig,
    _reply: UnboundedSender<StorageReply>,
    pressure: Pressure,
}

impl Storage {
    /// Starts the threads. Answers go to `reply`.
    pub fn start(config: StorageConfig, reply: UnboundedSender<StorageReply>) -> Self {
        let pressure = Pressure::new(config.queue_limit);
        Self { _config: config, _reply: reply, pressure }
    }

    /// Says in which directory the files of `torrent` lie. To be called before [`StorageRequest::Open`].
    pub fn place(&self, _torrent: TorrentId, _directory: PathBuf) {}

    /// Hands over a request. Never waits: see [`Storage::is_congested`].
    pub fn submit(&self, _request: StorageRequest) {}

    /// Bytes submitted and not yet taken in by a worker.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.pressure.queued_bytes()
    }

    /// More is queued than should be: whoever reads from sockets pauses until [`Storage::drained`].
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.pressure.is_congested()
    }

    /// Returns when less than half of the limit is queued.
    pub async fn drained(&self) {
        self.pressure.drained().await;
    }

    /// The same three questions for tasks that do not own the storage.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.pressure.clone()
    }

    /// Finishes what was submitted and ends the threads. Blocks for as long as that takes.
    pub fn stop(self) {}
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

    #[expect(dead_code, reason = "the workers come next")]
    fn rise(&self, bytes: usize) {
        self.0.queued.fetch_add(bytes, Ordering::AcqRel);
    }

    #[expect(dead_code, reason = "the workers come next")]
    fn sink(&self, bytes: usize) {
        let before = self.0.queued.fetch_sub(bytes, Ordering::AcqRel);
        let half = self.0.limit / 2;
        if before > half && before.saturating_sub(bytes) <= half {
            self.0.sank.notify_waiters();
        }
    }
}
