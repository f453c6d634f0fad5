//! The one queue of everything that is going to happen.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events by time, and within one instant by when they were scheduled.
#[derive(Debug)]
pub(crate) struct Schedule<T, E> {
    heap: BinaryHeap<Reverse<Scheduled<T, E>>>,
    sequence: u64,
}

impl<T: Ord + Copy, E> Schedule<T, E> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }

    pub(crate) fn at(&mut self, time: T, event: E) {
        self.sequence += 1;
        self.heap.push(Reverse(Scheduled { time, sequence: self.sequence, event }));
    }

    pub(crate) fn next_time(&self) -> Option<T> {
        self.heap.peek().map(|Reverse(scheduled)| scheduled.time)
    }

    pub(crate) fn pop(&mut self) -> Option<(T, E)> {
        self.heap.pop().map(|Reverse(scheduled)| (scheduled.time, scheduled.event))
    }
}

#[derive(Debug)]
struct Scheduled<T, E> {
    time: T,
    sequence: u64,
    event: E,
}

impl<T: Ord + Copy, E> PartialEq for Scheduled<T, E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord + Copy, E> Eq for Scheduled<T, E> {}

impl<T: Ord + Copy, E> PartialOrd for Scheduled<T, E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord + Copy, E> Ord for Scheduled<T, E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}
