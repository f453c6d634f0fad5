//! Giving records to the engine, which keeps them as the notes of its torrents.

use sprat_core::storage::TorrentId;
use sprat_engine::client::Note;

use super::{Service, Torrent, hold};
use crate::torrents::Record;

/// Records that are given to the engine in one go: it does nothing else meanwhile.
const RECORDS_AT_ONCE: usize = 256;

impl Service {
    /// Gives the engine all records that say something new: what a command has changed is with it before the command is answered.
    pub(super) async fn keep_records(&self) {
        self.give_records(usize::MAX, |one| one.is_unwritten).await;
    }

    /// Gives it so many of those that only count something else.
    pub(super) async fn keep_counts(&self, most: usize) {
        self.give_records(most, |one| one.has_counted).await;
    }

    async fn give_records(&self, most: usize, which: impl Fn(&Torrent) -> bool) {
        let _in_order = self.0.writing.lock().await;
        let records: Vec<(TorrentId, Record)> = {
            let mut known = hold(&self.0.known);
            let given = known.torrents.iter_mut().filter(|(_, one)| which(one)).take(most);
            let taken = given.map(|(id, one)| {
                (one.is_unwritten, one.has_counted) = (false, false);
                (*id, one.record.clone())
            });
            taken.collect()
        };
        for records in records.chunks(RECORDS_AT_ONCE) {
            let notes = records.iter().map(|(id, record)| (*id, note_of(record))).collect();
            if self.0.client.annotate(notes).await.is_err() {
                return;
            }
        }
    }
}

/// The note under which the engine keeps a record.
pub(super) fn note_of(record: &Record) -> Note {
    // It is far shorter than a note may be: names have limits, and there are few of them.
    serde_json::to_string(record).ok().and_then(|text| Note::new(&text).ok()).unwrap_or_default()
}
