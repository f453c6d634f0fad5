//! A peer comes, goes, crashes and comes back.

use std::sync::Arc;
use std::time::Duration;

use sprat_core::io::{AddMagnet, ConnectionId, ReaderId};
use sprat_core::time::Time;

use super::{Peer, Presence, hostile, session};
use crate::desk::Context;
use crate::event::PeerEvent;
use crate::network::Line;
use crate::peer_number::Life;

/// Who reads needs so many pieces soon.
const PIECES_AHEAD: usize = 16;

impl Peer {
    pub(super) fn join(&mut self, cx: &mut Context<'_>) {
        self.note(b'j', 0);
        if self.presence != Presence::Expected {
            return;
        }
        let now = cx.now;
        self.presence = Presence::Present;
        self.joined_at.get_or_insert(now);
        self.progress_at = now;
        if self.disk.have().is_full() {
            self.completed_at.get_or_insert(now);
        }
        for piece in self.disk.have().iter() {
            cx.desk.copies[piece as usize] += 1;
        }
        let metainfo = Arc::clone(self.disk.content().metainfo());
        let known = self.config.knows.iter().map(|known| cx.world.address_of(*known));
        if let Some(hostile) = &mut self.hostile {
            hostile.start(now, known, self.disk.have().clone());
            return self.drain(cx);
        }
        let wish = AddMagnet {
            peers: known.collect(),
            sequential: self.config.sequential,
            manner: self.config.manner,
            ..AddMagnet::new(metainfo.info_hashes)
        };
        // The session is new, so that the torrent cannot be there already.
        let added = if self.config.from_magnet {
            let trackers = metainfo.trackers.clone();
            self.session.add_magnet(now, AddMagnet { trackers, ..wish })
        } else {
            self.session.add(now, wish.of_torrent(metainfo))
        };
        self.torrent = added.ok();
        if let Some((after, _)) = self.config.reads {
            self.later(cx, now + after, PeerEvent::Read);
        }
        self.drain(cx);
    }

    /// Needs a few pieces now and the next ones soon, as somebody does who looks at a film.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) {
        let (Some(torrent), Some((_, first))) = (self.torrent, self.config.reads) else { return };
        let Some(known) = self.session.torrent(torrent) else { return };
        let geometry = known.geometry();
        let pieces = (first..geometry.pieces()).filter_map(|piece| geometry.piece(piece)).take(PIECES_AHEAD);
        let takes = Duration::from_secs(1) * geometry.piece_length() / (1 << 20);
        let needed: Vec<_> = (0..).zip(pieces).map(|(at, piece)| (piece, cx.now + takes * at)).collect();
        self.session.want_soon(cx.now, torrent, ReaderId(0), &needed);
        self.drain(cx);
    }

    pub(super) fn leave(&mut self, cx: &mut Context<'_>) {
        self.note(b'l', 0);
        if self.presence == Presence::Present {
            let counted = self.counted(cx.now);
            self.shut_down(cx.now);
            self.drain(cx);
            if self.torrent.is_some_and(|id| self.session.torrent(id).is_none()) {
                self.counted = counted;
            }
            self.take_copies_along(cx);
            // Those who had not introduced themselves yet.
            self.close_all(cx);
        }
        self.presence = Presence::Gone;
    }

    /// Its machine stops at once.
    pub(crate) fn crash(&mut self, cx: &mut Context<'_>) {
        self.note(b'K', 0);
        if self.presence != Presence::Present {
            return;
        }
        self.counted = self.counted(cx.now);
        self.presence = Presence::Expected;
        self.crashed = true;
        self.take_copies_along(cx);
        self.disk.crash();
        self.close_all(cx);
        self.life += 1;
    }

    /// Its machine is suspended: nothing happens to it until then.
    pub(crate) fn suspend(&mut self, until: Time) {
        self.note(b'S', 0);
        self.asleep_until = self.asleep_until.max(until);
    }

    pub(super) fn is_asleep(&self, now: Time) -> bool {
        now < self.asleep_until
    }

    /// What happens while it is suspended happens when it is not any more. Nobody takes a call.
    pub(super) fn put_off(&mut self, cx: &mut Context<'_>, life: Life, event: PeerEvent) {
        let until = self.asleep_until;
        let planned = match event {
            PeerEvent::Ring(_) => return,
            PeerEvent::Wake => Some(&mut self.wake_at),
            PeerEvent::LineTimer => Some(&mut self.line_timer_at),
            _ => None,
        };
        if let Some(planned) = planned {
            if *planned != Some(cx.now) {
                return;
            }
            *planned = Some(until);
        }
        self.post(cx, until, self.number, life, event);
    }

    /// After a crash: as it was at first, but for what is on its disk.
    pub(crate) fn restart(&mut self, cx: &mut Context<'_>) {
        if !std::mem::take(&mut self.crashed) || self.presence != Presence::Expected {
            return;
        }
        self.session = session(&self.config, &mut self.rng);
        self.hostile = hostile(&self.config, self.disk.content(), &mut self.rng);
        self.line = Line::new(cx.world.network, self.config.upload, self.config.download, &mut self.rng);
        self.line_timer_at = None;
        self.sent.clear();
        self.torrent = None;
        self.wires.clear();
        self.had = None;
        self.wake_at = None;
        self.last_wake = None;
        self.wakes_at_once = 0;
        self.join(cx);
    }

    fn take_copies_along(&self, cx: &mut Context<'_>) {
        for piece in self.disk.have().iter() {
            cx.desk.copies[piece as usize] -= 1;
        }
    }

    fn close_all(&mut self, cx: &mut Context<'_>) {
        let all: Vec<ConnectionId> =
            self.line.routes().into_iter().map(|(connection, _)| connection).collect();
        for connection in all {
            self.close(cx, connection);
        }
    }
}
