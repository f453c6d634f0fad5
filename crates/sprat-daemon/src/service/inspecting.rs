//! All that is known of one torrent. Read when somebody asks.

use std::net::SocketAddr;
use std::sync::Arc;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use sprat_core::announcer::{TrackerState, TrackerStatus};
use sprat_core::io::FilePriority;
use sprat_core::peer_list::PeerSource;
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_core::torrent::Torrent;
use sprat_engine::client::Ended;
use sprat_wire::hash::InfoHashes;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::{File, Metainfo};
use thiserror::Error;
use utoipa::ToSchema;

use super::{Service, hold};
use crate::torrents::Summary;

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

/// All that is known of a torrent but for lists of their own: its files, peers, trackers and pieces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TorrentDetails {
    /// As it stands in the list.
    #[serde(flatten)]
    pub summary: Summary,
    /// The SHA-1 of its info dictionary, hexadecimal; of v1 and hybrid torrents.
    pub info_hash_v1: Option<String>,
    /// The SHA-256 of its info dictionary, hexadecimal; of v2 and hybrid torrents.
    pub info_hash_v2: Option<String>,
    /// A link by which others can find it.
    pub magnet: String,
    /// What whoever has made it says of it.
    pub comment: Option<String>,
    /// The program that it was made with.
    pub created_by: Option<String>,
    /// When it was made, seconds since 1970.
    pub created_at: Option<i64>,
    /// Bytes of a piece; 0 while that is not known.
    pub piece_length: u32,
    /// Pieces; 0 while that is not known.
    pub pieces: u32,
    /// Pieces that are had and durable.
    pub pieces_have: u32,
    /// Its files, padding not counted.
    pub files: usize,
    /// Servers that have it as well (BEP 19).
    pub web_seeds: Vec<String>,
    /// Its files are being moved: where to.
    pub moving_to: Option<String>,
    /// The others wait for our upload.
    pub upload_is_bottleneck: bool,
}

/// A file of a torrent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FileDetails {
    /// Its number.
    pub index: usize,
    /// Its path below the torrent's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of it that are had.
    pub have: u64,
    /// How much it is wanted.
    pub priority: Priority,
}

/// What a file is, whatever becomes of the torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDescription {
    /// By what its torrent is called here.
    pub hash: String,
    /// Its path below the torrent's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// How much a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Not at all.
    Skip,
    /// After others.
    Low,
    /// As usual.
    Normal,
    /// Before others.
    High,
}

impl From<FilePriority> for Priority {
    fn from(priority: FilePriority) -> Self {
        match priority {
            FilePriority::Skip => Self::Skip,
            FilePriority::Low => Self::Low,
            FilePriority::Normal => Self::Normal,
            FilePriority::High => Self::High,
        }
    }
}

impl From<Priority> for FilePriority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Skip => Self::Skip,
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

/// A connection to a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerDetails {
    /// Its address and port.
    #[schema(value_type = String)]
    pub address: SocketAddr,
    /// The program that it says it is.
    pub client: String,
    /// Who it says it is: 20 bytes, hexadecimal.
    pub peer_id: String,
    /// By whom it is known; none if that is forgotten.
    pub source: Option<PeerOrigin>,
    /// It has called us.
    pub is_incoming: bool,
    /// Thousandths of the pieces that it has.
    pub progress: u16,
    /// We give it nothing just now.
    pub choking: bool,
    /// It gives us nothing just now.
    pub choked: bool,
    /// We want something from it.
    pub interested: bool,
    /// It wants something from us.
    pub wanted: bool,
    /// It owes us blocks and does not deliver.
    pub snubbed: bool,
    /// Payload received from it, bytes.
    pub downloaded: u64,
    /// Payload sent to it, bytes.
    pub uploaded: u64,
    /// Payload received, bytes per second.
    pub download_rate: u64,
    /// Payload sent, bytes per second.
    pub upload_rate: u64,
}

#[cfg(test)]
impl PeerDetails {
    /// One that is found in the DHT and that nobody gives anything.
    pub(crate) fn example(address: &str) -> Self {
        Self {
            address: address.parse().unwrap(),
            client: "x".to_owned(),
            peer_id: data_encoding::HEXLOWER.encode(b"-SP0100-\0\xff0123456789"),
            source: Some(PeerOrigin::Dht),
            is_incoming: false,
            progress: 500,
            choking: true,
            choked: false,
            interested: true,
            wanted: false,
            snubbed: false,
            downloaded: 1,
            uploaded: 2,
            download_rate: 3,
            upload_rate: 4,
        }
    }
}

/// By whom a peer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerOrigin {
    /// The user, or a magnet link.
    User,
    /// The local network.
    Lsd,
    /// It has called us.
    Incoming,
    /// A tracker.
    Tracker,
    /// Another peer.
    Pex,
    /// The DHT.
    Dht,
}

impl From<PeerSource> for PeerOrigin {
    fn from(source: PeerSource) -> Self {
        match source {
            PeerSource::User => Self::User,
            PeerSource::Lsd => Self::Lsd,
            PeerSource::Incoming => Self::Incoming,
            PeerSource::Tracker => Self::Tracker,
            PeerSource::Pex => Self::Pex,
            PeerSource::Dht => Self::Dht,
        }
    }
}

/// A tracker of a torrent, for one of its swarms: a hybrid has two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrackerDetails {
    /// Its URL.
    pub url: String,
    /// Its tier, from 0.
    pub tier: usize,
    /// What it does.
    pub state: TrackerWord,
    /// Why it has not answered as it should the last time.
    pub error: Option<String>,
    /// Failures since it last answered.
    pub failures: u32,
    /// Seeders that it knows.
    pub seeders: Option<u32>,
    /// Leechers that it knows.
    pub leechers: Option<u32>,
    /// How often it knows the torrent was downloaded.
    pub downloads: Option<u32>,
    /// Peers that it has named the last time.
    pub peers: Option<usize>,
    /// Seconds since it has answered.
    pub answered: Option<u64>,
    /// Seconds until it is asked again.
    pub next_announce: Option<u64>,
}

impl TrackerDetails {
    /// Each once, in the order of their tiers: of the two swarms that a hybrid has at a tracker, the one that has answered speaks for both.
    #[must_use]
    pub fn each_once(all: Vec<Self>) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for details in all {
            match found.iter_mut().find(|one| one.url == details.url && one.tier == details.tier) {
                Some(twin) if twin.answered.is_none() && details.answered.is_some() => *twin = details,
                Some(_) => {}
                None => found.push(details),
            }
        }
        found.sort_by_key(|one| one.tier);
        found
    }
}

/// What a tracker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrackerWord {
    /// It was not asked yet, or is not used.
    Idle,
    /// It is being asked.
    Updating,
    /// It has answered.
    Working,
    /// It has not.
    Failed,
}

/// Which pieces there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pieces {
    /// How many.
    pub count: u32,
    /// Those that are had: a bit each, the first one the highest of its byte; base64.
    pub have: String,
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
        if let Some(have) = self.0.client.with(have).await? {
            return Ok(Pieces { count: have.len(), have: BASE64.encode(&have.to_wire()) });
        }
        let listing = self.0.client.listing(torrent).await?.ok_or(InspectError::Unknown)?;
        let metainfo = self.metainfo(torrent).await.ok_or(InspectError::NoMetadata)?;
        let count = metainfo.info.piece_count();
        let have = if listing.is_complete {
            sprat_core::bitfield::Bitfield::full(count)
        } else {
            sprat_core::bitfield::Bitfield::new(count)
        };
        Ok(Pieces { count, have: BASE64.encode(&have.to_wire()) })
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
