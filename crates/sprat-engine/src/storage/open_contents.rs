//! The torrents that are open, also those of which nothing is recorded yet.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::content::Content;
use super::users::OtherUsers;

/// What is open, as long as it is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenContents(Arc<Mutex<Vec<Weak<Content>>>>);

impl OpenContents {
    /// This one is open until it is dropped.
    pub(super) fn add(&self, content: &Arc<Content>) {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents.retain(|known| known.strong_count() > 0);
        contents.push(Arc::downgrade(content));
    }

    /// Whether the same torrent is open once more.
    pub(super) fn has_twin_of(&self, this: &Content) -> bool {
        self.others(this).iter().any(|other| other.recorder.is_of_same_torrent(&this.recorder))
    }

    fn others(&self, this: &Content) -> Vec<Arc<Content>> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|other| !std::ptr::eq(&raw const **other, this))
            .collect()
    }

    /// Notes what those but `this` use, for whoever asks about files on this file system.
    pub(super) fn note(&self, users: &mut OtherUsers, this: &Content, device: u64) {
        for other in self.others(this) {
            // A torrent that was opened to be moved may not be closed to the last share yet, and is no other.
            let is_itself = this.is_of_nobody() && other.recorder.is_of_same_torrent(&this.recorder);
            let is_there = other.known_device().is_none_or(|on| on == device);
            if !is_itself && is_there {
                users.note_files(other.watch.records().into_iter().filter_map(|record| record.signature));
            }
        }
    }
}
