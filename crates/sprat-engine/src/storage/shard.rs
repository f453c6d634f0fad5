//! A thread that puts pieces together, hashes and writes them. A piece belongs to one shard alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sprat_core::geometry::{BlockRef, PieceIndex};
use sprat_core::storage::{ExpectedHash, ReadToken, StorageError, StorageReply, StorageRequest, TorrentId};

use super::assembly::Assembly;
use super::checking::Checking;
use super::content::Content;
use super::finishing::{Finishing, Whole};
use super::stored::hash_stored;
use super::{Job, OpenTorrent, Shared};

/// Scratch space is kept for so long.
const IDLE: Duration = Duration::from_secs(5);

pub(super) struct Shard {
    shared: Arc<Shared>,
    /// Which of the disk's threads this is.
    number: usize,
    pieces: BTreeMap<(TorrentId, PieceIndex), Held>,
    finishing: Finishing,
    checking: Checking,
    /// Kept from piece to piece, so that it is allocated once.
    buffer: Vec<u8>,
}

struct Held {
    assembly: Assembly,
    torrent: Arc<Content>,
}

impl Shard {
    pub(super) fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self {
            shared,
            number,
            pieces: BTreeMap::new(),
            finishing: Finishing::default(),
            checking: Checking::default(),
            buffer: Vec::new(),
        }
    }

    /// Serves until the storage stops.
    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        let shared = Arc::clone(&self.shared);
        while let Some(Job { torrent, request }) = self.next(inbox) {
            let is_closing = matches!(request, StorageRequest::Close { .. });
            self.serve(&torrent, request);
            // The last to let go of it may have files to delete.
            let _work = is_closing.then(|| shared.activity.begin(self.number));
            drop(torrent);
        }
    }

    /// The next job. Pieces that wait to be hashed or checked are when there is none.
    fn next(&mut self, inbox: &Receiver<Job>) -> Option<Job> {
        let now = Instant::now();
        if self.finishing.is_overdue(now) {
            self.finish_all();
        }
        if let Some(patience) = self.finishing.patience(now, self.pieces.is_empty()) {
            match inbox.recv_timeout(patience) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.finish_all(),
            }
        }
        if let Ok(job) = inbox.try_recv() {
            return Some(job);
        }
        self.check_all();
        match inbox.recv_timeout(IDLE) {
            Err(RecvTimeoutError::Timeout) => {
                self.buffer = Vec::new();
                inbox.recv().ok()
            }
            job => job.ok(),
        }
    }

    fn serve(&mut self, torrent: &Arc<OpenTorrent>, request: StorageRequest) {
        // Whatever else is asked for comes after what was asked for before.
        if !matches!(request, StorageRequest::Write { .. } | StorageRequest::Finish { .. }) {
            self.finish_all();
        }
        if !matches!(request, StorageRequest::Verify { .. }) {
            self.check_all();
        }
        match request {
            StorageRequest::Write { block, data, .. } => self.write(torrent, block, data),
            StorageRequest::Finish { piece, expected, leaves, .. } => {
                self.finish(torrent, piece, expected, leaves);
            }
            StorageRequest::Forget { piece, .. } => self.drop_piece((torrent.content.torrent, piece)),
            StorageRequest::Verify { piece, expected, .. } => {
                if self.checking.push(torrent, piece, expected) {
                    self.check_all();
                }
            }
            StorageRequest::Leaves { token, piece, .. } => self.leaves(torrent, token, piece),
            StorageRequest::Close { torrent, .. } => self.drop_torrent(torrent),
            StorageRequest::Open { .. }
            | StorageRequest::Read { .. }
            | StorageRequest::Commit { .. }
            | StorageRequest::Probe { .. } => {} // never sent here, see Lane::dispatch
        }
    }

    fn write(&mut self, torrent: &OpenTorrent, block: BlockRef, data: Bytes) {
        let queued = data.len();
        let key = (torrent.content.torrent, block.piece());
        let content = &torrent.content;
        let held = self.pieces.entry(key).or_insert_with(|| Held {
            assembly: Assembly::new(&content.geometry, block.piece()),
            torrent: Arc::clone(content),
        });
        let before = held.assembly.held();
        let result = held.assembly.take_in(&content.geometry, block, data);
        self.shared.held.change(before, held.assembly.held());
        if let Err(error) = result {
            self.fail(key, error);
        }
        self.make_room();
        self.shared.pressure.sink(queued);
    }

    fn finish(
        &mut self,
        torrent: &Arc<OpenTorrent>,
        piece: PieceIndex,
        expected: ExpectedHash,
        leaves: bool,
    ) {
        let content = &torrent.content;
        let assembly = match self.pieces.remove(&(content.torrent, piece)) {
            Some(held) => held.assembly,
            None => Assembly::new(&content.geometry, piece),
        };
        let whole = Whole { torrent: Arc::clone(torrent), piece, expected, leaves, assembly };
        if self.finishing.push(Instant::now(), whole) {
            self.finish_all();
        }
    }

    fn finish_all(&mut self) {
        if !self.finishing.is_empty() {
            let _work = self.shared.activity.begin(self.number);
            self.finishing.finish(&self.shared, &mut self.buffer);
        }
    }

    fn check_all(&mut self) {
        if !self.checking.is_empty() {
            let _work = self.shared.activity.begin(self.number);
            self.checking.check(&self.shared, &mut self.buffer);
        }
    }

    fn leaves(&mut self, torrent: &OpenTorrent, token: ReadToken, piece: PieceIndex) {
        let _work = self.shared.activity.begin(self.number);
        let digest = hash_stored(&torrent.content, piece, false, true, &mut self.buffer);
        let result = digest.map(|digest| digest.leaves);
        self.shared.reply(StorageReply::Leaves { torrent: torrent.content.torrent, token, result });
    }

    /// While too much is held by all shards of the disk: writes the largest of ours early.
    fn make_room(&mut self) {
        let limit = self.shared.held.limit();
        if self.shared.held.taken() <= limit {
            return;
        }
        self.finish_all();
        let shared = Arc::clone(&self.shared);
        let _work = shared.activity.begin(self.number);
        // An eighth below the limit, so that not every further block has to look for the largest piece.
        let enough = limit - limit / 8;
        while shared.held.taken() > enough {
            let largest = self.pieces.iter_mut().max_by_key(|(_, held)| held.assembly.held());
            let Some((&key, held)) = largest.filter(|(_, held)| held.assembly.held() > 0) else { return };
            let size = held.assembly.held();
            match held.assembly.write_early(&held.torrent) {
                Ok(()) => {
                    shared.held.sink(size);
                }
                Err(error) => self.fail(key, error),
            }
        }
    }

    fn fail(&mut self, key: (TorrentId, PieceIndex), error: StorageError) {
        self.drop_piece(key);
        self.shared.reply(StorageReply::Failed { torrent: key.0, piece: key.1, error });
    }

    fn drop_piece(&mut self, key: (TorrentId, PieceIndex)) {
        if let Entry::Occupied(entry) = self.pieces.entry(key) {
            self.shared.held.sink(entry.remove().assembly.held());
        }
    }

    fn drop_torrent(&mut self, torrent: TorrentId) {
        self.pieces.retain(|(owner, _), held| {
            let keep = *owner != torrent;
            if !keep {
                self.shared.held.sink(held.assembly.held());
            }
            keep
        });
    }
}
