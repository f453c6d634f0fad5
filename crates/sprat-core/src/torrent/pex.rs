//! Peer exchange (BEP 11): connected peers tell each other of whom else they are connected to.
//!
//! An address that a peer names is judged by the shell before it is believed, as that of a tracker is: a peer on the
//! internet has no business with the addresses of our network. Private torrents do not take part (BEP 27).

use std::net::SocketAddr;

use sprat_wire::peer::pex::{PexFlags, PexMessage};

use crate::connection::{Direction, PeerConnection};
use crate::context::Context;
use crate::io::{ConnectionId, Output};

use super::Torrent;

impl Torrent {
    fn exchanges_peers(&self, cx: &Context<'_>) -> bool {
        cx.config.pex && self.is_public()
    }

    /// Tells every peer that wants to know it of the others.
    pub(super) fn exchange_peers(&mut self, cx: &Context<'_>) {
        let is_due = |peer: &PeerConnection| peer.takes_pex() && peer.exchange.is_due(cx.now);
        if !self.exchanges_peers(cx) || !self.connections.values().any(|peer| is_due(peer)) {
            return;
        }
        let mut connected: Vec<(SocketAddr, PexFlags)> =
            self.connections.values().filter_map(|peer| introduction(peer)).collect();
        connected.sort_unstable_by_key(|(address, _)| *address);
        connected.dedup_by_key(|(address, _)| *address);
        if connected != *self.roll {
            self.roll = connected.into();
        }
        for connection in self.connections.values_mut().filter(|peer| is_due(peer)) {
            let except = introduction(connection).map_or(connection.address, |(address, _)| address);
            let message = connection.exchange.tell(cx.now, &self.roll, except);
            connection.say_pex(&message);
        }
    }

    pub(super) fn on_pex(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: &PexMessage) {
        if !self.exchanges_peers(cx) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let from = connection.address.ip();
        match connection.exchange.hear(cx.now, message) {
            Ok(peers) if peers.is_empty() => {}
            Ok(peers) => cx.outputs.push_back(Output::HeardOf { torrent: self.id, from, peers }),
            Err(reason) => self.disconnect(cx, id, reason),
        }
    }
}

/// Where a peer can be reached, as far as we know, and what there is to say of it.
fn introduction(connection: &PeerConnection) -> Option<(SocketAddr, PexFlags)> {
    let seed = if connection.is_seed() { PexFlags::SEED } else { PexFlags::default() };
    match connection.direction {
        Direction::Outgoing => Some((connection.address, seed.and(PexFlags::REACHABLE))),
        Direction::Incoming => connection.listening.map(|address| (address, seed)),
    }
}
