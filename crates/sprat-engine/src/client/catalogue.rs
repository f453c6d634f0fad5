//! The list of torrents as it lies on the disk, and as it was decided by the user: what outlives the client.
//!
//! The metadata of a torrent is a file on the [shelf](crate::shelf), its entry a record in the [ledger](crate::ledger). A
//! torrent is in the list when its entry is durable, and gone from it when that is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sprat_core::io::{FilePriority, Manner, RateLimits, Totals};
use sprat_core::storage::{Files, TorrentId};
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;
use tokio::sync::oneshot;

use super::entry::{Entry, EntryError};
use super::moves::Relocating;
use super::note::Note;
use crate::ledger::LedgerHandle;
use crate::shelf::Shelf;
use crate::state::{Change, StateError, Table};
use crate::storage::Place;

/// Where the list lies.
#[derive(Debug, Clone)]
pub struct Home {
    /// Entries and progress.
    pub ledger: LedgerHandle,
    /// Metadata.
    pub shelf: Shelf,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its name in this client.
    pub torrent: TorrentId,
    /// What it is.
    pub info_hashes: InfoHashes,
    /// As the torrent calls itself; empty while that is not known.
    pub name: String,
    /// Where its files lie.
    pub place: Place,
    /// They are on their way elsewhere.
    pub relocating: Option<Relocating>,
    /// The user has paused it.
    pub is_paused: bool,
    /// Everything wanted was there when it was last looked at.
    pub is_complete: bool,
    /// Counted since it was added, as far as written down.
    pub totals: Totals,
    /// Its metadata is known. It may be being written down yet.
    pub is_known: bool,
    /// Its peers come from its own trackers only (BEP 27); `false` while that is not known.
    pub is_private: bool,
    /// Bytes of its content; 0 while that is not known.
    pub size: u64,
    /// Its files, padding not counted; 0 while that is not known.
    pub files: usize,
    /// Bytes of its content that it lacked when that was last written down: when it ended, was paused or fell asleep.
    pub left: u64,
    /// As the user has set them: one for each file, those that are missing here [`FilePriority::Normal`].
    pub priorities: Vec<FilePriority>,
    /// Pieces in order rather than rarest first.
    pub sequential: bool,
    /// Its own limits.
    pub limits: RateLimits,
    /// What else the user has chosen.
    pub manner: Manner,
    /// What the application wants to remember.
    pub note: Note,
}

/// An entry that cannot be used. It stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The info-hash, in hexadecimal.
    pub name: String,
    /// What is wrong with it.
    pub error: EntryError,
}

impl Home {
    /// Everything that is in the list, and what cannot be read of it.
    pub(super) fn entries(&self) -> Result<(Vec<Entry>, Vec<Unreadable>), StateError> {
        let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
        for (key, value) in self.ledger.scan(Table::Torrents)? {
            match Entry::decode(&value) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    let name = data_encoding::HEXLOWER.encode(&key);
                    tracing::error!(name, %error, "an entry of the list cannot be used");
                    unreadable.push(Unreadable { name, error });
                }
            }
        }
        Ok((entries, unreadable))
    }

    /// Has a new torrent durable, with its metadata if there is any. One that is in the list stays as it is. Waits for the disk.
    pub(super) fn enter(&self, entry: &Entry, metainfo: Option<&Metainfo>) -> Result<(), StateError> {
        let known = self.ledger.get(Table::Torrents, &key_of(entry))?;
        if known.is_some_and(|known| Entry::decode(&known).is_ok_and(|known| known.removing().is_none())) {
            return Ok(());
        }
        if let Some(metainfo) = metainfo {
            self.shelf.put(&metainfo.info_hashes, &metainfo.encode())?;
        }
        self.ledger.write_and_wait(vec![change(entry)])
    }

    /// The metadata of a torrent, in words for a person if there is none. Waits for the disk.
    pub(super) fn metadata(&self, hashes: &InfoHashes) -> Result<Arc<Metainfo>, String> {
        match self.shelf.get(hashes) {
            Ok(Some(metainfo)) => Ok(Arc::new(metainfo)),
            Ok(None) => Err(format!("its metadata is not there: {}", self.shelf.path(hashes).display())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The entries of the torrents of a client.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) home: Home,
    entries: BTreeMap<TorrentId, Entry>,
    /// Who has the record of this key. A torrent that was added again while its files were closed has taken it over.
    by_key: HashMap<Vec<u8>, TorrentId>,
    /// Records that are about to be written for torrents that nobody knows yet.
    expected: HashMap<Vec<u8>, usize>,
    /// Records that must be written together with the entry: it may or may not be known yet which of two there are.
    attached: BTreeMap<TorrentId, Change>,
}

impl Catalogue {
    pub(super) fn new(home: Home) -> Self {
        let (by_key, expected) = (HashMap::new(), HashMap::new());
        Self { home, entries: BTreeMap::new(), by_key, expected, attached: BTreeMap::new() }
    }

    /// The torrent has this name now.
    pub(super) fn insert(&mut self, torrent: TorrentId, entry: Entry) {
        if let Some(before) = self.by_key.insert(key_of(&entry), torrent) {
            // What it would still have to say would be written in the place of this one.
            self.entries.remove(&before);
        }
        self.entries.insert(torrent, entry);
    }

    /// The record of a torrent is about to be written: whoever had it before leaves it alone from now on.
    pub(super) fn expect(&mut self, key: Vec<u8>) {
        *self.expected.entry(key).or_default() += 1;
    }

    /// What was expected has come, or will not come.
    pub(super) fn expect_no_more(&mut self, key: &[u8]) {
        if let Some(count) = self.expected.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.expected.remove(key);
            }
        }
    }

    /// What is to be written of an entry.
    fn changes(&self, torrent: TorrentId) -> Vec<Change> {
        let entry = self.entries.get(&torrent).map(change);
        entry.into_iter().chain(self.attached.get(&torrent).cloned()).collect()
    }

    pub(super) fn get(&self, torrent: TorrentId) -> Option<&Entry> {
        self.entries.get(&torrent)
    }

    pub(super) fn list(&self) -> Vec<Listing> {
        let line = |(torrent, entry): (&TorrentId, &Entry)| Listing {
            torrent: *torrent,
            info_hashes: entry.info_hashes(),
            name: entry.name.clone(),
            place: entry.place(),
            relocating: None,
            is_paused: entry.is_paused,
            is_complete: entry.is_complete,
            totals: entry.totals(),
            is_known: entry.is_known,
            is_private: entry.private,
            size: entry.size,
            files: entry.files,
            left: entry.left,
            priorities: entry.priorities(),
            sequential: entry.sequential,
            limits: entry.limits(),
            manner: entry.manner(),
            note: entry.note.clone(),
        };
        self.entries.iter().map(line).collect()
    }

    /// Changes an entry, and has it written down soon. That this fails is said in the log; the next change is tried again.
    pub(super) fn change(&mut self, torrent: TorrentId, act: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&torrent) else { return };
        let before = entry.clone();
        act(entry);
        if *entry != before {
            self.home.ledger.write(self.changes(torrent), move |result| complain(torrent, result));
        }
    }

    /// Changes an entry, and another record with it, and says when that is durable. Until [`Self::detach`] the two are always
    /// written together. `None`: there is no such entry.
    pub(super) fn change_with(
        &mut self,
        torrent: TorrentId,
        act: impl FnOnce(&mut Entry),
        other: Option<Change>,
    ) -> Option<oneshot::Receiver<Result<(), StateError>>> {
        act(self.entries.get_mut(&torrent)?);
        if let Some(other) = other {
            self.attached.insert(torrent, other);
        }
        let changes = self.changes(torrent);
        let (written, is_written) = oneshot::channel();
        self.home.ledger.write(changes, move |result| {
            // Whoever waits may have gone.
            let _ = written.send(result);
        });
        Some(is_written)
    }

    /// The other record is known to be durable.
    pub(super) fn detach(&mut self, torrent: TorrentId) {
        self.attached.remove(&torrent);
    }

    /// Writes down what was counted, and what is left if that is known, for many torrents at once.
    pub(super) fn set_totals(&mut self, totals: impl Iterator<Item = (TorrentId, Totals, Option<u64>)>) {
        let mut changes = Vec::new();
        for (torrent, totals, left) in totals {
            let Some(entry) = self.entries.get_mut(&torrent) else { continue };
            let before = entry.clone();
            entry.set_totals(totals);
            entry.left = left.unwrap_or(entry.left);
            if *entry != before {
                changes.extend(self.changes(torrent));
            }
        }
        if !changes.is_empty() {
            self.home.ledger.write(changes, |result| {
                if let Err(error) = result {
                    tracing::warn!(%error, "what was counted could not be written down");
                }
            });
        }
    }

    /// That a torrent is removed, for whoever waits until it is durable.
    pub(super) fn removal(&mut self, torrent: TorrentId, files: Files) -> Vec<Change> {
        if let Some(entry) = self.entries.get_mut(&torrent) {
            entry.remove(files);
        }
        self.changes(torrent)
    }

    /// The torrent is gone; if the user has removed it, from the list as well.
    pub(super) fn strike(&mut self, torrent: TorrentId) {
        let Some(entry) = self.entries.remove(&torrent) else { return };
        self.attached.remove(&torrent);
        let key = key_of(&entry);
        self.by_key.remove(&key);
        // It may be about to be added again.
        if entry.removing().is_none() || self.expected.contains_key(&key) {
            return;
        }
        let hashes = entry.info_hashes();
        let shelf = self.home.shelf.clone();
        let gone = Change { table: Table::Torrents, key, value: None };
        self.home.ledger.write(vec![gone], move |result| {
            // Metadata that nobody asks for is in nobody's way; an entry without it would be.
            if result.is_ok()
                && let Err(error) = shelf.remove(&hashes)
            {
                tracing::warn!(%error, "the metadata of a removed torrent stays behind");
            }
            complain(torrent, result);
        });
    }
}

pub(super) fn key_of(entry: &Entry) -> Vec<u8> {
    entry.info_hashes().primary().0.to_vec()
}

fn change(entry: &Entry) -> Change {
    Change { table: Table::Torrents, key: key_of(entry), value: Some(entry.encode()) }
}

fn complain(torrent: TorrentId, result: Result<(), StateError>) {
    if let Err(error) = result {
        tracing::warn!(torrent = torrent.0, %error, "an entry of the list could not be written down");
    }
}
