//! One after the other, so many in a second: places in a queue of which each has its time.

use std::time::Duration;

use crate::time::Time;

/// Gives out points in time that are at least so far apart.
///
/// Whoever has been given one comes back then. So ten thousand that want the same thing at once are neither kept in a list nor
/// told when it is their turn, and one that does not come leaves a gap and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    gap: Duration,
    next: Time,
}

impl Pace {
    pub(crate) const fn new(gap: Duration) -> Self {
        Self { gap, next: Time::ZERO }
    }

    /// The next point that is free and not before `earliest`.
    pub(crate) fn take(&mut self, earliest: Time) -> Time {
        let at = self.next.max(earliest);
        self.next = at + self.gap;
        at
    }

    /// Everything given out so far is past.
    pub(crate) fn is_at_rest(&self, now: Time) -> bool {
        self.next <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_apart_and_what_was_not_used_is_not_made_up_for() {
        let mut pace = Pace::new(Duration::from_secs(1));
        let taken: Vec<Time> = (0..3).map(|_| pace.take(Time::from_secs(10))).collect();
        assert_eq!(taken, [Time::from_secs(10), Time::from_secs(11), Time::from_secs(12)]);
        assert!(!pace.is_at_rest(Time::from_secs(12)) && pace.is_at_rest(Time::from_secs(13)));
        assert_eq!(pace.take(Time::from_secs(100)), Time::from_secs(100));
        assert_eq!(pace.take(Time::from_secs(100)), Time::from_secs(101));
    }
}
