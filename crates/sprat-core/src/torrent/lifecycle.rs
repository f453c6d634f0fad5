//! From adding a torrent to its end: opening, checking, pausing, trouble with the disk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::announcer::Progress;
use crate::bitfield::Bitfield;
use crate::context::Context;
use crate::geometry::{Geometry, PieceIndex};
use crate::io::{DisconnectReason, Event, Output, TrackerId, Trouble};
use crate::peer_list::PeerSource;
use crate::storage::{Found, StorageError, StorageErrorKind, StorageReply, StorageRequest};

use sprat_wire::tracker::AnnounceResponse;

use super::{Phase, Torrent};

/// Bytes that may be read and hashed at once while checking: enough to keep a disk and all cores busy.
const CHECK_WINDOW: u32 = 64 * 1024 * 1024;

/// How often a full disk is tried again. Promise P-05 gives 15 s from the moment there is room.
const PROBE_FULL_AFTER: Duration = Duration::from_secs(10);

/// How often a disk with other trouble is tried again.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// How long progress may go unrecorded.
const SAVE_AFTER: Duration = Duration::from_secs(30);

/// The check of what was found on disk.
#[derive(Debug)]
pub(super) struct Check {
    /// Pieces still to be looked at, last first.
    waiting: Vec<PieceIndex>,
    in_flight: usize,
    total: usize,
}

impl Check {
    /// How far, in thousandths.
    pub(super) fn permille(&self) -> u16 {
        let left = self.waiting.len() + self.in_flight;
        let done = self.total.saturating_sub(left).saturating_mul(1000);
        u16::try_from(done.checked_div(self.total).unwrap_or(1000)).unwrap_or(1000)
    }
}

/// Pieces that may be read and hashed at once.
pub(super) fn check_window(geometry: &Geometry) -> usize {
    (CHECK_WINDOW / geometry.piece_length().max(1)).clamp(4, 64) as usize
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
            // Tried again with the next progress; without a record the next start checks what it finds.
            StorageReply::SaveFailed { .. } => self.progress_made(cx),
            StorageReply::Closed { .. } => cx.emit(Event::Removed { torrent: self.id }),
        }
        self.flush(cx);
    }

    fn on_opened(&mut self, cx: &mut Context<'_>, result: Result<Found, StorageError>) {
        if !matches!(self.phase, Phase::Opening) {
            return;
        }
        match result {
            Ok(Found::Nothing) => self.activate(cx),
            Ok(Found::Resumed(have)) => {
                for piece in have.iter().filter_map(|index| self.geometry.piece(index)) {
                    self.picker.set_have(piece);
                }
                self.activate(cx);
            }
            Ok(Found::Unchecked(present)) => self.check(cx, &present),
            Err(error) => self.enter_trouble(cx, Trouble::Storage(error)),
        }
    }

    /// Hashes these pieces as they are on disk; what agrees is had.
    fn check(&mut self, cx: &mut Context<'_>, present: &Bitfield) {
        let mut waiting: Vec<PieceIndex> =
            present.iter().filter_map(|index| self.geometry.piece(index)).collect();
        waiting.reverse();
        let total = waiting.len();
        self.phase = Phase::Checking(Check { waiting, in_flight: 0, total });
        self.check_more(cx);
    }

    fn check_more(&mut self, cx: &mut Context<'_>) {
        let window = check_window(&self.geometry);
        let Phase::Checking(check) = &mut self.phase else { return };
        let free = window.saturating_sub(check.in_flight).min(check.waiting.len());
        let next = check.waiting.split_off(check.waiting.len() - free);
        check.in_flight += next.len();
        let over = check.in_flight == 0;
        for piece in next.into_iter().rev() {
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
        if over {
            self.save_resume(cx);
            self.activate(cx);
        }
    }

    fn on_verified(&mut self, cx: &mut Context<'_>, piece: PieceIndex, result: Result<bool, StorageError>) {
        let have = self.picker.have();
        let is_lost = result == Ok(false) && have.contains(piece.get());
        let is_rechecked = self.recheck.hashed(piece);
        match &result {
            Ok(true) => self.picker.set_have(piece),
            // Also the answer to a read that failed: the piece is no longer what it was.
            Ok(false) if is_lost => self.recheck.lost(&self.geometry, piece, |other| have.contains(other)),
            Ok(false) => {}
            Err(error) => self.enter_trouble(cx, Trouble::Storage(error.clone())),
        }
        if is_lost || is_rechecked {
            self.recheck_more(cx);
        }
        if let Phase::Checking(check) = &mut self.phase {
            check.in_flight = check.in_flight.saturating_sub(1);
            self.check_more(cx);
        }
    }

    fn activate(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Active;
        cx.emit(Event::Checked { torrent: self.id, have: self.picker.have().count() });
        if self.picker.is_finished() {
            cx.emit(Event::Finished { torrent: self.id });
        }
        if !self.paused {
            self.take_part(cx);
        }
        self.welcome_guests(cx);
    }

    /// Begins or resumes to take part in the swarm.
    fn take_part(&mut self, cx: &mut Context<'_>) {
        self.announcer.start(cx.now);
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
        self.save_resume(cx);
    }

    pub(crate) fn resume(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.paused, false) && self.is_active() {
            self.take_part(cx);
            self.flush(cx);
        }
    }

    /// Leaves the swarm for good and closes the files. [`Event::Removed`] comes when that is done.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Closing) {
            return;
        }
        self.leave_swarm(cx);
        if matches!(self.phase, Phase::Active) {
            self.save_resume(cx);
        }
        self.phase = Phase::Closing;
        self.next_save = None;
        self.next_probe = None;
        cx.storage(StorageRequest::Close { torrent: self.id });
    }

    fn leave_swarm(&mut self, cx: &mut Context<'_>) {
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
        if self.trouble.as_ref() == Some(&trouble) || self.trouble == Some(Trouble::Inconsistent) {
            return;
        }
        self.next_probe = match &trouble {
            Trouble::Storage(error) if error.kind == StorageErrorKind::Full => {
                Some(cx.now + PROBE_FULL_AFTER)
            }
            Trouble::Storage(_) => Some(cx.now + PROBE_AFTER),
            Trouble::Inconsistent | Trouble::Unusable(_) => None,
        };
        let for_good = trouble == Trouble::Inconsistent;
        self.trouble = Some(trouble.clone());
        cx.emit(Event::Trouble { torrent: self.id, trouble: Some(trouble) });
        if for_good {
            self.leave_swarm(cx);
        } else {
            self.take_back_requests(cx);
        }
    }

    fn on_probed(&mut self, cx: &mut Context<'_>, result: Result<(), StorageError>) {
        let Some(Trouble::Storage(_)) = self.trouble else { return };
        match result {
            Ok(()) => {
                self.trouble = None;
                cx.emit(Event::Trouble { torrent: self.id, trouble: None });
                match self.phase {
                    Phase::Opening => self.open(cx),
                    _ => self.ask_everyone(cx),
                }
            }
            Err(error) => {
                // Said again only when it is another kind of trouble.
                let full = error.kind == StorageErrorKind::Full;
                self.next_probe = Some(cx.now + if full { PROBE_FULL_AFTER } else { PROBE_AFTER });
                if !matches!(&self.trouble, Some(Trouble::Storage(known)) if known.kind == error.kind) {
                    self.enter_trouble(cx, Trouble::Storage(error));
                }
            }
        }
    }

    // The resume record.

    pub(super) fn progress_made(&mut self, cx: &Context<'_>) {
        self.next_save.get_or_insert(cx.now + SAVE_AFTER);
    }

    pub(super) fn save_resume(&mut self, cx: &mut Context<'_>) {
        self.next_save = None;
        if !self.recheck.is_over() {
            return;
        }
        cx.storage(StorageRequest::SaveResume { torrent: self.id, have: self.picker.have().clone() });
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
        while let Some(announcement) = self.announcer.poll(cx.now, progress) {
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
        result: Result<AnnounceResponse, String>,
    ) {
        let url = self.announcer.url(tracker);
        match (result, url) {
            (Ok(response), Some(url)) => {
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
            (Err(reason), Some(url)) => {
                self.announcer.failed(cx.now, tracker, &reason);
                cx.emit(Event::TrackerFailed { torrent: self.id, url, reason });
            }
            (_, None) => {}
        }
        self.announce(cx);
        self.flush(cx);
    }

    pub(crate) fn force_announce(&mut self, cx: &mut Context<'_>) {
        self.announcer.force(cx.now);
        self.announce(cx);
    }
}
