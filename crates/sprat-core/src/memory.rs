//! How many bytes the session holds on behalf of others, and when that is too much.
//!
//! What each connection holds is counted where it changes, so that the sum is known at any time and costs nothing to ask
//! for. Above the ceiling connections are let go, those first that hold most for what they exchange; blocks of pieces never are,
//! for these the storage has limits of its own. A little below it, somebody new is let in only in place of such a one.

use std::time::Duration;

use crate::config::Config;
use crate::time::Time;

/// What a connection costs before it has said anything: its state here, and the driver's socket and task.
pub(crate) const CONNECTION: usize = 6 * 1024;

/// Somebody new is let in without more ado below this part of the ceiling, in eighths.
const ROOMY: usize = 7;

/// When connections are let go, then until this part of the ceiling is left, in sixteenths: not one by one.
const RELIEVED: usize = 15;

/// Between two looks for somebody to make room.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// What a connection holds counts little against this rate, in bytes per second: nobody is quite idle.
const LEAST_RATE: u64 = 1024;

/// The sum, and its ceiling.
#[derive(Debug)]
pub(crate) struct Memory {
    ceiling: usize,
    /// By connections that belong to a torrent, and by what they have brought.
    held: usize,
    /// Callers that belong to none yet.
    strangers: usize,
    /// Outside of this machine.
    elsewhere: usize,
    /// Not before then the heaviest connection is looked for to make room: that looks at all of them.
    may_look: Time,
}

/// For how many thousandths of a second a connection would have to exchange payload at its present rate, until it would
/// have moved what it holds. Who asks for much and does not read is far above all others.
pub(crate) type Weight = u64;

impl Memory {
    pub(crate) const fn new(config: &Config) -> Self {
        Self { ceiling: config.memory, held: 0, strangers: 0, elsewhere: 0, may_look: Time::ZERO }
    }

    /// Something that held `before` holds `after` now.
    pub(crate) const fn change(&mut self, before: usize, after: usize) {
        self.held = self.held.saturating_sub(before).saturating_add(after);
    }

    pub(crate) const fn set_elsewhere(&mut self, bytes: usize) {
        self.elsewhere = bytes;
    }

    pub(crate) const fn set_strangers(&mut self, callers: usize) {
        self.strangers = callers.saturating_mul(CONNECTION);
    }

    pub(crate) const fn held(&self) -> usize {
        self.held.saturating_add(self.strangers)
    }

    const fn total(&self) -> usize {
        self.held().saturating_add(self.elsewhere)
    }

    /// Whether somebody may be looked for who makes room for a newcomer.
    pub(crate) fn may_look(&mut self, now: Time) -> bool {
        let may = now >= self.may_look;
        if may {
            self.may_look = now + LOOK_PAUSE;
        }
        may
    }

    /// There is room for somebody new.
    pub(crate) const fn is_roomy(&self) -> bool {
        self.total() < self.ceiling / 8 * ROOMY
    }

    /// How many bytes must be let go of now; `None` below the ceiling. What connections do not hold cannot be got from them.
    pub(crate) const fn excess(&self) -> Option<usize> {
        if self.total() <= self.ceiling || self.held() == 0 {
            return None;
        }
        Some(self.total().saturating_sub(self.ceiling / 16 * RELIEVED))
    }
}

/// See [`Weight`].
pub(crate) fn weight(held: usize, rate: u64) -> Weight {
    let held = u64::try_from(held).unwrap_or(u64::MAX);
    held.saturating_mul(1000) / rate.saturating_add(LEAST_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn at_the_ceiling_nothing_happens_and_a_byte_above_a_sixteenth_is_let_go() {
        let mut memory = Memory::new(&Config { memory: 16 * MIB, ..Config::default() });
        memory.set_elsewhere(4 * MIB);
        memory.change(0, 12 * MIB);
        assert_eq!(memory.excess(), None);
        memory.change(0, 1);
        assert_eq!(memory.excess(), Some(MIB + 1));
        memory.change(MIB + 1, 0);
        assert_eq!(memory.excess(), None);
    }

    #[test]
    fn there_is_room_for_newcomers_up_to_seven_eighths() {
        let mut memory = Memory::new(&Config { memory: 16 * MIB, ..Config::default() });
        memory.change(0, 14 * MIB - 1);
        assert!(memory.is_roomy());
        memory.change(0, 1);
        assert!(!memory.is_roomy());
    }

    #[test]
    fn what_is_held_elsewhere_alone_ends_no_connection() {
        let mut memory = Memory::new(&Config { memory: MIB, ..Config::default() });
        memory.set_elsewhere(2 * MIB);
        assert_eq!(memory.excess(), None);
    }

    #[test]
    fn who_does_not_read_weighs_more_than_who_is_slow_and_who_is_fast_weighs_least() {
        let deaf = weight(512 * 1024, 0);
        let slow = weight(512 * 1024, 20_000);
        let fast = weight(768 * 1024, 20_000_000);
        let idle = weight(CONNECTION, 0);
        assert!(deaf > slow && slow > idle && idle > fast, "{deaf} {slow} {idle} {fast}");
    }
}
