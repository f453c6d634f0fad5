//! A rate limit together with those who wait for it.
//!
//! There are two of each: the session's, for which torrents wait, and the torrent's, for which connections do. While
//! somebody waits, nobody passes out of turn: neither many connections nor a name that comes first bring a greater part.

use std::time::Duration;

use crate::io::RateLimits;
use crate::rate::TokenBucket;
use crate::time::Time;
use crate::turns::Turns;

/// Appointments are not made for less: timers are no finer, and what passes in this time is little.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Both directions.
#[derive(Debug)]
pub(crate) struct Rations<K> {
    pub(crate) download: Ration<K>,
    pub(crate) upload: Ration<K>,
}

impl<K: Copy + Ord> Rations<K> {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self { download: Ration::new(limits.download), upload: Ration::new(limits.upload) }
    }

    /// As they were set.
    pub(crate) const fn limits(&self) -> RateLimits {
        RateLimits { download: self.download.bucket.limit(), upload: self.upload.bucket.limit() }
    }

    pub(crate) fn set(&mut self, now: Time, limits: RateLimits) {
        self.download.bucket.set_limit(now, limits.download);
        self.upload.bucket.set_limit(now, limits.upload);
    }

    /// `who` does not exist any more.
    pub(crate) fn forget(&mut self, who: K) {
        self.download.turns.forget(who);
        self.upload.turns.forget(who);
    }

    /// Whoever is next in one of the directions, if it may pass now.
    pub(crate) fn next_permitted(&self, now: Time) -> Option<K> {
        let upload = self.upload.next_permitted(now);
        upload.or_else(|| self.download.next_permitted(now))
    }

    /// When somebody who waits may pass.
    pub(crate) fn next_time(&self, now: Time) -> Option<Time> {
        [self.download.next_time(now), self.upload.next_time(now)].into_iter().flatten().min()
    }
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Ration<K> {
    bucket: TokenBucket,
    turns: Turns<K>,
}

impl<K: Copy + Ord> Ration<K> {
    fn new(limit: Option<u64>) -> Self {
        Self { bucket: TokenBucket::new(limit), turns: Turns::default() }
    }

    pub(crate) const fn is_limited(&self) -> bool {
        self.bucket.limit().is_some()
    }

    /// Whoever is next of those who wait, and the bytes it waits for.
    pub(crate) fn next(&self) -> Option<(K, u64)> {
        self.turns.next()
    }

    fn next_permitted(&self, now: Time) -> Option<K> {
        let (next, bytes) = self.turns.next()?;
        self.bucket.permits(now, bytes).then_some(next)
    }

    /// Whether so many bytes of `who` may pass now: the limit has them to give, and nobody waits before it.
    pub(crate) fn permits(&self, now: Time, who: K, bytes: u64) -> bool {
        self.turns.next().is_none_or(|(next, _)| next == who) && self.bucket.permits(now, bytes)
    }

    /// How many bytes may pass now if nobody else waits; `None` if somebody does, and what passes is one part.
    pub(crate) fn available_to(&self, now: Time, who: K) -> Option<u64> {
        self.turns.is_alone(who).then(|| self.bucket.available(now))
    }

    pub(crate) fn wait(&mut self, who: K, bytes: u64) {
        self.turns.wait(who, bytes);
    }

    pub(crate) fn leave(&mut self, who: K) {
        self.turns.leave(who);
    }

    /// So many bytes of `who` pass.
    pub(crate) fn charge(&mut self, now: Time, who: K, bytes: u64) {
        self.bucket.charge(now, bytes);
        self.turns.took(who, bytes);
    }

    /// When whoever is next may pass; `None` when nobody waits or the limit is zero. Never at once: who may pass at once
    /// is not left waiting.
    fn next_time(&self, now: Time) -> Option<Time> {
        let (_, bytes) = self.turns.next()?;
        self.bucket.next_refill(now, bytes).map(|at| at.max(now + SHORTEST_WAIT))
    }
}
