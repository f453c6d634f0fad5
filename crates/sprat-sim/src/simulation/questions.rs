//! Questions that have arrived at trackers and in the DHT, and the answers.

use sprat_core::io::TrackerFailure;
use sprat_core::time::Time;

use super::Simulation;
use crate::event::{Addressed, Announced, Asked, Found, PeerEvent, Question};
use crate::rendezvous::LOOKUP;
use crate::trackers::ANSWER_LIMIT;

impl Simulation {
    /// When the next question arrives.
    pub(super) fn next_question(&self) -> Option<Time> {
        self.questions.next_time().map(Time::from_nanos)
    }

    /// Answers what arrives before `end`.
    pub(super) fn answer_questions(&mut self, end: Time) {
        while self.next_question().is_some_and(|at| at < end) {
            let Some((_, question)) = self.questions.pop() else { return };
            self.events += 1;
            self.answer(question, end);
        }
    }

    fn answer(&mut self, question: Question, end: Time) {
        let Question { at, order, peer, life, torrent, to } = question;
        let from = self.world.address_of(peer);
        let back = self.world.latency_of(peer);
        let (answer_at, event) = match to {
            Asked::Tracker(id, tracker, request) => {
                let Some(tracker) = self.trackers.get_mut(tracker) else { return };
                let (answer_at, result) = match tracker.announce(at, from, &request) {
                    Some(result) => (at + tracker.latency() + back, result.map_err(TrackerFailure::answered)),
                    None => (at + ANSWER_LIMIT, Err(TrackerFailure::unreachable("no answer"))),
                };
                (answer_at, PeerEvent::Announced(Box::new(Announced { torrent, tracker: id, result })))
            }
            Asked::Dht(swarm) => {
                let Some(peers) = self.rendezvous.look(at, from, swarm) else { return };
                (at + LOOKUP, PeerEvent::Found(Box::new(Found { torrent, peers })))
            }
        };
        // Without any latency the answer may be late by a moment.
        self.post(answer_at.max(end), order, Addressed { to: peer, life, event });
    }
}
