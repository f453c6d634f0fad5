//! All that is known of one torrent. Read when somebody asks.

use std::sync::Arc;

use data_encoding::BASE64;
use sprat_core::announcer::{TrackerState, TrackerStatus};
use sprat_core::bitfield::Bitfield;
use sprat_core::picker::PieceState;
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_core::torrent::Torrent;
use sprat_engine::client::Ended;
use sprat_wire::hash::InfoHashes;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::{File, Metainfo};
use thiserror::Error;

use super::details::{
    FileDescription, FileDetails, PeerDetails, PeerOrigin, Pieces, TorrentDetails, TrackerDetails,
    TrackerWord,
};
use super::{Service, hold};

/// Why a torrent cannot be looked at.
#[derive(Debug, Error)]
pub enum InspectError {
    /// There is no such torrent.
    #[error("there is no such torrent")]
    Unknown,
    /// Its metadata is not known, or cannot be read.
    #[error("its metadata is not known")]
    NoMetadata,
    /// It has no such file, or that is padding.
    #[error("there is no file number {0}")]
    File(usize),
    /// It is a hybrid of which peers have told no piece layers: no program would accept the torrent file.
    #[error("the hashes of its pieces are not known for both of its versions")]
    Incomplete,
    /// The client has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Service {
    /// Its metadata, from memory or from the shelf.
    pub async fn metainfo(&self, torrent: TorrentId) -> Option<Arc<Metainfo>> {
        let awake = move |session: &mut sprat_core::Session, _| {
            session.torrent(torrent).map(|one| Arc::clone(one.metainfo()))
        };
        if let Ok(Some(metainfo)) = self.0.client.with(awake).await {
            return Some(metainfo);
        }
        let hashes = hold(&self.0.known).torrents.get(&torrent)?.facts.info_hashes;
        let shelf = self.0.shelf.clone();
        let read = tokio::task::spawn_blocking(move || shelf.get(&hashes)).await;
        read.ok()?.ok()?.map(Arc::new)
    }

    /// What is known of a torrent.
    pub async fn details(&self, torrent: TorrentId) -> Result<TorrentDetails, InspectError> {
        let summary = hold(&self.0.known).summary(torrent).ok_or(InspectError::Unknown)?;
        let listing = self.0.client.listing(torrent).await?.ok_or(InspectError::Unknown)?;
        let metainfo = self.metainfo(torrent).await;
        let status =
            move |session: &mut sprat_core::Session, now| session.torrent(torrent).map(|one| one.status(now));
        let status = self.0.client.with(status).await?;
        let known = metainfo.as_deref();
        let pieces = known.map_or(0, |metainfo| metainfo.info.piece_count());
        let whole = if listing.is_complete && summary.size == summary.have { pieces } else { 0 };
        Ok(TorrentDetails {
            info_hash_v1: listing.info_hashes.v1().map(|hash| hash.to_string()),
            info_hash_v2: listing.info_hashes.v2().map(|hash| hash.to_string()),
            magnet: magnet(&summary.name, listing.info_hashes, known),
            comment: known.and_then(|metainfo| metainfo.comment.clone()),
            created_by: known.and_then(|metainfo| metainfo.created_by.clone()),
            created_at: known.and_then(|metainfo| metainfo.creation_date),
            piece_length: known.map_or(0, |metainfo| metainfo.info.piece_length),
            pieces,
            pieces_have: status.as_ref().map_or(whole, |status| status.pieces_have),
            files: known
                .map_or(0, |metainfo| metainfo.info.files.iter().filter(|file| !file.attributes.pad).count()),
            web_seeds: known.map(|metainfo| metainfo.web_seeds.clone()).unwrap_or_default(),
            moving_to: listing.relocating.map(|moving| moving.to.display().to_string()),
            upload_is_bottleneck: status.is_some_and(|status| status.upload_is_bottleneck),
            summary,
        })
    }

    /// The files of a torrent.
    pub async fn files(&self, torrent: TorrentId) -> Result<Vec<FileDetails>, InspectError> {
        let listing = self.0.client.listing(torrent).await?.ok_or(InspectError::Unknown)?;
        let metainfo = self.metainfo(torrent).await.ok_or(InspectError::NoMetadata)?;
        let progress =
            move |session: &mut sprat_core::Session, _| session.torrent(torrent).map(Torrent::file_progress);
        let progress = self.0.client.with(progress).await?;
        let details = |(index, file): (usize, &File)| FileDetails {
            index,
            path: listing.place.names.get(&index).unwrap_or(&file.path).clone(),
            size: file.length,
            have: match &progress {
                Some(progress) => progress.get(index).copied().unwrap_or_default(),
                None if listing.is_complete => file.length,
                None => 0,
            },
            priority: listing.priorities.get(index).copied().unwrap_or_default().into(),
        };
        let files = metainfo.info.files.iter().enumerate();
        Ok(files.filter(|(_, file)| !file.attributes.pad).map(details).collect())
    }

    /// One of them, by its number.
    pub async fn file(&self, torrent: TorrentId, index: usize) -> Result<FileDescription, InspectError> {
        let listing = self.0.client.listing(torrent).await?.ok_or(InspectError::Unknown)?;
        let metainfo = self.metainfo(torrent).await.ok_or(InspectError::NoMetadata)?;
        let file = metainfo.info.files.get(index).filter(|file| !file.attributes.pad);
        let file = file.ok_or(InspectError::File(index))?;
        Ok(FileDescription {
            hash: listing.info_hashes.primary().to_string(),
            path: listing.place.names.get(&index).unwrap_or(&file.path).clone(),
            size: file.length,
        })
    }

    /// The peers that a torrent is connected to.
    pub async fn peers(&self, torrent: TorrentId) -> Result<Vec<PeerDetails>, InspectError> {
        let peers = move |session: &mut sprat_core::Session, now| {
            let Some(torrent) = session.torrent(torrent) else { return Vec::new() };
            let pieces = torrent.geometry().pieces();
            let details = |peer: sprat_core::torrent::ConnectionStatus| PeerDetails {
                address: peer.address,
                client: peer.client.unwrap_or_default(),
                peer_id: peer.peer_id.to_string(),
                source: peer.source.map(PeerOrigin::from),
                is_incoming: peer.direction == sprat_core::Direction::Incoming,
                progress: u16::try_from(u64::from(peer.pieces_have) * 1000 / u64::from(pieces.max(1)))
                    .unwrap_or(1000),
                choking: peer.choking,
                choked: peer.choked,
                interested: peer.interested,
                wanted: peer.wanted,
                snubbed: peer.snubbed,
                downloaded: peer.downloaded,
                uploaded: peer.uploaded,
                download_rate: peer.download_rate,
                upload_rate: peer.upload_rate,
            };
            torrent.connections(now).map(details).collect()
        };
        Ok(self.0.client.with(peers).await?)
    }

    /// The trackers of a torrent.
    pub async fn trackers(&self, torrent: TorrentId) -> Result<Vec<TrackerDetails>, InspectError> {
        let trackers = move |session: &mut sprat_core::Session, now: Time| {
            session.trackers(torrent).into_iter().map(|one| tracker(one, now)).collect()
        };
        Ok(self.0.client.with(trackers).await?)
    }

    /// Which pieces of a torrent there are.
    pub async fn pieces(&self, torrent: TorrentId) -> Result<Pieces, InspectError> {
        let have = move |session: &mut sprat_core::Session, _| {
            session.torrent(torrent).map(|one| one.have().clone())
        };
        let have = match self.0.client.with(have).await? {
            Some(have) => have,
            None => match self.pieces_asleep(torrent).await? {
                (count, true) => Bitfield::full(count),
                (count, false) => Bitfield::new(count),
            },
        };
        Ok(Pieces { count: have.len(), have: BASE64.encode(&have.to_wire()) })
    }

    /// How far each piece of a torrent has come.
    pub async fn piece_states(&self, torrent: TorrentId) -> Result<Vec<PieceState>, InspectError> {
        let states = move |session: &mut sprat_core::Session, _| {
            session.torrent(torrent).map(|one| one.piece_states().collect())
        };
        if let Some(states) = self.0.client.with(states).await? {
            return Ok(states);
        }
        let (count, is_complete) = self.pieces_asleep(torrent).await?;
        let state = if is_complete { PieceState::Have } else { PieceState::Missing };
        Ok(vec![state; count as usize])
    }

    /// Of a torrent that the session does not run: how many pieces it has, and whether all of them are there. If not, nobody knows
    /// which.
    async fn pieces_asleep(&self, torrent: TorrentId) -> Result<(u32, bool), InspectError> {
        let listing = self.0.client.listing(torrent).await?.ok_or(InspectError::Unknown)?;
        let metainfo = self.metainfo(torrent).await.ok_or(InspectError::NoMetadata)?;
        Ok((metainfo.info.piece_count(), listing.is_complete))
    }

    /// How many connected peers have each piece; empty while nobody is connected.
    pub async fn availability(&self, torrent: TorrentId) -> Result<Vec<u32>, InspectError> {
        let availability = move |session: &mut sprat_core::Session, _| {
            session.torrent(torrent).map(|one| one.availability().collect()).unwrap_or_default()
        };
        Ok(self.0.client.with(availability).await?)
    }

    /// The torrent file.
    pub async fn torrent_file(&self, torrent: TorrentId) -> Result<Vec<u8>, InspectError> {
        let metainfo = self.metainfo(torrent).await.ok_or(InspectError::NoMetadata)?;
        if metainfo.is_whole() { Ok(metainfo.encode()) } else { Err(InspectError::Incomplete) }
    }
}

fn tracker(status: TrackerStatus, now: Time) -> TrackerDetails {
    TrackerDetails {
        url: status.url.to_string(),
        tier: status.tier,
        state: match status.state {
            TrackerState::Announcing => TrackerWord::Updating,
            TrackerState::Working => TrackerWord::Working,
            TrackerState::Failing => TrackerWord::Failed,
            TrackerState::Unused => TrackerWord::Idle,
        },
        error: status.last_error,
        failures: status.failures,
        seeders: status.seeders,
        leechers: status.leechers,
        downloads: status.downloads,
        peers: status.peers,
        answered: status.answered_at.map(|at| now.since(at).as_secs()),
        next_announce: status.next_announce.map(|at| at.since(now).as_secs()),
    }
}

/// The link of what is known of a torrent, under the name that it has here.
fn magnet(name: &str, hashes: InfoHashes, metainfo: Option<&Metainfo>) -> String {
    let link = metainfo.map_or_else(|| Magnet::new(hashes), Magnet::of);
    // It is to find peers, and to be short.
    Magnet { name: Some(name.to_owned()), web_seeds: Vec::new(), ..link }.to_string()
}
