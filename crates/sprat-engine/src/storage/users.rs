//! Who else uses a file: torrents that share files, by whatever names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::content::Content;
use super::progress::Progress;
use super::signature::Signature;

/// The torrents that are open, also those that nothing is recorded of yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenContents(Arc<Mutex<Vec<Weak<Content>>>>);

impl OpenContents {
    /// This one is open until it is dropped.
    pub(super) fn add(&self, content: &Arc<Content>) {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents.retain(|known| known.strong_count() > 0);
        contents.push(Arc::downgrade(content));
    }

    /// Those but `this`.
    fn others(&self, this: &Content) -> Vec<Arc<Content>> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|other| !std::ptr::eq(&raw const **other, this))
            .collect()
    }
}

/// The files of other torrents, as they are seen from a file system.
#[derive(Debug, Default)]
pub(super) struct OtherUsers {
    /// Inodes there.
    here: BTreeSet<u64>,
    /// Inode, size and time of what was recorded on another one. The number of a file system may be another one since: what looks
    /// the same is taken for the same, for to keep a file too many is better than to take one away.
    elsewhere: BTreeSet<(u64, u64, (i64, u32))>,
}

impl OtherUsers {
    /// By the records of other torrents.
    pub(super) fn note(&mut self, record: &[u8], device: u64) {
        let (recorded_on, files) = Progress::signatures(record);
        for file in files {
            if recorded_on == device {
                self.here.insert(file.inode);
            } else {
                self.elsewhere.insert((file.inode, file.size, file.modified));
            }
        }
    }

    /// By the torrents that are open, except this one.
    pub(super) fn note_open(&mut self, open: &OpenContents, this: &Content, device: u64) {
        for other in open.others(this) {
            if other.known_device().is_none_or(|on| on == device) {
                let files = other.watch.records().into_iter().filter_map(|record| record.signature);
                self.here.extend(files.map(|file| file.inode));
            }
        }
    }

    /// Whether one of them has this file.
    pub(super) fn have(&self, file: &Signature) -> bool {
        self.here.contains(&file.inode) || self.elsewhere.contains(&(file.inode, file.size, file.modified))
    }
}
