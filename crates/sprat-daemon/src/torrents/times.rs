//! For how long a torrent has run, seeded, and given nothing: counted when somebody asks, so that ten thousand that do the same as
//! before cost nothing, neither each second nor on the disk.
//!
//! All times are by the daemon's running time: the seconds that it has run since it was started for the first time
//! ([`Statistics`](crate::statistics)). It stands while there is no daemon, does not jump with the clock on the wall, and is kept every
//! few minutes; what a power cut takes of it, it takes of these.

use serde::{Deserialize, Serialize};

/// What was counted of a torrent, and what is being counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Times {
    /// For how long it has been running, seconds, until the stretch began.
    active_seconds: u64,
    /// The same of seeding.
    seeding_seconds: u64,
    /// The same of seeding while nobody took anything.
    idle_seconds: u64,
    /// What it has been doing since; `None` if it does not run.
    stretch: Option<Stretch>,
}

/// A time in which a torrent does the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    /// The running time at which it began.
    since: u64,
    is_seeding: bool,
}

/// What a torrent does, as far as its times go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// It does not run.
    No,
    /// It lacks something.
    Incomplete,
    /// It has everything that is wanted.
    Seeding,
}

impl Times {
    /// What this was kept by may be younger than the running time that was kept: nothing counts before it.
    #[must_use]
    pub fn taken_up(mut self, now: u64) -> Self {
        if let Some(stretch) = &mut self.stretch {
            stretch.since = stretch.since.min(now);
        }
        self
    }

    /// The torrent does this from now on. Returns whether it did something else before.
    pub fn turn(&mut self, running: Running, now: u64) -> bool {
        let is_seeding = self.stretch.map(|stretch| stretch.is_seeding);
        let wanted = match running {
            Running::No => None,
            Running::Incomplete => Some(false),
            Running::Seeding => Some(true),
        };
        if is_seeding == wanted {
            return false;
        }
        self.settle(now);
        self.stretch = wanted.map(|is_seeding| Stretch { since: now, is_seeding });
        if wanted == Some(false) {
            self.idle_seconds = 0;
        }
        true
    }

    /// Somebody has taken something.
    pub fn gave(&mut self, now: u64) {
        self.settle(now);
        self.idle_seconds = 0;
    }

    /// For how long it has been running, seconds.
    #[must_use]
    pub const fn active_seconds(&self, now: u64) -> u64 {
        self.active_seconds.saturating_add(self.elapsed(now, false))
    }

    /// For how long it has been seeding, seconds.
    #[must_use]
    pub const fn seeding_seconds(&self, now: u64) -> u64 {
        self.seeding_seconds.saturating_add(self.elapsed(now, true))
    }

    /// For how long nobody has taken anything of it while it was seeding, seconds.
    #[must_use]
    pub const fn idle_seconds(&self, now: u64) -> u64 {
        self.idle_seconds.saturating_add(self.elapsed(now, true))
    }

    fn settle(&mut self, now: u64) {
        self.active_seconds = self.active_seconds(now);
        self.idle_seconds = self.idle_seconds(now);
        self.seeding_seconds = self.seeding_seconds(now);
        if let Some(stretch) = &mut self.stretch {
            stretch.since = now;
        }
    }

    /// Seconds of the stretch, or none if they do not count.
    const fn elapsed(&self, now: u64, only_seeding: bool) -> u64 {
        match self.stretch {
            Some(stretch) if stretch.is_seeding || !only_seeding => now.saturating_sub(stretch.since),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &Times, now: u64) -> (u64, u64, u64) {
        (times.active_seconds(now), times.seeding_seconds(now), times.idle_seconds(now))
    }

    #[test]
    fn what_runs_is_counted_without_being_touched() {
        let mut times = Times::default();
        assert!(times.turn(Running::Incomplete, 100));
        assert!(!times.turn(Running::Incomplete, 150));
        assert_eq!(of(&times, 160), (60, 0, 0));
        assert!(times.turn(Running::Seeding, 160));
        assert_eq!(of(&times, 200), (100, 40, 40));
        times.gave(200);
        assert_eq!(of(&times, 230), (130, 70, 30));
        assert!(times.turn(Running::No, 240));
        assert_eq!(of(&times, 1000), (140, 80, 40));
    }

    #[test]
    fn it_goes_on_where_it_was_when_the_daemon_is_started_again() {
        let mut times = Times::default();
        times.turn(Running::Seeding, 10);
        let kept = serde_json::to_string(&times).unwrap();
        let times: Times = serde_json::from_str(&kept).unwrap();
        // Running time stands while nothing runs.
        assert_eq!(of(&times.taken_up(50), 60), (50, 50, 50));
        // It was kept after the running time was.
        assert_eq!(of(&times.taken_up(5), 8), (3, 3, 3));
    }

    #[test]
    fn a_torrent_that_lacks_something_again_has_not_been_idle() {
        let mut times = Times::default();
        times.turn(Running::Seeding, 0);
        times.turn(Running::Incomplete, 20);
        times.turn(Running::Seeding, 30);
        assert_eq!(of(&times, 35), (35, 25, 5));
    }
}
