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

    /// Notes what those but `this` use, for whoever asks about files on this file system.
    pub(super) fn note(&self, users: &mut OtherUsers, this: &Content, device: u64) {
        let others: Vec<Arc<Content>> = {
            let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            contents.iter().filter_map(Weak::upgrade).collect()
        };
        for other in others.iter().filter(|other| !std::ptr::eq(&raw const ***other, this)) {
            if other.known_device().is_none_or(|on| on == device) {
                users.note_files(other.watch.records().into_iter().filter_map(|record| record.signature));
            }
        }
    }
}
