//! A session's side of the storage contract, as small as it can be: what has to change when the contract does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{CommitError, Files, Found, StorageError, StorageReply, StorageRequest, TorrentId};
use sprat_engine::ledger::Ledger;
use sprat_engine::state::{Damage, StateStore};
use sprat_engine::storage::{Storage, StorageConfig};
use sprat_wire::metainfo::Version;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::sample::Sample;

const ID: TorrentId = TorrentId(1);

/// Another torrent, elsewhere: what it is asked comes back when what was asked before is done.
const BARRIER: TorrentId = TorrentId(2);

static OTHER: LazyLock<Sample> = LazyLock::new(|| Sample::of(Version::V2, 16 * 1024, &[("other", 5)]));

/// Where the torrent's files lie below the root.
pub(crate) const DOWNLOADS: &str = "downloads";

/// Where the state lies below the root.
const STATE: &str = "state";

pub(crate) struct Driver<'a> {
    // The storage goes first, then the ledger that it writes to.
    storage: Storage,
    _ledger: Ledger,
    replies: UnboundedReceiver<StorageReply>,
    sample: &'a Sample,
    runtime: tokio::runtime::Runtime,
    /// Files that somebody else is said to have changed.
    changed: BTreeSet<usize>,
    _elsewhere: TempDir,
}

impl<'a> Driver<'a> {
    /// Starts a storage that keeps all it has below `root`. The error is the state's, which cannot be opened.
    pub(crate) fn start(sample: &'a Sample, root: &Path, config: StorageConfig) -> Result<Self, String> {
        let (store, damage) = StateStore::open(&root.join(STATE)).map_err(|error| error.to_string())?;
        // A copy is put in its place in one instant, and then the other one. Nothing else is ever half done.
        if let Some(damage) = damage.iter().find(|damage| !matches!(damage, Damage::CopyMissing { .. })) {
            return Err(format!("the state: {damage}"));
        }
        let ledger = Ledger::start(store).unwrap();
        let (reply, replies) = unbounded_channel();
        // One worker, and one request at a time: the order of the calls is the same each time. It serves all disks, or it would be
        // no barrier.
        let mount_table = PathBuf::new();
        let config = StorageConfig { workers: 1, ledger: Some(ledger.handle()), mount_table, ..config };
        let storage = Storage::start(config, reply);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        storage.place(ID, root.join(DOWNLOADS));
        storage.place(BARRIER, elsewhere.path().to_path_buf());
        let changed = BTreeSet::new();
        let mut driver =
            Self { storage, _ledger: ledger, replies, sample, runtime, changed, _elsewhere: elsewhere };
        driver.submit_open(BARRIER).map_err(|error| error.to_string())?;
        Ok(driver)
    }

    pub(crate) fn open(&mut self) -> Result<Found, StorageError> {
        self.submit_open(ID)
    }

    /// Downloads a piece, its blocks in the order given by `random`: an `Ok` is the claim that it is had.
    pub(crate) fn download(
        &mut self,
        piece: PieceIndex,
        random: &mut fastrand::Rng,
    ) -> Result<(), StorageError> {
        let mut blocks = self.sample.blocks(piece);
        random.shuffle(&mut blocks);
        for block in blocks {
            let data = self.sample.block(block);
            self.storage.submit(StorageRequest::Write { torrent: ID, block, data });
        }
        // Whatever could not be written early has failed before this comes back.
        let some = OTHER.pieces()[0];
        let expected = OTHER.expected(some);
        self.storage.submit(StorageRequest::Verify { torrent: BARRIER, piece: some, expected });
        let mut failure = None;
        loop {
            match self.reply() {
                StorageReply::Failed { error, .. } => failure = Some(error),
                StorageReply::Verified { torrent: BARRIER, .. } => break,
                other => panic!("{other:?}"),
            }
        }
        if let Some(error) = failure {
            self.storage.submit(StorageRequest::Forget { torrent: ID, piece });
            return Err(error);
        }
        let expected = self.sample.expected(piece);
        self.storage.submit(StorageRequest::Finish { torrent: ID, piece, expected, leaves: false });
        match self.reply() {
            StorageReply::Stored { .. } => Ok(()),
            StorageReply::Failed { error, .. } => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// Commits: an `Ok` is the claim that these pieces survive a power cut.
    pub(crate) fn commit(
        &mut self,
        have: &Bitfield,
        unproven: &Bitfield,
        at_rest: bool,
    ) -> Result<(), CommitError> {
        let (have, unproven) = (have.clone(), unproven.clone());
        self.storage.submit(StorageRequest::Commit { torrent: ID, have, unproven, at_rest });
        match self.reply() {
            StorageReply::Committed { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    /// Whether the storage takes a piece for what it should be.
    pub(crate) fn verify(&mut self, piece: PieceIndex) -> Result<bool, StorageError> {
        let expected = self.sample.expected(piece);
        self.storage.submit(StorageRequest::Verify { torrent: ID, piece, expected });
        match self.reply() {
            StorageReply::Verified { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    /// Whether the disk can be written again.
    pub(crate) fn probe(&mut self) -> Result<(), StorageError> {
        self.storage.submit(StorageRequest::Probe { torrent: ID });
        match self.reply() {
            StorageReply::Probed { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    /// The pieces in files that somebody else has changed, as was said since the last time.
    pub(crate) fn changed(&mut self) -> Vec<PieceIndex> {
        let changed = std::mem::take(&mut self.changed);
        let geometry = &self.sample.geometry;
        let lies_in = |piece: &PieceIndex| {
            geometry.slices(*piece, 0, geometry.length_of(*piece)).any(|slice| changed.contains(&slice.file))
        };
        self.sample.pieces().into_iter().filter(lies_in).collect()
    }

    /// Closes the torrent and ends the storage.
    pub(crate) fn stop(self) {
        self.close(Files::Keep);
    }

    /// Ends without a word, as a process does that is killed.
    pub(crate) fn crash(self) {
        self.storage.stop(Duration::from_secs(60));
    }

    /// As [`Self::stop`], with a say in what becomes of the files.
    pub(crate) fn close(mut self, files: Files) {
        self.storage.submit(StorageRequest::Close { torrent: ID, files });
        while !matches!(self.reply(), StorageReply::Closed { .. }) {}
        self.storage.stop(Duration::from_secs(60));
    }

    fn submit_open(&mut self, torrent: TorrentId) -> Result<Found, StorageError> {
        let sample = if torrent == ID { self.sample } else { &*OTHER };
        let (metainfo, geometry) = (Arc::clone(&sample.metainfo), Arc::clone(&sample.geometry));
        self.storage.submit(StorageRequest::Open { torrent, metainfo, geometry });
        match self.reply() {
            StorageReply::Opened { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn reply(&mut self) -> StorageReply {
        loop {
            let next = self.replies.recv();
            let next = async { tokio::time::timeout(Duration::from_secs(60), next).await };
            match self.runtime.block_on(next).expect("an answer comes within a minute").unwrap() {
                StorageReply::FileChanged { file, .. } => _ = self.changed.insert(file),
                // Of the patrol: whoever is asked next will say it as well.
                StorageReply::Failing { .. } => {}
                reply => return reply,
            }
        }
    }
}
