//! Memory that disks share: each that needs some gets an equal part, so that one that takes nothing off its hands does
//! not use up what the others live on.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// So many bytes, for whoever needs them.
#[derive(Debug)]
pub(super) struct Budget {
    total: usize,
    /// Portions of which something is taken. Below zero for a moment, when it is told of an end before the beginning.
    users: AtomicIsize,
}

impl Budget {
    pub(super) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, users: AtomicIsize::new(0) })
    }

    pub(super) const fn total(&self) -> usize {
        self.total
    }
}

/// What one disk has taken of a budget.
#[derive(Debug)]
pub(super) struct Portion {
    budget: Arc<Budget>,
    taken: AtomicUsize,
}

impl Portion {
    pub(super) const fn new(budget: Arc<Budget>) -> Self {
        Self { budget, taken: AtomicUsize::new(0) }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// How much should be taken at the most: all of it while nobody else needs any. Who has taken more keeps it until it can be
    /// given back.
    pub(super) fn limit(&self) -> usize {
        let users = self.budget.users.load(Ordering::Relaxed).max(1);
        self.budget.total / users.unsigned_abs()
    }

    pub(super) fn rise(&self, bytes: usize) {
        if bytes > 0 && self.taken.fetch_add(bytes, Ordering::SeqCst) == 0 {
            self.budget.users.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn sink(&self, bytes: usize) {
        if bytes > 0 && self.taken.fetch_sub(bytes, Ordering::SeqCst) == bytes {
            self.budget.users.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// As [`Self::rise`] or [`Self::sink`], whichever it is.
    pub(super) fn change(&self, before: usize, after: usize) {
        self.rise(after.saturating_sub(before));
        self.sink(before.saturating_sub(after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_some_gets_an_equal_part_and_who_is_alone_gets_all() {
        let budget = Budget::new(120);
        let [a, b, c] = [(); 3].map(|()| Portion::new(Arc::clone(&budget)));
        a.rise(100);
        assert_eq!(a.limit(), 120);
        b.rise(1);
        assert_eq!((a.limit(), b.limit()), (60, 60));
        c.change(0, 7);
        assert_eq!(a.limit(), 40);
        c.change(7, 3);
        a.sink(100);
        assert_eq!((a.taken(), b.limit()), (0, 60));
        c.change(3, 0);
        b.change(1, 1);
        b.rise(0);
        assert_eq!((b.taken(), b.limit()), (1, 120));
    }
}
