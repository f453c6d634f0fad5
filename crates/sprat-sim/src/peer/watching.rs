//! What sessions say of themselves, and what must hold all the time.

use sprat_core::io::{DisconnectReason, Event as Happened};
use sprat_core::torrent::Torrent;

use super::{Departure, Peer};
use crate::desk::Context;
use crate::event::PeerEvent;
use crate::peer_number::PeerNumber;
use crate::report::Violation;

impl Peer {
    pub(super) fn watch(&mut self, cx: &mut Context<'_>, event: &Happened) {
        match event {
            Happened::PieceVerified { piece, .. } => {
                self.note(b'p', u64::from(piece.get()));
                self.piece_verified(cx, piece.get());
            }
            Happened::PieceCompleted { piece, .. } => {
                if !self.disk.durable().contains(piece.get()) {
                    cx.violate(Violation::FleetingPiece { at: cx.now, peer: self.number });
                }
            }
            Happened::PieceRejected { piece, .. } => self.note(b'R', u64::from(piece.get())),
            Happened::PeerBanned { address, .. } => {
                if let Some(victim) = cx.world.living_at(*address) {
                    self.note(b'b', u64::from(victim.0));
                    self.bans(cx, victim);
                }
            }
            Happened::PeerDisconnected { address, reason, .. } => {
                let by_rule =
                    matches!(reason, DisconnectReason::Malformed(_) | DisconnectReason::Misbehaved(_));
                let victim = cx.world.living_at(*address).filter(|victim| cx.world.is_honest(*victim));
                if by_rule && let Some(victim) = victim {
                    let (at, by, reason) = (cx.now, self.number, *reason);
                    cx.violate(Violation::HonestAccused { at, by, victim, reason });
                }
            }
            Happened::MetadataReceived { .. } => self.note(b'm', 0),
            Happened::Checked { .. }
            | Happened::MetadataProgress { .. }
            | Happened::FileChanged { .. }
            | Happened::FellAsleep { .. }
            | Happened::FilesLeft { .. }
            | Happened::Finished { .. }
            | Happened::Trouble { .. }
            | Happened::PeerConnected { .. }
            | Happened::TrackerAnswered { .. }
            | Happened::TrackerFailed { .. }
            | Happened::Removed { .. } => {}
        }
    }

    fn bans(&self, cx: &mut Context<'_>, victim: PeerNumber) {
        cx.desk.banned.push(victim);
        if cx.world.is_honest(victim) {
            cx.violate(Violation::HonestBanned { at: cx.now, by: self.number, victim });
        }
    }

    fn piece_verified(&mut self, cx: &mut Context<'_>, piece: u32) {
        let verified = self.disk.have();
        let counted = self.torrent.and_then(|id| self.session.torrent(id)).map(Torrent::have);
        let claims_more = counted.is_some_and(|counted| !counted.is_subset_of(verified));
        if !verified.contains(piece) || claims_more {
            return cx.violate(Violation::UnverifiedPiece { at: cx.now, peer: self.number });
        }
        let (count, of, is_complete) = (verified.count(), verified.len(), verified.is_full());
        self.progress_at = cx.now;
        cx.desk.copies[piece as usize] += 1;
        self.first_piece_at.get_or_insert(cx.now);
        if u64::from(count) * 100 >= u64::from(of) * 95 {
            self.nearly_complete_at.get_or_insert(cx.now);
        }
        let is_enough = matches!(self.config.leaves, Departure::AtPieces(enough) if count >= enough);
        if is_enough && !std::mem::replace(&mut self.leaving, true) {
            self.later(cx, cx.now, PeerEvent::Leave);
        }
        if is_complete && self.completed_at.is_none() {
            self.completed_at = Some(cx.now);
            if let Departure::AfterCompletion(delay) = self.config.leaves {
                self.later(cx, cx.now + delay, PeerEvent::Leave);
            }
        }
    }
}
