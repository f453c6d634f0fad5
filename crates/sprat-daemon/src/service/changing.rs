//! What the user can do with torrents.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sprat_core::io::FilePriority;
use sprat_core::storage::{Files, TorrentId};
use sprat_engine::address_policy::Origin;
use sprat_engine::client::Ended;
use sprat_engine::state::StateError;
use thiserror::Error;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Known, PrivateAddress, Service, hold};
use crate::labels::Labels;
use crate::torrents::{ReachedLimits, Record, SeedingChange, Snapshot};

/// So long is waited for the end of a removal.
const SOON_GONE: Duration = Duration::from_secs(2);

/// So many removals are ordered at a time: what waits to be durable together costs one commit.
const REMOVALS: usize = 256;

/// What can be done with many torrents at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Let it run, when the queue does.
    Start,
    /// Let it run whatever the queue says.
    ForceStart,
    /// Let it not run.
    Stop,
    /// Compare what is on the disk with its hashes.
    Recheck,
    /// Ask its trackers now, as far as they allow.
    Reannounce,
    /// Let it write files that were there before it, and that nobody has recorded as ours.
    Adopt,
    /// Before all others in the queue.
    QueueTop,
    /// One place earlier.
    QueueUp,
    /// One place later.
    QueueDown,
    /// After all others.
    QueueBottom,
}

/// What can be changed of a torrent; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Another name; empty is its own.
    pub name: Option<String>,
    /// A label, or none.
    pub label: Option<Option<String>>,
    /// All its tags.
    pub tags: Option<BTreeSet<String>>,
    /// Tags that it is to have besides.
    pub add_tags: BTreeSet<String>,
    /// Tags that it is not to have.
    pub remove_tags: BTreeSet<String>,
    /// The most to receive, bytes per second, or no limit.
    pub download_limit: Option<Option<u64>>,
    /// The most to send, bytes per second, or no limit.
    pub upload_limit: Option<Option<u64>>,
    /// When it has given enough.
    pub seeding: SeedingChange,
    /// Pieces in order.
    pub sequential: Option<bool>,
    /// The first and last pieces of each wanted file before all others.
    pub first_last: Option<bool>,
    /// When it is alone with everything, to show each peer few pieces at a time (BEP 16).
    pub super_seeding: Option<bool>,
    /// Connections at most, or as many as any torrent may have.
    pub connection_limit: Option<Option<usize>>,
    /// How much files are wanted, by their number.
    pub priorities: Vec<(usize, FilePriority)>,
    /// Its trackers, by tier.
    pub trackers: Option<Vec<Vec<String>>>,
}

/// Why a torrent was not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// There is no such torrent.
    #[error("there is no such torrent")]
    Unknown,
    /// No name for a label or a tag.
    #[error("{0:?} cannot be the name of a label or a tag")]
    Name(String),
    /// The torrent has no such file, or it is not known yet which it has.
    #[error("there is no file number {0}")]
    File(usize),
    /// A peer that nobody is to call on somebody's word.
    #[error(transparent)]
    Address(#[from] PrivateAddress),
    /// It could not be written down.
    #[error("it cannot be written down: {0}")]
    State(#[from] StateError),
    /// The client has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Service {
    /// Does something with torrents. Those that are not there any more are passed over.
    pub async fn act(&self, torrents: &[TorrentId], action: Action) -> Result<(), Ended> {
        match action {
            Action::Start => self.start_again(torrents, false),
            Action::ForceStart => self.start_again(torrents, true),
            Action::Stop => {
                self.note(torrents, |record| (record.is_started, record.is_forced) = (false, false));
            }
            Action::QueueTop | Action::QueueUp | Action::QueueDown | Action::QueueBottom => {
                self.requeue(torrents, action);
            }
            Action::Recheck => {
                for torrent in torrents {
                    self.0.client.recheck(*torrent).await?;
                }
            }
            Action::Adopt => {
                for torrent in torrents {
                    self.0.client.adopt(*torrent).await?;
                }
            }
            Action::Reannounce => {
                let torrents = torrents.to_vec();
                let announce = move |session: &mut sprat_core::Session, now| {
                    for torrent in torrents {
                        session.force_announce(now, torrent);
                    }
                };
                self.0.client.with(announce).await?;
            }
        }
        self.look().await?;
        self.keep_records().await;
        Ok(())
    }

    /// Changes a torrent.
    pub async fn change(&self, torrent: TorrentId, change: Change) -> Result<(), ChangeError> {
        self.change_all(&[torrent], change).await
    }

    /// Changes torrents: all of them, or if one is not there, none.
    pub async fn change_all(&self, torrents: &[TorrentId], change: Change) -> Result<(), ChangeError> {
        let label = change.label.iter().flatten();
        let named = label.chain(change.tags.iter().flatten()).chain(&change.add_tags);
        if let Some(name) = named.clone().find(|name| !Labels::is_name(name)) {
            return Err(ChangeError::Name(name.clone()));
        }
        let are_there = |known: &Known| torrents.iter().all(|torrent| known.torrents.contains_key(torrent));
        if !are_there(&hold(&self.0.known)) {
            return Err(ChangeError::Unknown);
        }
        for torrent in torrents {
            self.change_in_engine(*torrent, &change).await?;
        }
        if let Some(Some(label)) = &change.label {
            self.change_labels(|labels| labels.labels.entry(label.clone()).or_default().clone());
        }
        self.note(torrents, |record| change.note(record));
        for torrent in torrents {
            self.read_facts(*torrent).await?;
        }
        self.look().await?;
        self.keep_records().await;
        Ok(())
    }

    /// What of a change is not ours to keep.
    async fn change_in_engine(&self, torrent: TorrentId, change: &Change) -> Result<(), ChangeError> {
        let client = &self.0.client;
        if !change.priorities.is_empty() {
            self.edit_priorities(torrent, &change.priorities).await?;
        }
        if let Some(tiers) = change.trackers.clone() {
            client.set_trackers(torrent, tiers, Origin::Torrent).await?;
        }
        if let Some(on) = change.sequential {
            client.set_sequential(torrent, on).await?;
        }
        if let Some(on) = change.first_last {
            client.set_first_last_first(torrent, on).await?;
        }
        if let Some(on) = change.super_seeding {
            client.set_super_seeding(torrent, on).await?;
        }
        if let Some(most) = change.connection_limit {
            client.set_torrent_connections(torrent, most).await?;
        }
        if change.download_limit.is_some() || change.upload_limit.is_some() {
            self.edit_limits(torrent, change.download_limit, change.upload_limit).await?;
        }
        Ok(())
    }

    /// Has peers called: all of these, or none.
    pub async fn add_peers(&self, torrent: TorrentId, peers: Vec<SocketAddr>) -> Result<(), ChangeError> {
        self.may_call(&peers)?;
        Ok(self.0.client.with(move |session, now| session.add_peers(now, torrent, &peers)).await?)
    }

    /// Removes torrents from the list; with [`Files::Delete`] also the files that they have made and that nobody else uses.
    ///
    /// When this returns they are gone, so that they can be added again; unless a disk or a tracker is slow: then they are soon.
    pub async fn remove(&self, torrents: &[TorrentId], files: Files) -> Result<(), ChangeError> {
        let mut changes = self.changes();
        let removals = stream::iter(torrents.iter().copied().map(Ok));
        removals
            .try_for_each_concurrent(REMOVALS, async |torrent| {
                self.0.client.remove(torrent, files).await??;
                Ok::<_, ChangeError>(())
            })
            .await?;
        let are_gone = |now: &Arc<Snapshot>| torrents.iter().all(|torrent| now.line(*torrent).is_none());
        // Neither that it takes longer nor that the service ends meanwhile is a fault.
        let _ = timeout(SOON_GONE, changes.wait_for(are_gone)).await;
        Ok(())
    }

    /// Changes what is kept of torrents.
    pub(super) fn note(&self, torrents: &[TorrentId], act: impl Fn(&mut Record)) {
        let mut known = hold(&self.0.known);
        for torrent in torrents {
            if let Some(one) = known.torrents.get_mut(torrent) {
                act(&mut one.record);
                one.is_unwritten = true;
            }
            known.show(*torrent);
        }
        known.decided_at = None;
    }
}

impl Change {
    fn note(&self, record: &mut Record) {
        if let Some(name) = &self.name {
            record.name = Some(name.clone()).filter(|name| !name.is_empty());
        }
        if let Some(label) = &self.label {
            record.label.clone_from(label);
        }
        if let Some(tags) = &self.tags {
            record.tags.clone_from(tags);
        }
        record.tags.extend(self.add_tags.iter().cloned());
        record.tags.retain(|tag| !self.remove_tags.contains(tag));
        if self.seeding != SeedingChange::default() {
            record.seeding = self.seeding.applied_to(record.seeding);
            record.has_given_enough = false;
            // It has had its last word on the limits that there were.
            record.overruled = ReachedLimits::default();
        }
    }
}
