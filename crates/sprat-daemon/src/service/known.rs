//! What the service knows of its torrents, behind a lock that nobody keeps while waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_engine::client::Listing;

use crate::torrents::queue::{Slowness, Stage};
use crate::torrents::{
    Board, ContentLayout, Facts, Live, Record, Running, Summary, is_expected_elsewhere, summarise,
};

/// What is known of all torrents.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) torrents: BTreeMap<TorrentId, Torrent>,
    pub(super) board: Board,
    /// Awake when they were last looked at.
    pub(super) awake: BTreeSet<TorrentId>,
    /// Seconds that the daemon has run since it was started for the first time.
    pub(super) running_time: u64,
    /// The policies were asked then; nothing that they go by has changed since, but time.
    pub(super) decided_at: Option<Time>,
    /// Places in the queue are not what they were: see [`Self::rank`].
    pub(super) is_reordered: bool,
}

/// What is known of a torrent.
#[derive(Debug)]
pub(super) struct Torrent {
    pub(super) facts: Facts,
    pub(super) record: Record,
    pub(super) live: Option<Live>,
    /// The record says something new since it was last given to the engine.
    pub(super) is_unwritten: bool,
    /// It counts something else since then, which is written when it is its turn.
    pub(super) has_counted: bool,
    /// It has sent or received something since then, which can wait for a few minutes.
    pub(super) has_moved: bool,
    /// Since when it does what it does, while it runs.
    pub(super) running_since: Option<(Stage, Time)>,
    pub(super) slowness: Slowness,
    /// Its place in the queue as it is shown, from 0. [`Record::position`] only says who comes before whom.
    pub(super) place: i64,
    /// Held by whoever changes something by what it is now: see `editing`.
    pub(super) editing: Arc<tokio::sync::Mutex<()>>,
    /// The same for where its files are and what they are called, which may take as long as the disk does.
    pub(super) placing: Arc<tokio::sync::Mutex<()>>,
}

impl Torrent {
    pub(super) fn new(facts: Facts, record: Record) -> Self {
        Self {
            facts,
            record,
            live: None,
            is_unwritten: false,
            has_counted: false,
            has_moved: false,
            running_since: None,
            slowness: Slowness::default(),
            place: 0,
            editing: Arc::default(),
            placing: Arc::default(),
        }
    }

    /// One of the engine's list, with the record that is its note.
    pub(super) fn of(listing: &Listing, running_time: u64) -> Self {
        let mut record: Record = serde_json::from_str(listing.note.as_str()).unwrap_or_default();
        record.times = record.times.taken_up(running_time);
        Self::new(Facts::of(listing), record)
    }

    const fn running(&self) -> Running {
        match (self.facts.is_paused || self.facts.is_moving, self.facts.is_complete) {
            (true, _) => Running::No,
            (false, false) => Running::Incomplete,
            (false, true) => Running::Seeding,
        }
    }

    /// Its files do not lie yet as whoever has added it wished.
    pub(super) fn awaits_layout(&self) -> bool {
        self.record.layout != ContentLayout::Original
    }

    /// Its files are to lie elsewhere: at home since it is complete, or first of all as was wished.
    pub(super) fn is_to_be_brought_home(&self) -> bool {
        self.awaits_layout() || is_expected_elsewhere(&self.facts, &self.record)
    }

    /// Its files are on their way, or about to be.
    pub(super) const fn is_on_its_way(&self) -> bool {
        self.facts.is_moving || is_expected_elsewhere(&self.facts, &self.record)
    }
}

impl Known {
    /// Puts a torrent on the board as it is now, and has its time counted as what it does now.
    pub(super) fn show(&mut self, id: TorrentId) {
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        torrent.has_counted |= torrent.record.times.turn(torrent.running(), self.running_time);
        let identity = torrent.facts.identity();
        if let Some(summary) = self.summary(id) {
            self.board.put(id, identity, summary);
        }
    }

    /// A torrent as it is now. On the board, the times of one that sleeps are those of when it was last shown.
    pub(super) fn summary(&self, id: TorrentId) -> Option<Summary> {
        let one = self.torrents.get(&id)?;
        Some(summarise(id.0, one.place, &one.facts, &one.record, one.live.as_ref(), self.running_time))
    }

    pub(super) fn record(&mut self, id: TorrentId) -> Option<&mut Record> {
        self.torrents.get_mut(&id).map(|torrent| &mut torrent.record)
    }

    /// A torrent that nobody knew.
    pub(super) fn enter(&mut self, id: TorrentId, mut torrent: Torrent) {
        let own = (torrent.record.position, id);
        let before = self.torrents.iter().filter(|(id, one)| (one.record.position, **id) < own).count();
        self.is_reordered |= before < self.torrents.len();
        torrent.place = i64::try_from(before).unwrap_or(i64::MAX);
        self.torrents.insert(id, torrent);
        self.show(id);
    }

    /// A torrent that is not there any more.
    pub(super) fn forget(&mut self, id: TorrentId) {
        self.is_reordered |= self.torrents.remove(&id).is_some();
        self.awake.remove(&id);
        self.board.remove(id);
    }
}
