//! Which torrents run and which wait for a slot.
//!
//! [`decide`] looks at all torrents that their users have started, and names those that run. It keeps no state: what it
//! must know of the past (since when a torrent runs, whether it is slow) is in its argument. So it may be asked as often
//! as one likes, and gives the same answer until something has changed.
//!
//! Downloads run in the order of the queue. Seeds run by need: slots are best given to the torrents that the fewest
//! others give. What is needed changes with every scrape, so a seed that was given a slot keeps it for
//! [`MIN_STAY`], and one that is neither rarer nor more common than another for [`TURN`].

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sprat_core::time::Time;

/// A seed that runs is not displaced before this: it was announced, and peers are just finding it.
pub const MIN_STAY: Duration = Duration::from_secs(10 * 60);

/// Among seeds of the same rarity, how long one runs before others that have seeded less take over.
pub const TURN: Duration = Duration::from_secs(60 * 60);

/// How many torrents run at a time. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueLimits {
    /// Torrents that download.
    pub active_downloads: Option<u32>,
    /// Torrents that seed.
    pub active_seeds: Option<u32>,
    /// Both together. Downloads go first.
    pub active_total: Option<u32>,
    /// Torrents whose files are checked. Holds for forced ones as well: it is there for the disks.
    pub active_checks: Option<u32>,
}

impl Default for QueueLimits {
    /// What other clients begin with is 3 and 5, for lines of ten years ago; a seed that nobody asks for costs nothing.
    fn default() -> Self {
        Self { active_downloads: Some(5), active_seeds: None, active_total: None, active_checks: Some(1) }
    }
}

/// What a torrent would do if it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its files are checked.
    Checking,
    /// It lacks something, or its metadata.
    Downloading,
    /// It has all that is wanted.
    Seeding,
}

/// Who else is in the swarm, by the newest scrape or announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swarm {
    /// Those who have everything.
    pub seeds: u32,
    /// Those who do not.
    pub leechers: u32,
}

/// A torrent that its user has started.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<K> {
    /// Which one.
    pub torrent: K,
    /// Its place in the queue. The lowest goes first; among equals the lower `torrent`.
    pub position: i64,
    /// Runs whatever the limits are, and takes no slot from others.
    pub forced: bool,
    /// What it would do.
    pub stage: Stage,
    /// Since when it runs in this stage; `None` while it waits.
    pub running_since: Option<Time>,
    /// [`Slowness::is_slow`]: as long as it runs, it takes no slot.
    pub slow: bool,
    /// Its swarm, if known.
    pub swarm: Option<Swarm>,
    /// For how long it has seeded, in all its runs.
    pub seeding_time: Duration,
}

impl<K> Candidate<K> {
    const fn takes_no_slot(&self) -> bool {
        self.forced || (self.slow && self.running_since.is_some())
    }

    fn has_run_less_than(&self, span: Duration, now: Time) -> bool {
        self.running_since.is_some_and(|since| now.since(since) < span)
    }
}

/// The torrents that run from now on. All others wait.
pub fn decide<K: Copy + Ord>(now: Time, candidates: &[Candidate<K>], limits: &QueueLimits) -> BTreeSet<K> {
    let mut run: BTreeSet<K> = candidates
        .iter()
        .filter(|candidate| candidate.stage != Stage::Checking && candidate.takes_no_slot())
        .map(|candidate| candidate.torrent)
        .collect();
    let waiting = |stage: Stage| {
        candidates.iter().filter(move |candidate| {
            candidate.stage == stage && (stage == Stage::Checking || !candidate.takes_no_slot())
        })
    };

    let mut checks: Vec<_> = waiting(Stage::Checking).collect();
    // One that has begun goes on: half a check is worth nothing.
    checks.sort_by_key(|it| (it.running_since.is_none(), !it.forced, it.position, it.torrent));
    run.extend(first(&checks, limits.active_checks));

    let mut downloads: Vec<_> = waiting(Stage::Downloading).collect();
    downloads.sort_by_key(|it| (it.position, it.torrent));
    let downloads = first(&downloads, least(limits.active_downloads, limits.active_total));
    let left = limits.active_total.map(|total| total.saturating_sub(count(&downloads)));
    run.extend(downloads);

    let mut seeds: Vec<_> = waiting(Stage::Seeding).collect();
    seeds.sort_by_key(|it| {
        let stays = it.has_run_less_than(MIN_STAY, now);
        let has_turn = it.has_run_less_than(TURN, now);
        (!stays, need(it.swarm), !has_turn, it.seeding_time, it.position, it.torrent)
    });
    run.extend(first(&seeds, least(limits.active_seeds, left)));
    run
}

fn first<K: Copy>(ordered: &[&Candidate<K>], limit: Option<u32>) -> Vec<K> {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    ordered.iter().take(limit).map(|candidate| candidate.torrent).collect()
}

fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.into_iter().chain(b).min()
}

fn count<T>(slice: &[T]) -> u32 {
    u32::try_from(slice.len()).unwrap_or(u32::MAX)
}

/// How urgently a swarm needs a seed; the least is the most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Somebody wants it, and nobody else has all of it. How many want it, in powers of two.
    NoSeed(Reverse<u32>),
    /// Somebody wants it. Leechers by seeds, in powers of two: a scrape that counts one peer more changes nothing.
    Demand(Reverse<u32>),
    /// Nobody has said.
    Unknown,
    /// Nobody wants it now. The fewer have it, the sooner it would be lost.
    NoDemand(u32),
}

fn need(swarm: Option<Swarm>) -> Need {
    match swarm {
        None => Need::Unknown,
        Some(Swarm { seeds, leechers: 0 }) => Need::NoDemand(seeds.checked_ilog2().map_or(0, |log| log + 1)),
        Some(Swarm { seeds: 0, leechers }) => Need::NoSeed(Reverse(leechers.ilog2())),
        Some(Swarm { seeds, leechers }) => {
            let by_seeds = (u64::from(leechers) << 32) / u64::from(seeds);
            Need::Demand(Reverse(by_seeds.checked_ilog2().unwrap_or(0)))
        }
    }
}

/// Which rates are so low that a torrent takes no slot from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlowThreshold {
    /// Below this a torrent is slow: what a download receives, or a seed sends, in bytes per second.
    pub rate: u64,
    /// For how long it must have been below or above that to count as slow or not, in seconds.
    pub after_secs: u32,
}

impl Default for SlowThreshold {
    /// As in other clients: 2 KiB/s for a minute.
    fn default() -> Self {
        Self { rate: 2048, after_secs: 60 }
    }
}

/// Whether a torrent that runs is slow. Kept for each; a new one for each time that it is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slowness {
    slow: bool,
    /// Since when the rate says otherwise.
    otherwise_since: Option<Time>,
}

impl Slowness {
    /// Notes a rate, in bytes per second.
    pub fn observe(&mut self, now: Time, rate: u64, threshold: SlowThreshold) {
        if (rate < threshold.rate) == self.slow {
            self.otherwise_since = None;
            return;
        }
        let since = *self.otherwise_since.get_or_insert(now);
        if now.since(since) >= Duration::from_secs(threshold.after_secs.into()) {
            *self = Self { slow: !self.slow, otherwise_since: None };
        }
    }

    /// Whether it takes no slot.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        self.slow
    }
}

#[cfg(test)]
mod tests;
