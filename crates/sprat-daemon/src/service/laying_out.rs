//! Giving the files of what was added as a link the [layout](ContentLayout) that was wished, as soon as it is known which they are.
//! Those of a torrent file have it from the beginning.

use sprat_core::storage::TorrentId;
use sprat_engine::client::RelocateError;
use sprat_engine::storage::Place;

use super::keeping::LOOK_EVERY;
use super::moving::MoveError;
use super::{Service, hold};
use crate::torrents::ContentLayout;

impl Service {
    /// Has its files lie as was wished, if that waits for nothing but this. What of them has come by then is moved along.
    pub(super) fn lay_out(&self, torrent: TorrentId) {
        let is_due = move |service: &Self| {
            let known = hold(&service.0.known);
            known.torrents.get(&torrent).is_some_and(|one| one.facts.is_known && one.awaits_layout())
        };
        if !is_due(self) {
            return;
        }
        let service = self.clone();
        tokio::spawn(async move {
            while is_due(&service) {
                match service.try_to_lay_out(torrent).await {
                    Err(MoveError::Engine(RelocateError::Busy)) => tokio::time::sleep(LOOK_EVERY).await,
                    // The next start goes on.
                    Err(MoveError::Engine(RelocateError::Interrupted) | MoveError::Ended(_)) => return,
                    result => {
                        if let Err(error) = result {
                            tracing::warn!(torrent = torrent.0, %error, "its files lie as the torrent says");
                        }
                        service.note(&[torrent], |record| record.layout = ContentLayout::Original);
                    }
                }
            }
            service.0.nudge.notify_one();
        });
    }

    /// The same for all of them: of which metadata came nobody has told.
    pub(super) fn lay_out_unnoticed(&self) {
        let unnoticed: Vec<TorrentId> = {
            let known = hold(&self.0.known);
            let unnoticed = known.torrents.iter().filter(|(_, one)| one.awaits_layout());
            unnoticed.map(|(id, _)| *id).collect()
        };
        unnoticed.into_iter().for_each(|torrent| self.lay_out(torrent));
    }

    async fn try_to_lay_out(&self, torrent: TorrentId) -> Result<(), MoveError> {
        let _alone = self.placing(torrent)?;
        let layout = hold(&self.0.known).record(torrent).map(|record| record.layout);
        let listing = self.0.client.listing(torrent).await?.ok_or(MoveError::Unknown)?;
        let unread = || RelocateError::Metadata("it is not where it was kept".to_owned());
        let metainfo = self.metainfo(torrent).await.ok_or_else(unread)?;
        let mut names = layout.unwrap_or_default().names(&metainfo.info);
        if names.is_empty() {
            return Ok(());
        }
        // What the user has named meanwhile.
        names.extend(listing.place.names.clone());
        self.0.client.relocate(torrent, Place { names, ..listing.place }).await??;
        self.read_facts(torrent).await?;
        Ok(())
    }
}
