//! From verified to durable: what a power cut must not take is synced and recorded, many pieces at a time.
//!
//! A verified piece may be given to others at once, for they verify it too. What we tell the user, and what we count on at
//! the next start, is durable: it is reported when [`StorageReply::Committed`](crate::storage::StorageReply::Committed) has
//! come.

use std::collections::VecDeque;
use std::time::Duration;

use crate::bitfield::Bitfield;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{Event, Trouble};
use crate::planted::PlantedBug;
use crate::storage::{CommitError, StorageRequest};
use crate::time::Time;

use super::{Phase, Torrent};

/// A verified piece waits no longer for company than this: what a crash may cost (promise P-02).
const COMMIT_AFTER: Duration = Duration::from_secs(1);

/// Nor until more than this is verified, bytes (promise P-02).
const COMMIT_BYTES: u64 = 32 * 1024 * 1024;

/// How soon a record that could not be written is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What is durable, and what is on its way to be.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// What the record claims; `None` before the storage has been opened.
    durable: Option<Bitfield>,
    /// Bytes verified since the last commit was asked for.
    waiting: u64,
    /// When the next commit is to be asked for.
    due: Option<Time>,
    /// What the commits that are with the disk claim, oldest first.
    under_way: VecDeque<Bitfield>,
    /// The user knows that everything wanted is there.
    has_told: bool,
}

impl Durability {
    /// The record has been read: this much was durable when it was written, and is there.
    pub(super) fn opened(&mut self, have: Bitfield) {
        *self = Self { durable: Some(have), has_told: self.has_told, ..Self::default() };
    }

    /// A piece more, of so many bytes, waits to become durable. Whether it is time.
    fn verified(&mut self, now: Time, bytes: u64) -> bool {
        self.waiting = self.waiting.saturating_add(bytes);
        self.due.get_or_insert(now + COMMIT_AFTER);
        self.waiting >= COMMIT_BYTES && self.under_way.is_empty()
    }

    /// One commit at a time: what is verified meanwhile goes with the next.
    pub(super) fn next_time(&self) -> Option<Time> {
        if self.under_way.is_empty() { self.due } else { None }
    }

    pub(super) fn is_due(&self, now: Time) -> bool {
        self.next_time().is_some_and(|at| at <= now)
    }

    pub(super) fn is_durable(&self, piece: PieceIndex) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.contains(piece.get()))
    }

    /// Nothing waits to become durable.
    pub(super) fn is_settled(&self) -> bool {
        self.under_way.is_empty() && self.due.is_none()
    }

    /// Durable pieces.
    pub(super) fn count(&self) -> u32 {
        self.durable.as_ref().map_or(0, Bitfield::count)
    }

    /// The piece is gone, or may be.
    pub(super) fn lost(&mut self, piece: PieceIndex) {
        for claim in self.durable.iter_mut().chain(&mut self.under_way) {
            claim.remove(piece.get());
        }
    }
}

impl Torrent {
    pub(super) fn piece_verified(&mut self, cx: &mut Context<'_>, piece: PieceIndex) {
        if self.durability.verified(cx.now, self.geometry.length_of(piece).into()) {
            self.commit(cx);
        }
    }

    /// Has everything that is had made durable. What may be gone is not claimed.
    pub(super) fn commit(&mut self, cx: &mut Context<'_>) {
        // Before, the record knows more than we do.
        if !matches!(self.phase, Phase::Active) || self.durability.durable.is_none() {
            self.durability.due = None;
            return;
        }
        let mut have = self.picker.have().clone();
        for piece in self.recheck.doubtful() {
            have.remove(piece.get());
        }
        self.durability.due = None;
        self.durability.waiting = 0;
        if cx.config.planted().is(PlantedBug::FinishedTooEarly) {
            self.became_durable(cx, &have);
        }
        self.durability.under_way.push_back(have.clone());
        let unproven = self.proof.unproven_of(&have);
        cx.storage(StorageRequest::Commit { torrent: self.id, have, unproven, at_rest: self.paused });
    }

    /// As [`Self::commit`], before the files are left alone.
    pub(super) fn commit_last(&mut self, cx: &mut Context<'_>) {
        let was_paused = std::mem::replace(&mut self.paused, true);
        self.commit(cx);
        self.paused = was_paused;
    }

    pub(super) fn on_committed(&mut self, cx: &mut Context<'_>, result: Result<(), CommitError>) {
        let Some(claim) = self.durability.under_way.pop_front() else { return };
        match result {
            Ok(()) => self.became_durable(cx, &claim),
            Err(CommitError::Record(error)) => {
                self.durability.due = Some(cx.now + RETRY_AFTER);
                self.enter_trouble(cx, Trouble::Storage(error));
            }
            Err(CommitError::Content(error)) => {
                let is_durable = |piece: &PieceIndex| self.durability.is_durable(*piece);
                let have = self.picker.have().iter().filter_map(|at| self.geometry.piece(at));
                let doubtful: Vec<PieceIndex> = have.filter(|piece| !is_durable(piece)).collect();
                self.recheck.doubt(doubtful);
                self.enter_trouble(cx, Trouble::Storage(error));
                self.recheck_more(cx);
            }
        }
    }

    fn became_durable(&mut self, cx: &mut Context<'_>, claim: &Bitfield) {
        let Some(durable) = &mut self.durability.durable else { return };
        let new: Vec<u32> = claim.beyond(durable).collect();
        for piece in new.into_iter().filter_map(|at| self.geometry.piece(at)) {
            durable.insert(piece.get());
            cx.emit(Event::PieceCompleted { torrent: self.id, piece });
        }
        self.tell_if_finished(cx);
    }

    /// Everything wanted is had, durable, and known to be right.
    pub(super) fn is_complete(&self) -> bool {
        let is_durable = self.durability.count() == self.picker.have().count();
        self.picker.is_finished() && is_durable && self.proof.is_over() && self.recheck.is_over()
    }

    /// Says so when everything wanted has become durable, once.
    pub(super) fn tell_if_finished(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Active | Phase::Closing) {
            return;
        }
        self.prove_rest(cx);
        let is_finished = self.is_complete();
        if is_finished && !self.durability.has_told {
            cx.emit(Event::Finished { torrent: self.id });
        }
        self.durability.has_told = is_finished || (self.durability.has_told && self.picker.is_finished());
    }
}
