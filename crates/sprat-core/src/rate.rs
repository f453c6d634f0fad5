//! Measuring rates and keeping below them: [`RateMeter`] and [`TokenBucket`].
//!
//! Integers throughout, so that the same inputs give the same answers on every machine.

use std::time::Duration;

use crate::time::Time;

/// The window over which tit-for-tat compares peers: "a rolling 20-second average" (BEP 3, Cohen 2003).
pub const CHOKE_WINDOW: Duration = Duration::from_secs(20);

/// The window of rates that are shown to a person: short enough to feel live, long enough to be read.
pub const DISPLAY_WINDOW: Duration = Duration::from_secs(5);

/// Parts of a window. More are smoother when old bytes leave the window, and cost 8 bytes each.
const SLICES: usize = 10;

/// The largest burst of a [`TokenBucket`] in time: 200 ms of its limit, too short to be felt by other users of the link.
const BURST: Duration = Duration::from_millis(200);

/// The smallest burst: two blocks, so that one can be sent while the next is made ready.
const MIN_BURST: u64 = 2 * 16 * 1024;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Bytes per second over a sliding window. Constant size, constant time.
#[derive(Debug, Clone)]
pub struct RateMeter {
    /// Length of one slice in nanoseconds.
    slice: u64,
    /// Number of the slice that was last added to, counted from the beginning of time.
    newest: u64,
    /// When the first bytes were added: a young meter divides by its age rather than by the window.
    started: Option<Time>,
    /// Bytes of slice `n` at `n % SLICES`.
    slices: [u64; SLICES],
    total: u64,
}

impl RateMeter {
    /// A meter over the last `window`.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            slice: (nanos / SLICES as u64).max(1),
            newest: 0,
            started: None,
            slices: [0; SLICES],
            total: 0,
        }
    }

    /// Counts `bytes` that were transferred just now.
    pub fn add(&mut self, now: Time, bytes: u64) {
        self.started.get_or_insert(now);
        let current = (now.as_nanos() / self.slice).max(self.newest);
        let passed = current - self.newest;
        for step in 1..=passed.min(SLICES as u64) {
            self.slices[slot(self.newest + step)] = 0;
        }
        self.newest = current;
        let slice = &mut self.slices[slot(current)];
        *slice = slice.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
    }

    /// Bytes per second over the window that ends now.
    #[must_use]
    pub fn rate(&self, now: Time) -> u64 {
        let Some(started) = self.started else { return 0 };
        let current = (now.as_nanos() / self.slice).max(self.newest);
        let oldest = (current + 1).saturating_sub(SLICES as u64);
        let bytes: u128 = (oldest..=self.newest).map(|slice| u128::from(self.slices[slot(slice)])).sum();
        let from = started.max(Time::from_nanos(oldest.saturating_mul(self.slice)));
        // Not below one slice: the first block within a millisecond is no rate of 16 MB/s.
        let nanos = now.since(from).as_nanos().max(u128::from(self.slice));
        u64::try_from(bytes * u128::from(NANOS_PER_SEC) / nanos).unwrap_or(u64::MAX)
    }

    /// All bytes ever added.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }
}

fn slot(slice: u64) -> usize {
    (slice % SLICES as u64) as usize
}

/// Bytes that may go now so that a limit of bytes per second is kept.
///
/// In any span of `t` seconds at most `limit · t + burst` bytes pass, where the burst is 200 ms of the limit or two
/// blocks, whichever is more. Something larger than the burst may go when the bucket is full, and is paid off afterwards.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    limit: Option<u64>,
    /// Nano-bytes that may go; negative is a debt. So fine that nothing is lost to rounding.
    level: i128,
    /// When `level` was right. `None`: nothing was asked yet, the bucket is full.
    updated: Option<Time>,
}

impl TokenBucket {
    /// A full bucket of `limit` bytes per second; `None` lets everything pass, `Some(0)` nothing.
    #[must_use]
    pub const fn new(limit: Option<u64>) -> Self {
        Self { limit, level: 0, updated: None }
    }

    /// The limit in bytes per second.
    #[must_use]
    pub const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Changes the limit from now on. What was sent too much under the old one is still paid off.
    pub fn set_limit(&mut self, now: Time, limit: Option<u64>) {
        if self.limit == limit {
            return;
        }
        let level = if self.limit.is_some() { self.level_at(now) } else { 0 };
        self.limit = limit;
        self.level = limit.map_or(0, |limit| level.min(nano(burst(limit))));
        self.updated = Some(now);
    }

    /// Whether `bytes` may go now. Takes nothing: for asking several buckets before taking from any.
    #[must_use]
    pub fn permits(&self, now: Time, bytes: u64) -> bool {
        match self.limit {
            None => true,
            Some(0) => bytes == 0,
            Some(limit) => self.level_at(now) >= nano(bytes.min(burst(limit))),
        }
    }

    /// Takes `bytes` if they may go now.
    pub fn take(&mut self, now: Time, bytes: u64) -> bool {
        let permitted = self.permits(now, bytes);
        if permitted {
            self.charge(now, bytes);
        }
        permitted
    }

    /// Takes `bytes` that went without asking, if need be as a debt.
    pub fn charge(&mut self, now: Time, bytes: u64) {
        if self.limit.is_some() {
            self.level = self.level_at(now) - nano(bytes);
            self.updated = Some(self.updated.map_or(now, |updated| updated.max(now)));
        }
    }

    /// How many bytes may go now; `u64::MAX` without a limit.
    #[must_use]
    pub fn available(&self, now: Time) -> u64 {
        if self.limit.is_none() {
            return u64::MAX;
        }
        u64::try_from(self.level_at(now).max(0) / i128::from(NANOS_PER_SEC)).unwrap_or(u64::MAX)
    }

    /// When [`Self::permits`] will say yes to `bytes`, if nothing goes before: now when it does already, `None` when
    /// never (a limit of 0).
    #[must_use]
    pub fn next_refill(&self, now: Time, bytes: u64) -> Option<Time> {
        if self.permits(now, bytes) {
            return Some(now);
        }
        let limit = self.limit.filter(|limit| *limit > 0)?;
        let missing = nano(bytes.min(burst(limit))) - self.level_at(now);
        let nanos = u64::try_from(missing).unwrap_or(u64::MAX).div_ceil(limit);
        let from = self.updated.map_or(now, |updated| updated.max(now));
        Some(from + Duration::from_nanos(nanos))
    }

    fn level_at(&self, now: Time) -> i128 {
        let Some(limit) = self.limit else { return 0 };
        let full = nano(burst(limit));
        let Some(updated) = self.updated else { return full };
        let refill = i128::from(limit) * i128::try_from(now.since(updated).as_nanos()).unwrap_or(i128::MAX);
        self.level.saturating_add(refill).min(full)
    }
}

/// The most that a bucket of `limit` bytes per second holds, in bytes.
fn burst(limit: u64) -> u64 {
    if limit == 0 {
        return 0;
    }
    let timed = u128::from(limit) * BURST.as_millis() / 1000;
    u64::try_from(timed).unwrap_or(u64::MAX).max(MIN_BURST)
}

fn nano(bytes: u64) -> i128 {
    i128::from(bytes) * i128::from(NANOS_PER_SEC)
}
