//! Writes down what is durable, and reads it at the next start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sprat_core::bitfield::Bitfield;
use sprat_core::storage::{CommitError, StorageError, StorageErrorKind};

use super::content::Content;
use super::progress::Progress;
use crate::disk::planted::PlantedBug;
use crate::ledger::LedgerHandle;
use crate::state::{Change, StateError, Table};

/// The record of one torrent.
#[derive(Debug)]
pub(super) struct Recorder {
    ledger: Option<LedgerHandle>,
    /// The torrent's, in the ledger.
    key: Vec<u8>,
    /// What is in the ledger, or was to be written there.
    last: Mutex<Option<Progress>>,
    /// The record does not say that we write.
    is_at_rest: AtomicBool,
    /// The last attempt to write it has failed.
    is_failing: AtomicBool,
}

impl Recorder {
    pub(super) fn new(ledger: Option<LedgerHandle>, key: Vec<u8>) -> Self {
        let is_at_rest = AtomicBool::new(true);
        Self { ledger, key, last: Mutex::default(), is_at_rest, is_failing: AtomicBool::new(false) }
    }

    /// The record, if there is one that makes sense. One that does not is said in the log, and otherwise the same as none: the
    /// files are checked, and not written before the user has agreed.
    pub(super) fn load(&self, content: &Content) -> Result<Option<Progress>, StorageError> {
        let Some(ledger) = &self.ledger else { return Ok(self.last().clone()) };
        let bytes = ledger.get(Table::Progress, &self.key).map_err(|error| storage_error(&error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let files = content.info.files.len();
        let record = Progress::decode(&bytes, &self.key, content.geometry.pieces(), files);
        if record.is_none() {
            tracing::warn!(directory = %content.directory.display(), "the record of its progress makes no sense");
        }
        Ok(record)
    }

    /// What is known when the torrent is opened.
    pub(super) fn opened(&self, progress: Progress) {
        self.is_at_rest.store(progress.at_rest, Ordering::Release);
        *self.last() = Some(progress);
    }

    /// Has it in writing that files look otherwise from now on because of us, and which of them we may make. Once, until the next
    /// commit that says that we are at rest.
    pub(super) fn about_to_write(&self, content: &Content) -> Result<(), StorageError> {
        if !self.is_at_rest.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut last = self.last();
        // Another thread may have been first.
        if !self.is_at_rest.load(Ordering::Acquire) {
            return Ok(());
        }
        let pieces = content.geometry.pieces();
        let progress = last.get_or_insert_with(|| Progress {
            have: Bitfield::new(pieces),
            unproven: Bitfield::new(pieces),
            at_rest: true,
            device: 0,
            files: Vec::new(),
            directories: Vec::new(),
        });
        progress.at_rest = false;
        progress.files = content.watch.records();
        if let Err(error) = self.write(progress) {
            progress.at_rest = true;
            return Err(storage_error(&error));
        }
        self.is_at_rest.store(false, Ordering::Release);
        Ok(())
    }

    /// Syncs what was written, and then writes down that `have` is had.
    pub(super) fn commit(
        &self,
        content: &Content,
        have: Bitfield,
        unproven: Bitfield,
        at_rest: bool,
    ) -> Result<(), CommitError> {
        let is_synced = !content.is_planted(PlantedBug::ClaimBeforeSync);
        let device = if is_synced { content.sync().map_err(CommitError::Content)? } else { None };
        let mut last = self.last();
        let device = device.or(last.as_ref().map(|last| last.device)).unwrap_or(0);
        let (files, directories) = (content.watch.records(), content.made_directories());
        let progress = Progress { have, unproven, at_rest, device, files, directories };
        if self.is_written(last.as_ref(), &progress) {
            return Ok(());
        }
        let result = self.write(&progress).map_err(|error| CommitError::Record(storage_error(&error)));
        if result.is_ok() {
            self.is_at_rest.store(at_rest, Ordering::Release);
            *last = Some(progress);
        }
        result
    }

    /// Whether nothing new would be written.
    fn is_written(&self, last: Option<&Progress>, progress: &Progress) -> bool {
        last == Some(progress) && !self.is_failing.load(Ordering::Acquire)
    }

    /// Whether the record can be written, if it could not the last time.
    pub(super) fn probe(&self) -> Result<(), StorageError> {
        if !self.is_failing.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*self.last() {
            Some(progress) => self.write(progress).map_err(|error| storage_error(&error)),
            None => Ok(()),
        }
    }

    /// Nothing is known of the torrent any more.
    pub(super) fn forget(&self) -> Result<(), StorageError> {
        let mut last = self.last();
        let forgotten = Change { table: Table::Progress, key: self.key.clone(), value: None };
        self.submit(forgotten).map_err(|error| storage_error(&error))?;
        *last = None;
        Ok(())
    }

    /// Whether the record of another torrent speaks of the file at this place of the disk.
    pub(super) fn is_used_by_another(&self, device: u64, inode: u64) -> Result<bool, StorageError> {
        let Some(ledger) = &self.ledger else { return Ok(false) };
        let all = ledger.scan(Table::Progress).map_err(|error| storage_error(&error))?;
        let others = all.iter().filter(|(key, _)| *key != self.key);
        Ok(others.into_iter().any(|(_, record)| Progress::speaks_of(record, device, inode)))
    }

    fn write(&self, progress: &Progress) -> Result<(), StateError> {
        let value = Some(progress.encode(&self.key));
        let result = self.submit(Change { table: Table::Progress, key: self.key.clone(), value });
        self.is_failing.store(result.is_err(), Ordering::Release);
        result
    }

    fn submit(&self, change: Change) -> Result<(), StateError> {
        self.ledger.as_ref().map_or(Ok(()), |ledger| ledger.write_and_wait(vec![change]))
    }

    fn last(&self) -> MutexGuard<'_, Option<Progress>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn storage_error(error: &StateError) -> StorageError {
    let kind = match error {
        StateError::Full(_) => StorageErrorKind::Full,
        StateError::NotWritable(_) => StorageErrorKind::NotWritable,
        StateError::InUse(_) | StateError::TooNew { .. } | StateError::Io(_) | StateError::Closed => {
            StorageErrorKind::Io
        }
    };
    StorageError { kind, detail: error.to_string() }
}
