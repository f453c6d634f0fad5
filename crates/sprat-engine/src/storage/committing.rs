//! Making durable what was written, and claiming it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use rustix::fs::Advice;
use rustix::io::Errno;
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{CommitError, StorageError, StorageErrorKind};

use super::content::{Access, Content, locked};
use super::fault::{errno_of, fault};
use super::place::directories_of;
use super::progress::Progress;
use super::signature::Signature;
use super::survey::make_empty_files;
use super::unsynced::Unsynced;
use crate::disk;
use crate::disk::planted::PlantedBug;
use crate::whole_file::{self, retried};

/// What was found when everything was durable.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// The number of the file system, if there is a directory at all.
    device: Option<u64>,
    /// Files that somebody else has put in the place of ours.
    replaced: Vec<usize>,
}

impl Content {
    /// Syncs what was written, and then writes down that `have` is had.
    pub(super) fn commit(
        &self,
        have: Bitfield,
        unproven: Bitfield,
        at_rest: bool,
    ) -> Result<(), CommitError> {
        let is_synced = !self.is_planted(PlantedBug::ClaimBeforeSync);
        let synced = if is_synced { self.sync().map_err(CommitError::Content)? } else { Synced::default() };
        let device = synced.device.or(self.recorder.device()).unwrap_or(0);
        let mut files = self.watch.records();
        // What is had of them is not known any more, and nobody may be left to say so.
        for file in synced.replaced {
            if let Some(record) = files.get_mut(file) {
                record.signature = record.signature.map(Signature::doubtful);
            }
        }
        let directories = self.directories_to_claim(at_rest);
        let progress = Progress { have, unproven, at_rest, device, files, directories };
        self.recorder.claim(progress).map_err(CommitError::Record)?;
        if self.lacks_empty_files.load(Ordering::Acquire) {
            make_empty_files(self);
        }
        Ok(())
    }

    /// The directories that are ours. Until we are at rest also those that we may make before anything is written down again.
    fn directories_to_claim(&self, at_rest: bool) -> Vec<String> {
        if at_rest {
            return self.made_directories();
        }
        if self.recorder.is_at_rest() {
            // Nothing was written yet, and so nobody has said which they are; from now on nobody will.
            return self.directories_to_be();
        }
        let mut directories: BTreeSet<String> = self.made_directories().into_iter().collect();
        directories.extend(self.recorder.directories());
        directories.into_iter().collect()
    }

    /// Makes what was written since the last call durable: first the bytes, then the names.
    ///
    /// The kernel drops pages that it could not write, and a second `fsync` would report a success that never was. So when one
    /// fails, whatever the kernel still holds of the files is dropped: what is read from now on is what the disk has.
    pub(super) fn sync(&self) -> Result<Synced, StorageError> {
        let unsynced = std::mem::take(&mut *locked(&self.unsynced));
        let synced = self.sync_list(&unsynced);
        if synced.is_err() {
            self.failed_syncs.fetch_add(1, Ordering::AcqRel);
            for &file in &unsynced.files {
                if let Ok(descriptor) = self.open(file, Access::Read) {
                    // Advice; where it is not taken, nothing better is to be had.
                    let _ = disk::fadvise(&descriptor, 0, None, Advice::DontNeed);
                }
            }
            let mut later = locked(&self.unsynced);
            later.files.extend(&unsynced.files);
            later.created.extend(&unsynced.created);
            later.parents_of_root.extend(unsynced.parents_of_root);
        }
        synced
    }

    fn sync_list(&self, unsynced: &Unsynced) -> Result<Synced, StorageError> {
        for &file in &unsynced.files {
            match self.open(file, Access::Read) {
                Ok(descriptor) => match retried(|| disk::fsync(&descriptor)) {
                    Err(_) if self.is_planted(PlantedBug::LostSyncError) => {}
                    Err(_) if self.is_planted(PlantedBug::SyncRetriedAsIfNothing) => {
                        disk::fsync(&descriptor)
                            .map_err(|errno| fault(self.path(file), "syncing it", errno))?;
                    }
                    result => result.map_err(|errno| fault(self.path(file), "syncing it", errno))?,
                },
                // It was removed or replaced, which is noticed below.
                Err(error) if error.kind == StorageErrorKind::Changed => {}
                Err(error) => return Err(error),
            }
        }
        let root = match self.root() {
            Ok(root) => root,
            Err(Errno::NOENT) if unsynced.files.is_empty() && unsynced.created.is_empty() => {
                return Ok(Synced::default());
            }
            Err(errno) => return Err(self.root_fault(errno)),
        };
        let directories: BTreeSet<&str> =
            unsynced.created.iter().flat_map(|file| directories_of(self.path(*file))).collect();
        for directory in directories.into_iter().filter(|_| !self.is_planted(PlantedBug::DirectoryNotSynced))
        {
            match retried(|| root.sync_directory(directory)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    return Err(fault(self.directory().join(directory).display(), "syncing it", errno));
                }
            }
        }
        for parent in &unsynced.parents_of_root {
            whole_file::sync_directory(parent)
                .map_err(|error| fault(parent.display(), "syncing it", errno_of(&error)))?;
        }
        let mut replaced = Vec::new();
        for &file in &unsynced.files {
            let now = self.stat(&root, file)?.as_ref().map(Signature::of);
            let is_unsynced = locked(&self.unsynced).files.contains(&file);
            if !self.watch.committed(file, now, is_unsynced) {
                self.watch.look(file, self.watch.version(file), now);
                self.tell_of_change(file);
                replaced.push(file);
            }
        }
        let device = root.device().map_err(|errno| self.root_fault(errno))?;
        Ok(Synced { device: Some(device), replaced })
    }

    /// What was hashed is to be claimed: whoever wrote it may not have synced it.
    pub(super) fn sync_before_claiming(&self, piece: PieceIndex) {
        let slices = self.geometry.slices(piece, 0, self.geometry.length_of(piece));
        locked(&self.unsynced).files.extend(slices.map(|slice| slice.file));
    }
}
