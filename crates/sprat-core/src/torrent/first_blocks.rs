//! How long a peer takes for the first block that it is asked for, and when one that was never heard of is given up.
//!
//! A peer that says that it has everything and lets us ask may be a liar that keeps silent. Until it has delivered a block,
//! it is believed as long as others took for theirs, and not for the minute that one who has delivered may pause.

use std::time::Duration;

/// Never less, and this before anything is known: a line of 20 kB/s that serves eight peers by turns takes six seconds for
/// a block each. (With 3 seconds, a swarm of 40 with slow lines and such a seeder took 15 % longer.)
const LEAST: Duration = Duration::from_secs(10);

/// The times of first blocks, smoothed as TCP smooths its round trips (RFC 6298): an eighth of each new mean and a quarter
/// of each new deviation come from the latest.
#[derive(Debug, Default)]
pub(super) struct FirstBlocks {
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    mean: Duration,
    deviation: Duration,
}

impl FirstBlocks {
    /// Somebody's first block has come so long after it was asked for.
    pub(super) fn came_after(&mut self, took: Duration) {
        self.seen = Some(match self.seen {
            None => Seen { mean: took, deviation: took / 2 },
            Some(Seen { mean, deviation }) => {
                Seen { mean: mean * 7 / 8 + took / 8, deviation: deviation * 3 / 4 + mean.abs_diff(took) / 4 }
            }
        });
    }

    /// How long to wait for somebody's first block, at most `longest`.
    pub(super) fn patience(&self, longest: Duration) -> Duration {
        let expected = self.seen.map_or(LEAST, |Seen { mean, deviation }| mean + deviation * 4);
        expected.max(LEAST).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn patience_follows_what_others_took() {
        let mut first_blocks = FirstBlocks::default();
        assert_eq!(first_blocks.patience(LONGEST), LEAST);
        for _ in 0..20 {
            first_blocks.came_after(Duration::from_millis(100));
        }
        assert_eq!(first_blocks.patience(LONGEST), LEAST);
        for _ in 0..20 {
            first_blocks.came_after(Duration::from_secs(20));
        }
        let patience = first_blocks.patience(LONGEST);
        assert!(patience > Duration::from_secs(20) && patience <= LONGEST, "{patience:?}");
    }

    #[test]
    fn nobody_makes_us_wait_longer_than_for_those_who_have_delivered() {
        let mut first_blocks = FirstBlocks::default();
        first_blocks.came_after(Duration::from_secs(3600));
        assert_eq!(first_blocks.patience(LONGEST), LONGEST);
    }
}
