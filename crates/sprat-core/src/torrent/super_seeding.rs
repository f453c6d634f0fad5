//! Super-seeding (BEP 16): a seeder that is alone does not say that it has everything. It shows each peer few pieces, those first
//! that fewest have or were shown, and the next ones when somebody else has got those from it. So each piece leaves it once before
//! any does twice, and who passes nothing on gets nothing more. When the others have a whole copy together, it says what it has.
//!
//! [`spreading`](super::spreading) wants the same by advice, which peers may ignore; here they cannot know of anything else.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Torrent;
use crate::bitfield::Bitfield;
use crate::connection::PeerConnection;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::ConnectionId;
use crate::time::Time;

/// Pieces that a peer has been shown and that have not spread: so many, and those that it takes in [`AHEAD`]. With one, as the BEP has
/// it, the line would be idle from when the peer has it until somebody else does.
const PIECES_AHEAD: u64 = 2;

/// For so long what a peer is shown should last: until a piece has gone on to the next one and that one has said so.
const AHEAD: Duration = Duration::from_millis(500);

/// More is not few.
const MOST_AHEAD: u64 = 24;

/// What peers were shown.
#[derive(Debug, Default)]
pub(super) struct SuperSeeding {
    /// Those who do not know that we have everything.
    shown: BTreeMap<ConnectionId, Shown>,
}

/// What one peer was shown.
#[derive(Debug)]
struct Shown {
    all: Bitfield,
    /// Those that have not spread yet.
    waiting: Vec<PieceIndex>,
}

impl SuperSeeding {
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.shown.remove(&connection);
    }

    /// Somebody does not know that we have everything.
    pub(super) fn is_hiding(&self) -> bool {
        !self.shown.is_empty()
    }
}

impl Torrent {
    /// Whether a newcomer is not to know what we have. Looks at every piece.
    pub(super) fn hides(&self) -> bool {
        self.manner.super_seeding
            && self.is_alone_with_everything()
            && (0..self.geometry.pieces()).any(|piece| self.is_ours_alone(piece))
    }

    /// Says what we have, or as good as nothing.
    pub(super) fn say_what_we_have(&mut self, connection: &mut PeerConnection) {
        if self.hides() {
            connection.say_pieces(&Bitfield::new(self.geometry.pieces()));
            let shown = Shown { all: Bitfield::new(self.geometry.pieces()), waiting: Vec::new() };
            self.super_seeding.shown.insert(connection.id, shown);
        } else {
            connection.say_pieces(self.picker.have());
        }
    }

    /// Somebody has got a piece: who was shown it may have passed it on.
    pub(super) fn show_after(&mut self, now: Time, piece: PieceIndex) {
        let waiting = self.super_seeding.shown.iter().filter(|(_, shown)| shown.waiting.contains(&piece));
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.show_more(now, id);
        }
    }

    /// Shows everybody what he may be shown, or all of it when it need not be hidden any more.
    pub(super) fn look_after_shown(&mut self, cx: &mut Context<'_>) {
        if !self.super_seeding.is_hiding() {
            return;
        }
        if self.hides() {
            let everyone: Vec<ConnectionId> = self.super_seeding.shown.keys().copied().collect();
            return everyone.into_iter().for_each(|id| self.show_more(cx.now, id));
        }
        for (id, Shown { all, .. }) in std::mem::take(&mut self.super_seeding.shown) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let have = self.picker.have().iter().filter(|piece| !all.contains(*piece));
            for piece in have.filter_map(|piece| self.geometry.piece(piece)) {
                connection.say_have(cx.now, piece, true);
            }
            self.touch(id);
        }
        self.announce_upload_only(cx);
    }

    /// Shows a peer the pieces that fewest have or were shown, unless too many of those that it knows have not spread.
    pub(super) fn show_more(&mut self, now: Time, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let is_only_one = self.connections.len() == 1;
        let has_spread = |piece: PieceIndex| {
            let has_it = u32::from(connection.pieces.contains(piece.get()));
            self.picker.availability(piece) > has_it || (is_only_one && has_it == 1)
        };
        let Some(shown) = self.super_seeding.shown.get_mut(&id) else { return };
        shown.waiting.retain(|piece| !has_spread(*piece));
        let bytes = connection.upload.rate(now) / 1000 * u64::try_from(AHEAD.as_millis()).unwrap_or(0);
        let ahead = PIECES_AHEAD + bytes / u64::from(self.geometry.piece_length()).max(1);
        let room = (ahead.min(MOST_AHEAD) as usize).saturating_sub(shown.waiting.len());
        if room == 0 {
            return;
        }
        let mut times_shown: BTreeMap<PieceIndex, u32> = BTreeMap::new();
        for piece in self.super_seeding.shown.values().flat_map(|shown| &shown.waiting) {
            *times_shown.entry(*piece).or_default() += 1;
        }
        let Some(Shown { all, .. }) = self.super_seeding.shown.get(&id) else { return };
        let lacks =
            |piece: &PieceIndex| !connection.pieces.contains(piece.get()) && !all.contains(piece.get());
        let copies = |piece: PieceIndex| {
            self.picker.availability(piece) + times_shown.get(&piece).copied().unwrap_or_default()
        };
        let mut rarest: Vec<(u32, u32, PieceIndex)> = self
            .geometry
            .all_pieces()
            .filter(lacks)
            .map(|piece| (copies(piece), self.rng.u32(..), piece))
            .collect();
        let count = room.min(rarest.len());
        if count > 0 && count < rarest.len() {
            rarest.select_nth_unstable(count);
        }
        rarest.truncate(count);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(shown) = self.super_seeding.shown.get_mut(&id) else { return };
        for (_, _, piece) in rarest {
            connection.say_have(now, piece, true);
            shown.all.insert(piece.get());
            shown.waiting.push(piece);
        }
        self.touch(id);
    }
}
