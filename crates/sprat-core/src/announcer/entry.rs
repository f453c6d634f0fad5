//! What is known of one tracker and one info-hash.

use std::sync::Arc;

use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::AnnounceEvent;

use super::TrackerState;
use crate::time::Time;

/// One tracker and one info-hash.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) url: Arc<str>,
    pub(super) tier: usize,
    pub(super) info_hash: InfoHash,
    /// The user has taken it away. What it has to be told yet is that we leave.
    pub(super) is_retired: bool,
    pub(super) in_flight: Option<AnnounceEvent>,
    /// It has been told that we are there, or is being told.
    pub(super) knows_us: bool,
    pub(super) completion: Completion,
    pub(super) stopped_due: bool,
    pub(super) failures: u32,
    /// The next announce: regular after an answer, another try after a failure.
    pub(super) next: Time,
    pub(super) turn: Turn,
    /// It does not want to hear from us before.
    pub(super) not_before: Time,
    pub(super) tracker_id: Option<String>,
    pub(super) last_error: Option<String>,
    pub(super) seeders: Option<u32>,
    pub(super) leechers: Option<u32>,
    pub(super) downloads: Option<u32>,
    pub(super) answered: Option<Answered>,
}

/// Whether the next announce has to wait for those of other torrents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// As usual.
    Usual,
    /// It has waited.
    Come,
    /// The user wants it.
    Asked,
}

/// The last answer of a tracker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) at: Time,
    /// When it is asked again if nobody of use is known.
    pub(super) retry: Time,
    /// How many it named.
    pub(super) peers: usize,
    /// How many answers before this one, in a row, have not helped.
    pub(super) in_vain: u32,
}

/// What a tracker knows of the end of the download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    Untold,
    Due,
    Told,
}

impl Entry {
    pub(super) const fn new(url: Arc<str>, tier: usize, info_hash: InfoHash) -> Self {
        Self {
            url,
            tier,
            info_hash,
            is_retired: false,
            in_flight: None,
            knows_us: false,
            completion: Completion::Untold,
            stopped_due: false,
            failures: 0,
            next: Time::ZERO,
            turn: Turn::Usual,
            not_before: Time::ZERO,
            tracker_id: None,
            last_error: None,
            seeders: None,
            leechers: None,
            downloads: None,
            answered: None,
        }
    }

    /// Nothing is left to be done for it, and no answer of it is awaited.
    pub(super) const fn is_vacant(&self) -> bool {
        self.is_retired && self.in_flight.is_none() && !self.stopped_due
    }

    /// The torrent has it again, or still.
    pub(super) fn keep(&mut self, now: Time, tier: usize) {
        self.tier = tier;
        if std::mem::replace(&mut self.is_retired, false) {
            self.stopped_due = false;
            self.next = self.next.min(now);
        }
    }

    /// The torrent has it no more.
    pub(super) const fn retire(&mut self, is_active: bool) {
        if is_active && !self.is_retired {
            self.stopped_due = self.knows_us;
        }
        self.is_retired = true;
    }

    /// Another torrent has found that nothing comes back from its host.
    pub(super) fn is_passed_over(&mut self, until: Time, reason: &str) {
        self.failures = self.failures.max(1);
        if self.last_error.as_deref() != Some(reason) {
            self.last_error = Some(short(reason));
        }
        (self.turn, self.next) = (Turn::Come, until);
    }

    pub(super) fn withdraw_completion(&mut self) {
        if self.completion == Completion::Due {
            self.completion = Completion::Untold;
        }
    }

    pub(super) const fn next_event(&self) -> AnnounceEvent {
        match (self.knows_us, self.completion) {
            (false, _) => AnnounceEvent::Started,
            (true, Completion::Due) => AnnounceEvent::Completed,
            (true, Completion::Untold | Completion::Told) => AnnounceEvent::Interval,
        }
    }

    pub(super) const fn state(&self) -> TrackerState {
        match (self.in_flight, self.failures, self.answered.is_some()) {
            (Some(_), _, _) => TrackerState::Announcing,
            (None, 1.., _) => TrackerState::Failing,
            (None, 0, true) => TrackerState::Working,
            (None, 0, false) => TrackerState::Unused,
        }
    }
}

/// Words of a tracker, as far as a person reads.
pub(super) fn short(words: &str) -> String {
    words.chars().take(300).collect()
}
