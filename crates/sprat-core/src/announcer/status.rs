//! What a person sees of trackers.

use std::sync::Arc;

use sprat_wire::hash::InfoHash;

use crate::io::TrackerId;
use crate::time::Time;

/// What a tracker is doing, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackerState {
    /// Not needed so far.
    Unused,
    /// An announce is under way.
    Announcing,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing,
}

/// One tracker and one info-hash, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerStatus {
    /// Its name.
    pub tracker: TrackerId,
    /// Its URL.
    pub url: Arc<str>,
    /// Its tier, from 0.
    pub tier: usize,
    /// The swarm.
    pub info_hash: InfoHash,
    /// What it is doing.
    pub state: TrackerState,
    /// Why the last announce failed; gone with the next that succeeds.
    pub last_error: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
    /// Seeders, by the last answer.
    pub seeders: Option<u32>,
    /// Leechers, by the last answer.
    pub leechers: Option<u32>,
    /// How often the torrent was downloaded, by the last answer that said so.
    pub downloads: Option<u32>,
    /// How many peers the last answer has named; `None` before the first one.
    pub peers: Option<usize>,
    /// When it last answered.
    pub answered_at: Option<Time>,
    /// When it is going to be asked, as far as known.
    pub next_announce: Option<Time>,
}

/// How many take part in a swarm, as trackers say. What they do not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwarmCounts {
    /// Those that have everything.
    pub seeders: Option<u32>,
    /// Those that do not.
    pub leechers: Option<u32>,
    /// How often it was downloaded.
    pub downloads: Option<u32>,
}
