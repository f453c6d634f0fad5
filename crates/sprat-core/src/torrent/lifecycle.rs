//! From adding a torrent to its end: opening, checking, pausing, trouble with the disk.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::announcer::Progress;
use crate::bitfield::Bitfield;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{DisconnectReason, Event, Output, TrackerFailure, TrackerId, Trouble};
use crate::peer_list::PeerSource;
use crate::picker::PieceState;
use crate::storage::{Files, Found, StorageError, StorageErrorKind, StorageReply, StorageRequest};
use crate::time::Time;

use sprat_wire::tracker::AnnounceResponse;

use super::recheck::{Recheck, check_window};
use super::{Phase, Torrent};

/// How often a disk in trouble is tried again. Promise P-05 gives 15 s from the moment there is room.
const PROBE_AFTER: Duration = Duration::from_secs(10);

/// The check of what was found on disk.
#[derive(Debug)]
pub(super) struct Check {
    /// Pieces still to be looked at, last first.
    waiting: Vec<PieceIndex>,
    /// Others may be hashed at the same time, since before the check was begun.
    in_flight: BTreeSet<PieceIndex>,
    total: usize,
}

impl Check {
    /// How far, in thousandths.
    pub(super) fn permille(&self) -> u16 {
        let left = self.waiting.len() + self.in_flight.len();
        let done = self.total.saturating_sub(left).saturating_mul(1000);
        u16::try_from(done.checked_div(self.total).unwrap_or(1000)).unwrap_or(1000)
    }
}

/// What kind of trouble with the disk it is, if with the disk.
const fn kind_of(trouble: Option<&Trouble>) -> Option<StorageErrorKind> {
    match trouble {
        Some(Trouble::Storage(error)) => Some(error.kind),
        Some(Trouble::Inconsistent | Trouble::Unusable(_)) | None => None,
    }
}

impl Torrent {
    pub(crate) fn open(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Opening;
        cx.storage(StorageRequest::Open {
            torrent: self.id,
            metainfo: self.metainfo.clone(),
            geometry: self.geometry.clone(),
        });
    }

    /// The disk has answered.
    pub(crate) fn on_storage(&mut self, cx: &mut Context<'_>, reply: StorageReply) {
        match reply {
            StorageReply::Opened { result, .. } => self.on_opened(cx, result),
            StorageReply::Verified { piece, result, .. } => self.on_verified(cx, piece, result),
            StorageReply::Stored { piece, leaves, .. } => self.on_stored(cx, piece, leaves),
            StorageReply::Rejected { piece, leaves, inconsistent, .. } => {
                self.on_rejected(cx, piece, leaves, inconsistent);
            }
            StorageReply::Failed { piece, error, .. } => self.on_failed(cx, piece, error),
            StorageReply::Read { token, result, .. } => self.on_read(cx, token, result),
            StorageReply::Leaves { token, result, .. } => self.on_leaves(token, result),
            StorageReply::Probed { result, .. } => self.on_probed(cx, result),
            StorageReply::Committed { result, .. } => self.on_committed(cx, result),
            StorageReply::FileChanged { file, .. } => self.on_file_changed(cx, file),
            StorageReply::Failing { error, .. } => self.enter_trouble(cx, Trouble::Storage(error)),
            StorageReply::Closed { .. } if self.is_falling_asleep() => {
                cx.emit(Event::FellAsleep { torrent: self.id });
            }
            StorageReply::Closed { .. } => cx.emit(Event::Removed { torrent: self.id }),
        }
        self.flush(cx);
    }

    fn on_opened(&mut self, cx: &mut Context<'_>, result: Result<Found, StorageError>) {
        if !matches!(self.phase, Phase::Opening) {
            return;
        }
        match result {
            Ok(found) => {
                self.leave_trouble(cx);
                let found = if self.believes_nothing {
                    Found::unchecked(Bitfield::full(self.geometry.pieces()))
                } else {
                    found
                };
                self.take_stock(found.have, found.unproven);
                if found.unchecked.is_empty() {
                    self.activate(cx);
                } else {
                    self.check(cx, &found.unchecked);
                }
            }
            Err(error) => self.enter_trouble(cx, Trouble::Storage(error)),
        }
    }

    /// What is had is this, whatever was thought before.
    fn take_stock(&mut self, have: Bitfield, unproven: Bitfield) {
        for piece in self.geometry.all_pieces() {
            if have.contains(piece.get()) {
                self.picker.set_have(piece);
            } else if self.picker.have().contains(piece.get()) {
                self.picker.set_missing(piece);
            }
        }
        self.recheck = Recheck::default();
        self.proof.opened(unproven);
        self.durability.opened(have);
    }

    /// Hashes these pieces as they are on disk; what agrees is had.
    fn check(&mut self, cx: &mut Context<'_>, present: &Bitfield) {
        let mut waiting: Vec<PieceIndex> =
            present.iter().filter_map(|index| self.geometry.piece(index)).collect();
        waiting.reverse();
        let total = waiting.len();
        self.phase = Phase::Checking(Check { waiting, in_flight: BTreeSet::new(), total });
        self.check_more(cx);
    }

    fn check_more(&mut self, cx: &mut Context<'_>) {
        if self.trouble.is_some() {
            return;
        }
        let window = check_window(&self.geometry);
        let Phase::Checking(check) = &mut self.phase else { return };
        let free = window.saturating_sub(check.in_flight.len()).min(check.waiting.len());
        let next = check.waiting.split_off(check.waiting.len() - free);
        check.in_flight.extend(&next);
        let over = check.in_flight.is_empty();
        for piece in next.into_iter().rev() {
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
        if over {
            self.activate(cx);
            self.commit(cx);
        }
    }

    fn on_verified(&mut self, cx: &mut Context<'_>, piece: PieceIndex, result: Result<bool, StorageError>) {
        let is_good = match result {
            Ok(is_good) => is_good,
            // A second time it counts as lost: what is written anew is given another place by the disk.
            Err(error) if error.kind == StorageErrorKind::Io && self.recheck.is_unreadable(piece) => false,
            Err(error) => return self.on_unverifiable(cx, piece, error),
        };
        let have = self.picker.have();
        let is_lost = !is_good && have.contains(piece.get());
        let is_awaited = self.recheck.hashed(piece) | self.proof.hashed(piece);
        if is_good {
            self.picker.set_have(piece);
        } else if is_lost {
            // Also the answer to a read that failed: the piece is no longer what it was.
            self.recheck.lost(&self.geometry, piece, |other| have.contains(other));
        }
        if is_lost || is_awaited {
            self.recheck_more(cx);
            self.tell_if_finished(cx);
            self.serve_those_who_waited(cx);
        }
        if let Phase::Checking(check) = &mut self.phase {
            check.in_flight.remove(&piece);
            self.check_more(cx);
        }
    }

    /// Nothing is known of the piece: it is looked at once more when the trouble is over.
    fn on_unverifiable(&mut self, cx: &mut Context<'_>, piece: PieceIndex, error: StorageError) {
        self.recheck.put_back(piece, error.kind == StorageErrorKind::Io);
        self.proof.put_back(piece);
        if let Phase::Checking(check) = &mut self.phase
            && check.in_flight.remove(&piece)
        {
            check.waiting.push(piece);
        }
        self.enter_trouble(cx, Trouble::Storage(error));
    }

    fn activate(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Active;
        self.believes_nothing = false;
        self.sleep.busy(cx.now);
        cx.emit(Event::Checked { torrent: self.id, have: self.picker.have().count() });
        self.tell_if_finished(cx);
        if !self.paused {
            self.take_part(cx);
        }
        self.welcome_guests(cx);
        if !self.recheck.is_over() {
            // A file was changed while it was being checked.
            self.recheck_more(cx);
        }
    }

    /// Has everything hashed again, whatever was believed of it. Until that is done the torrent leaves its swarm, so that nothing is
    /// given of which nothing is known; it is done also while it is paused.
    pub(crate) fn recheck(&mut self, cx: &mut Context<'_>) {
        if self.trouble == Some(Trouble::Inconsistent) {
            return;
        }
        self.believes_nothing = true;
        match self.phase {
            // Somebody looks already, or the next one to look will.
            Phase::New | Phase::Closing => {}
            Phase::Opening => self.retry(cx),
            Phase::Checking(_) | Phase::Active => {
                self.leave_swarm(cx);
                self.forget_partial_pieces(cx);
                self.open(cx);
            }
        }
        self.flush(cx);
    }

    /// What was received of pieces that are not whole is fetched again.
    fn forget_partial_pieces(&mut self, cx: &mut Context<'_>) {
        for piece in self.geometry.all_pieces() {
            if self.picker.state(piece) == PieceState::Partial {
                self.picker.set_missing(piece);
                cx.storage(StorageRequest::Forget { torrent: self.id, piece });
            }
        }
    }

    /// Begins or resumes to take part in the swarm.
    fn take_part(&mut self, cx: &mut Context<'_>) {
        // Of one that has slept the trackers may not have heard that it was away.
        if !self.announcer.is_active() {
            self.announcer.start(cx.now);
        }
        self.announce(cx);
        if self.is_public() {
            self.search.start(cx);
            self.search(cx);
        }
        self.dial(cx);
        self.wake(cx.now);
    }

    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.paused, true) {
            return;
        }
        self.leave_swarm(cx);
        self.commit(cx);
    }

    pub(crate) fn resume(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.paused, false) && self.is_active() {
            self.take_part(cx);
            self.flush(cx);
        }
    }

    /// Leaves the swarm for good and closes the files. [`Event::Removed`] comes when that is done.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, files: Files) {
        if self.sleep.put_off(files) || matches!(self.phase, Phase::Closing) {
            return;
        }
        self.leave_swarm(cx);
        self.commit_last(cx);
        self.phase = Phase::Closing;
        self.next_probe = None;
        cx.storage(StorageRequest::Close { torrent: self.id, files });
    }

    pub(super) fn leave_swarm(&mut self, cx: &mut Context<'_>) {
        self.announcer.stop(cx.now);
        self.search.stop();
        self.announce_all(cx);
        let everyone: Vec<_> =
            self.connections.keys().chain(self.dials.keys()).chain(self.guests.keys()).copied().collect();
        for connection in everyone {
            self.disconnect(cx, connection, DisconnectReason::Stopped);
        }
        self.next_tick = None;
    }

    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Whether peers may connect: what we have can be shared even when the disk takes nothing in.
    pub(super) fn takes_part(&self) -> bool {
        self.is_active() && !self.paused && self.trouble != Some(Trouble::Inconsistent)
    }

    pub(super) fn is_downloading(&self) -> bool {
        self.takes_part() && self.trouble.is_none() && !self.picker.is_finished()
    }

    // Trouble.

    /// Stops taking data in, says so, and tries again by itself when that can help.
    pub(super) fn enter_trouble(&mut self, cx: &mut Context<'_>, trouble: Trouble) {
        if matches!(self.phase, Phase::Closing) || self.trouble == Some(Trouble::Inconsistent) {
            return;
        }
        let kind = kind_of(Some(&trouble));
        self.next_probe = match kind {
            // Nothing but the user's word changes it.
            None | Some(StorageErrorKind::Conflict) => None,
            Some(_) => Some(self.next_probe.unwrap_or(cx.now + PROBE_AFTER)),
        };
        let is_missing = kind == Some(StorageErrorKind::Missing);
        let is_news = self.trouble.is_none() || kind_of(self.trouble.as_ref()) != kind;
        let for_good = trouble == Trouble::Inconsistent;
        if is_news {
            self.trouble = Some(trouble.clone());
            cx.emit(Event::Trouble { torrent: self.id, trouble: Some(trouble) });
        }
        if for_good {
            self.leave_swarm(cx);
        } else if is_missing {
            self.stand_aside(cx);
        } else if is_news {
            self.take_back_requests(cx);
        }
    }

    /// Nothing can be read: until the storage is there again, there is nothing to do in the swarm.
    fn stand_aside(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Active | Phase::Checking(_)) {
            self.leave_swarm(cx);
            self.phase = Phase::Opening;
        }
    }

    pub(super) fn leave_trouble(&mut self, cx: &mut Context<'_>) {
        if self.trouble.take().is_some() {
            self.next_probe = None;
            cx.emit(Event::Trouble { torrent: self.id, trouble: None });
        }
    }

    /// Whether the trouble is over, the disk is asked.
    pub(super) fn look_at_trouble(&mut self, cx: &mut Context<'_>) {
        match self.phase {
            Phase::Opening => self.open(cx),
            _ => cx.storage(StorageRequest::Probe { torrent: self.id }),
        }
    }

    /// The user has done something about the trouble.
    pub(crate) fn retry(&mut self, cx: &mut Context<'_>) {
        if matches!(self.trouble, Some(Trouble::Storage(_))) {
            self.next_probe = None;
            self.look_at_trouble(cx);
        }
    }

    fn on_probed(&mut self, cx: &mut Context<'_>, result: Result<(), StorageError>) {
        let Some(Trouble::Storage(_)) = self.trouble else { return };
        match result {
            Ok(()) => {
                self.leave_trouble(cx);
                self.check_more(cx);
                self.recheck_more(cx);
                self.commit(cx);
                self.serve_those_who_waited(cx);
                self.ask_everyone(cx);
            }
            // Said again only when it is another kind of trouble.
            Err(error) => self.enter_trouble(cx, Trouble::Storage(error)),
        }
    }

    // Trackers.

    pub(super) fn may_announce(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Closing)
    }

    fn progress(&self) -> Progress {
        Progress {
            uploaded: self.totals.uploaded,
            downloaded: self.totals.downloaded,
            left: self.picker.bytes_left(),
        }
    }

    /// Makes the announces that are due.
    pub(super) fn announce(&mut self, cx: &mut Context<'_>) {
        if !self.may_announce() {
            return;
        }
        self.announcer.want_peers(cx.now, self.wants_peers());
        self.announce_all(cx);
    }

    fn announce_all(&mut self, cx: &mut Context<'_>) {
        let progress = self.progress();
        while let Some(announcement) = self.announcer.poll(cx.now, progress, cx.tracker_hosts) {
            cx.outputs.push_back(Output::Announce {
                torrent: self.id,
                tracker: announcement.tracker,
                url: Arc::clone(&announcement.url),
                request: announcement.into_request(cx.peer_id, cx.config.listen_port),
            });
        }
    }

    pub(crate) fn on_announced(
        &mut self,
        cx: &mut Context<'_>,
        tracker: TrackerId,
        result: Result<AnnounceResponse, TrackerFailure>,
    ) {
        let Some(url) = self.announcer.url(tracker) else { return };
        cx.tracker_hosts.note(cx.now, &url, &result);
        match result {
            Ok(response) => {
                self.announcer.answered(cx.now, tracker, &response);
                cx.emit(Event::TrackerAnswered {
                    torrent: self.id,
                    url,
                    peers: response.peers.len(),
                    warning: response.warning.clone(),
                });
                if let Some(ip) = response.external_ip {
                    self.peers.set_external(SocketAddr::new(ip, cx.config.listen_port));
                }
                self.add_peers(cx.now, &response.peers, PeerSource::Tracker);
                self.dial(cx);
            }
            Err(TrackerFailure { reason, .. }) => {
                self.announcer.failed(cx.now, tracker, &reason);
                cx.emit(Event::TrackerFailed { torrent: self.id, url, reason });
            }
        }
        self.announce(cx);
        self.flush(cx);
    }

    /// See [`crate::Session::network_changed`].
    pub(crate) fn network_changed(&mut self, cx: &mut Context<'_>, announce_at: Time) {
        self.announcer.network_changed(announce_at);
        self.search.hurry();
        self.peers.network_changed(cx.now);
        self.dial(cx);
    }

    pub(crate) fn set_trackers(&mut self, cx: &mut Context<'_>, tiers: &[Vec<String>]) {
        self.announcer.set_tiers(cx.now, tiers);
        self.announce(cx);
    }

    pub(crate) fn force_announce(&mut self, cx: &mut Context<'_>) {
        self.announcer.force(cx.now);
        self.announce(cx);
    }
}
