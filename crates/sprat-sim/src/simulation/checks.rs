//! What must hold all the time, and what sessions say of themselves.

use std::net::SocketAddr;
use std::time::Duration;

use sprat_core::io::{DisconnectReason, Event as Happened};

use super::Simulation;
use crate::behaviour::Behaviour;
use crate::event::Event;
use crate::peer::{Departure, Peer, Presence};
use crate::peer_number::PeerNumber;
use crate::report::Violation;

/// Nobody waits longer for a piece when there is a seed: sixty decisions of its choker.
const STARVED_AFTER: Duration = Duration::from_secs(600);

impl Simulation {
    pub(super) fn watch(&mut self, number: PeerNumber, event: &Happened) {
        match event {
            Happened::PieceCompleted { piece, .. } => {
                self.note(b'p', number, u64::from(piece.get()));
                self.piece_completed(number, piece.get());
            }
            Happened::PieceRejected { piece, .. } => self.note(b'R', number, u64::from(piece.get())),
            Happened::PeerBanned { address, .. } => {
                if let Some(victim) = self.at_ip(*address) {
                    self.note(b'b', number, u64::from(victim.0));
                    self.banned(number, victim);
                }
            }
            Happened::PeerDisconnected { address, reason, .. } => {
                let by_rule =
                    matches!(reason, DisconnectReason::Malformed(_) | DisconnectReason::Misbehaved(_));
                if by_rule && let Some(victim) = self.at_ip(*address).filter(|victim| self.is_honest(*victim))
                {
                    let (at, reason) = (self.now, *reason);
                    self.violate(Violation::HonestAccused { at, by: number, victim, reason });
                }
            }
            Happened::MetadataReceived { .. } => self.note(b'm', number, 0),
            Happened::Checked { .. }
            | Happened::MetadataProgress { .. }
            | Happened::Finished { .. }
            | Happened::Trouble { .. }
            | Happened::PeerConnected { .. }
            | Happened::TrackerAnswered { .. }
            | Happened::TrackerFailed { .. }
            | Happened::Removed { .. } => {}
        }
    }

    pub(super) fn at_ip(&self, address: SocketAddr) -> Option<PeerNumber> {
        // Callers come from ports of their own.
        let listening = SocketAddr::new(address.ip(), PeerNumber(0).address().port());
        self.by_address.get(&listening).copied()
    }

    pub(super) fn is_honest(&self, number: PeerNumber) -> bool {
        self.peers.get(number.index()).is_some_and(Peer::is_honest)
    }

    pub(super) fn banned(&mut self, by: PeerNumber, victim: PeerNumber) {
        let at = self.now;
        let Some(peer) = self.peers.get_mut(victim.index()) else { return };
        peer.banned_by += 1;
        if peer.is_honest() {
            self.violate(Violation::HonestBanned { at, by, victim });
        }
    }

    pub(super) fn piece_completed(&mut self, number: PeerNumber, piece: u32) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let counted = peer.torrent.and_then(|id| peer.session.torrent(id)).map(|torrent| torrent.have());
        if !peer.disk.have().contains(piece)
            || counted.is_some_and(|have| have.iter().any(|piece| !peer.disk.have().contains(piece)))
        {
            return self.violate(Violation::UnverifiedPiece { at: now, peer: number });
        }
        peer.progress_at = now;
        self.copies[piece as usize] += 1;
        peer.first_piece_at.get_or_insert(now);
        let (had, of) = (peer.disk.have().count(), peer.disk.have().len());
        if u64::from(had) * 100 >= u64::from(of) * 95 {
            peer.nearly_complete_at.get_or_insert(now);
        }
        if matches!(peer.config.leaves, Departure::AtPieces(count) if had >= count)
            && !std::mem::replace(&mut peer.leaving, true)
        {
            self.schedule.at(now, Event::Leave(number));
        }
        if peer.disk.have().is_full() && peer.completed_at.is_none() {
            peer.completed_at = Some(now);
            if let Departure::AfterCompletion(delay) = peer.config.leaves {
                self.schedule.at(now + delay, Event::Leave(number));
            }
        }
        // Only a leaver that everything was copied from is told: it counts as a copy itself.
        let waiting: Vec<PeerNumber> = self
            .peers
            .iter()
            .filter(|peer| peer.config.leaves == Departure::OnceReplicated && !peer.leaving)
            .filter(|peer| peer.presence == Presence::Present)
            .filter(|peer| {
                let mine = peer.disk.have();
                (0..).zip(&self.copies).all(|(piece, copies)| *copies > u32::from(mine.contains(piece)))
            })
            .map(|peer| peer.number)
            .collect();
        for number in waiting {
            self.peers[number.index()].leaving = true;
            self.schedule.at(now, Event::Leave(number));
        }
    }

    /// Whether everybody who is honest gets on, and nobody has more than it may.
    pub(super) fn check_peers(&mut self) {
        let now = self.now;
        let present = || self.peers.iter().filter(|peer| peer.presence == Presence::Present);
        let seeds: Vec<PeerNumber> = present()
            .filter(|peer| peer.config.behaviour == Behaviour::Honest && peer.disk.have().is_full())
            .map(|peer| peer.number)
            .collect();
        let mut found = None;
        for peer in present().filter(|peer| peer.hostile.is_none()) {
            let torrent = peer.torrent.and_then(|id| peer.session.torrent(id));
            let count = torrent.map_or(0, |torrent| torrent.connections(now).count());
            if count > peer.config.session.connections_per_torrent {
                found.get_or_insert(Violation::TooManyConnections { at: now, peer: peer.number, count });
            }
            let since = peer.progress_at.max(self.disturbed_at);
            let waits = peer.is_honest() && !peer.disk.have().is_full() && now.since(since) >= STARVED_AFTER;
            if waits && seeds.iter().any(|seed| self.is_within_reach(*seed, peer.number)) {
                found.get_or_insert(Violation::Starved { at: now, peer: peer.number, since });
            }
        }
        if let Some(violation) = found {
            self.violate(violation);
        }
    }

    /// Whether every byte that was sent is accounted for.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let sum = |of: fn(&Peer) -> u64| self.peers.iter().map(of).sum::<u64>();
        let sent = sum(|peer| peer.traffic.sent);
        let received = sum(|peer| peer.traffic.received);
        let lost = sum(|peer| peer.traffic.lost) + self.lost;
        let travelling = self.travelling;
        if sent == received + lost + travelling {
            return Ok(());
        }
        Err(Violation::Conservation { sent, received, lost, travelling })
    }
}
