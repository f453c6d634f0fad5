//! Changes of a torrent that depend on what it is now: read, changed and written one after the other, so that of two that come together
//! none is lost.

use sprat_core::io::{FilePriority, RateLimits};
use sprat_core::storage::TorrentId;
use sprat_engine::address_policy::Origin;
use sprat_engine::client::Ended;
use tokio::sync::OwnedMutexGuard;

use super::{ChangeError, InspectError, Service, TrackerDetails, hold};

impl Service {
    /// As long as this is held, nobody else edits the torrent. Only the engine is waited for meanwhile, never a disk.
    async fn editing(&self, torrent: TorrentId) -> Result<OwnedMutexGuard<()>, ChangeError> {
        let lock = hold(&self.0.known).torrents.get(&torrent).map(|one| one.editing.clone());
        Ok(lock.ok_or(ChangeError::Unknown)?.lock_owned().await)
    }

    /// Has some of its files wanted otherwise.
    pub(super) async fn edit_priorities(
        &self,
        torrent: TorrentId,
        changed: &[(usize, FilePriority)],
    ) -> Result<(), ChangeError> {
        // This may come from the disk, and does not change.
        let metainfo = self.metainfo(torrent).await;
        let _alone = self.editing(torrent).await?;
        let listing = self.0.client.listing(torrent).await?.ok_or(ChangeError::Unknown)?;
        // Pad files have numbers, too.
        let files = metainfo.map_or(0, |metainfo| metainfo.info.files.len());
        let mut priorities = listing.priorities;
        priorities.resize(files, FilePriority::Normal);
        for (file, priority) in changed {
            *priorities.get_mut(*file).ok_or(ChangeError::File(*file))? = *priority;
        }
        Ok(self.0.client.set_priorities(torrent, priorities).await?)
    }

    /// Limits one of its rates, or both; `None` stays.
    pub(super) async fn edit_limits(
        &self,
        torrent: TorrentId,
        download: Option<Option<u64>>,
        upload: Option<Option<u64>>,
    ) -> Result<(), ChangeError> {
        let _alone = self.editing(torrent).await?;
        let before = self.0.client.listing(torrent).await?.ok_or(ChangeError::Unknown)?.limits;
        let limits = RateLimits {
            download: download.unwrap_or(before.download),
            upload: upload.unwrap_or(before.upload),
        };
        Ok(self.0.client.set_torrent_limits(torrent, limits).await?)
    }

    /// Gives a torrent other trackers by what they are now: `edit` is told them, each once and by tier, and says which URLs there are to
    /// be, by tier; `None` leaves them.
    pub async fn edit_trackers<E>(
        &self,
        torrent: TorrentId,
        edit: impl FnOnce(Vec<TrackerDetails>) -> Result<Option<Vec<Vec<String>>>, E>,
    ) -> Result<(), E>
    where
        E: From<ChangeError> + From<InspectError> + From<Ended>,
    {
        let _alone = self.editing(torrent).await?;
        let before = TrackerDetails::each_once(self.trackers(torrent).await?);
        if let Some(mut tiers) = edit(before)? {
            tiers.retain(|tier| !tier.is_empty());
            self.0.client.set_trackers(torrent, tiers, Origin::Torrent).await?;
            self.0.nudge.notify_one();
        }
        Ok(())
    }
}
