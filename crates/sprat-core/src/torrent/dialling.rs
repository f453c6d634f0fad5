//! Calling peers, up to the end of both handshakes.

use std::net::SocketAddr;

use bytes::Bytes;
use sprat_wire::peer::deframer::Deframer;

use crate::connection::{Direction, Introduction};
use crate::context::Context;
use crate::io::{ConnectionId, DisconnectReason, Output};
use crate::peer_list::PeerSource;
use crate::time::Time;

use super::{Dial, Torrent};

/// Dials under way at once, per torrent: enough to fill a swarm in seconds, too few to look like a scan.
const DIALS_AT_ONCE: usize = 16;

impl Torrent {
    pub(crate) fn add_peers(&mut self, now: Time, peers: &[SocketAddr], source: PeerSource) {
        let mut news = false;
        for peer in peers {
            news |= self.peers.add(now, *peer, source);
        }
        if news && self.wants_peers() {
            self.wake(now);
        }
    }

    /// Whether more peers would be of use.
    pub(super) fn wants_peers(&self) -> bool {
        self.takes_part()
    }

    /// Calls the most promising addresses, as far as there is room.
    pub(crate) fn dial(&mut self, cx: &mut Context<'_>) {
        if !self.wants_peers() {
            return;
        }
        self.peers.set_seeding(self.picker.is_finished());
        let of_torrent = self.most_connections(cx).saturating_sub(self.connection_count());
        let room = of_torrent.min(cx.connections_left).min(DIALS_AT_ONCE.saturating_sub(self.dials.len()));
        for _ in 0..room {
            let Some(address) = self.peers.next_candidate(cx.now) else { break };
            let connection = cx.names.connection();
            cx.connections_left = cx.connections_left.saturating_sub(1);
            self.dials.insert(connection, Dial { address, since: cx.now, deframer: Deframer::new() });
            cx.outputs.push_back(Output::Connect { connection, address });
        }
        if !self.dials.is_empty() {
            self.wake(cx.now);
        }
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len() + self.dials.len()
    }

    pub(crate) fn has_connection(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
            || self.dials.contains_key(&connection)
            || self.guests.contains_key(&connection)
    }

    pub(crate) fn on_connected(&self, cx: &mut Context<'_>, connection: ConnectionId) {
        if self.dials.contains_key(&connection) {
            let bytes = Bytes::copy_from_slice(&self.our_handshake(cx).encode());
            cx.outputs.push_back(Output::Send { connection, bytes });
        }
    }

    pub(super) fn finish_dial(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(dial) = self.dials.get_mut(&id) else { return };
        let theirs = match dial.deframer.handshake() {
            Ok(None) => return,
            Ok(Some(theirs)) => theirs,
            Err(_) => return self.disconnect(cx, id, DisconnectReason::Malformed("handshake")),
        };
        if !self.answers_to(theirs.info_hash) {
            return self.disconnect(cx, id, DisconnectReason::UnknownTorrent);
        }
        let Some(dial) = self.dials.remove(&id) else { return };
        let address = dial.address;
        let introduction = Introduction::new(id, address, Direction::Outgoing, theirs, dial.deframer);
        match self.admit(cx, &introduction) {
            Ok(()) => {
                self.peers.connected(cx.now, address);
                self.welcome(cx, introduction);
            }
            Err(reason) => {
                // Ourselves and twins are not worth another call; the list forgets neither.
                self.peers.failed(cx.now, address);
                self.refuse(cx, id, address, reason);
            }
        }
    }
}
