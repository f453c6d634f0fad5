//! Announces that have arrived at trackers, and the answers.

use sprat_core::time::Time;

use super::Simulation;
use crate::event::{Addressed, Announce, Announced, PeerEvent};
use crate::trackers::ANSWER_LIMIT;

impl Simulation {
    /// When the next announce arrives.
    pub(super) fn next_announce(&self) -> Option<Time> {
        self.announces.next_time().map(Time::from_nanos)
    }

    /// Answers what arrives before `end`.
    pub(super) fn answer_announces(&mut self, end: Time) {
        while self.next_announce().is_some_and(|at| at < end) {
            let Some((_, announce)) = self.announces.pop() else { return };
            self.events += 1;
            self.answer(announce, end);
        }
    }

    fn answer(&mut self, announce: Announce, end: Time) {
        let Announce { at, order, peer, life, torrent, id, tracker, request } = announce;
        let back = self.world.latency_of(peer);
        let Some(tracker) = self.trackers.get_mut(tracker) else { return };
        let (answer_at, result) = match tracker.announce(at, peer.address(), &request) {
            Some(result) => (at + tracker.latency() + back, result),
            None => (at + ANSWER_LIMIT, Err("no answer".to_owned())),
        };
        let answer = Announced { torrent, tracker: id, result };
        let event = PeerEvent::Announced(Box::new(answer));
        // Without any latency the answer may be late by a moment.
        self.post(answer_at.max(end), order, Addressed { to: peer, life, event });
    }
}
