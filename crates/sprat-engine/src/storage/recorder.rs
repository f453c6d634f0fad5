//! Writes down what is durable, and reads it at the next start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sprat_core::storage::{StorageError, StorageErrorKind};

use sprat_wire::hash::InfoHashes;

use super::progress::{FileRecord, Origin, Progress};
use super::users::OtherUsers;
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
    /// An earlier process was stopped while it wrote, and the record still says so.
    is_left_writing: AtomicBool,
    /// There has been a commit since the torrent was opened, and since it was last said that files are being written.
    is_claimed: AtomicBool,
}

impl Recorder {
    pub(super) fn new(ledger: Option<LedgerHandle>, key: Vec<u8>) -> Self {
        let is_at_rest = AtomicBool::new(true);
        let [is_failing, is_left_writing, is_claimed] = [(); 3].map(|()| AtomicBool::new(false));
        Self { ledger, key, last: Mutex::default(), is_at_rest, is_failing, is_left_writing, is_claimed }
    }

    /// The record, if there is one that makes sense. One that does not is said in the log, and otherwise the same as none: the
    /// files are checked, and not written before the user has agreed.
    pub(super) fn load(&self, pieces: u32, files: usize) -> Result<Option<Progress>, StorageError> {
        let Some(ledger) = &self.ledger else { return Ok(self.last().clone()) };
        let bytes = ledger.get(Table::Progress, &self.key).map_err(|error| storage_error(&error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let record = Progress::decode(&bytes, &self.key, pieces, files);
        if record.is_none() {
            tracing::warn!("the record of a torrent's progress makes no sense; its files are checked");
        }
        Ok(record)
    }

    /// What is known when the torrent is opened. `was_at_rest`: what the record said.
    pub(super) fn opened(&self, progress: Progress, was_at_rest: bool) {
        self.is_at_rest.store(progress.at_rest, Ordering::Release);
        self.is_left_writing.store(!was_at_rest, Ordering::Release);
        self.is_claimed.store(false, Ordering::Release);
        *self.last() = Some(progress);
    }

    /// Has it in writing that files look otherwise from now on because of us, and which files and directories we may make. Once,
    /// until the next commit that says that we are at rest.
    pub(super) fn about_to_write(
        &self,
        now: impl FnOnce() -> (Vec<FileRecord>, Vec<String>),
    ) -> Result<(), StorageError> {
        if !self.is_at_rest.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut last = self.last();
        // Another thread may have been first.
        if !self.is_at_rest.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(progress) = &mut *last else { return Ok(()) };
        progress.at_rest = false;
        (progress.files, progress.directories) = now();
        if let Err(error) = self.write(progress) {
            progress.at_rest = true;
            return Err(storage_error(&error));
        }
        self.is_at_rest.store(false, Ordering::Release);
        self.is_claimed.store(false, Ordering::Release);
        Ok(())
    }

    /// Nothing is written any more. Has it in writing if no commit has said so, and which files were made while the last one was
    /// under way. Otherwise what others put in the way from now on would be taken for ours, or what is ours for theirs.
    pub(super) fn rest(
        &self,
        files: &[FileRecord],
        directories: Vec<String>,
        is_moving: bool,
    ) -> Result<(), StorageError> {
        let is_at_rest = self.is_at_rest.load(Ordering::Acquire);
        // What was written and not committed as the last is for the next start to find, as after a crash.
        if !is_at_rest && (is_moving || self.is_claimed.load(Ordering::Acquire)) {
            return Ok(());
        }
        let mut last = self.last();
        let Some(progress) = &mut *last else { return Ok(()) };
        let mut is_new = !is_at_rest;
        // Of the others it is known what the pieces that are claimed were seen in.
        for (then, now) in progress.files.iter_mut().zip(files) {
            if then.signature.is_none() && now.origin == Origin::Ours {
                *then = *now;
                is_new = true;
            }
        }
        if !is_new {
            return Ok(());
        }
        progress.directories = directories;
        progress.at_rest = true;
        self.write(progress).map_err(|error| storage_error(&error))?;
        self.is_at_rest.store(true, Ordering::Release);
        Ok(())
    }

    /// Nothing was written since it was written down that we are at rest.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_at_rest.load(Ordering::Acquire)
    }

    pub(super) fn is_of_same_torrent(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Directories that were to be made, as far as it is written down.
    pub(super) fn directories(&self) -> Vec<String> {
        self.last().as_ref().map(|last| last.directories.clone()).unwrap_or_default()
    }

    /// On which file system the torrent lay when it was recorded last.
    pub(super) fn device(&self) -> Option<u64> {
        self.last().as_ref().map(|last| last.device)
    }

    /// Writes down what is had. The data is durable already.
    pub(super) fn claim(&self, progress: Progress) -> Result<(), StorageError> {
        let mut last = self.last();
        if self.is_written(last.as_ref(), &progress) {
            return Ok(());
        }
        if let Err(error) = self.write(&progress) {
            // What could not be written may be found at the next start all the same.
            self.is_at_rest.fetch_or(progress.at_rest, Ordering::AcqRel);
            return Err(storage_error(&error));
        }
        self.is_at_rest.store(progress.at_rest, Ordering::Release);
        self.is_claimed.store(true, Ordering::Release);
        *last = Some(progress);
        Ok(())
    }

    /// Whether nothing new would be written.
    fn is_written(&self, last: Option<&Progress>, progress: &Progress) -> bool {
        last == Some(progress)
            && !self.is_failing.load(Ordering::Acquire)
            && !self.is_left_writing.load(Ordering::Acquire)
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

    /// The files that the records of other torrents speak of, for whoever asks about files on this file system.
    pub(super) fn other_users(&self, device: u64) -> Result<OtherUsers, StorageError> {
        let mut users = OtherUsers::default();
        let Some(ledger) = &self.ledger else { return Ok(users) };
        for (key, record) in ledger.scan(Table::Progress).map_err(|error| storage_error(&error))? {
            if key != self.key {
                users.note(&record, device);
            }
        }
        Ok(users)
    }

    /// What writes this down, for whoever has to write it together with something else.
    pub(super) fn change(&self, progress: &Progress) -> Change {
        Change { table: Table::Progress, key: self.key.clone(), value: Some(progress.encode(&self.key)) }
    }

    fn write(&self, progress: &Progress) -> Result<(), StateError> {
        let result = self.submit(self.change(progress));
        self.is_failing.store(result.is_err(), Ordering::Release);
        self.is_left_writing.fetch_and(result.is_err(), Ordering::AcqRel);
        result
    }

    fn submit(&self, change: Change) -> Result<(), StateError> {
        self.ledger.as_ref().map_or(Ok(()), |ledger| ledger.write_and_wait(vec![change]))
    }

    fn last(&self) -> MutexGuard<'_, Option<Progress>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By what the record of a torrent is found.
pub(super) fn key_of(hashes: &InfoHashes) -> Vec<u8> {
    hashes.primary().0.to_vec()
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
