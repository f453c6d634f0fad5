//! What clients were told, so that the next time they are told what has changed.
//!
//! Each answer has a number, and whoever shows it has got that answer. So what came before it is needed no more, and two pictures for
//! each client that asks are enough. A client that repeats a request, because the answer got lost, is told the same again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures that are kept. Who has not asked for the longest time is told everything when it asks again.
const MOST: usize = 64;

/// Numbers begin below this at random: one of an earlier run of the daemon is hardly one of this run.
const BEGIN: u64 = 1 << 30;

/// Answers of one kind.
#[derive(Debug)]
pub(super) struct Rounds<T>(Mutex<Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    next: u64,
    /// Who has asked last is last.
    rounds: VecDeque<Round<T>>,
}

#[derive(Debug)]
struct Round<T> {
    number: u64,
    /// The one that the client had shown for it.
    before: u64,
    picture: Arc<T>,
}

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { next: first_number(), rounds: VecDeque::new() }))
    }
}

/// From 1, since 0 means that a client has no answer.
fn first_number() -> u64 {
    let mut bytes = [0; 8];
    // Where there is no chance, clients of an earlier run may be told too little once, until they are told everything.
    let _ = getrandom::fill(&mut bytes);
    1 + u64::from_le_bytes(bytes) % (BEGIN - 1)
}

impl<T> Rounds<T> {
    /// A client shows the number of its last answer (0: it has none) and is going to be told of `picture`. Returns the number of the
    /// new answer, and what the client knows; `None`: it knows nothing that is remembered here.
    pub(super) fn turn(&self, shown: u64, picture: Arc<T>) -> (u64, Option<Arc<T>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.rounds.iter().position(|round| round.number == shown);
        let known = known.and_then(|at| kept.rounds.remove(at)).map(|round| {
            let known = Arc::clone(&round.picture);
            // It has got this one; so it is not going to show the one before, nor another answer to that.
            let (before, number) = (round.before, round.number);
            kept.rounds.retain(|one| one.number != before && (one.before != before || before == 0));
            kept.rounds.push_back(Round { number, ..round });
            known
        });
        let number = kept.next;
        kept.next += 1;
        let before = if known.is_some() { shown } else { 0 };
        kept.rounds.push_back(Round { number, before, picture });
        if kept.rounds.len() > MOST {
            kept.rounds.pop_front();
        }
        (number, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(rounds: &Rounds<&'static str>, shown: u64, picture: &'static str) -> (u64, Option<&'static str>) {
        let (number, known) = rounds.turn(shown, Arc::new(picture));
        (number, known.map(|known| *known))
    }

    #[test]
    fn who_shows_a_number_has_what_was_told_with_it() {
        let rounds = Rounds::default();
        let (first, known) = turn(&rounds, 0, "a");
        assert_eq!(known, None);
        let (second, known) = turn(&rounds, first, "b");
        assert_eq!(known, Some("a"));
        // The answer got lost: the same question again.
        let (third, known) = turn(&rounds, first, "c");
        assert_eq!(known, Some("a"));
        let (_, known) = turn(&rounds, third, "d");
        assert_eq!(known, Some("c"));
        assert_eq!(turn(&rounds, first, "e").1, None, "it is known to be forgotten");
        assert_eq!(turn(&rounds, second, "e").1, None, "that answer was never received");
    }

    #[test]
    fn clients_do_not_disturb_each_other() {
        let rounds = Rounds::default();
        let (slow, _) = turn(&rounds, 0, "slow");
        let (mut quick, _) = turn(&rounds, 0, "quick");
        for _ in 0..1000 {
            quick = turn(&rounds, quick, "quick").0;
        }
        assert_eq!(turn(&rounds, slow, "x").1, Some("slow"));
        assert!(rounds.0.lock().unwrap().rounds.len() <= 4);
    }

    #[test]
    fn those_who_never_come_back_are_forgotten() {
        let rounds = Rounds::default();
        let (mut first, _) = turn(&rounds, 0, "first");
        for _ in 0..10 * MOST {
            turn(&rounds, 0, "once");
            first = turn(&rounds, first, "first").0;
        }
        assert_eq!(turn(&rounds, first, "x").1, Some("first"));
        assert_eq!(rounds.0.lock().unwrap().rounds.len(), MOST);
    }
}
