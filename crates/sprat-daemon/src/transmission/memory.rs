//! Limits that were set, and do not hold now.
//!
//! Transmission keeps a limit apart from the switch that lets it hold, and clients set the two in two requests. Sprat has a limit or
//! has none; what a client has set before it turns the limit on is remembered here, until the daemon ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sprat_core::storage::TorrentId;

use crate::torrents::SeedingLimit;

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    /// Received, thousands of bytes per second.
    Download,
    /// Sent, thousands of bytes per second.
    Upload,
    /// Sent for each byte of the content.
    Ratio,
    /// Minutes in which nobody wanted anything.
    Idle,
    /// Torrents that download at a time.
    Downloads,
    /// Torrents that seed at a time.
    Seeds,
}

impl Limit {
    /// What Transmission has before anybody has said anything.
    const fn initial(self) -> f64 {
        match self {
            Self::Download | Self::Upload => 100.0,
            Self::Ratio => 2.0,
            Self::Idle => 30.0,
            Self::Downloads => 5.0,
            Self::Seeds => 10.0,
        }
    }
}

/// Whose limits: a torrent's, or those of all.
pub(super) type Whose = Option<TorrentId>;

#[derive(Debug, Default)]
struct Remembered {
    limits: BTreeMap<(Whose, Limit), f64>,
    incomplete: Option<PathBuf>,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Remembered>);

impl Memory {
    fn hold(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What would hold if it was turned on.
    pub(super) fn recall(&self, whose: Whose, limit: Limit) -> f64 {
        self.hold().limits.get(&(whose, limit)).copied().unwrap_or(limit.initial())
    }

    fn remember(&self, whose: Whose, limit: Limit, value: f64) {
        self.hold().limits.insert((whose, limit), value);
    }

    /// What holds from now on, when `value` and the switch `on` were set, or not, and `current` has held.
    pub(super) fn settle(
        &self,
        (whose, limit): (Whose, Limit),
        value: Option<f64>,
        on: Option<bool>,
        current: Option<f64>,
    ) -> Option<f64> {
        if let Some(value) = value.or(current) {
            self.remember(whose, limit, value);
        }
        on.unwrap_or(current.is_some()).then(|| self.recall(whose, limit))
    }

    /// As [`Self::settle`], where the switch has a third place: what holds for all.
    pub(super) fn settle_mode(
        &self,
        key: (Whose, Limit),
        value: Option<f64>,
        mode: Option<i64>,
        current: SeedingLimit<f64>,
    ) -> SeedingLimit<f64> {
        let held = if let SeedingLimit::Limit(held) = current { Some(held) } else { None };
        match (self.settle(key, value, mode.map(|mode| mode == 1), held), mode) {
            (Some(limit), _) => SeedingLimit::Limit(limit),
            (None, Some(0)) => SeedingLimit::Inherit,
            (None, Some(_)) => SeedingLimit::Unlimited,
            (None, None) => current,
        }
    }

    /// The directory for what is incomplete that was last spoken of.
    pub(super) fn incomplete(&self) -> Option<PathBuf> {
        self.hold().incomplete.clone()
    }

    /// This one is spoken of.
    pub(super) fn remember_incomplete(&self, directory: PathBuf) {
        self.hold().incomplete = Some(directory);
    }

    /// These torrents are gone.
    pub(super) fn forget(&self, torrents: &[TorrentId]) {
        self.hold().limits.retain(|(whose, _), _| !whose.is_some_and(|one| torrents.contains(&one)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_set_holds_once_it_is_turned_on() {
        let memory = Memory::default();
        let key = (Some(TorrentId(1)), Limit::Upload);
        assert_eq!(memory.settle(key, None, Some(true), None), Some(100.0));
        assert_eq!(memory.settle(key, Some(30.0), None, None), None);
        assert_eq!(memory.settle(key, None, Some(true), None), Some(30.0));
        assert_eq!(memory.settle(key, Some(40.0), None, Some(30.0)), Some(40.0));
        assert_eq!(memory.settle(key, None, Some(false), Some(40.0)), None);
        assert_eq!(memory.recall(key.0, key.1), 40.0);
        assert_eq!(memory.recall(None, key.1), 100.0);
        memory.forget(&[TorrentId(1)]);
        assert_eq!(memory.recall(key.0, key.1), 100.0);
    }

    #[test]
    fn a_limit_may_be_that_of_all() {
        let memory = Memory::default();
        let key = (None, Limit::Ratio);
        let now = SeedingLimit::Inherit;
        assert_eq!(memory.settle_mode(key, Some(1.5), None, now), now);
        let limited = memory.settle_mode(key, None, Some(1), now);
        assert_eq!(limited, SeedingLimit::Limit(1.5));
        assert_eq!(memory.settle_mode(key, None, Some(2), limited), SeedingLimit::Unlimited);
        assert_eq!(memory.settle_mode(key, Some(3.0), None, limited), SeedingLimit::Limit(3.0));
        assert_eq!(memory.settle_mode(key, None, Some(0), limited), SeedingLimit::Inherit);
    }
}
