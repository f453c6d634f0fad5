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
        let oldest = current.saturating_sub(SLICES as u64 - 1);
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
        let elapsed = i128::try_from(now.since(updated).as_nanos()).unwrap_or(i128::MAX);
        let refill = i128::from(limit).saturating_mul(elapsed);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = 16 * 1024;

    #[test]
    fn a_steady_stream_is_measured_as_it_is() {
        let mut meter = RateMeter::new(CHOKE_WINDOW);
        for tick in 0..1000 {
            meter.add(Time::from_millis(tick * 100), 1000);
        }
        let rate = meter.rate(Time::from_millis(999 * 100));
        assert!((9_900..=10_300).contains(&rate), "{rate}");
        assert_eq!(meter.total(), 1_000_000);
    }

    #[test]
    fn a_young_meter_neither_waits_nor_exaggerates() {
        let mut meter = RateMeter::new(CHOKE_WINDOW);
        assert_eq!(meter.rate(Time::from_secs(1)), 0);
        let start = Time::from_secs(1001);
        meter.add(start, BLOCK);
        // One slice of two seconds is the least that is divided by.
        assert_eq!(meter.rate(start), BLOCK / 2);
        for second in 1..=10 {
            meter.add(start + Duration::from_secs(second), BLOCK);
        }
        let rate = meter.rate(start + Duration::from_secs(10));
        assert!((BLOCK..=BLOCK * 11 / 10).contains(&rate), "{rate}");
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let mut meter = RateMeter::new(DISPLAY_WINDOW);
        meter.add(Time::from_secs(1), 1_000_000);
        assert!(meter.rate(Time::from_secs(4)) > 0);
        assert_eq!(meter.rate(Time::from_secs(7)), 0);
        meter.add(Time::from_secs(500), 500);
        assert_eq!(meter.rate(Time::from_secs(500)), 500 / 5 + 11);
    }

    #[test]
    fn a_block_passes_the_smallest_limit() {
        let mut bucket = TokenBucket::new(Some(5 * 1024));
        let mut passed = 0;
        for second in 0..100 {
            while bucket.take(Time::from_secs(second), BLOCK) {
                passed += 1;
            }
        }
        // 99 seconds of 5 KiB are 30.9 blocks; the burst is two.
        assert_eq!(passed, 32);
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_and_is_paid_off() {
        let mut bucket = TokenBucket::new(Some(100_000));
        assert!(bucket.take(Time::ZERO, 1_000_000));
        assert!(!bucket.permits(Time::ZERO, 1));
        assert_eq!(bucket.available(Time::from_secs(9)), 0);
        let again = bucket.next_refill(Time::ZERO, BLOCK).unwrap();
        assert!(!bucket.permits(again - Duration::from_nanos(1), BLOCK));
        assert!(bucket.permits(again, BLOCK));
    }

    #[test]
    fn without_a_limit_all_passes_and_with_zero_nothing() {
        let mut free = TokenBucket::new(None);
        assert!(free.take(Time::ZERO, u64::MAX) && free.take(Time::ZERO, u64::MAX));
        assert_eq!(free.next_refill(Time::ZERO, u64::MAX), Some(Time::ZERO));
        let mut shut = TokenBucket::new(Some(0));
        assert!(!shut.take(Time::from_secs(99), 1));
        assert_eq!(shut.next_refill(Time::from_secs(99), 1), None);
        assert_eq!(shut.available(Time::from_secs(99)), 0);
        shut.set_limit(Time::from_secs(100), Some(1000));
        assert!(!shut.take(Time::from_secs(100), 1000));
        assert!(shut.take(Time::from_secs(101), 1000));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut bucket = TokenBucket::new(Some(u64::MAX));
        for _ in 0..10 {
            bucket.charge(Time::ZERO, u64::MAX);
        }
        let _ = bucket.next_refill(Time::ZERO, u64::MAX);
        assert!(bucket.permits(Time::from_nanos(u64::MAX), u64::MAX));
        let mut meter = RateMeter::new(Duration::ZERO);
        meter.add(Time::from_nanos(u64::MAX), u64::MAX);
        meter.add(Time::ZERO, u64::MAX);
        let _ = meter.rate(Time::from_nanos(u64::MAX));
    }

    proptest! {
        #[test]
        fn over_no_span_of_time_the_limit_is_exceeded(
            limit in 1..10_000_000_u64,
            asks in prop::collection::vec((0..400_u64, 1..40_000_u64), 1..150),
        ) {
            let mut bucket = TokenBucket::new(Some(limit));
            let mut now = Time::from_secs(3);
            let mut passed: Vec<(Time, u64)> = Vec::new();
            for (millis, bytes) in asks {
                now += Duration::from_millis(millis);
                if bucket.take(now, bytes) {
                    passed.push((now, bytes));
                }
            }
            for (first, (from, _)) in passed.iter().enumerate() {
                let mut sum = 0;
                for (to, bytes) in &passed[first..] {
                    sum += bytes;
                    let span = to.since(*from).as_millis() as u64;
                    // What is larger than the burst passes a full bucket.
                    let most = limit * span / 1000 + burst(limit).max(40_000) + 1;
                    prop_assert!(sum <= most, "{} bytes in {} ms", sum, span);
                }
            }
        }

        #[test]
        fn the_time_named_for_a_refill_is_the_first_that_works(
            limit in 1..10_000_000_u64,
            charged in 0..1_000_000_u64,
            bytes in 1..100_000_u64,
        ) {
            let now = Time::from_secs(3);
            let mut bucket = TokenBucket::new(Some(limit));
            bucket.charge(now, charged);
            let time = bucket.next_refill(now, bytes).unwrap();
            prop_assert!(bucket.permits(time, bytes));
            prop_assert!(time == now || !bucket.permits(time - Duration::from_nanos(1), bytes));
        }

        #[test]
        fn the_rate_is_never_more_than_what_came_in_the_window(
            adds in prop::collection::vec((0..5000_u64, 0..100_000_u64), 1..100),
        ) {
            let mut meter = RateMeter::new(CHOKE_WINDOW);
            let mut now = Time::ZERO;
            let mut all: Vec<(Time, u64)> = Vec::new();
            for (millis, bytes) in adds {
                now += Duration::from_millis(millis);
                meter.add(now, bytes);
                all.push((now, bytes));
                let recent: u64 = all.iter().filter(|(at, _)| now.since(*at) <= CHOKE_WINDOW).map(|(_, b)| b).sum();
                prop_assert!(meter.rate(now) <= recent / 2);
            }
        }
    }
}
