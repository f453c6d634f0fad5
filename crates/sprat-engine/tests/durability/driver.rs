//! A session's side of the storage contract, as small as it can be: what has to change when the contract does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{Found, StorageError, StorageReply, StorageRequest, TorrentId};
use sprat_engine::storage::{Storage, StorageConfig};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::sample::Sample;

const ID: TorrentId = TorrentId(1);

/// Another torrent, elsewhere: what it is asked comes back when what was asked before is done.
const BARRIER: TorrentId = TorrentId(2);

pub(crate) struct Driver<'a> {
    storage: Storage,
    replies: UnboundedReceiver<StorageReply>,
    sample: &'a Sample,
    runtime: tokio::runtime::Runtime,
    _elsewhere: TempDir,
}

impl<'a> Driver<'a> {
    /// Starts a storage that keeps all it has below `root`.
    pub(crate) fn start(sample: &'a Sample, root: &Path, config: StorageConfig) -> Self {
        let (reply, replies) = unbounded_channel();
        // One worker, and one request at a time: the order of the calls is the same each time.
        let config = StorageConfig { workers: 1, resume_dir: Some(root.join("state")), ..config };
        let storage = Storage::start(config, reply);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        storage.place(ID, root.join("downloads"));
        storage.place(BARRIER, elsewhere.path().to_path_buf());
        let mut driver = Self { storage, replies, sample, runtime, _elsewhere: elsewhere };
        driver.submit_open(BARRIER).unwrap();
        driver
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
        let expected = self.sample.geometry.expected_hash(&self.sample.metainfo, piece);
        self.storage.submit(StorageRequest::Verify { torrent: BARRIER, piece, expected });
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
        self.storage.submit(StorageRequest::Finish { torrent: ID, piece, expected, leaves: false });
        match self.reply() {
            StorageReply::Stored { .. } => Ok(()),
            StorageReply::Failed { error, .. } => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// Has it written down that these pieces are had: an `Ok` is the claim that they survive a power cut.
    pub(crate) fn commit(&mut self, have: &Bitfield) -> Result<(), StorageError> {
        self.storage.submit(StorageRequest::SaveResume { torrent: ID, have: have.clone() });
        self.storage.submit(StorageRequest::Probe { torrent: BARRIER });
        let mut result = Ok(());
        loop {
            match self.reply() {
                StorageReply::SaveFailed { error, .. } => result = Err(error),
                StorageReply::Probed { torrent: BARRIER, .. } => return result,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether the storage takes a piece for what it should be.
    pub(crate) fn verify(&mut self, piece: PieceIndex) -> Result<bool, StorageError> {
        let expected = self.sample.geometry.expected_hash(&self.sample.metainfo, piece);
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

    /// Closes the torrent and ends the storage.
    pub(crate) fn stop(mut self) {
        self.storage.submit(StorageRequest::Close { torrent: ID });
        while !matches!(self.reply(), StorageReply::Closed { .. }) {}
        self.storage.stop();
    }

    fn submit_open(&mut self, torrent: TorrentId) -> Result<Found, StorageError> {
        let (metainfo, geometry) = (Arc::clone(&self.sample.metainfo), Arc::clone(&self.sample.geometry));
        self.storage.submit(StorageRequest::Open { torrent, metainfo, geometry });
        match self.reply() {
            StorageReply::Opened { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn reply(&mut self) -> StorageReply {
        let next = self.replies.recv();
        self.runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(60), next).await })
            .expect("an answer comes within a minute")
            .unwrap()
    }
}
