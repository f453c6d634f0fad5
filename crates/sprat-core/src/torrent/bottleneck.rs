//! Whether a swarm waits for our upload.
//!
//! While a seeder is alone, nobody can have more than it has sent. How fast the others could be is theirs to know, but
//! whether they keep up can be seen: if each of them soon has nearly everything that is out there at all, they pass the
//! pieces on faster than new ones come, and would be faster with a faster seeder. (Legout et al. 2007: then slow and fast
//! peers end together, and it does not pay to give.) If their own lines are the limit, all pieces are out long before most
//! peers have most of them.

use std::time::Duration;

use super::Torrent;
use crate::time::Time;

const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The others have so much of what is out, per cent. Measured in the simulator, 39 leechers of 20 to 200 kB/s, 90 on
/// average: 29 to 49 with a seeder of 200 kB/s, up to 75 with one of 100 kB/s, from the first minute on above 85 with one of
/// 20 kB/s. Where the seeder's line is like all others': 90.
const KEEPS_UP: u64 = 80;

/// Looks that must agree before it is said, or not said any more: a minute, so that it is no passing state and the
/// transfer no short one.
const LOOKS: u32 = 12;

/// What was seen until now.
#[derive(Debug, Default)]
pub(super) struct Bottleneck {
    next_look: Time,
    /// Looks in favour, less those against, 0 to [`LOOKS`].
    looks: u32,
    pub(super) is_ours: bool,
}

impl Bottleneck {
    fn seen(&mut self, waits: bool) {
        self.looks = if waits { (self.looks + 1).min(LOOKS) } else { self.looks.saturating_sub(1) };
        self.is_ours = match self.looks {
            0 => false,
            LOOKS => true,
            _ => self.is_ours,
        };
    }
}

impl Torrent {
    /// Looks, now and then.
    pub(super) fn look_for_bottleneck(&mut self, now: Time) {
        if now < self.bottleneck.next_look {
            return;
        }
        self.bottleneck.next_look = now + LOOK_INTERVAL;
        let waits = self.spreads() && self.is_upload_busy() && self.others_keep_up();
        self.bottleneck.seen(waits);
    }

    /// Somebody waits for bytes that he may have.
    fn is_upload_busy(&self) -> bool {
        self.connections.values().any(|connection| !connection.choking && connection.has_upload_backlog())
    }

    /// Not all pieces are out, but most peers have most of those that are.
    fn others_keep_up(&self) -> bool {
        let alone = (0..self.geometry.pieces()).filter(|piece| self.is_ours_alone(*piece)).count() as u64;
        let out = u64::from(self.geometry.pieces()).saturating_sub(alone);
        let leechers = self.connections.values().filter(|connection| connection.wanted);
        let (had, leechers) = leechers.fold((0, 0), |(had, leechers), connection| {
            (had + u64::from(connection.pieces.count()), leechers + 1)
        });
        alone > 0 && out > 0 && had * 100 >= KEEPS_UP * out * leechers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_after_a_minute_and_until_a_minute_has_shown_the_contrary() {
        let mut bottleneck = Bottleneck::default();
        let mut see = |waits: bool, times: u32| {
            (0..times).for_each(|_| bottleneck.seen(waits));
            bottleneck.is_ours
        };
        assert!(!see(true, LOOKS - 1));
        assert!(see(true, 100));
        assert!(see(false, LOOKS - 1));
        assert!(!see(false, 1));
        assert!(!see(true, 1));
    }
}
