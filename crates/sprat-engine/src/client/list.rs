//! What the driver does for the list of torrents: taking them up and changing them, putting them to sleep and waking them.

use std::sync::Arc;

use sprat_core::Session;
use sprat_core::io::{Event, Input, Manner, MetadataError, Totals};
use sprat_core::sleeper::Sleeper;
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_core::torrent::Torrent;
use sprat_wire::metainfo::Metainfo;

use super::catalogue::{Listing, Unreadable};
use super::driver::Driver;
use super::entry::Entry;
use super::loading::Loaded;
use crate::address_policy::Origin;
use crate::state::StateError;
use crate::storage::Place;

impl Driver {
    /// Notes what belongs to a torrent. Before the outputs are drained, so the storage knows the place when it is asked to open.
    pub(super) fn settle(&mut self, id: TorrentId, entry: Entry, place: Place) {
        self.storage.place(id, place);
        self.user_trackers.insert(id, entry.user_trackers().cloned().collect());
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.insert(id, entry);
        }
    }

    /// Takes up everything that is in the list. What cannot be read of it is left alone and returned.
    pub(super) fn take_up(&mut self) -> Result<Vec<Unreadable>, StateError> {
        let Some(catalogue) = &self.catalogue else { return Ok(Vec::new()) };
        let (entries, unreadable) = catalogue.home.entries()?;
        for entry in entries {
            let now = self.now();
            let added = if entry.is_known {
                self.session.add_sleeping(now, entry.asleep())
            } else {
                self.session.add_magnet(now, entry.magnet())
            };
            // Two entries of one torrent cannot be: the key is its info-hash.
            let Ok(id) = added else { continue };
            let (place, removing, journey) = (entry.place(), entry.removing(), entry.journey());
            self.settle(id, entry, place.clone());
            if let Some(journey) = journey {
                self.resume_move(id, journey, place);
            }
            if let Some(files) = removing {
                self.remove(id, files);
            }
        }
        Ok(unreadable)
    }

    pub(super) fn list(&self) -> Vec<Listing> {
        let lines = self.catalogue.as_ref().map(super::catalogue::Catalogue::list).unwrap_or_default();
        lines.into_iter().map(|line| self.complete(line)).collect()
    }

    pub(super) fn listing(&self, torrent: TorrentId) -> Option<Listing> {
        self.catalogue.as_ref()?.listing(torrent).map(|line| self.complete(line))
    }

    /// With what is not in its entry, or not yet.
    fn complete(&self, mut line: Listing) -> Listing {
        line.relocating = self.moves.of(line.torrent);
        // Metadata that is on its way to the shelf is known all the same.
        if let Some(torrent) = self.session.torrent(line.torrent).filter(|_| !line.is_known) {
            line.know(torrent.metainfo());
        }
        line
    }

    pub(super) fn adopt(&mut self, id: TorrentId) {
        self.storage.adopt(id);
        self.change(id, Entry::adopt, |session, now| session.retry(now, id));
    }

    /// What the torrent had does not become the user's by staying.
    pub(super) fn set_trackers(&mut self, id: TorrentId, mut tiers: Vec<Vec<String>>, by: Origin) {
        for url in tiers.iter_mut().flatten() {
            *url = url.trim().to_owned();
        }
        let before = self.session.trackers(id);
        let users = self.user_trackers.entry(id).or_default();
        let is_new = |url: &String| !before.iter().any(|known| *known.url == **url);
        let is_users = |url: &String| users.contains(url) || (by == Origin::User && is_new(url));
        let named: Vec<String> = tiers.iter().flatten().filter(|url| is_users(url)).cloned().collect();
        // Those that are gone are still to be told so.
        users.extend(named.iter().cloned());
        let listed = tiers.clone();
        self.change(
            id,
            |entry| entry.set_trackers(listed, named),
            |session, now| session.set_trackers(now, id, &tiers),
        );
    }

    /// Changes the manner in which a torrent goes about its work.
    pub(super) fn change_manner(&mut self, id: TorrentId, act: impl FnOnce(&mut Manner)) {
        let Some(mut manner) = self.session.manner(id) else { return };
        act(&mut manner);
        let note = |entry: &mut Entry| entry.set_manner(manner);
        self.change(id, note, |session, now| session.set_manner(now, id, manner));
    }

    /// Changes a torrent, and its entry with it.
    pub(super) fn change(
        &mut self,
        id: TorrentId,
        entry: impl FnOnce(&mut Entry),
        session: impl FnOnce(&mut Session, Time),
    ) {
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.change(id, entry);
        }
        let now = self.now();
        session(&mut self.session, now);
    }

    /// What an event means for the list.
    pub(super) fn take_note(&mut self, event: &Event) {
        let Some(catalogue) = &mut self.catalogue else { return };
        match event {
            Event::Finished { torrent } => {
                let now = self.epoch.elapsed();
                let status = self.session.torrent(*torrent).map(|one| one.status(Time::ZERO + now));
                catalogue.change(*torrent, |entry| {
                    entry.is_complete = true;
                    if let Some(status) = status {
                        entry.left = status.bytes_left;
                        entry.set_totals(status.totals);
                    }
                });
            }
            Event::Checked { torrent, .. } => catalogue.change(*torrent, |entry| entry.recheck = false),
            // What is gone is fetched at the next start, if it is not by then.
            Event::FileChanged { torrent, .. } => {
                catalogue.change(*torrent, |entry| entry.is_complete = false);
            }
            Event::FellAsleep { torrent } => {
                self.moves.on_closed(*torrent);
                let of = |sleeper: &Sleeper| (*torrent, sleeper.totals(), Some(sleeper.left()));
                catalogue.set_totals(self.session.sleeper(*torrent).map(of).into_iter());
            }
            Event::MetadataReceived { torrent, metainfo } => self.keep(*torrent, Arc::clone(metainfo)),
            Event::FilesLeft { torrent, reason } => {
                tracing::warn!(
                    torrent = torrent.0,
                    reason,
                    "files of a torrent that was removed stay behind"
                );
            }
            Event::Removed { torrent } => {
                self.moves.on_closed(*torrent);
                catalogue.strike(*torrent);
            }
            _ => {}
        }
    }

    /// Has what was counted of everybody written down.
    pub(super) fn keep_totals(&mut self) {
        let totals: Vec<_> = self.session.torrents().map(counted).collect();
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.set_totals(totals.into_iter());
        }
    }

    pub(super) fn keep_totals_of(&mut self, torrent: TorrentId) {
        let of = self.session.torrent(torrent).map(counted);
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.set_totals(of.into_iter());
        }
    }

    fn keep(&self, torrent: TorrentId, metainfo: Arc<Metainfo>) {
        let Some(catalogue) = &self.catalogue else { return };
        let (shelf, loaded) = (catalogue.home.shelf.clone(), self.loaded.clone());
        tokio::task::spawn_local(async move {
            let kept = Arc::clone(&metainfo);
            let put = move || shelf.put(&kept.info_hashes, &kept.encode());
            let Ok(result) = tokio::task::spawn_blocking(put).await else { return };
            let _ = loaded.send(Loaded::Kept(torrent, metainfo, result));
        });
    }

    /// A torrent wakes: finds its metadata.
    pub(super) fn load_metadata(&self, torrent: TorrentId) {
        let loaded = self.loaded.clone();
        let found = self.catalogue.as_ref().and_then(|catalogue| {
            catalogue.get(torrent).map(|entry| (catalogue.home.clone(), entry.info_hashes(), entry.place()))
        });
        let Some((home, hashes, place)) = found else {
            let _ = loaded.send(Loaded::Metadata(
                torrent,
                Err(MetadataError::Lost("nobody keeps its metadata".to_owned())),
            ));
            return;
        };
        // Since it was closed, the storage knows nothing of it.
        self.storage.place(torrent, place);
        let loads = Arc::clone(&self.loads);
        tokio::task::spawn_local(async move {
            let Ok(_permit) = loads.acquire_owned().await else { return };
            let Ok(result) = tokio::task::spawn_blocking(move || home.metadata(&hashes)).await else {
                return;
            };
            let _ = loaded.send(Loaded::Metadata(torrent, result));
        });
    }

    pub(super) fn on_loaded(&mut self, loaded: Loaded) {
        match loaded {
            Loaded::Metadata(torrent, result) => self.input(Input::MetadataLoaded { torrent, result }),
            Loaded::Kept(torrent, metainfo, Ok(())) => {
                if let Some(catalogue) = &mut self.catalogue {
                    catalogue.know(torrent, &metainfo);
                }
            }
            // It is asked for again at the next start.
            Loaded::Kept(_, _, Err(error)) => {
                tracing::warn!(%error, "the metadata of a torrent could not be kept");
            }
        }
    }
}

/// What is to be written down of a torrent now and then.
fn counted(torrent: &Torrent) -> (TorrentId, Totals, Option<u64>) {
    (torrent.id(), torrent.totals(), torrent.left())
}
