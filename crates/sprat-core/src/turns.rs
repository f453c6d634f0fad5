//! Taking turns: whoever waits for the same scarce thing gets as much of it as the others, however often it asks.
//!
//! Start-time fair queueing (Goyal et al. 1996): each has an account of what it has had; the least account is next, and
//! who comes late begins where those who wait are now, so that nobody saves up. With parts of one size it is the round
//! robin; with others, it is the bytes that are shared equally, not the parts.

use std::collections::BTreeMap;

/// Those who wait, and for how much each.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    /// By account: the first is next. Of how many bytes its next part is.
    line: BTreeMap<(u64, K), u64>,
    /// What each has had, of those who wait or have waited since the line was empty last.
    accounts: BTreeMap<K, u64>,
    /// The account of who was served last, before that.
    level: u64,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { line: BTreeMap::new(), accounts: BTreeMap::new(), level: 0 }
    }
}

impl<K: Copy + Ord> Turns<K> {
    /// Whoever is next, and the bytes of its part.
    pub(crate) fn next(&self) -> Option<(K, u64)> {
        self.line.first_key_value().map(|((_, who), bytes)| (*who, *bytes))
    }

    /// Nobody else waits.
    pub(crate) fn is_alone(&self, who: K) -> bool {
        self.line.keys().all(|(_, other)| *other == who)
    }

    /// `who` waits for a part of so many bytes; it keeps its place if it waits already.
    pub(crate) fn wait(&mut self, who: K, bytes: u64) {
        let account = self.accounts.entry(who).or_insert(self.level);
        if let Some(waits_for) = self.line.get_mut(&(*account, who)) {
            *waits_for = bytes;
            return;
        }
        *account = self.level.max(*account);
        self.line.insert((*account, who), bytes);
    }

    /// `who` has had so many bytes. If it waits, it goes on waiting for the same again, behind those who have had less.
    pub(crate) fn took(&mut self, who: K, bytes: u64) {
        let Some(account) = self.accounts.get_mut(&who) else { return };
        let waits_for = self.line.remove(&(*account, who));
        if waits_for.is_some() {
            self.level = self.level.max(*account);
        }
        *account = account.saturating_add(bytes);
        if let Some(waits_for) = waits_for {
            self.line.insert((*account, who), waits_for);
        }
    }

    /// `who` does not wait any more; what it has had is remembered as long as others wait.
    pub(crate) fn leave(&mut self, who: K) {
        if let Some(account) = self.accounts.get(&who) {
            self.line.remove(&(*account, who));
        }
        if self.line.is_empty() {
            self.accounts.clear();
            self.level = 0;
        }
    }

    /// `who` does not exist any more.
    pub(crate) fn forget(&mut self, who: K) {
        self.leave(who);
        self.accounts.remove(&who);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = 16 * 1024;

    fn serve(turns: &mut Turns<u32>) -> Option<(u32, u64)> {
        let next = turns.next();
        if let Some((who, bytes)) = next {
            turns.took(who, bytes);
        }
        next
    }

    #[test]
    fn equal_parts_go_round() {
        let mut turns = Turns::default();
        for who in [3, 1, 2] {
            turns.wait(who, BLOCK);
        }
        let order: Vec<u32> = (0..7).filter_map(|_| serve(&mut turns)).map(|(who, _)| who).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn who_takes_eight_times_as_much_comes_an_eighth_as_often() {
        let mut turns = Turns::default();
        turns.wait(1, 8 * BLOCK);
        turns.wait(2, BLOCK);
        let large = (0..90).filter_map(|_| serve(&mut turns)).filter(|(who, _)| *who == 1).count();
        assert_eq!(large, 10);
    }

    #[test]
    fn who_was_away_has_saved_nothing_up_and_asking_often_brings_nothing() {
        let mut turns = Turns::default();
        turns.wait(1, BLOCK);
        for _ in 0..100 {
            serve(&mut turns);
        }
        turns.wait(2, BLOCK);
        let mut of_newcomer = 0;
        for _ in 0..20 {
            for _ in 0..50 {
                turns.wait(1, BLOCK);
            }
            of_newcomer += usize::from(serve(&mut turns).unwrap().0 == 2);
        }
        assert!((10..=11).contains(&of_newcomer), "{of_newcomer}");
    }

    #[test]
    fn leaving_the_line_and_coming_back_brings_nothing_either() {
        let mut turns = Turns::default();
        turns.wait(2, BLOCK);
        let mut of_the_restless = 0;
        for _ in 0..40 {
            turns.leave(1);
            turns.wait(1, BLOCK);
            of_the_restless += usize::from(serve(&mut turns).unwrap().0 == 1);
        }
        assert_eq!(of_the_restless, 20);
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone_or_when_nobody_waits() {
        let mut turns = Turns::default();
        for who in 0..100_u32 {
            turns.wait(who, BLOCK);
            serve(&mut turns);
        }
        for who in 0..50 {
            turns.forget(who);
        }
        assert_eq!((turns.line.len(), turns.accounts.len()), (50, 50));
        for who in 50..100 {
            turns.leave(who);
        }
        assert!(turns.accounts.is_empty() && turns.next().is_none());
        assert_eq!(turns.level, 0);
    }

    proptest! {
        #[test]
        fn two_who_wait_all_the_time_never_differ_by_more_than_a_part_each(
            parts in prop::collection::vec(1..=8 * BLOCK, 2..6),
            restless in prop::collection::vec(any::<bool>(), 1..300),
        ) {
            let mut turns = Turns::default();
            let mut had = vec![0_u64; parts.len()];
            for (who, part) in parts.iter().enumerate() {
                turns.wait(who, *part);
            }
            let guest = parts.len();
            for comes in restless {
                if comes { turns.wait(guest, BLOCK) } else { turns.leave(guest) }
                let (who, part) = turns.next().unwrap();
                turns.took(who, part);
                if let Some(had) = had.get_mut(who) {
                    *had += part;
                }
                for (a, part_of_a) in had.iter().zip(&parts) {
                    for (b, part_of_b) in had.iter().zip(&parts) {
                        prop_assert!(a.abs_diff(*b) <= part_of_a + part_of_b);
                    }
                }
            }
        }
    }
}
