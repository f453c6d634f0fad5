//! How connections end, and what is undone then.

use std::net::SocketAddr;
use std::time::Duration;

use crate::blame::PeerKey;
use crate::connection::{Direction, Introduction};
use crate::context::Context;
use crate::io::{ConnectionId, DisconnectReason, Event, Output};
use crate::memory::{Weight, weight};
use crate::planted::PlantedBug;
use crate::time::Time;

use super::Torrent;

/// Connecting and both handshakes must be through in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

impl Torrent {
    pub(crate) fn on_closed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        self.part(cx, id, DisconnectReason::Remote);
        self.flush(cx);
    }

    pub(super) fn disconnect(&mut self, cx: &mut Context<'_>, id: ConnectionId, reason: DisconnectReason) {
        if self.has_connection(id) {
            cx.outputs.push_back(Output::Disconnect { connection: id });
            self.part(cx, id, reason);
        }
    }

    /// The connection is over: everything that depended on it is undone.
    fn part(&mut self, cx: &mut Context<'_>, id: ConnectionId, reason: DisconnectReason) {
        if let Some(dial) = self.dials.remove(&id) {
            if reason != DisconnectReason::Stopped {
                self.peers.failed(cx.now, dial.address);
            }
            return;
        }
        if let Some(guest) = self.guests.remove(&id) {
            if guest.direction == Direction::Outgoing {
                self.peers.disconnected(cx.now, guest.address, false);
            }
            cx.emit(Event::PeerDisconnected { torrent: self.id, address: guest.address, reason });
            return;
        }
        let Some(mut connection) = self.connections.remove(&id) else { return };
        self.sleep.busy(cx.now);
        cx.memory.change(connection.counted(), 0);
        for block in connection.take_all_requests() {
            if cx.config.planted().is(PlantedBug::RequestsOfTheGone) {
                break;
            }
            self.picker.release(block, id);
        }
        self.picker.peer_left(&connection.pieces);
        self.limits.forget(id);
        self.set_suspects_free(id);
        self.spreading.forget(id);
        self.super_seeding.forget(id);
        let useful = connection.downloaded > 0 || connection.uploaded > 0;
        let known_as = match connection.direction {
            Direction::Outgoing => Some(connection.address),
            Direction::Incoming => connection.listening,
        };
        if let Some(address) = known_as {
            self.peers.disconnected(cx.now, address, useful);
        }
        if !connection.choking {
            *cx.rechoke = true;
        }
        cx.emit(Event::PeerDisconnected { torrent: self.id, address: connection.address, reason });
        self.forget_strangers();
        self.wake(cx.now);
    }

    /// What connections hold that are not counted one by one: those from before the metadata was known.
    pub(crate) fn guests_hold(&self) -> usize {
        self.guests.values().map(Introduction::holds).sum()
    }

    /// The connection that holds most for what it exchanges.
    pub(crate) fn heaviest(&self, now: Time) -> Option<(Weight, ConnectionId)> {
        let guests = self.guests.values().map(|guest| (weight(guest.holds(), 0), guest.id));
        let connections = self.connections.values().map(|one| (one.weight(now), one.id));
        connections.chain(guests).max()
    }

    /// Lets a connection go because memory is short.
    pub(crate) fn shed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        self.disconnect(cx, id, DisconnectReason::Overload);
        self.flush(cx);
    }

    /// Identities of connections that are gone are needed only while a piece holds blocks of theirs.
    fn forget_strangers(&mut self) {
        /// Beyond this many, the oldest are forgotten: their blocks then count as sent by nobody.
        const IDENTITIES: usize = 4096;
        while self.identities.len() > IDENTITIES {
            self.identities.pop_first();
        }
    }

    /// Never talks to this peer again.
    pub(super) fn ban(&mut self, cx: &mut Context<'_>, guilty: PeerKey) {
        let culprits: Vec<(ConnectionId, SocketAddr)> = self
            .connections
            .values()
            .filter(|connection| connection.address.ip() == guilty.ip && connection.peer_id == guilty.id)
            .map(|connection| (connection.id, connection.address))
            .collect();
        // One that sent a bad piece alone is convicted at once, and again by what the good copy proves.
        if !self.peers.is_banned(guilty.ip, guilty.id) {
            let address = culprits.first().map_or(SocketAddr::new(guilty.ip, 0), |(_, address)| *address);
            self.peers.ban(address, guilty.id);
            cx.emit(Event::PeerBanned { torrent: self.id, address });
        }
        for (id, _) in culprits {
            self.disconnect(cx, id, DisconnectReason::Poisoned);
        }
    }

    pub(super) fn look_after_connections(&mut self, cx: &mut Context<'_>) {
        let late: Vec<ConnectionId> = self
            .dials
            .iter()
            .filter(|(_, dial)| cx.now.since(dial.since) >= HANDSHAKE_LIMIT)
            .map(|(id, _)| *id)
            .collect();
        let mut silent = Vec::new();
        for (id, connection) in &mut self.connections {
            if connection.is_silent(cx.now) || connection.has_stopped_reading(cx.now) {
                silent.push(*id);
            }
            connection.keep_alive(cx.now);
        }
        for id in late.into_iter().chain(silent) {
            self.disconnect(cx, id, DisconnectReason::Timeout);
        }
        self.touched.extend(self.connections.keys());
    }

    /// Who a connection is or was.
    pub(super) fn identity(&self, id: ConnectionId) -> Option<PeerKey> {
        self.identities.get(&id).copied()
    }
}
