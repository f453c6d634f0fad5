//! What is told of one torrent: plain values, as the API shows them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sprat_core::io::FilePriority;
use sprat_core::peer_list::PeerSource;
use utoipa::ToSchema;

use crate::torrents::Summary;

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

/// The URLs of trackers by tier, of pairs in the order of their tiers. What says nothing of a tier has none: no tier is empty.
#[must_use]
pub fn urls_by_tier(trackers: impl IntoIterator<Item = (usize, String)>) -> Vec<Vec<String>> {
    let trackers: Vec<(usize, String)> = trackers.into_iter().collect();
    let tiers = trackers.chunk_by(|(tier, _), (next, _)| tier == next);
    tiers.map(|tier| tier.iter().map(|(_, url)| url.clone()).collect()).collect()
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
