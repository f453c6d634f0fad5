//! The thread that looks at directories and files that nobody reads just now: a disk that is gone, and a file that somebody
//! has changed, are to be known within a second.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use sprat_core::storage::StorageReply;
use sprat_wire::metainfo::File;

use super::{OpenTorrent, Shared};

/// From the end of one patrol to the next.
const PATROL: Duration = Duration::from_millis(800);

/// Files that are looked at on one patrol: some milliseconds of work. If the open torrents of a disk have more, the others have
/// their turn later; whoever reads one looks at it then.
const FILES: usize = 2000;

/// The open torrents of a disk.
#[derive(Debug)]
pub(super) struct Patrol {
    shared: Arc<Shared>,
    /// Which of the disk's threads this is.
    number: usize,
    beats: Vec<Beat>,
}

/// A torrent that is looked at from time to time.
#[derive(Debug)]
pub(super) struct Beat {
    torrent: Weak<OpenTorrent>,
    /// The file that is the next to be looked at.
    next: usize,
}

impl Patrol {
    pub(super) const fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self { shared, number, beats: Vec::new() }
    }

    /// Looks at those that have come, until there is nobody who could send more.
    pub(super) fn run(mut self, inbox: &Receiver<Beat>) {
        let mut next = Instant::now() + PATROL;
        loop {
            match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(beat) => {
                    // It was opened once more.
                    self.beats.retain(|known| !known.torrent.ptr_eq(&beat.torrent));
                    self.beats.push(beat);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let shared = Arc::clone(&self.shared);
                    let _work = shared.activity.begin(self.number);
                    self.go();
                    shared.pool.make_way();
                    next = Instant::now() + PATROL;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks at the directory of every torrent, and at as many files of each as its share is.
    fn go(&mut self) {
        let share = FILES.div_ceil(self.beats.len().max(1));
        self.beats.retain_mut(|beat| {
            let Some(open) = beat.torrent.upgrade() else { return false };
            open.closing.get().is_none() && beat.look(&open, share)
        });
    }
}

impl Beat {
    pub(super) fn of(torrent: &Arc<OpenTorrent>) -> Self {
        Self { torrent: Arc::downgrade(torrent), next: 0 }
    }

    /// Whether the storage is there.
    fn look(&mut self, open: &OpenTorrent, share: usize) -> bool {
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
        for _ in 0..files.min(share) {
            let file = self.next % files;
            self.next = file + 1;
            if !content.info.files.get(file).is_some_and(File::is_on_disk) {
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
