//! The one queue of everything that is going to happen.
//!
//! A radix heap: what lies further ahead lies in a coarser bucket, and a bucket is sorted into finer ones when its time
//! has come. That asks that nothing is scheduled before the time that was taken out last, as time goes by only forwards.
//! An event is moved a few times in sequence instead of being sought in a tree, which is what makes queues of a million
//! events fast.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Bucket 0 is now; bucket `n` holds what first differs from now in bit `n - 1`.
const BUCKETS: usize = 65;

/// Events by time in nanoseconds, and within one instant by their given order.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    /// The time of what was taken out last.
    now: u64,
    /// What is to happen now.
    due: BinaryHeap<Reverse<Scheduled<E>>>,
    later: [Bucket<E>; BUCKETS],
}

#[derive(Debug)]
struct Bucket<E> {
    soonest: u64,
    events: Vec<Scheduled<E>>,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self { now: 0, due: BinaryHeap::new(), later: [const { Bucket::new() }; BUCKETS] }
    }

    /// Schedules an event. What is late happens now.
    pub(crate) fn at(&mut self, time: u64, order: u64, event: E) {
        self.insert(Scheduled { time: time.max(self.now), order, event });
    }

    /// When the next event happens.
    pub(crate) fn next_time(&self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.now);
        }
        self.later.iter().find(|bucket| !bucket.events.is_empty()).map(|bucket| bucket.soonest)
    }

    /// Takes out the next event, with its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, E)> {
        if self.due.is_empty() {
            let at = self.later.iter().position(|bucket| !bucket.events.is_empty())?;
            let mut bucket = std::mem::replace(&mut self.later[at], Bucket::new());
            self.now = bucket.soonest;
            for event in bucket.events.drain(..) {
                self.insert(event);
            }
            // Empty, but with room for those to come.
            self.later[at].events = bucket.events;
        }
        self.due.pop().map(|Reverse(scheduled)| (scheduled.time, scheduled.event))
    }

    fn insert(&mut self, event: Scheduled<E>) {
        let bucket = (u64::BITS - (event.time ^ self.now).leading_zeros()) as usize;
        match self.later.get_mut(bucket) {
            Some(bucket) if event.time != self.now => {
                bucket.soonest = bucket.soonest.min(event.time);
                bucket.events.push(event);
            }
            _ => self.due.push(Reverse(event)),
        }
    }
}

impl<E> Bucket<E> {
    const fn new() -> Self {
        Self { soonest: u64::MAX, events: Vec::new() }
    }
}

#[derive(Debug)]
struct Scheduled<E> {
    time: u64,
    order: u64,
    event: E,
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Scheduled<E> {}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Scheduled<E> {
    /// Only what is due at the same time is ever compared.
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.cmp(&other.order)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn events_come_by_time_and_order_whatever_is_scheduled_in_between() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut schedule = Schedule::new();
        let mut expected = BTreeSet::new();
        let mut now = 0;
        for order in 0..20_000_u64 {
            // Near and far, and often at once.
            let reach = 1_u64 << rng.u32(0..40);
            let time = now + rng.u64(..reach);
            schedule.at(time, order, (time, order));
            expected.insert((time, order));
            if rng.u8(..3) > 0 {
                assert_eq!(schedule.next_time(), expected.first().map(|(time, _)| *time));
                let event = schedule.pop().map(|(time, event)| (time, event.1));
                assert_eq!(event, expected.pop_first());
                now = event.map_or(now, |(time, _)| time);
            }
        }
        let rest: Vec<_> = std::iter::from_fn(|| schedule.pop().map(|(_, event)| event)).collect();
        assert_eq!(rest, expected.into_iter().collect::<Vec<_>>());
    }
}
