//! How many peers to upload to at a time. Too few leave the link idle, too many give each so little that nobody bothers
//! to pay back.

use super::{Candidate, ChokerConfig};

/// Without a limit another slot is opened while the slowest of `n` unchoked peers takes at least `n` times this many
/// bytes per second. libtorrent's rate-based choker raises its bar by the same 2 KiB/s; with equal peers this comes
/// to the square root of what goes out, like [`for_limit`].
const RISING_BAR: u64 = 2 * 1024;

pub(super) fn least(config: &ChokerConfig) -> usize {
    config.min_slots.max(2)
}

/// Slots from the next decision on, when there were `current` until now.
pub(super) fn count(config: &ChokerConfig, current: usize, candidates: &[Candidate]) -> usize {
    let wanted = match config.upload_limit {
        Some(limit) => for_limit(limit),
        None => for_demand(current, candidates),
    };
    wanted.clamp(least(config), config.max_slots.max(least(config)))
}

/// The steps of the original client (BitTorrent 4.x, `max_uploads` left to itself).
fn for_limit(limit: u64) -> usize {
    match limit / 1024 {
        0..9 => 2,
        9..15 => 3,
        15..42 => 4,
        kib => usize::try_from((kib.saturating_mul(6) / 10).isqrt()).unwrap_or(usize::MAX),
    }
}

/// Grows by a quarter at most, since new slots need time to show what they take, and shrinks by one.
fn for_demand(current: usize, candidates: &[Candidate]) -> usize {
    let mut taken: Vec<u64> = candidates.iter().filter(|c| c.unchoked).map(|c| c.sent_rate).collect();
    taken.sort_unstable_by(|a, b| b.cmp(a));
    let busy = (1..).zip(&taken).take_while(|(n, rate)| **rate >= n * RISING_BAR).count();
    (busy + (busy / 4).max(1)).max(current.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choker::tests::candidate;

    #[test]
    fn slots_follow_the_limit() {
        let slots =
            |limit| count(&ChokerConfig { upload_limit: Some(limit), min_slots: 2, max_slots: 50 }, 4, &[]);
        assert_eq!(slots(0), 2);
        assert_eq!(slots(10 * 1024), 3);
        assert_eq!(slots(20 * 1024), 4);
        assert_eq!(slots(1024 * 1024), 24);
        assert_eq!(slots(u64::MAX), 50);
    }

    #[test]
    fn without_a_limit_slots_grow_while_peers_take_and_shrink_again() {
        let config = ChokerConfig { upload_limit: None, min_slots: 4, max_slots: 50 };
        let mut slots = 4;
        for _ in 0..20 {
            let peers: Vec<Candidate> = (0..slots as u64)
                .map(|id| Candidate { unchoked: true, sent_rate: 10_000_000 / slots as u64, ..candidate(id) })
                .collect();
            slots = count(&config, slots, &peers);
        }
        assert_eq!(slots, 50);
        for _ in 0..60 {
            slots = count(&config, slots, &[]);
        }
        assert_eq!(slots, 4);
    }
}
