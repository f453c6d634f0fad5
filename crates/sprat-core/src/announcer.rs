//! When to announce to which tracker (BEP 3, BEP 12).
//!
//! Trackers stand in tiers, in each tier in random order. The first one that works is announced to; the next is asked
//! only when those before it have failed, and one that works moves to the front of its tier. A tracker that failed is
//! tried again after a pause that doubles, and takes its place back when it answers. A hybrid torrent has two swarms:
//! each info-hash has its own order and its own times.
//!
//! Whether a tracker's host answers is known to all torrents of a session together: see [`crate::tracker_hosts`]. One that does
//! not counts as failed without being asked.

use std::sync::Arc;
use std::time::Duration;

use sprat_wire::hash::{InfoHash, PeerId};
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse};

use crate::io::TrackerId;
use crate::time::Time;
use crate::tracker_hosts::{Admission, Haste, TrackerHosts};

mod entry;
mod status;
#[cfg(test)]
mod tests;
mod tiers;

use entry::{Answered, Completion, Entry, Turn, short};
pub use status::{SwarmCounts, TrackerState, TrackerStatus};

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

/// Pauses after failures begin here and double.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// And end here (promise P-13: "5 s to 30 min").
const LAST_RETRY: Duration = Duration::from_secs(30 * 60);

/// No tracker can keep us away for longer.
const LONGEST_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);

/// Who knows nobody of use asks a tracker again after this, if it does not forbid it, and after twice as long each time
/// that did not help: swarms often begin together, and somebody that can be called comes soon or not for long.
const LONELY_RETRY: Duration = Duration::from_secs(60);

/// Peers asked for. More than a torrent dials at once, few enough for one UDP packet.
const PEERS_WANTED: u32 = 80;

/// Trackers taken from a torrent; the rest is ignored. Real torrents have a dozen.
const MOST_TRACKERS: usize = 100;

/// The trackers of one torrent.
#[derive(Debug)]
pub struct Announcer {
    config: AnnouncerConfig,
    rng: fastrand::Rng,
    key: u32,
    info_hashes: Vec<InfoHash>,
    /// One for each pair of tracker and info-hash; its index is its [`TrackerId`]. Also those that the user has taken away, until
    /// they have been told.
    entries: Vec<Entry>,
    /// Those that the torrent has, in the order of its tiers.
    listed: Vec<usize>,
    /// Which entries stand in for one another, best first: one chain per info-hash, or per info-hash and tier.
    chains: Vec<Vec<usize>>,
    active: bool,
    patient: bool,
    want_peers: bool,
    lonely: bool,
}

impl Announcer {
    /// Announces `info_hashes` (two for a hybrid torrent) to the trackers of `tiers`. Nothing is due before
    /// [`Self::start`].
    #[must_use]
    pub fn new(
        config: AnnouncerConfig,
        tiers: &[Vec<String>],
        info_hashes: &[InfoHash],
        key: u32,
        rng: fastrand::Rng,
    ) -> Self {
        let mut announcer = Self {
            config,
            rng,
            key,
            info_hashes: info_hashes.to_vec(),
            entries: Vec::new(),
            listed: Vec::new(),
            chains: Vec::new(),
            active: false,
            patient: false,
            want_peers: true,
            lonely: false,
        };
        announcer.set_tiers(Time::ZERO, tiers);
        announcer
    }

    /// The next announce to be made now, if any, as far as the hosts of the trackers admit it. Call until `None`.
    pub fn poll(&mut self, now: Time, progress: Progress, hosts: &mut TrackerHosts) -> Option<Announcement> {
        let (at, event) = match self.admitted_farewell(hosts) {
            Some(at) => (at, AnnounceEvent::Stopped),
            None => self.admitted(now, hosts)?,
        };
        let entry = self.entries.get_mut(at)?;
        entry.turn = Turn::Usual;
        match event {
            AnnounceEvent::Stopped => {
                entry.stopped_due = false;
                entry.knows_us = false;
            }
            AnnounceEvent::Started => entry.knows_us = true,
            AnnounceEvent::Completed => entry.completion = Completion::Told,
            AnnounceEvent::Interval => {}
        }
        entry.in_flight = Some(event);
        let wanted = self.want_peers && event != AnnounceEvent::Stopped;
        Some(Announcement {
            tracker: TrackerId(u32::try_from(at).unwrap_or(u32::MAX)),
            url: Arc::clone(&entry.url),
            info_hash: entry.info_hash,
            event,
            num_want: Some(if wanted { PEERS_WANTED } else { 0 }),
            tracker_id: entry.tracker_id.clone(),
            key: self.key,
            progress,
        })
    }

    /// When [`Self::poll`] will have something; `None` while only answers are awaited.
    #[must_use]
    pub fn next_time(&self) -> Option<Time> {
        if self.farewell().is_some() {
            return Some(Time::ZERO);
        }
        if !self.active {
            return None;
        }
        self.chains.iter().filter_map(|chain| self.next_of(chain)).map(|(_, at)| at).min()
    }

    /// A tracker answered. Unknown or unexpected ones are ignored.
    pub fn answered(&mut self, now: Time, tracker: TrackerId, response: &AnnounceResponse) {
        let Some(entry) = self.entries.get_mut(tracker.0 as usize) else { return };
        let Some(event) = entry.in_flight.take() else { return };
        if event == AnnounceEvent::Stopped {
            return;
        }
        entry.failures = 0;
        entry.last_error = None;
        entry.seeders = response.complete.or(entry.seeders);
        entry.leechers = response.incomplete.or(entry.leechers);
        entry.downloads = response.downloaded.or(entry.downloads);
        if response.tracker_id.is_some() {
            entry.tracker_id.clone_from(&response.tracker_id);
        }
        let asked_for = Duration::from_secs(u64::from(response.interval));
        let interval =
            asked_for.clamp(self.config.min_interval, LONGEST_INTERVAL.max(self.config.min_interval));
        let shortest =
            response.min_interval.map_or(Duration::ZERO, |secs| Duration::from_secs(u64::from(secs)));
        let shortest = shortest.clamp(self.config.min_interval, interval);
        entry.not_before = now + shortest;
        let helped = |last: &Answered| !self.lonely && last.peers > 0;
        let in_vain = entry.answered.filter(|last| !helped(last)).map_or(0, |last| last.in_vain + 1);
        let retry = LONELY_RETRY.saturating_mul(1 << in_vain.min(16)).clamp(shortest, interval);
        // Clients that were started together must not come back together for ever.
        let mut spread = |pause: Duration| {
            let most = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) / 20;
            now + pause + Duration::from_millis(self.rng.u64(0..=most))
        };
        let (retry, regular) = (spread(retry), spread(interval));
        let is_empty = response.peers.is_empty();
        entry.answered = Some(Answered { at: now, retry, peers: response.peers.len(), in_vain });
        // Who sleeps has all it wants, and is in the swarm to be found.
        let seeks = self.want_peers && !self.patient;
        entry.next = if seeks && is_empty { retry } else { regular };
        if entry.completion == Completion::Due {
            // It happened while this announce was under way.
            entry.next = now;
        }
        self.move_to_front(tracker.0 as usize);
    }

    /// A tracker did not answer, or answered with an error.
    pub fn failed(&mut self, now: Time, tracker: TrackerId, reason: &str) {
        let Some(entry) = self.entries.get_mut(tracker.0 as usize) else { return };
        let Some(event) = entry.in_flight.take() else { return };
        match event {
            // Whoever leaves does not wait for a tracker that is gone.
            AnnounceEvent::Stopped => return,
            AnnounceEvent::Started => {
                entry.knows_us = false;
                entry.stopped_due = false;
                // What it will be told next is that we are there, and complete.
                entry.withdraw_completion();
            }
            AnnounceEvent::Completed => entry.completion = Completion::Due,
            AnnounceEvent::Interval => {}
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last_error = Some(short(reason));
        let pause = FIRST_RETRY.saturating_mul(1 << entry.failures.saturating_sub(1).min(16)).min(LAST_RETRY);
        // Half to all of it: those who failed together try again apart.
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        entry.next = now + Duration::from_millis(self.rng.u64(millis / 2..=millis));
    }

    /// The download has become complete: trackers that know us are told, once.
    pub fn completed(&mut self, now: Time) {
        for entry in &mut self.entries {
            if entry.knows_us && entry.completion == Completion::Untold {
                entry.completion = Completion::Due;
                entry.next = entry.next.min(now);
            }
        }
    }

    /// We leave: trackers that know us are told, once, and nothing else is announced until [`Self::start`].
    pub fn stop(&mut self, _now: Time) {
        self.active = false;
        for entry in &mut self.entries {
            entry.stopped_due = entry.knows_us;
            entry.withdraw_completion();
        }
    }

    /// Whether it was started and not stopped since.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether, after [`Self::stop`], every tracker that had to be told was.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        !self.active && self.entries.iter().all(|entry| !entry.stopped_due && entry.in_flight.is_none())
    }

    /// We are there, for the first time or again: the first announces are due at once.
    pub fn start(&mut self, now: Time) {
        self.active = true;
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_retired) {
            entry.stopped_due = false;
            entry.turn = if self.patient { Turn::Usual } else { Turn::Asked };
            entry.next = match (entry.failures, entry.knows_us) {
                (0, false) => now,
                // One that knows us already wants its pause, one that fails has its own.
                (0, true) => now.max(entry.not_before),
                _ => now.max(entry.next),
            };
        }
    }

    /// Whether nobody waits for this torrent's announces, so that those of others go first, and it asks no sooner than it must.
    pub const fn set_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// The user wants to hear from the trackers now; those that forbid it are asked as soon as they allow.
    pub fn force(&mut self, now: Time) {
        for entry in &mut self.entries {
            entry.turn = Turn::Asked;
            entry.next = entry.next.min(now.max(entry.not_before));
        }
    }

    /// Our own network has changed: trackers are told at `at`, whatever they have asked for, since they know us by an address
    /// that is not ours any more.
    pub fn network_changed(&mut self, at: Time) {
        for entry in self.entries.iter_mut().filter(|entry| entry.in_flight.is_none()) {
            entry.next = entry.next.min(at);
            if entry.turn == Turn::Come {
                // Hosts have forgotten whom they have told to come when.
                entry.turn = Turn::Usual;
            }
        }
    }

    /// Whether nobody of use is known: then trackers are asked before their time.
    pub fn set_lonely(&mut self, lonely: bool) {
        self.lonely = lonely;
        if !lonely {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.in_flight.is_none() && entry.failures == 0)
        {
            if let Some(answered) = entry.answered {
                entry.next = entry.next.min(answered.retry);
            }
        }
    }

    /// Whether trackers are asked for peers, or only told that we are there.
    pub const fn want_peers(&mut self, _now: Time, wanted: bool) {
        self.want_peers = wanted;
    }

    /// Every pair of tracker and info-hash, in the order of the torrent.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus> + '_ {
        let listed = self.listed.iter().filter_map(|at| Some((*at, self.entries.get(*at)?)));
        listed.map(|(at, entry)| TrackerStatus {
            tracker: TrackerId(u32::try_from(at).unwrap_or(u32::MAX)),
            url: Arc::clone(&entry.url),
            tier: entry.tier,
            info_hash: entry.info_hash,
            state: entry.state(),
            last_error: entry.last_error.clone(),
            failures: entry.failures,
            seeders: entry.seeders,
            leechers: entry.leechers,
            downloads: entry.downloads,
            peers: entry.answered.map(|answered| answered.peers),
            answered_at: entry.answered.map(|answered| answered.at),
            next_announce: (self.active
                && entry.in_flight.is_none()
                && entry.state() != TrackerState::Unused)
                .then_some(entry.next),
        })
    }

    /// How many there are in the swarm, by whichever tracker knows of most.
    #[must_use]
    pub fn swarm(&self) -> SwarmCounts {
        let all = || self.listed.iter().filter_map(|at| self.entries.get(*at));
        SwarmCounts {
            seeders: all().filter_map(|entry| entry.seeders).max(),
            leechers: all().filter_map(|entry| entry.leechers).max(),
            downloads: all().filter_map(|entry| entry.downloads).max(),
        }
    }

    /// The URL behind a name.
    #[must_use]
    pub fn url(&self, tracker: TrackerId) -> Option<Arc<str>> {
        self.entries.get(tracker.0 as usize).map(|entry| Arc::clone(&entry.url))
    }

    /// A tracker that is to be told that we leave; one that does not answer need not be.
    fn admitted_farewell(&mut self, hosts: &TrackerHosts) -> Option<usize> {
        loop {
            let at = self.farewell()?;
            let entry = self.entries.get_mut(at)?;
            if !hosts.is_down(&entry.url) {
                return Some(at);
            }
            entry.stopped_due = false;
            entry.knows_us = false;
        }
    }

    /// The first chain whose turn it is, with a tracker that may be asked. Those that may not are asked later.
    fn admitted(&mut self, now: Time, hosts: &mut TrackerHosts) -> Option<(usize, AnnounceEvent)> {
        loop {
            let (at, event) = self.due(now)?;
            let patient = self.patient;
            let entry = self.entries.get_mut(at)?;
            let haste = match entry.turn {
                Turn::Asked => Haste::Asked,
                Turn::Usual | Turn::Come if !patient => Haste::Awake,
                Turn::Usual => Haste::Patient,
                Turn::Come => Haste::InTurn,
            };
            match hosts.admit(now, &entry.url, haste) {
                Admission::Granted => return Some((at, event)),
                Admission::Later(turn) => (entry.turn, entry.next) = (Turn::Come, turn),
                Admission::Down { until, reason } => entry.is_passed_over(until, &reason),
            }
        }
    }

    /// A tracker that has to be told that we leave: all of them, or those that the user has taken away.
    fn farewell(&self) -> Option<usize> {
        let is_due = |entry: &Entry| entry.stopped_due && (!self.active || entry.is_retired);
        self.entries.iter().position(|entry| is_due(entry) && entry.in_flight.is_none())
    }

    /// The first chain whose turn it is.
    fn due(&self, now: Time) -> Option<(usize, AnnounceEvent)> {
        if !self.active {
            return None;
        }
        let next = self.chains.iter().filter_map(|chain| self.next_of(chain));
        let (at, _) = next.filter(|(_, time)| *time <= now).min_by_key(|(at, time)| (*time, *at))?;
        Some((at, self.entries.get(at)?.next_event()))
    }

    /// Whom this chain announces to next, and when; `None` while it waits for an answer.
    ///
    /// That is the first entry that is not known to fail, or one before it that failed and is to be tried again sooner.
    fn next_of(&self, chain: &[usize]) -> Option<(usize, Time)> {
        let mut soonest: Option<(usize, Time)> = None;
        for at in chain {
            let entry = self.entries.get(*at)?;
            if entry.in_flight.is_some() {
                return None;
            }
            if soonest.is_none_or(|(_, time)| entry.next < time) {
                soonest = Some((*at, entry.next));
            }
            if entry.failures == 0 {
                break;
            }
        }
        soonest
    }

    /// BEP 12: the tracker that works is the first of its tier from now on.
    fn move_to_front(&mut self, at: usize) {
        let entries = &self.entries;
        let tier = |at: usize| entries.get(at).map(|entry| entry.tier);
        for chain in &mut self.chains {
            let Some(from) = chain.iter().position(|other| *other == at) else { continue };
            let Some(to) = chain.iter().position(|other| tier(*other) == tier(at)) else { continue };
            if let Some(part) = chain.get_mut(to..=from) {
                part.rotate_right(1);
            }
        }
    }
}
