//! Asking for blocks and taking them in.

use bytes::Bytes;
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::Sha256Hash;

use crate::connection::{PeerConnection, SNUBBED_AFTER};
use crate::context::Context;
use crate::geometry::{BlockRef, PieceIndex};
use crate::io::{ConnectionId, Event, Trouble};
use crate::picker::{Haste, PickRequest, Received};
use crate::planted::PlantedBug;
use crate::storage::{StorageError, StorageErrorKind, StorageRequest};
use crate::time::Time;

use super::{HAVE_DELAY, Torrent};

/// A peer that would deliver a whole piece in this many seconds gets pieces of its own: they complete sooner, and
/// who sent a bad one is plain.
const WHOLE_PIECE_SECONDS: u64 = 20;

/// In the endgame a peer is asked for blocks that others owe us when it owes us nothing itself, and for this part of its
/// window: at least for one. With a window of them the last blocks came no sooner, and 2.4 % of the file came twice
/// instead of 0.8 % (`cargo xtask bench swarm diversity`).
const DUPLICATES_SHARE: usize = 16;

const BLOCK: u64 = BLOCK_LENGTH as u64;

impl Torrent {
    /// Asks this peer for as many blocks as its window and the rate limits allow.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let room = self.request_room(id, |connection| connection.request_room(cx.now));
        if room == 0 {
            return self.ask_beyond(cx, id);
        }
        if cx.limits.download.is_limited() || self.limits.download.is_limited() {
            self.limits.download.wait(id, BLOCK);
            return self.take_download_turns(cx);
        }
        self.ask_for(cx, id, room, room, false);
    }

    /// Asks those who wait for a rate limit, in turn and for a block each, as far as it and that of the session allow.
    pub(super) fn take_download_turns(&mut self, cx: &mut Context<'_>) {
        while let Some((id, _)) = self.limits.download.next() {
            let room = self.request_room(id, |connection| connection.request_room_in_turn(cx.now));
            if room == 0 {
                self.limits.download.leave(id);
                continue;
            }
            if !self.limits.download.permits(cx.now, id, BLOCK) {
                cx.limits.download.leave(self.id);
                return self.await_refill(cx.now);
            }
            if !cx.limits.download.permits(cx.now, self.id, BLOCK) {
                return cx.limits.download.wait(self.id, BLOCK);
            }
            let of_session = cx.limits.download.available_to(cx.now, self.id);
            let of_torrent = self.limits.download.available_to(cx.now, id);
            // Who waits alone is asked for as much as there is: each time costs a message.
            let bytes = of_session.zip(of_torrent).map_or(BLOCK, |(a, b)| a.min(b));
            let count = room.min(usize::try_from(bytes / BLOCK).unwrap_or(usize::MAX).max(1));
            if self.ask_for(cx, id, room, count, false) < count {
                // It has nothing more that is of use.
                self.limits.download.leave(id);
            }
        }
        cx.limits.download.leave(self.id);
    }

    /// How many blocks this peer may be asked for, if it may be asked at all.
    pub(super) fn request_room(
        &mut self,
        id: ConnectionId,
        room: impl FnOnce(&mut PeerConnection) -> usize,
    ) -> usize {
        if !self.is_downloading() {
            return 0;
        }
        let connection = self.connections.get_mut(&id);
        connection.filter(|one| one.interested && one.may_request()).map_or(0, |one| room(one))
    }

    /// Asks this peer for `count` blocks of the `room` that there is, or only for those that are needed soon. How many were found.
    pub(super) fn ask_for(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        room: usize,
        count: usize,
        only_urgent: bool,
    ) -> usize {
        let mut reserved = Vec::new();
        let haste = self.haste_of(cx.now, id, &mut reserved);
        let haste = Haste { reserved: &reserved, only: only_urgent, ..haste };
        let Some(connection) = self.connections.get_mut(&id) else { return 0 };
        let rate = connection.download.rate(cx.now);
        let refused = connection.refused_pieces(cx.now);
        let request = PickRequest {
            connection: id,
            pieces: &connection.pieces,
            refused: &refused,
            allowed: connection.allowed_pieces(),
            count,
            duplicates: (room / DUPLICATES_SHARE).max(1).saturating_sub(connection.requests_in_flight()),
            whole_pieces: rate.saturating_mul(WHOLE_PIECE_SECONDS) >= u64::from(self.geometry.piece_length()),
            suggested: connection.suggested_pieces(),
            haste,
        };
        let mut blocks = Vec::with_capacity(count.min(64));
        self.picker.pick(&request, &mut blocks);
        for block in &blocks {
            cx.limits.download.charge(cx.now, self.id, u64::from(block.length()));
            self.limits.download.charge(cx.now, id, u64::from(block.length()));
            connection.request(cx.now, *block);
        }
        if connection.snubbed {
            // Whoever owes us blocks keeps nobody from fetching this one elsewhere.
            for block in &blocks {
                self.picker.release(*block, id);
            }
        }
        self.touch(id);
        blocks.len()
    }

    pub(super) fn ask_everyone(&mut self, cx: &mut Context<'_>) {
        let everyone: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in everyone {
            self.ask(cx, id);
        }
    }

    /// These requests will not be answered: others may be asked.
    pub(super) fn take_back(&mut self, cx: &Context<'_>, id: ConnectionId, blocks: Vec<BlockRef>) {
        for block in blocks {
            self.picker.release(block, id);
        }
        self.wake(cx.now);
    }

    /// This peer will not send this block; if the whole piece was left to it, somebody else has a try.
    pub(super) fn on_refused(&mut self, cx: &Context<'_>, id: ConnectionId, block: BlockRef) {
        self.set_suspect_free(block.piece(), id);
        self.take_back(cx, id, vec![block]);
    }

    /// Takes every request back, because nothing can be taken in.
    pub(super) fn take_back_requests(&mut self, cx: &Context<'_>) {
        let everyone: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in everyone {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let blocks = connection.cancel_all(cx.now);
            self.touch(id);
            self.take_back(cx, id, blocks);
        }
    }

    pub(super) fn on_block(&mut self, cx: &mut Context<'_>, id: ConnectionId, block: BlockRef, data: Bytes) {
        let length = u64::from(block.length());
        self.totals.downloaded += length;
        self.turnover.given_at = cx.now;
        self.learn_from_first_block(id, length);
        if !self.is_downloading() {
            self.picker.release(block, id);
            self.totals.wasted += length;
            return;
        }
        match self.picker.received(block, id) {
            Received::Unwanted => self.totals.wasted += length,
            Received::Accepted { piece_complete, cancel } => {
                for other in cancel {
                    if let Some(connection) = self.connections.get_mut(&other) {
                        connection.cancel(cx.now, block);
                        self.touch(other);
                    }
                }
                cx.storage(StorageRequest::Write { torrent: self.id, block, data });
                if piece_complete {
                    self.finish_piece(cx, block.piece());
                }
            }
        }
    }

    fn learn_from_first_block(&mut self, id: ConnectionId, length: u64) {
        let first = self.connections.get(&id).filter(|connection| connection.downloaded == length);
        if let Some(took) = first.and_then(|connection| connection.first_block_took()) {
            self.first_blocks.came_after(took);
        }
    }

    fn finish_piece(&mut self, cx: &mut Context<'_>, piece: PieceIndex) {
        if cx.config.planted().is(PlantedBug::EarlyClaim) {
            self.tell_everybody(cx.now, piece);
        }
        cx.storage(StorageRequest::Finish {
            torrent: self.id,
            piece,
            expected: self.expected(piece),
            leaves: self.blame.is_suspect(piece),
        });
    }

    fn tell_everybody(&mut self, now: Time, piece: PieceIndex) {
        // As long as a piece is nowhere else, a lone seeder rather gives that one.
        let is_lone = self.connections.values().filter(|connection| connection.is_seed()).nth(1).is_none();
        for connection in self.connections.values_mut() {
            let spreads = is_lone && connection.is_seed();
            connection.say_have(now, piece, spreads);
        }
    }

    /// A piece has been verified and written.
    pub(super) fn on_stored(
        &mut self,
        cx: &mut Context<'_>,
        piece: PieceIndex,
        leaves: Option<Vec<Sha256Hash>>,
    ) {
        let was_finished = self.picker.is_finished();
        self.picker.set_have(piece);
        self.picker.unrestrict(piece);
        cx.emit(Event::PieceVerified { torrent: self.id, piece });
        self.piece_verified(cx, piece);
        if let Some(leaves) = leaves {
            self.on_good_copy(cx, piece, &leaves);
        }
        let planted = cx.config.planted();
        let is_lost = planted.is(PlantedBug::LostHave) && piece.get().is_multiple_of(4);
        if !is_lost && !planted.is(PlantedBug::EarlyClaim) {
            self.tell_everybody(cx.now, piece);
        }
        self.next_flush.get_or_insert(cx.now + HAVE_DELAY);
        if self.picker.is_finished() && !was_finished {
            self.on_finished(cx);
        } else {
            self.lose_interest(cx, piece);
        }
    }

    fn on_finished(&mut self, cx: &mut Context<'_>) {
        if self.picker.have().is_full() {
            self.announcer.completed(cx.now);
        }
        self.commit(cx);
        self.announce_upload_only(cx);
        self.announce(cx);
        *cx.rechoke = true;
    }

    /// One piece less is missing: some peers may have nothing left for us.
    fn lose_interest(&mut self, cx: &mut Context<'_>, piece: PieceIndex) {
        let mut bored = Vec::new();
        for connection in self.connections.values_mut() {
            if connection.interested
                && connection.pieces.contains(piece.get())
                && !self.picker.is_interesting(&connection.pieces)
            {
                connection.set_interested(false);
                bored.push(connection.id);
            }
        }
        for id in bored {
            self.touch(id);
        }
        self.flush(cx);
    }

    /// The disk could not take a piece in: its blocks are gone.
    pub(super) fn on_failed(&mut self, cx: &mut Context<'_>, piece: PieceIndex, error: StorageError) {
        self.picker.set_missing(piece);
        // A file that is not what it was is told of, and looked at; the piece is fetched once more.
        if error.kind != StorageErrorKind::Changed {
            self.enter_trouble(cx, Trouble::Storage(error));
        }
    }

    pub(super) fn look_after_downloads(&mut self, cx: &mut Context<'_>) {
        let patience = self.first_blocks.patience(SNUBBED_AFTER);
        let everyone: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in everyone {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let mut lost = connection.cancel_lost(cx.now);
            if connection.begins_to_snub(cx.now, patience) {
                // A newcomer may only be slow, and what it was asked for may still come: others are asked as well.
                let is_new = connection.downloaded == 0;
                lost.extend(if is_new { connection.doubt() } else { connection.cancel_all(cx.now) });
                self.set_suspects_free(id);
            }
            if !lost.is_empty() {
                self.touch(id);
                self.take_back(cx, id, lost);
            }
            self.ask(cx, id);
        }
    }
}
