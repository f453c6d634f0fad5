//! When to announce to which tracker (BEP 3, BEP 12).

use std::sync::Arc;
use std::time::Duration;

use sprat_wire::hash::{InfoHash, PeerId};
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse};

use crate::io::TrackerId;
use crate::time::Time;

/// How to deal with trackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncerConfig {
    /// Announce to one tracker of every tier rather than to the first that works (BEP 12).
    pub all_tiers: bool,
    /// The shortest interval that a tracker can ask for.
    pub min_interval: Duration,
}

impl Default for AnnouncerConfig {
    fn default() -> Self {
        Self { all_tiers: false, min_interval: Duration::from_secs(30) }
    }
}

/// How far we are: what trackers want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Payload bytes sent.
    pub uploaded: u64,
    /// Payload bytes received.
    pub downloaded: u64,
    /// Bytes still missing.
    pub left: u64,
}

/// An announce to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The name under which to report the answer: one for each pair of tracker and info-hash.
    pub tracker: TrackerId,
    /// The tracker's URL.
    pub url: Arc<str>,
    /// The swarm.
    pub info_hash: InfoHash,
    /// Why.
    pub event: AnnounceEvent,
    /// How many peers we would like.
    pub num_want: Option<u32>,
    /// What the tracker gave us to send back.
    pub tracker_id: Option<String>,
    /// Stays the same while the torrent lives.
    pub key: u32,
    /// How far we are.
    pub progress: Progress,
}

impl Announcement {
    /// The request to send, for a client of this id that listens on `port`.
    #[must_use]
    pub fn into_request(self, peer_id: PeerId, port: u16) -> AnnounceRequest {
        AnnounceRequest {
            info_hash: self.info_hash,
            peer_id,
            port,
            uploaded: self.progress.uploaded,
            downloaded: self.progress.downloaded,
            left: self.progress.left,
            event: self.event,
            num_want: self.num_want,
            key: self.key,
            ip: None,
            tracker_id: self.tracker_id,
        }
    }
}

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
    /// When it is going to be asked, as far as known.
    pub next_announce: Option<Time>,
}

/// The trackers of one torrent.
#[derive(Debug)]
pub struct Announcer {
    config: AnnouncerConfig,
    rng: fastrand::Rng,
    key: u32,
}

impl Announcer {
    /// Announces `info_hashes` (two for a hybrid torrent) to the trackers of `tiers`. The first announces are due at once.
    #[must_use]
    pub fn new(
        config: AnnouncerConfig,
        tiers: &[Vec<String>],
        info_hashes: &[InfoHash],
        key: u32,
        rng: fastrand::Rng,
    ) -> Self {
        let _ = (tiers, info_hashes);
        Self { config, rng, key }
    }

    /// The next announce to be made now, if any. Call until `None`.
    pub fn poll(&mut self, now: Time, progress: Progress) -> Option<Announcement> {
        let _ = (now, progress, self.config, self.key, self.rng.bool());
        None
    }

    /// When [`Self::poll`] will have something; `None` while only answers are awaited.
    #[must_use]
    pub fn next_time(&self) -> Option<Time> {
        None
    }

    /// A tracker answered. Unknown or unexpected ones are ignored.
    pub fn answered(&mut self, now: Time, tracker: TrackerId, response: &AnnounceResponse) {
        let _ = (now, tracker, response, self.rng.bool());
    }

    /// A tracker did not answer, or answered with an error.
    pub fn failed(&mut self, now: Time, tracker: TrackerId, reason: &str) {
        let _ = (now, tracker, reason, self.rng.bool());
    }

    /// The download has become complete: trackers that know us are told.
    pub fn completed(&mut self, now: Time) {
        let _ = (now, self.rng.bool());
    }

    /// We leave: trackers that know us are told, once, and nothing else is announced until [`Self::start`].
    pub fn stop(&mut self, now: Time) {
        let _ = (now, self.rng.bool());
    }

    /// Whether, after [`Self::stop`], every tracker that had to be told was.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        true
    }

    /// Begins anew after [`Self::stop`].
    pub fn start(&mut self, now: Time) {
        let _ = (now, self.rng.bool());
    }

    /// The user wants an announce now. It is made as soon as the tracker's minimum interval allows.
    pub fn force(&mut self, now: Time) {
        let _ = (now, self.rng.bool());
    }

    /// Whether more peers are welcome.
    pub fn want_peers(&mut self, now: Time, wanted: bool) {
        let _ = (now, wanted, self.rng.bool());
    }

    /// All trackers, for a person.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus> + '_ {
        std::iter::empty()
    }
}
