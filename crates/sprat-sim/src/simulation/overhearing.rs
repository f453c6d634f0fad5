//! Every session's connections are listened to at its own end.

use bytes::Bytes;
use sprat_core::bitfield::Bitfield;
use sprat_core::io::ConnectionId;
use sprat_core::torrent::{Torrent, TorrentState};

use super::Simulation;
use crate::behaviour::Behaviour;
use crate::peer::{Peer, Presence};
use crate::peer_number::PeerNumber;
use crate::report::Violation;
use crate::wire_watch::{Knowledge, WireWatch};

impl Simulation {
    /// Does without checking every message: for measuring in swarms of thousands. What is left are the checks of bytes,
    /// hashes and accusations.
    pub const fn skip_wire_checks(&mut self) {
        self.checks_wires = false;
    }

    pub(super) fn overhear_said(&mut self, number: PeerNumber, connection: ConnectionId, bytes: &Bytes) {
        if !self.checks_wires {
            return;
        }
        let session = |peer: &&mut Peer| peer.hostile.is_none();
        let Some(peer) = self.peers.get_mut(number.index()).filter(session) else { return };
        let Peer { wires, session, torrent, disk, config, .. } = peer;
        let counted = torrent.and_then(|id| session.torrent(id)).map(Torrent::have);
        let poisons = matches!(config.behaviour, Behaviour::Poisoner { .. });
        let knows = Knowledge { content: &self.content, verified: disk.have(), counted, poisons };
        let pieces = self.content.geometry().pieces();
        let wire = wires.entry(connection).or_insert_with(|| WireWatch::new(pieces));
        if let Err(rule) = wire.says(bytes.clone(), knows) {
            self.violate(Violation::BrokenRule { at: self.now, by: number, rule });
        }
    }

    pub(super) fn overhear_heard(&mut self, number: PeerNumber, connection: ConnectionId, bytes: &Bytes) {
        if !self.checks_wires {
            return;
        }
        let session = |peer: &&mut Peer| peer.hostile.is_none();
        let Some(peer) = self.peers.get_mut(number.index()).filter(session) else { return };
        let pieces = self.content.geometry().pieces();
        let wire = peer.wires.entry(connection).or_insert_with(|| WireWatch::new(pieces));
        wire.hears(bytes.clone(), &self.content);
    }

    pub(super) fn overhear_sent(&mut self, number: PeerNumber, connection: ConnectionId, bytes: usize) {
        let peer = self.peers.get_mut(number.index());
        if let Some(wire) = peer.and_then(|peer| peer.wires.get_mut(&connection)) {
            wire.sent(bytes);
        }
    }

    /// Once a second: what is had is told, and what is wanted is asked for.
    pub(super) fn check_wires(&mut self) {
        let mut broken = None;
        for peer in &mut self.peers {
            let Peer { wires, ends, session, torrent, had, .. } = peer;
            wires.retain(|connection, _| ends.contains_key(connection));
            if peer.presence != Presence::Present {
                continue;
            }
            let Some(torrent) = torrent.and_then(|id| session.torrent(id)) else { continue };
            // Otherwise it may not listen yet.
            if !matches!(torrent.state(), TorrentState::Downloading | TorrentState::Seeding) {
                continue;
            }
            let counted = torrent.have();
            let empty = Bitfield::new(counted.len());
            for wire in wires.values() {
                if let Err(rule) = wire.at_rest(had.as_ref().unwrap_or(&empty), counted) {
                    broken.get_or_insert((peer.number, rule));
                }
            }
            if had.as_ref() != Some(counted) {
                *had = Some(counted.clone());
            }
        }
        if let Some((by, rule)) = broken {
            self.violate(Violation::BrokenRule { at: self.now, by, rule });
        }
    }
}
