//! Since when each thread of a disk has been at what it is doing: a call that does not come back is known by that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What takes longer is more than a slow disk: a call hangs, or the disk is starting up.
const TOO_LONG: Duration = Duration::from_secs(1);

/// The threads of one disk.
#[derive(Debug)]
pub(super) struct Activity {
    epoch: Instant,
    /// Nanoseconds from the epoch; 0 while a thread does nothing that could hang.
    begun: Box<[AtomicU64]>,
}

/// Something that may hang is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Work<'a>(Option<&'a AtomicU64>);

impl Activity {
    pub(super) fn new(threads: usize) -> Self {
        Self { epoch: Instant::now(), begun: (0..threads).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The thread of this number turns to the disk.
    pub(super) fn begin(&self, thread: usize) -> Work<'_> {
        let begun = self.begun.get(thread);
        if let Some(begun) = begun {
            begun.store(self.now().max(1), Ordering::Relaxed);
        }
        Work(begun)
    }

    /// Whether some thread has waited for the disk for too long.
    pub(super) fn is_stuck(&self) -> bool {
        let now = self.now();
        let limit = u64::try_from(TOO_LONG.as_nanos()).unwrap_or(u64::MAX);
        let is_long = |begun: u64| begun != 0 && now.saturating_sub(begun) > limit;
        self.begun.iter().any(|begun| is_long(begun.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.0 {
            begun.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_on_for_long_is_stuck() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        let activity = Activity { epoch: long_ago, ..Activity::new(2) };
        assert!(!activity.is_stuck());
        let work = activity.begin(1);
        assert!(!activity.is_stuck());
        activity.begun[1].store(1, Ordering::Relaxed);
        assert!(activity.is_stuck());
        drop(work);
        assert!(!activity.is_stuck());
    }
}
