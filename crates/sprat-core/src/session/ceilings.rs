//! What all torrents share and there is only so much of: memory, and what the rate limits give.

use super::{Member, Session, either};
use crate::io::Output;
use crate::memory::Weight;
use crate::time::Time;
use crate::torrent::Torrent;

/// When memory is nearly at its ceiling, a newcomer takes the place of a connection that would need a minute to move what it
/// holds.
const LEAST_WEIGHT_FOR_NEWCOMER: Weight = 60_000;

impl Session {
    /// Whatever the rate limits have to give, the torrents that wait for it are given in turn.
    pub(super) fn take_turns(&mut self, now: Time) {
        // Who is called passes something, or waits for more than there is, or leaves the line.
        while let Some(id) = self.limits.next_permitted(now) {
            if self.torrent(id).is_none() {
                self.limits.forget(id);
            }
            self.with_torrent(now, id, Torrent::take_turns);
        }
    }

    /// Whether there is memory for one more, if need be in place of a connection that holds much for what it exchanges.
    pub(super) fn makes_room(&mut self, now: Time) -> bool {
        self.memory.is_roomy() || (self.memory.may_look(now) && self.shed_one(now, LEAST_WEIGHT_FOR_NEWCOMER))
    }

    /// Above the ceiling connections are let go until it is well below it: callers that are nobody yet before all others.
    pub(super) fn shed(&mut self, now: Time) {
        self.memory.set_strangers(self.strangers.len());
        let Some(excess) = self.memory.excess() else { return };
        let goal = self.memory.held().saturating_sub(excess);
        while let Some(connection) = self.strangers.shed() {
            self.outputs.push_back(Output::Disconnect { connection });
        }
        self.memory.set_strangers(0);
        while self.memory.held() > goal && self.shed_one(now, 0) {}
    }

    /// Lets the connection go that weighs most, if it weighs so much at least.
    fn shed_one(&mut self, now: Time, least: Weight) -> bool {
        let of = |member: &Member| match member {
            Member::Torrent(torrent) => torrent.heaviest(now),
            Member::Seeker(seeker) => seeker.heaviest(now),
            Member::Sleeper(sleeper) => sleeper.heaviest(),
        };
        let all = self.members.iter().filter_map(|(member, it)| of(it).map(|heaviest| (heaviest, *member)));
        let Some(((_, connection), member)) = all.max().filter(|((weight, _), _)| *weight >= least) else {
            return false;
        };
        self.with_member(now, member, |member, cx| either!(member, it => it.shed(cx, connection)));
        true
    }
}
