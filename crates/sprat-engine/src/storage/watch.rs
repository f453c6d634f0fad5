//! What is known of each file of an open torrent: whose it is, and how it looked when we last left it. What looks
//! otherwise was changed by somebody else.
//!
//! A file that we are writing looks otherwise all the time. What somebody else does to such a file is noticed only by its
//! inode and size.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::progress::{FileRecord, Origin};
use super::signature::Signature;

/// The files of one torrent, by index.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Vec<Known>>);

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    record: FileRecord,
    /// Threads that are writing it.
    writers: u16,
    /// Written since the last commit.
    is_moving: bool,
    /// Grows whenever the record changes.
    version: u32,
}

impl Known {
    const fn set(&mut self, record: FileRecord) {
        self.record = record;
        self.version = self.version.wrapping_add(1);
    }
}

impl Watch {
    /// The torrent has been looked at: forgets what was known before.
    pub(super) fn begin(&self, files: &[FileRecord]) {
        let mut all = self.files();
        // What somebody has seen before says nothing any more.
        let version = all.iter().map(|known| known.version).max().unwrap_or(0).wrapping_add(1);
        let known = |record: &FileRecord| Known { record: *record, writers: 0, is_moving: false, version };
        *all = files.iter().map(known).collect();
    }

    pub(super) fn records(&self) -> Vec<FileRecord> {
        self.files().iter().map(|known| known.record).collect()
    }

    /// No file was ever there.
    pub(super) fn is_empty_handed(&self) -> bool {
        self.files().iter().all(|known| known.record.signature.is_none())
    }

    /// Some file was written since the last commit.
    pub(super) fn is_moving(&self) -> bool {
        self.files().iter().any(|known| known.is_moving)
    }

    pub(super) fn record(&self, file: usize) -> FileRecord {
        self.files().get(file).map(|known| known.record).unwrap_or_default()
    }

    /// The user lets us write whatever is there.
    pub(super) fn adopt_all(&self) {
        for known in self.files().iter_mut().filter(|known| known.record.origin == Origin::Foreign) {
            known.record.origin = Origin::Adopted;
        }
    }

    /// We have just made the file. It may be that nobody could look at it.
    pub(super) fn made(&self, file: usize, signature: Option<Signature>) {
        if let Some(known) = self.files().get_mut(file) {
            known.set(FileRecord { origin: Origin::Ours, signature });
        }
    }

    /// From here on the file may look otherwise.
    pub(super) fn begin_write(&self, file: usize) {
        if let Some(known) = self.files().get_mut(file) {
            known.writers = known.writers.saturating_add(1);
            known.is_moving = true;
        }
    }

    /// What was written is among what is to be synced.
    pub(super) fn end_write(&self, file: usize) {
        if let Some(known) = self.files().get_mut(file) {
            known.writers = known.writers.saturating_sub(1);
        }
    }

    /// A synced file looks like this now, and stays so unless it is being written or `is_unsynced` again. Whether it is the file
    /// that we have written; if not, nothing is noted.
    pub(super) fn committed(&self, file: usize, now: Option<Signature>, is_unsynced: bool) -> bool {
        let mut files = self.files();
        let Some(known) = files.get_mut(file) else { return true };
        let is_ours = match (known.record.signature, now) {
            (Some(before), Some(now)) => now.may_be_grown_from(&before),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if is_ours {
            known.set(FileRecord { signature: now, ..known.record });
            if known.writers == 0 && !is_unsynced {
                known.is_moving = false;
            }
        }
        is_ours
    }

    /// What is known of a file now, for [`Self::look`].
    pub(super) fn version(&self, file: usize) -> u32 {
        self.files().get(file).map_or(0, |known| known.version)
    }

    /// Whether the file looks as it should. If not, how it looks becomes what is known, so that it is noticed once. What was seen
    /// before the record changed to what it is now, says nothing: the file was looked at when `version` was known.
    pub(super) fn look(&self, file: usize, version: u32, now: Option<Signature>) -> bool {
        let mut files = self.files();
        let Some(known) = files.get_mut(file).filter(|known| known.version == version) else { return true };
        let is_same = match (known.record.signature, now) {
            (Some(before), Some(now)) if known.is_moving => now.may_be_grown_from(&before),
            // It could not be looked at when we had made it.
            (None, Some(_)) if known.record.origin == Origin::Ours => {
                known.set(FileRecord { signature: now, ..known.record });
                true
            }
            (before, now) => before == now,
        };
        if !is_same {
            // A file that is gone may be made again; one that has come in the meantime is not ours.
            let known_inode = known.record.signature.map(|signature| signature.inode);
            let origin = match (known.record.origin, now) {
                (_, None) => Origin::Absent,
                (Origin::Ours, Some(now)) if Some(now.inode) != known_inode => Origin::Foreign,
                (Origin::Absent, Some(_)) => Origin::Foreign,
                (origin, Some(_)) => origin,
            };
            known.set(FileRecord { origin, signature: now });
            known.is_moving = false;
        }
        is_same
    }

    /// Whether an open file may still be read: its bytes are those that we have left, as far as can be told.
    pub(super) fn may_read(&self, file: usize, now: Signature) -> bool {
        let files = self.files();
        let Some(known) = files.get(file) else { return true };
        match known.record.signature {
            Some(before) if known.is_moving => now.may_be_grown_from(&before),
            Some(before) => now.has_same_bytes(&before),
            None => true,
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Signature = Signature { size: 10, modified: (1, 0), changed: (1, 0), inode: 7 };

    fn watch() -> Watch {
        let watch = Watch::default();
        watch.begin(&[FileRecord { origin: Origin::Ours, signature: Some(OURS) }, FileRecord::default()]);
        watch
    }

    fn look(watch: &Watch, file: usize, now: Option<Signature>) -> bool {
        watch.look(file, watch.version(file), now)
    }

    #[test]
    fn what_was_seen_before_a_commit_says_nothing_after_it() {
        let watch = watch();
        watch.begin_write(0);
        let (version, seen) = (watch.version(0), Some(OURS));
        watch.end_write(0);
        let grown = Some(Signature { size: 20, ..OURS });
        assert!(watch.committed(0, grown, false));
        assert!(watch.look(0, version, seen), "it was looked at too early");
        assert!(look(&watch, 0, grown));
        assert!(!look(&watch, 0, seen));
    }

    #[test]
    fn a_change_is_noticed_once() {
        let watch = watch();
        let touched = Signature { modified: (2, 0), ..OURS };
        assert!(look(&watch, 0, Some(OURS)) && watch.may_read(0, OURS));
        assert!(!watch.may_read(0, touched));
        assert!(!look(&watch, 0, Some(touched)));
        assert!(look(&watch, 0, Some(touched)) && watch.may_read(0, touched));
        assert_eq!(watch.record(0).origin, Origin::Ours, "its bytes are others, the file is ours");
    }

    #[test]
    fn a_file_in_the_place_of_ours_is_not_ours() {
        let watch = watch();
        assert!(!look(&watch, 0, Some(Signature { inode: 8, ..OURS })));
        assert_eq!(watch.record(0).origin, Origin::Foreign);
        assert!(!look(&watch, 1, Some(OURS)));
        assert_eq!(watch.record(1).origin, Origin::Foreign);
        assert!(!look(&watch, 1, None));
        assert_eq!(watch.record(1).origin, Origin::Absent);
    }

    #[test]
    fn what_we_write_ourselves_is_no_change() {
        let watch = watch();
        let grown = Signature { size: 20, modified: (5, 0), changed: (5, 0), ..OURS };
        watch.begin_write(0);
        assert!(look(&watch, 0, Some(grown)) && watch.may_read(0, grown));
        assert!(!watch.may_read(0, Signature { size: 5, ..grown }), "cut while we write it");
        assert!(watch.committed(0, Some(grown), false), "somebody still writes");
        assert!(watch.may_read(0, Signature { size: 21, ..grown }));
        watch.end_write(0);
        assert!(watch.committed(0, Some(grown), true), "and it is to be synced again");
        assert!(watch.may_read(0, Signature { size: 21, ..grown }));
        assert!(watch.committed(0, Some(grown), false));
        assert!(watch.may_read(0, grown) && !watch.may_read(0, Signature { size: 21, ..grown }));
        let other = Some(Signature { inode: 9, ..grown });
        assert!(!watch.committed(0, other, false), "it was replaced");
        assert!(!look(&watch, 0, other));
        assert_eq!(watch.record(0).origin, Origin::Foreign, "by something that is not ours to delete");
    }
}
