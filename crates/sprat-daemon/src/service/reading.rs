//! Reading the engine's list again.

use std::collections::BTreeSet;

use sprat_core::storage::TorrentId;
use sprat_engine::client::{Ended, Listing};

use super::{HappeningKind, Service, Torrent, hold};
use crate::torrents::Facts;

impl Service {
    /// Reads again what the engine's list says of a torrent.
    pub(super) async fn read_facts(&self, torrent: TorrentId) -> Result<(), Ended> {
        let _in_order = self.0.reading.lock().await;
        let Some(listing) = self.0.client.listing(torrent).await? else { return Ok(()) };
        self.take_facts(&listing);
        Ok(())
    }

    /// Reads the engine's whole list again, for it is not known what has happened.
    pub(super) async fn read_all_facts(&self) -> Result<(), Ended> {
        {
            let _in_order = self.0.reading.lock().await;
            // Whoever comes while the list is read is not in it.
            let before: Vec<TorrentId> = hold(&self.0.known).torrents.keys().copied().collect();
            let list = self.0.client.list().await?;
            for listing in &list {
                let mut known = hold(&self.0.known);
                if known.torrents.contains_key(&listing.torrent) {
                    drop(known);
                    self.take_facts(listing);
                } else {
                    let torrent = Torrent::of(listing, known.running_time);
                    known.enter(listing.torrent, torrent);
                }
            }
            let there: BTreeSet<TorrentId> = list.iter().map(|listing| listing.torrent).collect();
            for torrent in before.into_iter().filter(|torrent| !there.contains(torrent)) {
                self.tell_of(torrent, HappeningKind::Removed);
                hold(&self.0.known).forget(torrent);
            }
        }
        self.lay_out_unnoticed();
        self.complete_unnoticed();
        Ok(())
    }

    fn take_facts(&self, listing: &Listing) {
        let mut known = hold(&self.0.known);
        if let Some(one) = known.torrents.get_mut(&listing.torrent) {
            let mut facts = Facts::of(listing);
            if one.live.is_some() {
                facts.totals = one.facts.totals;
            }
            if facts.name.is_empty() {
                facts.name.clone_from(&one.facts.name);
            }
            one.facts = facts;
        }
        known.show(listing.torrent);
    }
}
