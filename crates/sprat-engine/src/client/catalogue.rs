//! The list of torrents as it lies on the disk, and as it was decided by the user: what outlives the client.
//!
//! The metadata of a torrent is a file on the [shelf](crate::shelf), its entry a record in the [ledger](crate::ledger). A
//! torrent is in the list when its entry is durable, and gone from it when that is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprat_core::io::{FilePriority, Manner, MetadataError, RateLimits, Totals};
use sprat_core::storage::TorrentId;
use sprat_wire::hash::{InfoHash, InfoHashes};
use sprat_wire::metainfo::Metainfo;
use tokio::sync::oneshot;

use super::entry::{Entry, EntryError};
use super::moves::Relocating;
use super::note::Note;
use crate::ledger::LedgerHandle;
use crate::shelf::{Shelf, ShelfError};
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

impl Listing {
    /// The metadata is there.
    pub(super) fn know(&mut self, metainfo: &Metainfo) {
        self.is_known = true;
        self.info_hashes = metainfo.info_hashes;
        self.name.clone_from(&metainfo.info.name);
        self.is_private = metainfo.info.private;
        self.size = metainfo.info.content_length();
        self.files = metainfo.info.files.iter().filter(|file| !file.attributes.pad).count();
        self.left = self.size;
    }

    fn new(torrent: TorrentId, entry: &Entry) -> Self {
        Self {
            torrent,
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
        }
    }
}

impl Home {
    /// Everything that is in the list, and what cannot be read of it.
    pub(super) fn entries(&self) -> Result<(Vec<Entry>, Vec<Unreadable>), StateError> {
        let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
        for (key, value) in self.ledger.scan(Table::Torrents)? {
            match Entry::decode(&value).and_then(Entry::checked) {
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

    /// Has a new torrent durable, with its metadata if there is any. Waits for the disk.
    pub(super) fn enter(&self, entry: &Entry, metainfo: Option<&Metainfo>) -> Result<(), StateError> {
        // What was removed just now takes its metadata with it when that is durable; answers come after everything before them.
        let before = self.ledger.get(Table::Torrents, &key_of(entry))?;
        // Nobody loses an entry that only a later version could read.
        let unreadable = before.filter(|before| Entry::decode(before).is_err());
        let put_aside = unreadable.map(|value| {
            let key = [b"unreadable/", key_of(entry).as_slice()].concat();
            Change { table: Table::Settings, key, value: Some(value) }
        });
        if let Some(metainfo) = metainfo {
            self.shelf.put(&metainfo.info_hashes, &metainfo.encode())?;
        }
        self.ledger.write_and_wait(put_aside.into_iter().chain([change(entry)]).collect())
    }

    /// The metadata of a torrent. Waits for the disk.
    pub(super) fn metadata(&self, hashes: &InfoHashes) -> Result<Arc<Metainfo>, MetadataError> {
        match self.shelf.get(hashes) {
            Ok(Some(metainfo)) => Ok(Arc::new(metainfo)),
            Ok(None) => {
                let path = self.shelf.path(hashes);
                Err(MetadataError::Lost(format!("its metadata is not there: {}", path.display())))
            }
            Err(error @ ShelfError::Damaged { .. }) => Err(MetadataError::Lost(error.to_string())),
            Err(error @ ShelfError::State(_)) => Err(MetadataError::Unreadable(error.to_string())),
        }
    }
}

/// The entries of the torrents of a client.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) home: Home,
    entries: BTreeMap<TorrentId, Entry>,
    /// Whose entries are about to be written: nobody else may add them meanwhile.
    expected: BTreeSet<InfoHash>,
    /// Records that must be written together with the entry: it may or may not be known yet which of two there are.
    attached: BTreeMap<TorrentId, Change>,
}

impl Catalogue {
    pub(super) fn new(home: Home) -> Self {
        Self { home, entries: BTreeMap::new(), expected: BTreeSet::new(), attached: BTreeMap::new() }
    }

    /// The torrent has this name now.
    pub(super) fn insert(&mut self, torrent: TorrentId, entry: Entry) {
        self.entries.insert(torrent, entry);
    }

    /// The entry of a torrent that is not there is about to be written, unless somebody else is about to do so.
    pub(super) fn expect(&mut self, hashes: &InfoHashes) -> bool {
        let is_new = hashes.on_the_wire().all(|hash| !self.expected.contains(&hash));
        if is_new {
            self.expected.extend(hashes.on_the_wire());
        }
        is_new
    }

    /// What was expected has come, or will not come.
    pub(super) fn expect_no_more(&mut self, hashes: &InfoHashes) {
        for hash in hashes.on_the_wire() {
            self.expected.remove(&hash);
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
        self.entries.iter().map(|(torrent, entry)| Listing::new(*torrent, entry)).collect()
    }

    pub(super) fn listing(&self, torrent: TorrentId) -> Option<Listing> {
        self.get(torrent).map(|entry| Listing::new(torrent, entry))
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

    /// The metadata of a torrent is on the shelf. If that tells a hash that comes before the one that a link has told, the entry is
    /// kept under another key from now on.
    pub(super) fn know(&mut self, torrent: TorrentId, metainfo: &Metainfo) {
        let Some(entry) = self.entries.get(&torrent) else { return };
        let (before, after) = (key_of(entry), metainfo.info_hashes.primary().0.to_vec());
        let is_taken = |other: &Entry| key_of(other) == after;
        if before != after && self.entries.values().any(is_taken) {
            tracing::warn!(
                torrent = torrent.0,
                "two links were the two names of one torrent; this one stays a link"
            );
            return;
        }
        let Some(entry) = self.entries.get_mut(&torrent) else { return };
        entry.know(metainfo);
        let mut changes = self.changes(torrent);
        if before != after {
            changes.push(Change { table: Table::Torrents, key: before, value: None });
        }
        self.home.ledger.write(changes, move |result| complain(torrent, result));
    }

    /// Remembers something else of many torrents at once.
    pub(super) fn annotate(&mut self, notes: Vec<(TorrentId, Note)>) {
        let mut changes = Vec::new();
        for (torrent, note) in notes {
            let Some(entry) = self.entries.get_mut(&torrent).filter(|entry| entry.note != note) else {
                continue;
            };
            entry.note = note;
            changes.extend(self.changes(torrent));
        }
        if !changes.is_empty() {
            self.home.ledger.write(changes, |result| {
                if let Err(error) = result {
                    tracing::warn!(%error, "what the application remembers could not be written down");
                }
            });
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

    /// The torrent is gone; if the user has removed it, from the list as well, and what was known of its files.
    pub(super) fn strike(&mut self, torrent: TorrentId) {
        let Some(entry) = self.entries.remove(&torrent) else { return };
        self.attached.remove(&torrent);
        if entry.removing().is_none() {
            return;
        }
        let (key, hashes) = (key_of(&entry), entry.info_hashes());
        let shelf = self.home.shelf.clone();
        // Who was asleep has not opened its files, and nobody else forgets them.
        let gone =
            [Table::Torrents, Table::Progress].map(|table| Change { table, key: key.clone(), value: None });
        self.home.ledger.write(gone.to_vec(), move |result| {
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

fn key_of(entry: &Entry) -> Vec<u8> {
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
