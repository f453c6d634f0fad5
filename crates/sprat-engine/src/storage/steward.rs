//! The thread that looks after torrents as a whole: opens them, commits, and goes on patrol.
//!
//! On patrol it looks at directories and files that nobody reads just now: a disk that is gone and a file that somebody has
//! changed are to be known within seconds.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use sprat_core::storage::{StorageReply, StorageRequest};

use super::place::is_file;
use super::{Job, OpenTorrent, Shared, survey};

/// How often each torrent is looked at: a state that is not as it should be is to be shown within ten seconds.
const PATROL: Duration = Duration::from_secs(4);

/// Files of one torrent that are looked at on one patrol; the others have their turn later.
const FILES_PER_PATROL: usize = 1000;

/// Torrents under the care of one thread.
#[derive(Debug)]
pub(super) struct Steward {
    shared: Arc<Shared>,
    /// Which of the disk's threads this is.
    number: usize,
    beats: Vec<Beat>,
}

/// A torrent that is looked at from time to time.
#[derive(Debug)]
struct Beat {
    torrent: Weak<OpenTorrent>,
    /// The file that is the next to be looked at.
    next: usize,
}

impl Steward {
    pub(super) const fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self { shared, number, beats: Vec::new() }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        let shared = Arc::clone(&self.shared);
        let mut next_patrol = Instant::now() + PATROL;
        loop {
            let job = match inbox.recv_timeout(next_patrol.saturating_duration_since(Instant::now())) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let _work = shared.activity.begin(self.number);
            if let Some(job) = job {
                self.serve(job);
            }
            if next_patrol <= Instant::now() {
                self.patrol();
                shared.pool.make_way();
                next_patrol = Instant::now() + PATROL;
            }
        }
    }

    fn serve(&mut self, Job { torrent: open, request }: Job) {
        let content = &open.content;
        let torrent = content.torrent;
        let reply = match request {
            StorageRequest::Open { .. } => {
                self.beats.retain(|beat| !beat.torrent.ptr_eq(&Arc::downgrade(&open)));
                let adopt = open.adopt.load(std::sync::atomic::Ordering::Acquire);
                let result = survey::open(content, adopt);
                // The user may have agreed while it was looked at.
                if open.adopt.load(std::sync::atomic::Ordering::Acquire) {
                    content.watch.adopt_all();
                }
                if result.is_ok() {
                    open.is_found.store(true, std::sync::atomic::Ordering::Release);
                    self.beats.push(Beat { torrent: Arc::downgrade(&open), next: 0 });
                }
                StorageReply::Opened { torrent, result }
            }
            StorageRequest::Commit { have, unproven, at_rest, .. } => {
                let result = content.commit(have, unproven, at_rest);
                StorageReply::Committed { torrent, result }
            }
            StorageRequest::Probe { .. } => StorageReply::Probed { torrent, result: content.probe() },
            _ => return, // never sent here, see Lane::dispatch
        };
        open.shared.reply(reply);
    }

    /// Looks at every torrent once, as far as it is open.
    fn patrol(&mut self) {
        self.beats.retain_mut(|beat| {
            let Some(open) = beat.torrent.upgrade() else { return false };
            if open.closing.get().is_some() {
                return false;
            }
            beat.look(&open)
        });
    }
}

impl Beat {
    /// Whether the storage is there.
    fn look(&mut self, open: &OpenTorrent) -> bool {
        let content = &open.content;
        let root = match content.root() {
            Ok(root) => root,
            // Nothing was ever there.
            Err(Errno::NOENT) if content.watch.is_empty_handed() => return true,
            // That there is no descriptor left says nothing about the disk, and passes.
            Err(Errno::MFILE | Errno::NFILE) => return true,
            Err(errno) => {
                let (torrent, error) = (content.torrent, content.root_fault(errno));
                open.shared.reply(StorageReply::Failing { torrent, error });
                return false;
            }
        };
        let files = content.info.files.len();
        for _ in 0..files.min(FILES_PER_PATROL) {
            let file = self.next % files;
            self.next = file + 1;
            if !content.info.files.get(file).is_some_and(is_file) {
                continue;
            }
            // What cannot be looked at will be noticed by whoever wants to read it.
            if let Err(error) = content.look_at(&root, file) {
                tracing::debug!(%error, "a file could not be looked at");
            }
        }
        true
    }
}
